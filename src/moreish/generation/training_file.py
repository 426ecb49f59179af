"""The file that a model was trained on, where it is still at hand, and other files in the ids of its vocabulary."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import BOUNDARY_ID, Corpus, read_corpus
from moreish.corpus.vocabulary import Vocabulary
from moreish.errors import FileError, InputError
from moreish.recipe import Recipe

_SHOWN_SYMBOLS = 10


def training_corpus(data: dict[str, Any], origin: Path | None, recipe: Recipe) -> Corpus:
    """The corpus that a model was trained on.

    Args:
        data: name, path and sha256 of the file, as the provenance has them.
        origin: directory of the model file: a run that was moved takes its copy of standard input along.
        recipe: of the model.

    Raises:
        FileError: the file is gone, or is not the same any more.
    """
    name = data.get("name", "the file that it was trained on")
    if not data.get("path"):
        raise FileError(f"The model does not say where {name} lies. Give the file to be evaluated, or train again.")
    path = Path(data["path"])
    if origin is not None and data.get("is_copy") and (origin / path.name).is_file():
        path = origin / path.name
    if not path.is_file():
        raise FileError(f"The training file {path} is gone. Put it back, or use what needs no training file.")
    corpus = read_corpus(path, recipe)
    if corpus.source.sha256 != data.get("sha256"):
        raise FileError(
            f"{path} has changed since the model was trained on it (SHA-256 {corpus.source.sha256[:12]}…, then "
            f"{str(data.get('sha256'))[:12]}…). Put the old file back, or train again."
        )
    return corpus


def whole_corpus(file: str | Path, vocabulary: Vocabulary, recipe: Recipe) -> Corpus:
    """A file as one split, "test", in the ids of a model's vocabulary.

    Args:
        file: a path, "-" for standard input, or the name of a data set; read as the recipe says, its split aside.
        vocabulary: of the model.
        recipe: of the model.

    Raises:
        InputError: the file holds characters that the model does not know, or cannot be read as the recipe says.
    """
    corpus = read_corpus(file, recipe, is_divided=False)
    stream = _translation(corpus, vocabulary)[corpus.stream]
    return dataclasses.replace(corpus, stream=stream, vocabulary=vocabulary)


def _translation(corpus: Corpus, vocabulary: Vocabulary) -> NDArray[np.unsignedinteger[Any]]:
    """The model's id of every id of the corpus, (V of the corpus,)."""
    boundary = [BOUNDARY_ID] if vocabulary.has_boundary else []
    known = {symbol: number for number, symbol in enumerate(vocabulary.symbols, start=len(boundary))}
    unknown = [symbol for symbol in corpus.vocabulary.symbols if symbol not in known]
    if unknown:
        counts = corpus.summary.symbol_counts.sum(axis=0)[len(boundary) :]
        total = int(sum(counts[corpus.vocabulary.symbols.index(symbol)] for symbol in unknown))
        shown = " ".join(map(repr, unknown[:_SHOWN_SYMBOLS])) + (" …" if len(unknown) > _SHOWN_SYMBOLS else "")
        kinds = "1 kind of character" if len(unknown) == 1 else f"{len(unknown):,} kinds of characters"
        raise InputError(
            f"{corpus.source.name} has {kinds} ({total:,} in all) that the model does not know: {shown}. "
            "Leave them out of the file, or train with a file that contains them."
        )
    return np.array(boundary + [known[symbol] for symbol in corpus.vocabulary.symbols], dtype=vocabulary.dtype)
