"""Drawing in C++: the items of `draw_items` to the last bit, whatever is remembered, forgotten or asked for at once."""

import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

from moreish.generation import Model, Request
from moreish.generation.draw import Beginning, Drawn, begin, draw_items, log_softmax
from moreish.generation.walk import Walker, can_walk
from moreish.models.arrays import ArrayMLP, weight_shapes
from moreish.models.counting import AdditiveNGram
from moreish.recipe import Recipe

compiled = pytest.importorskip("moreish.generation._walk", reason="moreish was installed without a C++ compiler")

NOTHING = np.zeros(0, dtype=np.int64)


def network(vocab_size: int, **changes: Any) -> ArrayMLP:
    recipe = Recipe(**({"context": 3, "embedding": 4, "hidden": (16,), "activation": "tanh"} | changes))
    random = np.random.default_rng(3)
    shapes = weight_shapes(recipe, vocab_size)
    weights = {name: random.standard_normal(shape) * 0.5 for name, shape in shapes.items()}
    return ArrayMLP(recipe, vocab_size, {name: abs(a) if "running_" in name else a for name, a in weights.items()})


def start_of(predictor: Any, request: Request, prefix: np.ndarray = NOTHING) -> Beginning:
    return begin(predictor, np.zeros(1, dtype=np.int64), prefix, has_boundary=request.length is None)


def drawn_natively(predictor: Any, beginning: Beginning, request: Request, items: np.ndarray, **options: Any) -> Drawn:
    return Walker(predictor, **options).draw(beginning, request, items)


def assert_equal(ours: Drawn, theirs: Drawn) -> None:
    is_inside = np.arange(theirs.ids.shape[1]) < theirs.lengths[:, None]
    width = min(ours.ids.shape[1], theirs.ids.shape[1])
    np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    np.testing.assert_array_equal((ours.ids[:, :width] * is_inside[:, :width]), theirs.ids[:, :width])
    assert not is_inside[:, width:].any()
    np.testing.assert_array_equal(ours.nlls, theirs.nlls)
    np.testing.assert_array_equal(ours.is_cut, theirs.is_cut)
    np.testing.assert_array_equal(ours.is_stuck, theirs.is_stuck)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 1e-300},
        {"top_k": 3},
        {"top_p": 0.8, "temperature": 1.4},
        {"min_length": 5, "max_length": 8},
        {"min_length": 1, "top_k": 1},
        {"max_length": 1},
        {"max_length": 4, "top_p": 0.3},
        {"seed": 2**63 - 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("prefix", [[], [3], [1, 2, 3, 4]], ids=len)
def test_items_of_a_list_are_those_of_numpy(model: Model, options: dict[str, Any], prefix: list[int]) -> None:
    if len(prefix) > options.get("max_length", 1000):
        pytest.skip("the prefix is longer than an item may be")
    request = Request(**options).for_lines()
    beginning = start_of(model.predictor, request, np.array(prefix, dtype=np.int64))
    items = np.arange(2_000)
    expected = draw_items(model.predictor, beginning, request, items)
    assert_equal(drawn_natively(model.predictor, beginning, request, items), expected)


@pytest.mark.parametrize("prefix", [[], [1, 2, 3, 4, 5]], ids=len)
def test_running_text_is_that_of_numpy(text_model: Model, prefix: list[int]) -> None:
    request = Request(length=203, temperature=1.3).for_text()
    beginning = start_of(text_model.predictor, request, np.array(prefix, dtype=np.int64))
    items = np.arange(20)
    expected = draw_items(text_model.predictor, beginning, request, items)
    assert_equal(drawn_natively(text_model.predictor, beginning, request, items), expected)


@pytest.mark.parametrize(
    ("vocab_size", "changes"),
    [
        (2, {"context": 1, "embedding": 1, "hidden": (1,)}),
        (27, {"context": 3, "embedding": 10, "hidden": (50,)}),
        (33, {"context": 64, "hidden": (31, 3)}),
        (65, {"context": 8, "hidden": (33,), "norm": "layer", "activation": "gelu"}),
        (97, {"context": 5, "embedding": "onehot", "hidden": ()}),
        (31, {"model": "hierarchical", "context": 8, "hidden": (8, 8, 8), "norm": "batch", "activation": "relu"}),
        (512, {"context": 2, "hidden": (7,), "norm": "batch"}),
    ],
    ids=str,
)
def test_every_network_on_arrays_draws_the_items_of_numpy(vocab_size: int, changes: dict[str, Any]) -> None:
    predictor, request = network(vocab_size, **changes), Request(seed=9, max_length=30, min_length=2).for_lines()
    beginning, items = start_of(predictor, request), np.arange(400)
    assert_equal(drawn_natively(predictor, beginning, request, items), draw_items(predictor, beginning, request, items))


def test_twenty_thousand_names_are_those_of_numpy() -> None:
    predictor, request = network(27, hidden=(60,), embedding=10), Request(max_length=12).for_lines()
    beginning, items = start_of(predictor, request), np.arange(20_000)
    assert_equal(drawn_natively(predictor, beginning, request, items), draw_items(predictor, beginning, request, items))


@pytest.mark.parametrize("memory_numbers", [0, 3_000])
def test_a_full_memory_is_emptied_and_changes_no_item(memory_numbers: int) -> None:
    predictor, request = network(27), Request(max_length=20, min_length=4).for_lines()
    beginning, items = start_of(predictor, request), np.arange(300)
    expected = draw_items(predictor, beginning, request, items)
    assert_equal(drawn_natively(predictor, beginning, request, items, memory_numbers=memory_numbers), expected)


def test_each_context_is_asked_about_once() -> None:
    class Counting(ArrayMLP):
        asked: list[tuple[int, ...]] = []  # noqa: RUF012  (of one test)

        def logits(self, contexts: np.ndarray) -> np.ndarray:
            self.asked += map(tuple, contexts.tolist())
            return super().logits(contexts)

    of = network(27)
    predictor, request = Counting(of.recipe, 27, of.weights), Request(max_length=9).for_lines()
    beginning = start_of(predictor, request)
    predictor.asked.clear()
    walker = Walker(predictor)
    walker.draw(beginning, request, np.arange(1_000))
    walker.draw(beginning, request, np.arange(1_000, 2_000))
    assert len(predictor.asked) == len(set(predictor.asked)) > 100
    predictor.asked.clear()
    walker.draw(beginning, request, np.arange(2_000))
    assert predictor.asked == []


def test_an_item_depends_on_seed_and_number_alone_in_whatever_order_it_is_drawn(model: Model) -> None:
    request = Request().for_lines()
    beginning = start_of(model.predictor, request)
    draw = partial(Walker(model.predictor).draw, beginning, request)
    whole = draw(np.arange(500))
    for number in (499, 3, 0, 250):
        one = draw(np.array([number]))
        assert one.lengths[0] == whole.lengths[number]
        assert one.ids[0, : one.lengths[0]].tolist() == whole.ids[number, : one.lengths[0]].tolist()
    far = np.array([2**40 + 5, 2**63 - 1])
    assert_equal(draw(far), draw_items(model.predictor, beginning, request, far))


def test_threads_draw_what_one_draws(model: Model) -> None:
    expected = [item.text for item in model.generate(3_000, allow_repeats=True)]
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append([i.text for i in model.generate(3_000, allow_repeats=True)]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3


def test_characters_are_drawn_in_proportion_to_what_the_network_says_after_every_context() -> None:
    predictor, request = network(5, context=1), Request(max_length=40, seed=4).for_lines()
    drawn = drawn_natively(predictor, start_of(predictor, request), request, np.arange(20_000))
    counts = np.zeros((5, 5))
    for ids, length, is_cut in zip(drawn.ids, drawn.lengths, drawn.is_cut, strict=True):
        symbols = [0, *ids[:length].tolist(), *([] if is_cut else [0])]
        np.add.at(counts, (symbols[:-1], symbols[1:]), 1)
    expected = np.exp(log_softmax(predictor.logits(np.arange(5)[:, None]))) * counts.sum(axis=1, keepdims=True)
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 60  # 20 degrees of freedom: exceeded by chance once in 150,000 seeds


def test_a_network_that_has_diverged_leaves_its_items_stuck() -> None:
    predictor = network(7)
    predictor = ArrayMLP(predictor.recipe, 7, {name: a * np.nan for name, a in predictor.weights.items()})
    request = Request().for_lines()
    beginning, items = start_of(predictor, request), np.arange(10)
    drawn = drawn_natively(predictor, beginning, request, items)
    assert_equal(drawn, draw_items(predictor, beginning, request, items))
    assert drawn.is_stuck.all()


def test_counting_models_draw_the_items_of_numpy() -> None:
    counts = AdditiveNGram.from_arrays(
        {"keys": np.arange(9), "counts": np.arange(1, 10, dtype=np.int64)}, 3, order=2, smoothing=1.0
    )
    request, items = Request(min_length=1).for_lines(), np.arange(300)
    beginning = start_of(counts, request)
    assert_equal(drawn_natively(counts, beginning, request, items), draw_items(counts, beginning, request, items))


def test_a_model_that_is_no_window_is_left_to_numpy() -> None:
    assert not can_walk(object())  # type: ignore[arg-type]


def test_a_walk_goes_on_after_one_that_was_interrupted(model: Model) -> None:
    class Interrupted(ArrayMLP):
        is_interrupted = False

        def logits(self, contexts: np.ndarray) -> np.ndarray:
            if self.is_interrupted and len(contexts) > 3:
                raise KeyboardInterrupt
            return super().logits(contexts)

    of = network(27)
    predictor, request = Interrupted(of.recipe, 27, of.weights), Request(max_length=9).for_lines()
    beginning, items = start_of(predictor, request), np.arange(300)
    walker, expected = Walker(predictor), draw_items(predictor, beginning, request, items)
    predictor.is_interrupted = True
    with pytest.raises(KeyboardInterrupt):
        walker.draw(beginning, request, items)
    predictor.is_interrupted = False
    assert_equal(walker.draw(beginning, request, items), expected)


def test_other_settings_are_not_answered_from_the_memory_of_the_last(model: Model) -> None:
    walker, items = Walker(model.predictor), np.arange(200)
    for options in ({}, {"temperature": 0.4}, {"min_length": 4}, {"top_k": 2}, {"top_p": 0.5}, {}):
        request = Request(**options).for_lines()  # type: ignore[arg-type]
        beginning = start_of(model.predictor, request)
        assert_equal(walker.draw(beginning, request, items), draw_items(model.predictor, beginning, request, items))


def test_a_long_walk_through_known_contexts_comes_back_to_python_now_and_then() -> None:
    walk, memory = walk_of({"limit": 6_000_000, "has_boundary": False}, num_items=1)
    num_returns = 0
    while (contexts := walk.advance()) is not None:
        num_returns += len(contexts) == 0
        if len(contexts):
            memory.learn(*answers(len(contexts)))
    assert num_returns == 1
    assert walk.results()[1].tolist() == [6_000_000]


GOOD: dict[str, Any] = {
    "seed": 1,
    "numbers": np.arange(3),
    "seen": np.zeros(2, np.int64),
    "start": 0,
    "limit": 10,
    "min_length": 0,
    "nll": 0.0,
    "has_boundary": True,
}


def walk_of(changes: dict[str, Any], num_items: int = 3) -> tuple[Any, Any]:
    memory = compiled.Memory(5, 2, 100, False)
    return compiled.Walk(memory=memory, **GOOD | {"numbers": np.arange(num_items)} | changes), memory


def answers(num_contexts: int, value: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.full((num_contexts, 5), value)
    return np.log(table) if value > 0 else table, np.cumsum(table, axis=1), np.empty((0, 5))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"seen": np.array([0, 5])}, ValueError),
        ({"seen": np.array([0, -1])}, ValueError),
        ({"seen": np.array([0, 70_000])}, ValueError),
        ({"seen": np.zeros(3, np.int64)}, ValueError),
        ({"seen": np.zeros(2, np.int32)}, TypeError),
        ({"numbers": np.zeros(3, np.float32)}, TypeError),
        ({"numbers": np.arange(6)[::2]}, TypeError),
        ({"start": 11}, ValueError),
        ({"start": -1}, ValueError),
        ({"limit": -1}, ValueError),
        ({"min_length": 2}, ValueError),
        ({"seed": -1}, TypeError),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_the_door(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        walk_of(changes)


@pytest.mark.parametrize(("vocab_size", "context"), [(0, 2), (70_000, 2), (5, -1)])
def test_a_memory_of_impossible_sizes_is_refused(vocab_size: int, context: int) -> None:
    with pytest.raises(ValueError, match="beyond what 16 bits name"):
        compiled.Memory(vocab_size, context, 100, False)


def test_answers_of_another_shape_or_kind_are_refused() -> None:
    walk, memory = walk_of({})
    assert walk.advance().tolist() == [[0, 0]]
    good = answers(1)
    for place, wrong in ((0, np.ones((2, 5))), (1, np.ones((1, 4))), (1, np.ones((0, 5))), (2, np.ones((1, 5)))):
        with pytest.raises(ValueError, match="do not fit"):
            memory.learn(*good[:place], wrong, *good[place + 1 :])
    for wrong in (np.ones((1, 5), np.float32), np.ones((1, 10))[:, ::2]):
        with pytest.raises(TypeError):
            memory.learn(good[0], wrong, good[2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0, 5e-324])
def test_answers_without_sense_end_without_a_crash(value: float) -> None:
    walk, memory = walk_of({}, num_items=50)
    while (contexts := walk.advance()) is not None:
        memory.learn(*answers(len(contexts), value))
    assert walk.results()[0].max(initial=0) < 5
