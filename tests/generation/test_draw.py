"""Drawing: batched, the same whatever the batch, and in proportion to what the model says."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.draws import item_uniforms
from moreish.errors import ImpossibleRequestError
from moreish.generation import Generated, Model, Request
from moreish.generation.draw import begin, choose, draw_items, log_softmax, symbol_weights


def naive_softmax(logits: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp((logit - max(logits)) / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


def naive_filter(probabilities: list[float], top_k: int | None, top_p: float | None) -> list[float]:
    """Top-k, then the smallest set of the rest whose probability reaches p; renormalised."""
    ranked = sorted(range(len(probabilities)), key=lambda symbol: (-probabilities[symbol], symbol))[:top_k]
    total = sum(probabilities[symbol] for symbol in ranked)
    kept: list[int] = []
    for symbol in ranked:
        if top_p is not None and sum(probabilities[other] for other in kept) >= top_p * total:
            break
        kept.append(symbol)
    total = sum(probabilities[symbol] for symbol in kept)
    return [probability / total if symbol in kept else 0.0 for symbol, probability in enumerate(probabilities)]


def texts(items: list[Generated]) -> list[str]:
    return [item.text for item in items]


def test_first_characters_are_drawn_in_proportion_to_the_softmax(model: Model) -> None:
    num_items = 20_000
    items = model.generate(num_items, allow_repeats=True, seed=3)
    logits, _ = model.predictor.advance(model.predictor.start(1), np.array([0]))
    expected = np.array(naive_softmax(logits[0].tolist()))[1:]
    expected /= expected.sum()  # empty items are not given out
    counts = np.array([sum(item.text[0] == symbol for item in items) for symbol in model.vocabulary.symbols])
    chi_square = float(((counts - num_items * expected) ** 2 / (num_items * expected)).sum())
    assert chi_square < 30  # 5 degrees of freedom: exceeded by chance once in 60,000 seeds


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_changes_no_item(model: Model, batch_size: int) -> None:
    whole = model.generate(300, seed=5, top_p=0.95, temperature=1.2)
    parts = model.generate(300, seed=5, top_p=0.95, temperature=1.2, batch_size=batch_size)
    assert texts(parts) == texts(whole)
    assert [item.nll_nats for item in parts] == pytest.approx([item.nll_nats for item in whole], rel=1e-5)


def test_an_item_depends_on_seed_and_number_alone(model: Model) -> None:
    """A naive loop over one item at a time, with the uniform numbers of the contract, draws the same."""

    def draw_one(number: int) -> str:
        state, symbol, ids = model.predictor.start(1), 0, []
        for position in itertools.count():
            logits, state = model.predictor.advance(state, np.array([symbol]))
            uniform = item_uniforms(9, np.array([number]), position // 4)[0, position % 4]
            cumulative = list(itertools.accumulate(naive_softmax(logits[0].tolist())))
            symbol = next(symbol for symbol, reached in enumerate(cumulative) if reached > uniform * cumulative[-1])
            if symbol == 0:
                return model.vocabulary.decode(ids)
            ids.append(symbol)
        raise AssertionError

    expected = [text for text in map(draw_one, range(60)) if text]
    assert [item.text for item in model.generate(len(expected), seed=9, allow_repeats=True)] == expected


def test_a_longer_answer_begins_with_the_shorter_one(model: Model) -> None:
    assert texts(model.generate(50, seed=2))[:20] == texts(model.generate(20, seed=2))


def test_another_seed_gives_other_items(model: Model) -> None:
    assert texts(model.generate(20, seed=2)) != texts(model.generate(20, seed=3))


@given(
    st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=12),
    st.sampled_from([0.25, 1.0, 1.7]),
    st.none() | st.integers(1, 14),
    st.none() | st.sampled_from([0.05, 0.5, 0.9, 1.0]),
)
def test_temperature_top_k_and_top_p_agree_with_naive_python(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    request = Request(temperature=temperature, top_k=top_k, top_p=top_p)
    weights = symbol_weights(log_softmax(np.array([logits])), request)[0]
    naive = naive_filter(naive_softmax(logits, temperature), top_k, top_p)
    # Where p falls on a cumulative probability, rounding decides; such a case says nothing.
    ranked = np.sort(naive_filter(naive_softmax(logits, temperature), top_k, None))[::-1]
    if top_p is None or np.abs(np.cumsum(ranked) - top_p).min() > 1e-9 or top_p == 1:
        assert weights / weights.sum() == pytest.approx(naive, abs=1e-9)


def test_a_nucleus_is_the_smallest_set_that_reaches_p() -> None:
    log_probabilities = np.log(np.array([[0.1, 0.4, 0.2, 0.3]]))
    weights = symbol_weights(log_probabilities, Request(top_p=0.65))[0]
    assert (weights > 0).tolist() == [False, True, False, True]


def test_a_very_small_temperature_takes_the_most_probable_symbol() -> None:
    weights = symbol_weights(np.log(np.array([[0.2, 0.5, 0.3]])), Request(temperature=1e-300))
    assert weights.tolist() == [[0.0, 1.0, 0.0]]


def test_a_symbol_without_weight_is_never_chosen() -> None:
    cumulative = np.cumsum([[0.0, 1.0, 0.0, 2.0, 0.0]], axis=1)
    for uniform, expected in ((0.0, 1), (0.333, 1), (0.334, 3), (1 - 2**-32, 3)):
        symbols, can_go_on = choose(cumulative, np.array([uniform]))
        assert (symbols[0], can_go_on[0]) == (expected, True)


def test_items_are_no_shorter_than_the_least_length(model: Model) -> None:
    items = model.generate(200, min_length=6, top_k=3)
    assert min(len(item.text) for item in items) == 6


def test_an_item_that_reaches_the_largest_length_is_cut_and_marked(model: Model) -> None:
    free = {item.text for item in model.generate(400, seed=4, allow_repeats=True)}
    items = model.generate(400, seed=4, allow_repeats=True, max_length=3)
    assert {len(item.text) for item in items} == {1, 2, 3}
    assert all(len(item.text) == 3 for item in items if item.is_cut)
    assert any(item.is_cut for item in items)
    assert any(len(item.text) == 3 and not item.is_cut for item in items)
    assert {item.text for item in items if not item.is_cut} <= free


def test_every_item_begins_with_the_prefix(model: Model) -> None:
    assert all(item.text.startswith("éba") for item in model.generate(30, start="éba"))


def test_an_item_goes_on_from_a_prefix_as_if_it_had_drawn_it(model: Model) -> None:
    def draw(prefix: list[int]) -> list[str]:
        beginning = begin(model.predictor, np.array([0]), np.array(prefix, dtype=np.int64), has_boundary=True)
        drawn = draw_items(model.predictor, beginning, Request(seed=1).for_lines(), np.arange(300))
        return [model.vocabulary.decode(ids[:length]) for ids, length in zip(drawn.ids, drawn.lengths, strict=True)]

    free, begun = draw([]), draw([1])
    numbers = [number for number, text in enumerate(free) if text.startswith("a")]
    assert len(numbers) > 5
    assert [begun[number] for number in numbers] == [free[number] for number in numbers]


def test_running_text_has_its_length_and_begins_with_the_prefix_but_not_the_opening(text_model: Model) -> None:
    (text,) = text_model.generate(length=120, start="ab")
    assert len(text.text) == 120
    assert text.text.startswith("ab")
    assert (text.is_cut, text.in_training_file) == (False, None)
    both = text_model.generate(2, length=120, start="ab")
    assert both[0].text == text.text
    assert both[1].text != text.text


def test_running_text_of_only_its_prefix_is_that_prefix(text_model: Model) -> None:
    assert text_model.generate(length=2, start="ab")[0].text == "ab"


class Certain:
    """A model that is certain of one item and gives no other a chance: ids 1, 2, boundary."""

    vocab_size = 7
    context = 1
    num_parameters = 0

    def start(self, batch: int) -> np.ndarray:
        return np.zeros(batch, dtype=np.int64)

    def advance(self, state: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = np.full((len(ids), self.vocab_size), -np.inf)
        logits[np.arange(len(ids)), np.array([1, 2, 0, 0, 0, 0, 0])[ids]] = 0.0
        return logits, state

    def select(self, state: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return state[rows]


def certain(model: Model) -> Model:
    other = object.__new__(Model)
    other.__dict__ |= model.__dict__ | {"predictor": Certain()}
    return other


def test_a_model_that_only_repeats_gives_up_and_says_why(model: Model) -> None:
    with pytest.raises(ImpossibleRequestError, match="1,101 attempts gave 1 of 20 items: 1,100 repeated another item"):
        certain(model).generate()
    assert {item.text for item in certain(model).generate(allow_repeats=True)} == {"ab"}


def test_a_model_with_nothing_left_to_draw_gives_up_and_says_why(model: Model) -> None:
    with pytest.raises(ImpossibleRequestError, match="1,000 attempts gave 0 of 5 items: 1,000 came where no character"):
        certain(model).generate(5, min_length=3)
