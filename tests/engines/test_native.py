"""The native engine gives the gradients of the specification, refuses what it cannot do, and never crashes."""

import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from moreish.backprop.network import loss_and_gradients
from moreish.corpus import Corpus, contexts, read_corpus
from moreish.engines import build_engine, native
from moreish.engines.contract import OptimizerSpec
from moreish.engines.native import NativeEngine, levels, why_not_native
from moreish.errors import EngineError, InputError, ShapeError
from moreish.models.mlp import MLP
from moreish.recipe import Recipe

LEVELS = levels()
needs_native = pytest.mark.skipif(not LEVELS, reason="the native engine was not built: no C++ compiler")
SMALL = Recipe(context=3, embedding=4, hidden=(8,), activation="tanh", batch=5, weight_decay=0.0, optimizer="momentum")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, Corpus]:
    """A list of names (ids of 8 bits, a boundary), and running text of 400 symbols (ids of 16 bits, none)."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    ids = np.random.default_rng(0).integers(0, 400, 20_000)
    path.write_text("".join(chr(0x4E00 + number) for number in [*range(400), *ids]))
    return {"lines": read_corpus(None, SMALL), "text": read_corpus(str(path), SMALL.with_changes(kind="text"))}


def weights_of(recipe: Recipe, corpus: Corpus) -> dict[str, np.ndarray]:
    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(recipe.seed))
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def build(recipe: Recipe, corpus: Corpus, level: str | None = None, **changed: np.ndarray) -> NativeEngine:
    weights = weights_of(recipe, corpus) | {name.replace("__", "."): array for name, array in changed.items()}
    return NativeEngine(recipe, weights, OptimizerSpec.from_recipe(recipe, weights), corpus, level)


def batches(corpus: Corpus, recipe: Recipe, num_steps: int) -> np.ndarray:
    predicted = corpus.predicted("train", recipe.context)
    draw = np.random.default_rng(recipe.seed)
    return draw.integers(predicted.start, predicted.stop, (num_steps, recipe.batch))


SIZES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 16, 24, 25, 31, 33, 48, 97])


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """The whole family that the engine covers, in awkward sizes."""
    norm = draw(st.sampled_from(["none", "batch", "layer"]))
    # Layer norm leaves of two units only which is the larger: nothing but rounding would be left to compare.
    sizes = SIZES.filter(lambda size: size != 2) if norm == "layer" else SIZES
    hidden = tuple(draw(st.lists(sizes, max_size=3)))
    is_hierarchical = draw(st.booleans())
    return Recipe(
        kind=draw(st.sampled_from(["lines", "text"])),
        model="hierarchical" if is_hierarchical else "mlp",
        context=2 ** len(hidden) if is_hierarchical else draw(st.integers(1, 12)),
        embedding=draw(st.one_of(st.just("onehot"), SIZES)),
        hidden=hidden,
        activation=draw(st.sampled_from(["tanh", "relu", "gelu"])),
        norm=norm,
        norm_output=norm != "none" and draw(st.booleans()),
        norm_convention=draw(st.sampled_from(["pytorch", "lecture", "notebook"])),
        bias=draw(st.sampled_from(["auto", "all"])),
        bias_scale=0.5,
        dropout=draw(st.sampled_from([0.0, 0.3])),
        head_scale=1.0,
        batch=draw(st.sampled_from([8, 9, 32, 33, 300] if norm == "batch" else [1, 2, 3, 31, 32, 300])),
        optimizer="momentum",
        weight_decay=0.0,
        seed=draw(st.integers(1, 1000)),
    )


@needs_native
@settings(max_examples=150)
@given(recipe=recipes(), level=st.sampled_from(LEVELS or ("none",)), step=st.integers(0, 2**40))
def test_gradients_are_the_specifications(corpora, recipe, level, step):
    """The velocity of momentum's first step is the gradient.

    To a relative error of 1e-5. Where a norm makes the loss indifferent to a weight, or nearly equal numbers large, the
    gradient is what remains of nearly equal numbers: then, to 30 times that of the specification itself in float32.
    """
    corpus = corpora[recipe.kind]
    engine = build(recipe, corpus, level)
    single = weights_of(recipe, corpus)
    exact = {name: array.astype(np.float64) for name, array in single.items()}
    positions = batches(corpus, recipe, 1)
    windows = contexts(corpus.stream, positions[0], recipe.context, corpus.vocabulary.has_boundary)
    with np.errstate(all="ignore"):
        targets = corpus.stream[positions[0]].astype(np.int64)
        loss, gradients = loss_and_gradients(recipe, exact, windows, targets, step)
        _, rounded = loss_and_gradients(recipe, single, windows, targets, step)
    size = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    assume(np.isfinite(size))  # without epsilon, batch norm divides a constant unit by 0

    scales = {name: max(np.linalg.norm(gradient), 0.1 * size) for name, gradient in gradients.items()}
    rounding = max(np.linalg.norm(rounded[name] - gradients[name]) / scale for name, scale in scales.items())
    losses = engine.run(positions, np.array([0.0]), step).losses
    assert losses[0] == pytest.approx(loss, rel=1e-5)
    for name, gradient in gradients.items():
        kept = engine.optimizer_state()[f"{name}/momentum_buffer"]
        assert np.linalg.norm(kept - gradient) <= (1e-5 + 30 * rounding) * scales[name], name


@needs_native
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("sizes", [(4096, 3, 5, (7,)), (300, 64, 2, (1024,)), (33, 2, 1024, (1, 1024))], ids=str)
def test_the_largest_sizes(corpora, activation, sizes):
    batch, context, embedding, hidden = sizes
    recipe = replace(SMALL, batch=batch, context=context, embedding=embedding, hidden=hidden, activation=activation)
    corpus = corpora["lines"]
    native_engine = build(recipe, corpus)
    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(recipe.seed))
    autograd = build_engine(replace(recipe, engine="autograd"), module, corpus).engine
    positions, rates = batches(corpus, recipe, 3), np.full(3, 0.01)
    expected = autograd.run(positions, rates, 0).losses
    np.testing.assert_allclose(native_engine.run(positions, rates, 0).losses, expected, rtol=1e-5)
    for name, array in autograd.weights().items():
        error = np.linalg.norm(native_engine.weights()[name] - array)
        assert error <= 1e-5 * np.linalg.norm(array), name


@needs_native
def test_the_levels_train_alike(corpora):
    recipe = replace(SMALL, hidden=(50, 50), norm="batch", batch=32, dropout=0.1)
    positions, rates = batches(corpora["lines"], recipe, 200), np.full(200, 0.02)
    first, *others = (build(recipe, corpora["lines"], level).run(positions, rates, 0).losses for level in LEVELS)
    for losses in others:
        np.testing.assert_allclose(losses, first, atol=2e-5)


@needs_native
def test_threads_do_not_disturb_each_other(corpora):
    recipe = replace(SMALL, hidden=(50,), batch=32)
    positions, rates = batches(corpora["lines"], recipe, 300), np.full(300, 0.05)
    expected = build(recipe, corpora["lines"]).run(positions, rates, 0).losses
    engines = [build(recipe, corpora["lines"]) for _ in range(4)]
    found: dict[int, np.ndarray] = {}

    def train(number: int) -> None:
        found[number] = engines[number].run(positions, rates, 0).losses

    threads = [threading.Thread(target=train, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for losses in found.values():
        np.testing.assert_array_equal(losses, expected)
    assert len(found) == 4


@needs_native
def test_the_batch_may_change_from_call_to_call(corpora):
    recipe = replace(SMALL, norm="batch")
    grown, fresh = build(recipe, corpora["lines"]), build(recipe, corpora["lines"])
    grown.run(batches(corpora["lines"], replace(recipe, batch=64), 2), np.zeros(2), 0)
    grown.restore(fresh.weights(), fresh.optimizer_state())
    positions, rates = batches(corpora["lines"], recipe, 5), np.full(5, 0.1)
    np.testing.assert_array_equal(grown.run(positions, rates, 0).losses, fresh.run(positions, rates, 0).losses)


# --- What cannot be used is said ---


def misaligned(array: np.ndarray) -> np.ndarray:
    shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(array.shape)
    shifted[...] = array
    return shifted


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


@needs_native
@pytest.mark.parametrize(
    "spoil",
    [np.asfortranarray, misaligned, read_only, np.float64, lambda array: np.repeat(array, 2, axis=1)[:, ::2]],
    ids=["transposed", "misaligned", "read-only", "float64", "strided"],
)
def test_an_array_that_cannot_be_updated_in_place_is_refused(corpora, spoil):
    weight = weights_of(SMALL, corpora["lines"])["layers.0.linear.weight"]
    with pytest.raises(
        EngineError, match=r"layers.0.linear.weight is an array of float.* contiguous, aligned, writable"
    ):
        build(SMALL, corpora["lines"], layers__0__linear__weight=spoil(weight))


@needs_native
@pytest.mark.parametrize(
    "name", ["embedding.weight", "layers.0.linear.weight", "layers.0.norm.bias", "head.linear.bias"]
)
def test_a_shape_that_does_not_fit_is_refused(corpora, name):
    recipe = replace(SMALL, norm="batch")
    array = weights_of(recipe, corpora["lines"])[name]
    with pytest.raises(ShapeError, match=name):
        build(recipe, corpora["lines"], **{name.replace(".", "__"): array[:-1].copy()})


@needs_native
def test_a_missing_parameter_is_refused(corpora):
    recipe = replace(SMALL, norm="layer")
    weights = weights_of(recipe, corpora["lines"])
    del weights["layers.0.norm.weight"]
    with pytest.raises(ShapeError, match=r"layers.0.norm.weight has shape None"):
        NativeEngine(recipe, weights, OptimizerSpec.from_recipe(recipe, weights), corpora["lines"])


@needs_native
@pytest.mark.parametrize("position", [-1, 2**62, -(2**62)])
def test_positions_out_of_range_are_refused_before_the_first_step(corpora, position):
    engine = build(SMALL, corpora["lines"])
    positions = batches(corpora["lines"], SMALL, 4)
    positions[3, 2] = position
    before = {name: array.copy() for name, array in engine.weights().items()}
    with pytest.raises(EngineError, match=f"Position {position} cannot be predicted"):
        engine.run(positions, np.full(4, 0.1), 0)
    for name, array in engine.weights().items():
        np.testing.assert_array_equal(array, before[name])


@needs_native
def test_text_has_no_positions_before_its_first_context(corpora):
    engine = build(replace(SMALL, kind="text"), corpora["text"])
    with pytest.raises(EngineError, match="Position 2 cannot be predicted; expected 3 to"):
        engine.run(np.full((1, 5), 2), np.array([0.1]), 0)


@needs_native
def test_ids_beyond_the_vocabulary_are_refused(corpora):
    corpus = replace(corpora["lines"], stream=corpora["lines"].stream + np.uint8(100))
    with pytest.raises(EngineError, match="The stream holds the id 126; expected ids below 27"):
        build(SMALL, corpus)


@needs_native
def test_shapes_of_a_call_are_checked(corpora):
    engine = build(replace(SMALL, norm="batch"), corpora["lines"])
    with pytest.raises(ShapeError, match=r"rates \(3,\); expected \(k, B\) and \(k,\)"):
        engine.run(np.ones((2, 5), np.int64), np.ones(3), 0)
    with pytest.raises(InputError, match="0 examples"):
        engine.run(np.ones((2, 0), np.int64), np.ones(2), 0)
    with pytest.raises(ShapeError, match="a batch of one"):
        engine.run(np.ones((2, 1), np.int64), np.ones(2), 0)
    assert len(engine.run(np.ones((0, 5), np.int64), np.ones(0), 0).losses) == 0


@needs_native
def test_positions_need_not_be_contiguous(corpora):
    positions, rates = batches(corpora["lines"], SMALL, 6), np.full(6, 0.1)
    expected = build(SMALL, corpora["lines"]).run(positions, rates, 0).losses
    losses = build(SMALL, corpora["lines"]).run(np.asfortranarray(positions), np.repeat(rates, 2)[::2], 0).losses
    np.testing.assert_array_equal(losses, expected)


@needs_native
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_numbers_stop_the_first_step(corpora, activation, norm, value):
    recipe = replace(SMALL, activation=activation, norm=norm)
    engine = build(recipe, corpora["lines"])
    engine.weights()["head.linear.weight"][...] = value
    engine.weights()["layers.0.linear.weight"][...] = np.nan
    before = {name: array.copy() for name, array in engine.weights().items()}
    result = engine.run(batches(corpora["lines"], recipe, 3), np.full(3, 0.1), 0)
    assert len(result.losses) == 0
    assert result.failed_loss is not None
    assert not np.isfinite(result.failed_loss)
    for name, array in engine.weights().items():
        np.testing.assert_array_equal(array, before[name])


@needs_native
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch": 4097}, "a batch of at most 4,096, not 4,097"),
        ({"context": 65}, "a context of at most 64, not 65"),
        ({"embedding": 1025}, "an embedding of at most 1,024, not 1,025"),
        ({"hidden": (4, 1025)}, "a hidden size of at most 1,024, not 1,025"),
        ({"device": "cuda"}, "it computes on cpu, not on 'cuda'"),
    ],
)
def test_what_it_does_not_cover_is_refused_by_name(corpora, changes, reason):
    recipe = replace(SMALL, **changes)
    assert reason in str(why_not_native(recipe, 27))
    with pytest.raises(EngineError, match=reason):
        build(recipe, corpora["lines"])


@needs_native
def test_a_large_vocabulary_is_refused():
    assert "a vocabulary of at most 512, not 513" in str(why_not_native(SMALL, 513))
    assert why_not_native(SMALL, 512) is None


def test_the_engines_load_where_it_was_not_built():
    program = "import sys; sys.modules['moreish.engines._native'] = None; from moreish.engines.native import levels"
    subprocess.run([sys.executable, "-c", f"{program}; assert levels() == ()"], check=True)


def test_without_a_compiler_the_other_engines_work(corpora, monkeypatch):
    monkeypatch.setattr(native, "_native", None)
    assert levels() == ()

    def chosen(**changes: Any) -> tuple[str, str]:
        recipe = replace(SMALL, **changes)
        module = MLP(recipe, corpora["lines"].vocabulary.vocab_size, torch.Generator())
        choice = build_engine(recipe, module, corpora["lines"])
        return choice.engine.name, choice.reason

    name, reason = chosen()
    assert name == "manual"
    assert "native: it was not built: a C++ compiler" in reason
    assert chosen(activation="gelu", batch=65)[0] == "autograd"
    with pytest.raises(EngineError, match="engine = 'native' cannot train this network: it was not built"):
        chosen(engine="native")
