"""What `moreish data FILE` says about a corpus, as plain data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.corpus import Corpus
from moreish.corpus.splits import SPLITS
from moreish.corpus.windows import contexts, item_spans

_QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


def describe(corpus: Corpus, context: int = 3, num_windows: int = 8) -> dict[str, Any]:
    """Size, vocabulary, duplicates, splits and leaks, and the first windows; plain data for JSON.

    `length_quantiles` are those of the items of a list, from the shortest (0) to the longest (1), in characters.
    """
    source, summary = corpus.source, corpus.summary
    counts = summary.symbol_counts.sum(axis=0)
    first = int(corpus.has_boundary)
    return {
        "file": source.name,
        "path": source.path,
        "sha256": source.sha256,
        "bytes": source.num_bytes,
        "encoding": source.encoding,
        "column": source.column,
        "kind": corpus.kind,
        "items": summary.num_items,
        "distinct": summary.num_distinct,
        "duplicates": summary.num_items - summary.num_distinct,
        "characters": summary.num_characters,
        "vocabulary": {
            "size": corpus.vocabulary.vocab_size,
            "symbols": list(corpus.vocabulary.symbols),
            "counts": counts[first:].tolist(),
        },
        "length_quantiles": _length_quantiles(corpus) if corpus.has_boundary else {},
        "splits": {
            split: {
                "items": summary.num_items_of[split],
                "characters": corpus.cuts[number + 1] - corpus.cuts[number] - summary.num_items_of[split],
            }
            for number, split in enumerate(SPLITS)
        },
        "leaks": dict(summary.leaks),
        "unseen_in_training": list(summary.unseen_symbols),
        "notes": list(summary.notes),
        "windows": show_windows(corpus, num_windows, context),
    }


def show_windows(corpus: Corpus, count: int, context: int = 3) -> list[str]:
    """The first examples of training as "..e → m", boundaries shown as ".", line breaks as "↵", spaces as "␣".

    Raises:
        InputError: the context is longer than the training split.
    """
    positions = np.array(corpus.predicted("train", context)[:count], np.int64)
    seen = contexts(corpus.stream, positions, context, corpus.has_boundary)
    return [
        f"{_shown(corpus, before)} → {_shown(corpus, symbol[None])}"
        for before, symbol in zip(seen, corpus.stream[positions], strict=True)
    ]


def _shown(corpus: Corpus, ids: NDArray[np.integer[Any]]) -> str:
    return corpus.vocabulary.show(ids).replace("\n", "↵").replace(" ", "␣")


def _length_quantiles(corpus: Corpus) -> dict[str, int]:
    histogram: NDArray[np.int64] = np.zeros(0, np.int64)
    for starts, stops in item_spans(corpus.stream, corpus.cuts[0], corpus.cuts[3]):
        longer, shorter = sorted((histogram, np.bincount(stops - starts - 1)), key=len, reverse=True)
        histogram = longer.copy()
        histogram[: len(shorter)] += shorter
    below = np.cumsum(histogram)
    return {f"{quantile:g}": int(np.searchsorted(below, max(1, quantile * below[-1]))) for quantile in _QUANTILES}
