"""How well a model predicts a split, and what counting alone reaches on it."""

import numpy as np

from moreish.corpus import SPLITS, Blocks, Corpus, Split
from moreish.corpus.corpus import CHARACTERS_MEASURED
from moreish.measures import NLL, mean_nll
from moreish.models.counting import AdditiveNGram, NGramTable, block_positions, fit_additive
from moreish.models.kneser_ney import fit_ngram
from moreish.models.predictor import Predictor


def evaluate(predictor: Predictor, corpus: Corpus, split: Split, limit: int = CHARACTERS_MEASURED) -> NLL:
    """NLL of a split, with its standard error over items (lists) or blocks of 1,000 symbols (running text).

    Args:
        predictor: the model.
        corpus: must have the vocabulary that the model was made with.
        split: "train", "validation" or "test".
        limit: a longer split is represented by a fixed seeded sample of at most so many characters.

    Raises:
        InputError: running text that is shorter than the model's context.
    """
    return evaluate_blocks(predictor, corpus, corpus.blocks(split, predictor.context, limit))


def evaluate_blocks(predictor: Predictor, corpus: Corpus, blocks: Blocks) -> NLL:
    """NLL of some items or blocks; for those who measure the same ones again and again."""
    nlls = predictor.nll(corpus.stream, block_positions(blocks), corpus.has_boundary)
    lengths = blocks.stops - blocks.starts
    return mean_nll(np.add.reduceat(nlls, np.cumsum(lengths) - lengths), lengths, blocks.is_sample)


def baselines(corpus: Corpus) -> dict[str, dict[str, NLL]]:
    """What counting reaches: name → split → NLL, from the weakest to the strongest.

    Names: "uniform" (ln V), "single characters" and "bigram" (add-one), and "n-gram (order k)": modified Kneser-Ney,
    with the order k that did best on validation. All are counted on the training split. Test is read too: call this at
    the end.
    """
    nothing = np.empty(0, dtype=np.int64)
    ngram = fit_ngram(corpus, order=None)
    models: dict[str, Predictor] = {
        "uniform": AdditiveNGram(NGramTable(nothing, nothing, corpus.vocabulary.vocab_size), order=1, smoothing=1.0),
        "single characters": fit_additive(corpus, order=1, smoothing=1.0),
        "bigram": fit_additive(corpus, order=2, smoothing=1.0),
        f"n-gram (order {ngram.order})": ngram,
    }
    return {name: {split: evaluate(model, corpus, split) for split in SPLITS} for name, model in models.items()}
