"""The two splits: no item in two of them, and the notebooks' own."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.corpus.fingerprints import fingerprint_texts
from moreish.corpus.splits import published_order, split_distinct, split_published
from moreish.errors import InputError

lists = st.lists(st.text("abc", min_size=1, max_size=3), min_size=3, max_size=60).filter(
    lambda items: len(set(items)) > 2
)


@given(lists)
def test_no_item_stands_in_two_splits_and_all_stand_in_one(items: list[str]) -> None:
    labels, assignment = split_distinct(fingerprint_texts(items), "a list")
    parts = [{item for item, label in zip(items, labels, strict=True) if label == split} for split in range(3)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(set(items)) == assignment.num_distinct
    num_distinct = len(set(items))
    for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
        assert part
        assert abs(len(part) - share * num_distinct) < 2
    assert assignment.num_items == tuple(np.bincount(labels, minlength=3))


@given(lists, st.randoms(use_true_random=False))
def test_neither_order_nor_copies_change_where_an_item_goes(items: list[str], numbers: random.Random) -> None:
    labels, _ = split_distinct(fingerprint_texts(items), "a list")
    again = items * 2
    numbers.shuffle(again)
    labels_again, _ = split_distinct(fingerprint_texts(again), "a list")
    assert dict(zip(again, labels_again.tolist(), strict=True)) == dict(zip(items, labels.tolist(), strict=True))


def test_long_lists_are_split_by_rank_too() -> None:
    values = np.random.default_rng(1).integers(0, 2**64, 200_000, dtype=np.uint64)
    labels, assignment = split_distinct(values, "a list")
    ranks = np.argsort(np.argsort(values))
    assert np.array_equal(labels, (ranks >= 160_000).astype(int) + (ranks >= 180_000))
    assert assignment.num_items == (160_000, 20_000, 20_000)


@pytest.mark.parametrize("num_items", [0, 1, 2, 10, 32_033])
def test_the_published_order_is_that_of_shuffling_the_list(num_items: int) -> None:
    items = [str(number) for number in range(num_items)]
    shuffled = list(items)
    random.seed(42)
    random.shuffle(shuffled)
    assert [items[number] for number in published_order(num_items)] == shuffled


@given(st.lists(st.text("ab", min_size=1, max_size=4), min_size=10, max_size=80).filter(lambda x: len(set(x)) > 2))
def test_the_published_split_counts_copies_that_leak(items: list[str]) -> None:
    order, assignment = split_published(fingerprint_texts(items), "a list")
    shuffled = list(items)
    random.Random(42).shuffle(shuffled)
    assert [items[number] for number in order] == shuffled
    first, second = int(0.8 * len(items)), int(0.9 * len(items))
    train = set(shuffled[:first])
    assert assignment.num_items == (first, second - first, len(items) - second)
    assert assignment.num_distinct == len(set(items))
    assert assignment.leaks == {
        "validation": sum(item in train for item in shuffled[first:second]),
        "test": sum(item in train for item in shuffled[second:]),
    }


def test_too_few_items_are_refused() -> None:
    with pytest.raises(InputError, match="1 distinct item; expected at least 3"):
        split_distinct(fingerprint_texts(["anna"] * 100), "names.txt")
    with pytest.raises(InputError, match="2 distinct items"):
        split_published(fingerprint_texts(["anna", "bob"] * 50), "names.txt")
    with pytest.raises(InputError, match="leaves none for validation"):
        split_published(fingerprint_texts(["anna", "bob", "carl"]), "names.txt")
