"""n-grams counted into sorted arrays, and the model that adds something to each count: single characters, bigrams.

An n-gram w_1 … w_k is one whole number, its symbols the digits to base V from left to right, so that n-grams stand
sorted by their history w_1 … w_{k-1}, which is the number without its last digit. One int64 must hold it: V^k < 2^63,
which bounds the order (13 for 27 symbols, 10 for 65, 5 for 5,000).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import Blocks, Corpus
from moreish.errors import ModelFileError
from moreish.models.predictor import WindowPredictor, pack


def greatest_order(vocab_size: int, asked: int) -> int:
    """The greatest order up to the one asked for whose n-grams fit into one int64."""
    return next(order for order in range(asked, 0, -1) if vocab_size**order < 2**63)


def block_positions(blocks: Blocks) -> NDArray[np.int64]:
    """The predicted positions of all blocks, one after the other."""
    sizes = blocks.stops - blocks.starts
    return np.arange(sizes.sum()) + np.repeat(blocks.stops - np.cumsum(sizes), sizes)


def find(sorted_keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of each wanted key, −1 where it is missing: the last entry of a value table is what missing keys get."""
    if len(sorted_keys) == 0:
        return np.full(len(wanted), -1)
    index = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[index] == wanted, index, -1)


def count_ngrams(
    stream: NDArray[np.integer], positions: NDArray[np.int64], vocab_size: int, order: int, has_boundary: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """n-grams of order 1, 2, … up to the one given that end at the positions: for each order sorted keys and counts.

    With a boundary no n-gram reaches beyond the start of its item; the boundary before it may be its first symbol.
    Without one, every position must have `order` − 1 symbols before it. Cost: one sort of the positions for each order.
    """
    keys = stream[positions].astype(np.int64)
    yield np.unique(keys, return_counts=True)
    for distance in range(1, order):
        if has_boundary and distance > 1:
            is_inside = stream[positions - (distance - 1)] != 0
            positions, keys = positions[is_inside], keys[is_inside]
        keys = keys + stream[positions - distance].astype(np.int64) * vocab_size**distance
        yield np.unique(keys, return_counts=True)


class NGramTable:
    """Counts of the n-grams of one order, sorted, with the histories they share.

    Attributes:
        keys: n-grams as numbers, increasing, (g,).
        counts: (g,).
        histories: distinct histories as numbers, increasing, (h,).
        sizes: how many n-grams begin with each history, and a 0 for histories that never occurred, (h + 1,).
        totals: sum of their counts, likewise, (h + 1,).
    """

    def __init__(self, keys: NDArray[np.int64], counts: NDArray[np.integer], vocab_size: int) -> None:
        self.vocab_size: int = vocab_size
        self.keys: NDArray[np.int64] = keys
        self.counts: NDArray[np.int32] = counts.astype(np.int32)
        histories = keys // vocab_size
        self._starts: NDArray[np.int64] = np.flatnonzero(np.diff(histories, prepend=-1))
        self.histories: NDArray[np.int64] = histories[self._starts]
        self.sizes: NDArray[np.int64] = np.append(np.diff(self._starts, append=len(keys)), 0)
        self.totals: NDArray[np.int64] = self.sum_by_history(self.counts).astype(np.int64)

    def sum_by_history(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum of a value over the n-grams of each history, (g,) → (h + 1,); the last is 0."""
        return np.append(np.add.reduceat(values, self._starts, dtype=np.float64), 0.0)

    def spread(self, values: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values of the n-grams (g,), given to the symbols after some histories: indices (n,) → (n, V); 0 elsewhere."""
        result = np.zeros((len(rows), self.vocab_size))
        known = np.flatnonzero(rows >= 0)
        sizes = self.sizes[rows[known]]
        skipped = self._starts[rows[known]] - (np.cumsum(sizes) - sizes)
        chosen = np.arange(sizes.sum()) + np.repeat(skipped, sizes)
        result[np.repeat(known, sizes), self.keys[chosen] % self.vocab_size] = values[chosen]
        return result

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {"keys": self.keys, "counts": self.counts}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]], vocab_size: int) -> "NGramTable":
        """What `to_arrays` gave.

        Raises:
            ModelFileError: an array is missing, or the two do not belong together.
        """
        if not {"keys", "counts"} <= arrays.keys() or arrays["keys"].shape != arrays["counts"].shape:
            raise ModelFileError("The model lacks a table of counts, or it is damaged: train it again.")
        return NGramTable(arrays["keys"], arrays["counts"], vocab_size)


class AdditiveNGram(WindowPredictor):
    """p = (count + smoothing) / (count of the history + smoothing · V): single characters (order 1), bigrams (order 2).

    With smoothing 0 a pair never seen has an infinite NLL; after a history never seen all symbols are equally likely,
    which is the limit of vanishing smoothing.

    Source: lecture 1 of "Neural networks: zero to hero"; add-one smoothing: Jurafsky & Martin, "Speech and language
    processing", section 3.6.
    """

    def __init__(self, table: NGramTable, order: int, smoothing: float) -> None:
        super().__init__(table.vocab_size, order - 1)
        self.table: NGramTable = table
        self.smoothing: float = smoothing
        self._counts: NDArray[np.float64] = np.append(table.counts, 0.0)

    @staticmethod
    def count(
        stream: NDArray[np.integer],
        positions: NDArray[np.int64],
        vocab_size: int,
        order: int,
        has_boundary: bool,
        smoothing: float,
    ) -> "AdditiveNGram":
        """Count the n-grams that end at the positions of a stream; see `count_ngrams`."""
        *_, (keys, counts) = count_ngrams(stream, positions, vocab_size, order, has_boundary)
        return AdditiveNGram(NGramTable(keys, counts, vocab_size), order, smoothing)

    @property
    def num_parameters(self) -> int:
        return len(self.table.keys)

    def logits(self, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log-probabilities: contexts (n, T) → (n, V)."""
        rows = find(self.table.histories, pack(contexts, self.vocab_size))
        counts = self.table.spread(self._counts, rows)
        return self._log_probability(counts, self.table.totals[rows][:, None])

    def target_nll(self, contexts: NDArray[np.int64], targets: NDArray[np.integer]) -> NDArray[np.float64]:
        histories = pack(contexts, self.vocab_size)
        counts = self._counts[find(self.table.keys, histories * self.vocab_size + targets)]
        return -self._log_probability(counts, self.table.totals[find(self.table.histories, histories)])

    def _log_probability(self, counts: NDArray[np.float64], totals: NDArray[np.int64]) -> NDArray[np.float64]:
        smoothing = np.where(totals == 0, 1.0, self.smoothing)
        with np.errstate(divide="ignore"):
            return np.log((counts + smoothing) / (totals + smoothing * self.vocab_size))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The counts, for the model file."""
        return self.table.to_arrays()

    @staticmethod
    def from_arrays(
        arrays: Mapping[str, NDArray[Any]], vocab_size: int, order: int, smoothing: float
    ) -> "AdditiveNGram":
        """The model whose counts `to_arrays` gave.

        Raises:
            ModelFileError: they are missing or damaged.
        """
        return AdditiveNGram(NGramTable.from_arrays(arrays, vocab_size), order, smoothing)


def fit_additive(corpus: Corpus, order: int, smoothing: float) -> AdditiveNGram:
    """Count the training split (beyond 2 million characters a fixed sample of it)."""
    positions = block_positions(corpus.blocks("train", order - 1))
    return AdditiveNGram.count(
        corpus.stream, positions, corpus.vocabulary.vocab_size, order, corpus.has_boundary, smoothing
    )
