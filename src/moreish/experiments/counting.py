"""Counting instead of training: the bigram table, and how the table of counts grows with the context."""

import numpy as np

from moreish.corpus import contexts, read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.models.counting import AdditiveNGram
from moreish.models.predictor import pack
from moreish.recipe import Recipe


def bigram_counts(request: Request) -> dict[str, Value]:
    """The bigram table of all lines without smoothing: its NLL on the lines that were counted."""
    corpus = read_corpus(request.data_file, Recipe(split="published"))
    positions = np.arange(1, len(corpus.stream))
    vocab_size = corpus.vocabulary.vocab_size
    model = AdditiveNGram.count(corpus.stream, positions, vocab_size, order=2, has_boundary=True, smoothing=0.0)
    nll = model.nll(corpus.stream, positions, has_boundary=True)
    return {"NLL of all lines": float(nll.mean()), "pairs that occur": float(len(model.table.keys))}


def table_growth(request: Request) -> dict[str, Value]:
    """How many cells a table of counts has, and how many of them are filled, for contexts of 1, 2, … characters.

    A context that begins before its line is filled up with boundaries, as the networks see it. Settings: `contexts`,
    the largest.
    """
    corpus = read_corpus(request.data_file, Recipe(split="published"))
    vocab_size, largest = corpus.vocabulary.vocab_size, request.settings["contexts"]
    positions = np.arange(1, len(corpus.stream))
    windows = contexts(corpus.stream, positions, largest, has_boundary=True)
    ngrams = np.column_stack((windows, corpus.stream[positions]))
    filled = [len(np.unique(pack(ngrams[:, -length:], vocab_size))) for length in range(2, largest + 2)]
    return {
        f"context {context}": f"{num_filled:,} of {vocab_size ** (context + 1):,} cells filled"
        for context, num_filled in enumerate(filled, 1)
    }
