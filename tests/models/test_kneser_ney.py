"""Modified Kneser-Ney against a slow oracle written straight from the equations, on dictionaries."""

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moreish.corpus import read_corpus
from moreish.errors import InputError, ModelFileError
from moreish.models.counting import block_positions
from moreish.models.kneser_ney import NGram, discounts, fit_ngram
from moreish.recipe import Recipe

VOCAB_SIZE = 4
ITEMS = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=6), min_size=1, max_size=25)
Gram = tuple[int, ...]


class Oracle:
    """Chen & Goodman 1998, section 4.1.6, one n-gram at a time."""

    def __init__(self, sequences: list[list[int]], order: int, has_boundary: bool) -> None:
        occurred: dict[int, Counter[Gram]] = {k: Counter() for k in range(1, order + 1)}
        for sequence in sequences:
            for end in range(1 if has_boundary else order - 1, len(sequence)):
                for k in range(1, min(order, end + 1) + 1):
                    occurred[k][tuple(sequence[end - k + 1 : end + 1])] += 1
        self.order = order
        self.counts: dict[int, dict[Gram, int]] = {order: dict(occurred[order])}
        for k in range(1, order):
            self.counts[k] = {}
            for gram, count in occurred[k].items():
                is_at_start = has_boundary and k > 1 and gram[0] == 0
                before = sum((symbol, *gram) in occurred[k + 1] for symbol in range(VOCAB_SIZE))
                self.counts[k][gram] = count if is_at_start else before
        self.discounts = {k: self._discounts(list(level.values())) for k, level in self.counts.items()}

    @staticmethod
    def _discounts(counts: list[int]) -> list[float]:
        n = [counts.count(count) for count in range(5)]
        if 0 in n[1:4]:
            return [0, 0.5, 1.0, 1.5]
        y = n[1] / (n[1] + 2 * n[2])
        estimated = [0, *(j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2))]
        estimated.append(3 - 4 * y * n[4] / n[3])
        return estimated if min(estimated[1:]) > 0 else [0, 0.5, 1.0, 1.5]

    def probability(self, symbol: int, history: Gram) -> float:
        lower = self.probability(symbol, history[1:]) if history else 1 / VOCAB_SIZE
        k = len(history) + 1
        after = {gram[-1]: count for gram, count in self.counts[k].items() if gram[:-1] == history}
        total = sum(after.values())
        if total == 0:
            return lower
        count = after.get(symbol, 0)
        own = max(count - self.discounts[k][min(count, 3)], 0) / total
        passed_on = sum(self.discounts[k][min(other, 3)] for other in after.values()) / total
        return own + passed_on * lower


def counted(items: list[list[int]], order: int) -> NGram:
    stream = np.array([0, *(symbol for item in items for symbol in [*item, 0])], dtype=np.uint8)
    return NGram.count(stream, np.arange(1, len(stream)), VOCAB_SIZE, order, has_boundary=True)


def all_contexts(length: int) -> np.ndarray:
    contexts = list(itertools.product(range(VOCAB_SIZE), repeat=length))
    return np.array(contexts, dtype=np.int64).reshape(len(contexts), length)


@settings(max_examples=60)
@given(ITEMS, st.integers(1, 4))
def test_list_model_is_the_oracle_after_every_context(items: list[list[int]], order: int) -> None:
    model = counted(items, order)
    oracle = Oracle([[0, *item, 0] for item in items], order, has_boundary=True)
    contexts = all_contexts(order - 1)
    log_p = model.logits(contexts)
    for row, context in zip(log_p, contexts.tolist(), strict=True):
        # Nothing to the left of the last boundary counts.
        start = max((index for index, symbol in enumerate(context) if symbol == 0), default=0)
        expected = [oracle.probability(symbol, tuple(context[start:])) for symbol in range(VOCAB_SIZE)]
        assert np.exp(row) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=80), st.integers(1, 4))
def test_text_model_is_the_oracle_after_every_context(text: list[int], order: int) -> None:
    stream = np.array(text, dtype=np.uint8)
    model = NGram.count(stream, np.arange(order - 1, len(text)), VOCAB_SIZE, order, has_boundary=False)
    oracle = Oracle([text], order, has_boundary=False)
    contexts = all_contexts(order - 1)
    for row, context in zip(model.logits(contexts), contexts.tolist(), strict=True):
        expected = [oracle.probability(symbol, tuple(context)) for symbol in range(VOCAB_SIZE)]
        assert np.exp(row) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60)
@given(ITEMS, st.integers(1, 9))
def test_probabilities_are_positive_and_sum_to_one(items: list[list[int]], order: int) -> None:
    model = counted(items, order)
    contexts = np.random.default_rng(1).integers(0, VOCAB_SIZE, (50, order - 1))
    log_p = model.logits(contexts)
    assert np.isfinite(log_p).all()
    assert np.exp(log_p).sum(axis=1) == pytest.approx(1, abs=1e-12)


@given(ITEMS, st.integers(1, 5))
def test_nll_of_one_target_is_that_of_all_logits(items: list[list[int]], order: int) -> None:
    model = counted(items, order)
    contexts = all_contexts(order - 1)
    targets = np.arange(len(contexts), dtype=np.uint8) % VOCAB_SIZE
    expected = -model.logits(contexts)[np.arange(len(contexts)), targets]
    assert model.target_nll(contexts, targets) == pytest.approx(expected, rel=1e-12)


def test_three_short_items_give_the_probabilities_worked_out_by_hand() -> None:
    # Items 1, 1, 2 over the symbols 0, 1, 2: too few for counts of counts, so the discounts are 1/2, 1 and 3/2.
    stream = np.array([0, 1, 0, 1, 0, 2, 0])
    model = NGram.count(stream, np.arange(1, 7), 3, 2, has_boundary=True)
    # 1 and 2 follow {0}, 0 follows {1, 2}: 4 continuations, of which 1/2 + 1/2 + 1 are passed on to 1/V = 1/3, so that
    # p(1) = 1/8 + 1/6 = 7/24 and p(0) = 1/4 + 1/6 = 10/24.
    # After the boundary: counts 2 and 1 of 3, 1 + 1/2 passed on.
    expected = [0.5 * 10 / 24, 1 / 3 + 0.5 * 7 / 24, 0.5 / 3 + 0.5 * 7 / 24]
    assert np.exp(model.logits(np.array([[0]]))[0]) == pytest.approx(expected)


def test_discounts_follow_the_counts_of_counts() -> None:
    counts = np.array([1] * 4 + [2] * 3 + [3] * 2 + [4] + [9])
    assert discounts(counts) == pytest.approx([0.4, 1.2, 2.2])


@pytest.mark.parametrize("counts", [[], [1, 1, 2], [5, 7], [1, 1, 2, 3, 3]])
def test_discounts_that_cannot_be_estimated_fall_back(counts: list[int]) -> None:
    assert discounts(np.array(counts, dtype=np.int64)).tolist() == [0.5, 1.0, 1.5]


def test_model_comes_back_from_its_arrays() -> None:
    model = counted([[1, 2, 3], [1, 2], [3]], 3)
    again = NGram.from_arrays(model.to_arrays(), VOCAB_SIZE)
    assert again.order == 3
    assert again.num_parameters == model.num_parameters
    assert again.logits(all_contexts(2)).tolist() == model.logits(all_contexts(2)).tolist()


def test_model_without_one_of_its_tables_is_refused() -> None:
    arrays = counted([[1, 2, 3]], 3).to_arrays()
    with pytest.raises(ModelFileError, match="tables of counts"):
        NGram.from_arrays({}, VOCAB_SIZE)
    del arrays["order_2.counts"]
    with pytest.raises(ModelFileError, match="table of counts"):
        NGram.from_arrays(arrays, VOCAB_SIZE)


def test_an_order_too_great_for_one_integer_becomes_the_greatest_possible() -> None:
    stream = np.zeros(100, dtype=np.uint16)
    assert NGram.count(stream, np.arange(63, 100), 5_000, 64, has_boundary=False).order == 5


def test_order_longer_than_every_item_changes_nothing_but_the_context() -> None:
    model = counted([[1, 2], [3]], 12)
    assert (model.order, model.context) == (12, 11)
    assert np.isfinite(model.logits(np.zeros((1, 11), dtype=np.int64))).all()


def test_chosen_order_is_the_best_on_validation(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    file = tmp_path / "items.txt"
    file.write_text("\n".join("".join(rng.choice(list("abc"), 4)) + "xyz"[index % 3] * 3 for index in range(300)))
    corpus = read_corpus(file, Recipe())
    positions = block_positions(corpus.blocks("validation", 7))
    reached = {order: fit_ngram(corpus, order).nll(corpus.stream, positions, True).mean() for order in range(2, 9)}
    chosen = fit_ngram(corpus, None)
    assert chosen.order == min(reached, key=lambda order: reached[order])
    assert chosen.nll(corpus.stream, positions, True).mean() == reached[chosen.order]


def test_short_text_bounds_the_orders_tried(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text("abbabaabbaababbabaababbaabbabaabba")
    corpus = read_corpus(file, Recipe(kind="text"))
    assert fit_ngram(corpus, None).order <= 4
    with pytest.raises(InputError):
        fit_ngram(corpus, 40)


def test_names_reach_what_was_measured_first(names_file: Path) -> None:
    corpus = read_corpus(names_file, Recipe(split="published"))
    model = fit_ngram(corpus, None)
    positions = block_positions(corpus.blocks("validation", model.context))
    assert model.order == 6
    assert model.nll(corpus.stream, positions, True).mean() == pytest.approx(1.9746, abs=5e-5)
    assert math.isclose(float(np.exp(model.logits(model.start(1))).sum()), 1)
