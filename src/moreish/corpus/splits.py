"""Which item belongs to training, validation and test, and in which order."""

import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.fingerprints import by_range, sort_distinct
from moreish.errors import InputError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Assignment:
    """What became of the items of a list.

    Attributes:
        num_items: of each split.
        num_distinct: items that differ.
        leaks: items of validation and test that also stand in training.
    """

    num_items: tuple[int, int, int]
    num_distinct: int
    leaks: dict[Split, int]


def split_distinct(fingerprints: NDArray[np.uint64], name: str) -> tuple[NDArray[np.uint8], Assignment]:
    """No item in two splits: 80% of the distinct items train, 10% validate, 10% test.

    The rank of an item's fingerprint decides, so that its copies stay together, and neither the seed nor the order of
    the file matters: runs with different seeds compare.

    Args:
        fingerprints: of the items in file order, (n,).
        name: of the file, for messages.

    Returns:
        0, 1 or 2 for each item, (n,): trains, validates, tests; and the figures.

    Raises:
        InputError: fewer than three distinct items.
    """
    distinct = np.empty(0, np.uint64)
    distinct_in: list[int] = []
    for part in by_range(fingerprints):
        distinct = sort_distinct(fingerprints[part])
        distinct_in.append(len(distinct))
    num_distinct = sum(distinct_in)
    _check_num_distinct(num_distinct, name)
    num_train = max(1, min(int(0.8 * num_distinct), num_distinct - 2))
    stop_validation = max(num_train + 1, min(int(0.9 * num_distinct), num_distinct - 1))
    ranks = [num_train, stop_validation]
    # A short list is one range, which has just been sorted.
    thresholds = distinct[ranks] if len(distinct_in) == 1 else _values_of_ranks(fingerprints, distinct_in, ranks)
    labels = np.zeros(len(fingerprints), np.uint8)
    for threshold in thresholds:
        labels += fingerprints >= threshold
    train, validation, test = (int(np.count_nonzero(labels == label)) for label in range(3))
    return labels, Assignment((train, validation, test), num_distinct, {"validation": 0, "test": 0})


def leave_undivided(fingerprints: NDArray[np.uint64], name: str) -> tuple[NDArray[np.uint8], Assignment]:
    """Every item tests, as in a file that a trained model is measured on; arguments and result as `split_distinct`."""
    labels = np.full(len(fingerprints), 2, np.uint8)
    num_distinct = sum(len(sort_distinct(fingerprints[part])) for part in by_range(fingerprints))
    return labels, Assignment((0, 0, len(labels)), num_distinct, {"validation": 0, "test": 0})


def split_published(fingerprints: NDArray[np.uint64], name: str) -> tuple[NDArray[np.unsignedinteger[Any]], Assignment]:
    """The split of the notebooks: the list is shuffled by `random.Random(42)` and cut at 80% and 90%.

    Copies of an item may stand in several splits; `leaks` counts them.

    Args:
        fingerprints: of the items in file order, (n,).
        name: of the file, for messages.

    Returns:
        item numbers in shuffled order, (n,), and the figures.

    Raises:
        InputError: too few items for three splits, or fewer than three distinct ones.
    """
    num_items = len(fingerprints)
    order = published_order(num_items)
    cuts = (int(0.8 * num_items), int(0.9 * num_items))
    labels = np.empty(num_items, np.uint8)
    for first in range(0, num_items, _BLOCK):
        items = order[first : first + _BLOCK]
        labels[items] = np.searchsorted(cuts, np.arange(first, first + len(items)), side="right")
    num_distinct, leaks = 0, [0, 0, 0]
    for part in by_range(fingerprints):
        values, label_of = fingerprints[part], labels[part]
        trained = values[label_of == 0]
        for label in (1, 2):
            leaks[label] += int(np.isin(values[label_of == label], trained).sum())
        num_distinct += len(sort_distinct(values))
    _check_num_distinct(num_distinct, name)
    if cuts[0] == cuts[1]:
        raise InputError(
            f"{name} holds {num_items} items, so that the published split leaves none for validation; "
            "expected at least 10. Pass --split distinct."
        )
    sizes = (cuts[0], cuts[1] - cuts[0], num_items - cuts[1])
    return order, Assignment(sizes, num_distinct, {"validation": leaks[1], "test": leaks[2]})


def published_order(num_items: int) -> NDArray[np.unsignedinteger[Any]]:
    """The order in which `random.Random(42).shuffle` leaves a list of so many items, (n,)."""
    order = array("I" if num_items <= 1 << 32 else "Q", range(num_items))
    random.Random(42).shuffle(order)
    return np.frombuffer(order, order.typecode)


def _check_num_distinct(num_distinct: int, name: str) -> None:
    if num_distinct < 3:
        items = "1 distinct item" if num_distinct == 1 else f"{num_distinct} distinct items"
        raise InputError(
            f"{name} holds {items}; expected at least 3, one a line: one each for training, validation and test. "
            "For running text pass --as text."
        )


def _values_of_ranks(fingerprints: NDArray[np.uint64], distinct_in: list[int], ranks: list[int]) -> Iterator[np.uint64]:
    """The distinct fingerprints that have so many smaller ones; `distinct_in` counts those of every range."""
    below = 0
    for part, num_distinct in zip(by_range(fingerprints), distinct_in, strict=True):
        inside = [rank - below for rank in ranks if below <= rank < below + num_distinct]
        if inside:
            yield from sort_distinct(fingerprints[part])[inside]
        below += num_distinct
