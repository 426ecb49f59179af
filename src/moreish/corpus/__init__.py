"""From a text file to ids: reading, vocabulary, splits and windows. NumPy only; knows no model."""

from moreish.corpus.corpus import Blocks, Corpus, Source, read_corpus
from moreish.corpus.datasets import DATA_SETS, DataSet, bundled_names, find
from moreish.corpus.describe import describe, show_windows
from moreish.corpus.fingerprints import fingerprint_items, fingerprint_texts
from moreish.corpus.preparation import Preparation
from moreish.corpus.reading import spool, spool_standard_input
from moreish.corpus.splits import SPLITS, Split
from moreish.corpus.vocabulary import BOUNDARY_ID, Vocabulary
from moreish.corpus.windows import contexts, item_spans

__all__ = [
    "BOUNDARY_ID",
    "DATA_SETS",
    "SPLITS",
    "Blocks",
    "Corpus",
    "DataSet",
    "Preparation",
    "Source",
    "Split",
    "Vocabulary",
    "bundled_names",
    "contexts",
    "describe",
    "find",
    "fingerprint_items",
    "fingerprint_texts",
    "item_spans",
    "read_corpus",
    "show_windows",
    "spool",
    "spool_standard_input",
]
