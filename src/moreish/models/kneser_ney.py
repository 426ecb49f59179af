"""The n-gram model: interpolated modified Kneser-Ney smoothing, which is what a network has to beat."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import Corpus
from moreish.errors import ModelFileError, MoreishWarning
from moreish.models.counting import NGramTable, block_positions, count_ngrams, find, greatest_order
from moreish.models.predictor import WindowPredictor

ORDERS_TRIED = range(2, 9)
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)


def discounts(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """What is taken from counts of 1, 2 and from 3 on: D1, D2, D3+ from the counts of counts.

    Y = n1 / (n1 + 2 n2),  D1 = 1 − 2Y n2/n1,  D2 = 2 − 3Y n3/n2,  D3+ = 3 − 4Y n4/n3

    Where a count of counts is missing, or a discount would fall to 0 or below, as happens in small lists and for single
    characters, the three are 0.5, 1 and 1.5 (KenLM's fallback).

    Source: Chen & Goodman 1998, "An empirical study of smoothing techniques for language modeling", section 4.1.6.
    """
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if n1 and n2 and n3:
        y = n1 / (n1 + 2 * n2)
        estimated = np.array([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        if (estimated > 0).all():
            return estimated
    return np.array(FALLBACK_DISCOUNTS)


class Level:
    """One order of the model: p(w | h) = `kept`(h, w) + `passed_on`(h) · p(w | shorter history).

    Attributes:
        table: the (adjusted) counts.
        kept: (count − discount) / total for each n-gram, and a 0 for n-grams never seen, (g + 1,).
        passed_on: sum of the discounts / total for each history, and a 1 for histories never seen, (h + 1,).
    """

    def __init__(self, table: NGramTable) -> None:
        discount = discounts(table.counts)[np.minimum(table.counts, 3) - 1]
        totals = np.maximum(table.totals, 1)
        self.table: NGramTable = table
        self.kept: NDArray[np.float64] = np.append((table.counts - discount) / np.repeat(totals, table.sizes), 0.0)
        self.passed_on: NDArray[np.float64] = table.sum_by_history(discount) / totals
        self.passed_on[-1] = 1.0


class NGram(WindowPredictor):
    """Interpolated modified Kneser-Ney.

    The highest order counts how often an n-gram occurred; every lower order counts after how many different symbols it
    did, except for n-grams that begin with the boundary: nothing can stand before those, and they keep how often they
    occurred (as in SRILM and KenLM). A history ends at the start of its item, with one boundary. Single characters are
    interpolated with 1/V, so that every symbol has a probability after every history.

    Where an item starts needs no care here: an n-gram that reaches beyond it was never counted, and a history never
    seen passes everything on to the next shorter one.

    Source: Chen & Goodman 1998, sections 4.1.5 and 4.1.6; Heafield et al. 2013, "Scalable modified Kneser-Ney language
    model estimation", section 3.
    """

    def __init__(self, levels: Sequence[Level], vocab_size: int) -> None:
        super().__init__(vocab_size, len(levels) - 1)
        self.levels: tuple[Level, ...] = tuple(levels)

    @staticmethod
    def count(
        stream: NDArray[np.integer], positions: NDArray[np.int64], vocab_size: int, order: int, has_boundary: bool
    ) -> "NGram":
        """Count the n-grams that end at the positions of a stream; see `count_ngrams`.

        The order is the greatest one up to `order` whose n-grams fit into an int64.
        """
        *_, model = count_models(stream, positions, vocab_size, order, has_boundary)
        return model

    @property
    def order(self) -> int:
        return len(self.levels)

    @property
    def num_parameters(self) -> int:
        return sum(len(level.table.keys) for level in self.levels)

    def logits(self, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log-probabilities: contexts (n, T) → (n, V)."""
        probability = np.full((len(contexts), self.vocab_size), 1 / self.vocab_size)
        for level, history in zip(self.levels, self._histories(contexts), strict=True):
            rows = find(level.table.histories, history)
            probability *= level.passed_on[rows][:, None]
            probability += level.table.spread(level.kept, rows)
        return np.log(probability)

    def target_nll(self, contexts: NDArray[np.int64], targets: NDArray[np.integer]) -> NDArray[np.float64]:
        probability = np.full(len(contexts), 1 / self.vocab_size)
        for level, history in zip(self.levels, self._histories(contexts), strict=True):
            probability *= level.passed_on[find(level.table.histories, history)]
            probability += level.kept[find(level.table.keys, history * self.vocab_size + targets)]
        return -np.log(probability)

    def _histories(self, contexts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Histories of length 0, 1, … T as numbers, (n,) each."""
        histories = [np.zeros(len(contexts), dtype=np.int64)]
        for power, symbols in enumerate(contexts.T[::-1]):
            histories.append(histories[-1] + symbols * self.vocab_size**power)
        return histories

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The (adjusted) counts, for the model file: `order_k.keys`, `order_k.counts`."""
        return {
            f"order_{k}.{name}": array
            for k, level in enumerate(self.levels, start=1)
            for name, array in level.table.to_arrays().items()
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]], vocab_size: int) -> "NGram":
        """The model whose counts `to_arrays` gave.

        Raises:
            ModelFileError: they are missing or damaged.
        """
        order = sum(name.endswith(".keys") for name in arrays)
        if order == 0:
            raise ModelFileError("The n-gram model lacks its tables of counts: train it again.")
        tables = [
            {name: arrays[f"order_{k}.{name}"] for name in ("keys", "counts") if f"order_{k}.{name}" in arrays}
            for k in range(1, order + 1)
        ]
        return NGram([Level(NGramTable.from_arrays(table, vocab_size)) for table in tables], vocab_size)


def count_models(
    stream: NDArray[np.integer], positions: NDArray[np.int64], vocab_size: int, order: int, has_boundary: bool
) -> Iterator[NGram]:
    """The models of order 1, 2, … up to the one given; they share their lower orders."""
    lower: list[Level] = []
    shorter = None
    order = greatest_order(vocab_size, order)
    for k, counted in enumerate(count_ngrams(stream, positions, vocab_size, order, has_boundary), start=1):
        if shorter is not None:
            endings, continuations = np.unique(counted[0] % vocab_size ** (k - 1), return_counts=True)
            if has_boundary and k > 2:
                # n-grams that begin with the boundary, symbol 0, are the smallest numbers; no longer one ends in them.
                num_at_start = np.searchsorted(shorter[0], vocab_size ** (k - 2))
                endings = np.concatenate((shorter[0][:num_at_start], endings))
                continuations = np.concatenate((shorter[1][:num_at_start], continuations))
            lower.append(Level(NGramTable(endings, continuations, vocab_size)))
        shorter = counted
        yield NGram([*lower, Level(NGramTable(*counted, vocab_size))], vocab_size)


def fit_ngram(corpus: Corpus, order: int | None) -> NGram:
    """Count the training split (beyond 2 million characters a fixed sample of it).

    Args:
        corpus: lists or running text.
        order: of the model; one whose n-grams do not fit into an int64 is lowered, with a warning. None tries 2 to 8,
            as far as a short text allows, and takes the best NLL on validation.

    Raises:
        InputError: running text that is too short for the order.
    """
    vocab_size, has_boundary = corpus.vocabulary.vocab_size, corpus.has_boundary
    longest = greatest_order(vocab_size, order or ORDERS_TRIED[-1])
    if order is None and not has_boundary:
        longest = max(2, min(longest, *np.diff(corpus.cuts).tolist()))
    training = block_positions(corpus.blocks("train", longest - 1))
    if order is not None:
        if longest < order:
            warnings.warn(
                f"Of {vocab_size:,} symbols an n-gram has at most order {longest}: it takes that, not --order {order}.",
                MoreishWarning,
                stacklevel=2,
            )
        return NGram.count(corpus.stream, training, vocab_size, longest, has_boundary)
    validation = block_positions(corpus.blocks("validation", longest - 1))
    models = count_models(corpus.stream, training, vocab_size, longest, has_boundary)
    candidates = (model for model in models if model.order in ORDERS_TRIED)
    return min(candidates, key=lambda model: model.nll(corpus.stream, validation, has_boundary).mean())
