"""Counted n-grams against plain dictionaries, and the additive models against their formula."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.errors import ModelFileError
from moreish.models.counting import AdditiveNGram, count_ngrams, find, greatest_order

ITEMS = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=8)
VOCAB_SIZE = 5


def stream_of(items: list[list[int]]) -> np.ndarray:
    return np.array([0, *(symbol for item in items for symbol in [*item, 0])], dtype=np.uint8)


def all_positions(stream: np.ndarray) -> np.ndarray:
    return np.arange(1, len(stream))


def digits(key: int, order: int) -> tuple[int, ...]:
    return tuple(key // VOCAB_SIZE**power % VOCAB_SIZE for power in reversed(range(order)))


@given(ITEMS, st.integers(1, 6))
def test_ngrams_of_a_list_stop_at_the_start_of_their_item(items: list[list[int]], order: int) -> None:
    stream = stream_of(items)
    counted = count_ngrams(stream, all_positions(stream), VOCAB_SIZE, order, has_boundary=True)
    for k, (keys, counts) in enumerate(counted, start=1):
        padded = [[0, *item, 0] for item in items]
        first = max(1, k - 1)
        expected = Counter(tuple(item[i - k + 1 : i + 1]) for item in padded for i in range(first, len(item)))
        assert {digits(key, k): count for key, count in zip(keys.tolist(), counts.tolist(), strict=True)} == expected
        assert (np.diff(keys) > 0).all()


@given(st.lists(st.integers(0, 4), min_size=4, max_size=30), st.integers(1, 4))
def test_ngrams_of_running_text_are_all_its_substrings(text: list[int], order: int) -> None:
    stream = np.array(text, dtype=np.uint8)
    *_, (keys, counts) = count_ngrams(stream, np.arange(order - 1, len(stream)), VOCAB_SIZE, order, has_boundary=False)
    expected = Counter(tuple(text[i - order + 1 : i + 1]) for i in range(order - 1, len(text)))
    assert {digits(key, order): count for key, count in zip(keys.tolist(), counts.tolist(), strict=True)} == expected


@given(ITEMS, st.integers(1, 3), st.sampled_from([0.0, 0.5, 1.0]))
def test_additive_probabilities_follow_their_formula_and_sum_to_one(
    items: list[list[int]], order: int, smoothing: float
) -> None:
    stream = stream_of(items)
    model = AdditiveNGram.count(stream, all_positions(stream), VOCAB_SIZE, order, True, smoothing)
    contexts = np.array(np.meshgrid(*[range(VOCAB_SIZE)] * (order - 1))).reshape(order - 1, VOCAB_SIZE ** (order - 1)).T
    log_p = model.logits(contexts.astype(np.int64))
    padded = [[0, *item, 0] for item in items]
    counts = Counter(tuple(p[i - order + 1 : i + 1]) for p in padded for i in range(max(1, order - 1), len(p)))
    for context, row in zip(contexts.tolist(), log_p.tolist(), strict=True):
        following = [counts[(*context, symbol)] for symbol in range(VOCAB_SIZE)]
        total = sum(following)
        if total + smoothing == 0:
            expected = [1 / VOCAB_SIZE] * VOCAB_SIZE
        else:
            expected = [(count + smoothing) / (total + smoothing * VOCAB_SIZE) for count in following]
        assert [math.exp(value) for value in row] == pytest.approx(expected)
    assert np.exp(log_p).sum(axis=1) == pytest.approx(1)
    targets = np.arange(len(contexts)) % VOCAB_SIZE
    assert model.target_nll(contexts, targets).tolist() == (-log_p[np.arange(len(contexts)), targets]).tolist()


def test_a_pair_never_seen_is_impossible_without_smoothing() -> None:
    stream = stream_of([[1, 2], [1]])
    model = AdditiveNGram.count(stream, all_positions(stream), VOCAB_SIZE, 2, True, smoothing=0)
    assert model.nll(np.array([0, 2, 0], dtype=np.uint8), np.array([1, 2]), True).tolist() == [math.inf, 0]


def test_bigrams_of_all_names_reach_the_published_nll(names_file: Path) -> None:
    items = [[ord(character) - 96 for character in line] for line in names_file.read_text().split()]
    stream = stream_of(items)
    positions = all_positions(stream)
    model = AdditiveNGram.count(stream, positions, 27, 2, True, smoothing=0)
    assert model.nll(stream, positions, True).mean() == pytest.approx(2.4540, abs=5e-5)


def test_counts_come_back_from_their_arrays() -> None:
    stream = stream_of([[1, 2, 3], [1, 4]])
    model = AdditiveNGram.count(stream, all_positions(stream), VOCAB_SIZE, 2, True, smoothing=0.5)
    again = AdditiveNGram.from_arrays(model.to_arrays(), VOCAB_SIZE, 2, 0.5)
    contexts = np.arange(VOCAB_SIZE)[:, None]
    assert again.logits(contexts).tolist() == model.logits(contexts).tolist()
    assert again.num_parameters == 6


def test_missing_or_unequal_count_arrays_are_refused() -> None:
    with pytest.raises(ModelFileError, match="table of counts"):
        AdditiveNGram.from_arrays({}, VOCAB_SIZE, 2, 1.0)
    with pytest.raises(ModelFileError, match="table of counts"):
        AdditiveNGram.from_arrays({"keys": np.arange(3), "counts": np.arange(2)}, VOCAB_SIZE, 2, 1.0)


def test_missing_keys_are_found_nowhere() -> None:
    assert find(np.array([2, 5, 7]), np.array([1, 2, 6, 7, 8])).tolist() == [-1, 0, -1, 2, -1]
    assert find(np.empty(0, dtype=np.int64), np.array([0, 1])).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("vocab_size", "asked", "order"), [(27, 64, 13), (27, 4, 4), (65, 64, 10), (5_000, 8, 5), (128, 9, 8)]
)
def test_order_is_bounded_by_what_one_integer_holds(vocab_size: int, asked: int, order: int) -> None:
    assert greatest_order(vocab_size, asked) == order
