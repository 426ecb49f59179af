"""What all window models share, on a model whose answers a plain loop can work out."""

import math
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from moreish.models import predictor as predictor_room
from moreish.models.arrays import ArrayMLP, weight_shapes
from moreish.models.predictor import WindowPredictor, pack
from moreish.recipe import Recipe

STREAM = np.array([0, 1, 2, 0, 3, 3, 1, 0, 1, 2, 0], dtype=np.uint8)
POSITIONS = np.arange(1, len(STREAM))


class WeightedSum(WindowPredictor):
    """Logits that depend on every symbol of the context and its place."""

    num_rows: int = 0

    def logits(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        self.num_rows += len(contexts)
        place = np.arange(1, self.context + 1)
        return np.sin(1.0 + (contexts * place).sum(axis=1)[:, None] * np.arange(self.vocab_size)).astype(np.float32)


def naive_nll(model: WindowPredictor, stream: list[int], position: int) -> float:
    start = max(index for index in range(position) if stream[index] == 0)
    history = [0] * model.context + stream[start:position]
    logits = model.logits(np.array([history[len(history) - model.context :]], dtype=np.int64))[0].tolist()
    return math.log(sum(math.exp(logit) for logit in logits)) - logits[stream[position]]


@pytest.mark.parametrize("context", [0, 1, 2, 5])
@pytest.mark.parametrize("size", [1, 3, 8_192])
def test_nll_is_that_of_a_plain_loop_whatever_the_size_of_the_chunks(
    context: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_room, "_MAX_WINDOWS", size)
    model = WeightedSum(4, context)
    expected = [naive_nll(model, STREAM.tolist(), position) for position in POSITIONS.tolist()]
    assert model.nll(STREAM, POSITIONS, True) == pytest.approx(expected, rel=1e-6)


def test_a_long_context_is_measured_in_little_memory() -> None:
    recipe = Recipe(context=4_000, embedding=8, hidden=(4,))
    random = np.random.default_rng(1)
    weights = {name: random.standard_normal(shape, np.float32) for name, shape in weight_shapes(recipe, 4).items()}
    stream = random.integers(0, 4, 7_000, dtype=np.uint8)
    model = ArrayMLP(recipe, 4, weights)
    tracemalloc.start()
    nlls = model.nll(stream, np.arange(4_000, 7_000), has_boundary=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6  # all at once take 480 MB
    assert nlls[[0, -1]] == pytest.approx(model.nll(stream, np.array([4_000, 6_999]), has_boundary=False), rel=1e-5)


def test_nll_of_running_text_sees_what_stands_before_a_zero() -> None:
    model = WeightedSum(4, 3)
    logits = model.logits(STREAM[None, 2:5].astype(np.int64))[0].astype(np.float64)
    expected = np.log(np.exp(logits).sum()) - logits[STREAM[5]]
    assert model.nll(STREAM, np.array([5]), False) == pytest.approx([expected])


def test_equal_contexts_are_computed_once() -> None:
    model = WeightedSum(4, 2)
    contexts = np.array([[0, 1], [2, 3], [0, 1], [0, 1]])
    nll = model.target_nll(contexts, np.array([0, 1, 2, 0], dtype=np.uint8))
    assert model.num_rows == 2
    assert nll[0] == nll[3] != nll[2]


def test_contexts_too_long_for_one_integer_stay_apart() -> None:
    class OldestOnly(WindowPredictor):
        def logits(self, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
            return contexts[:, :1] * np.arange(self.vocab_size, dtype=np.float64)

    contexts = np.zeros((2, 33), dtype=np.int64)
    contexts[1, 0] = 1  # a digit worth 4^32, which an int64 loses
    unseen, seen = OldestOnly(4, 33).target_nll(contexts, np.array([0, 0]))
    assert unseen == pytest.approx(math.log(4))
    assert seen == pytest.approx(math.log(sum(math.exp(symbol) for symbol in range(4))))


def test_logits_of_any_size_give_a_finite_nll() -> None:
    class Confident(WindowPredictor):
        def logits(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.tile(np.array([5_000, -5_000, 0], dtype=np.float32), (len(contexts), 1))

    nll = Confident(3, 1).target_nll(np.zeros((3, 1), dtype=np.int64), np.array([0, 1, 2]))
    assert nll.tolist() == [0, 10_000, 5_000]


@pytest.mark.parametrize("context", [0, 1, 3])
def test_symbols_seen_one_at_a_time_give_the_nll_of_the_item(context: int) -> None:
    model = WeightedSum(4, context)
    item = [3, 1, 2, 0]
    state = model.start(1)
    previous, total = 0, 0.0
    for symbol in item:
        logits, state = model.advance(state, np.array([previous]))
        total += math.log(np.exp(logits[0]).sum()) - float(logits[0, symbol])
        previous = symbol
    stream = np.array([0, *item], dtype=np.uint8)
    assert model.nll(stream, np.arange(1, 5), True).sum() == pytest.approx(total, rel=1e-6)


def test_selected_sequences_go_on_from_their_own_state() -> None:
    model = WeightedSum(4, 2)
    _, state = model.advance(model.start(3), np.array([1, 2, 3]))
    together, _ = model.advance(state, np.array([1, 1, 1]))
    for rows in (np.array([2, 0]), np.array([True, False, True])):
        alone, _ = model.advance(model.select(state, rows), np.array([1, 1]))
        assert alone.tolist() == together[rows].tolist()


def test_packed_rows_are_numbers_to_base_v() -> None:
    assert pack(np.array([[1, 2, 3], [0, 0, 9]], dtype=np.uint8), 10).tolist() == [123, 9]
    assert pack(np.empty((2, 0), dtype=np.int64), 10).tolist() == [0, 0]
