"""What an engine measures of a step is what plain PyTorch in float64 shows of it, and measuring changes no step."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from moreish.corpus import Corpus, contexts, read_corpus
from moreish.draws import dropout_mask, seed_for
from moreish.engines import Engine, build_engine
from moreish.engines.contract import OptimizerSpec
from moreish.engines.native import NativeEngine, levels
from moreish.models.conventions import CONVENTIONS
from moreish.models.mlp import MLP
from moreish.recipe import EngineName, Recipe
from moreish.statistics import Statistics

SMALL = Recipe(context=3, embedding=4, hidden=(8,), activation="tanh", batch=5, head_scale=1.0)
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "gelu": F.gelu}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(None, SMALL)


def module_of(recipe: Recipe, corpus: Corpus) -> MLP:
    return MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(recipe.seed))


def build(name: EngineName, recipe: Recipe, corpus: Corpus) -> Engine:
    return build_engine(recipe.with_changes(engine=name), module_of(recipe, corpus), corpus).engine


def build_native(level: str, recipe: Recipe, corpus: Corpus) -> Engine:
    weights = {name: tensor.numpy() for name, tensor in module_of(recipe, corpus).state_dict().items()}
    return NativeEngine(recipe, weights, OptimizerSpec.from_recipe(recipe, weights), corpus, level)


ENGINES = [
    *(pytest.param(partial(build, name), id=name) for name in ("autograd", "manual")),
    *(pytest.param(partial(build_native, level), id=f"native-{level}") for level in levels()),
]


def batches(corpus: Corpus, recipe: Recipe, num_steps: int) -> np.ndarray:
    predicted = corpus.predicted("train", recipe.context)
    return np.random.default_rng(recipe.seed).integers(predicted.start, predicted.stop, (num_steps, recipe.batch))


# --- The oracle: the network in plain PyTorch, in float64, with the gradients that autograd retains ---


class Oracle:
    """The recipe's network and optimiser in plain PyTorch; `step` returns what is to be measured of one."""

    def __init__(self, recipe: Recipe, corpus: Corpus) -> None:
        self.recipe, self.corpus = recipe, corpus
        self.weights = {name: value.detach().double() for name, value in module_of(recipe, corpus).named_parameters()}
        for value in self.weights.values():
            value.requires_grad_()
        matrices = [
            value for name, value in self.weights.items() if name.endswith(("linear.weight", "embedding.weight"))
        ]
        others = [value for name, value in self.weights.items() if not any(value is matrix for matrix in matrices)]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        if recipe.optimizer == "adamw":
            betas = (recipe.beta1, recipe.beta2)
            self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=1e-8)
        else:
            momentum = recipe.momentum if recipe.optimizer == "momentum" else 0.0
            self.optimizer = torch.optim.SGD(self.weights.values(), lr=0.0, momentum=momentum)

    def step(self, positions: np.ndarray, rate: float, step: int) -> dict[str, Any]:
        recipe, corpus = self.recipe, self.corpus
        ids = torch.from_numpy(contexts(corpus.stream, positions, recipe.context, True))
        outputs = self.forward(ids, step)
        targets = torch.from_numpy(corpus.stream[positions].astype(np.int64))
        self.optimizer.zero_grad()
        F.cross_entropy(outputs["head"][1], targets).backward()
        before = {name: value.detach().clone() for name, value in self.weights.items()}
        gradients = {name: gradient_of(value).clone() for name, value in self.weights.items()}
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.weights.values(), recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        updates = {name: value.detach() - before[name] for name, value in self.weights.items()}
        return {"outputs": outputs, "before": before, "gradients": gradients, "updates": updates, "rate": rate}

    def forward(self, ids: torch.Tensor, step: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Pre-activation and output of each layer, by name."""
        recipe, weights = self.recipe, self.weights
        if recipe.embedding == "onehot":
            x = torch.eye(self.corpus.vocabulary.vocab_size, dtype=torch.float64)[ids]
        else:
            x = weights["embedding.weight"][ids]  # (B, T, E)
        kept = {}
        for index in range(len(recipe.hidden) + 1):
            is_head = index == len(recipe.hidden)
            name = "head" if is_head else f"layers.{index}"
            if recipe.model == "hierarchical" and not is_head:
                x = x.reshape(len(x), -1, 2 * x.shape[-1])
            elif index == 0 or is_head:
                x = x.reshape(len(x), -1)
            x = x @ weights[f"{name}.linear.weight"]
            if f"{name}.linear.bias" in weights:
                x = x + weights[f"{name}.linear.bias"]
            if f"{name}.norm.weight" in weights:
                x = self.normed(x) * weights[f"{name}.norm.weight"] + weights[f"{name}.norm.bias"]
            preactivation = x
            if not is_head:
                x = ACTIVATIONS[recipe.activation](x)
                if recipe.dropout:
                    shape = tuple(x.shape) if recipe.model == "mlp" or x.shape[1] > 1 else (len(x), x.shape[-1])
                    mask = dropout_mask(seed_for(recipe.seed, "dropout"), step, index, shape, recipe.dropout)
                    x = x * torch.from_numpy(mask).reshape(x.shape)
            x.retain_grad()
            kept[name] = (preactivation, x)
        return kept

    def normed(self, x: torch.Tensor) -> torch.Tensor:
        if self.recipe.norm == "layer":
            return F.layer_norm(x, x.shape[-1:], eps=1e-5)
        axes, constants = tuple(range(x.ndim - 1)), CONVENTIONS[self.recipe.norm_convention]
        variance = x.var(axes, correction=constants.correction, keepdim=True)
        return (x - x.mean(axes, keepdim=True)) / torch.sqrt(variance + constants.epsilon)


def gradient_of(tensor: torch.Tensor) -> torch.Tensor:
    assert tensor.grad is not None
    return tensor.grad


def assert_measured(statistics: Statistics, row: int, seen: dict[str, Any], recipe: Recipe) -> None:
    """Means and spreads to 1e-4 of the spread; gradients and updates also to what rounding leaves of nothing."""
    largest = max(float(gradient.abs().max()) for gradient in seen["gradients"].values())
    assert list(statistics.layers) == list(seen["outputs"])
    for name, (preactivation, output) in seen["outputs"].items():
        measured = statistics.layers[name]
        for prefix, tensor in (("", output), ("preactivation_", preactivation), ("gradient_", gradient_of(output))):
            floor = 1e-5 * (largest if prefix == "gradient_" else 1.0)
            assert_close(measured, prefix, row, tensor.detach(), floor, f"{name} {prefix}")
        if name == "head":
            assert np.isnan(measured.saturation[row])
            assert not measured.is_dead[row].any()
            continue
        x = preactivation.detach().reshape(-1, preactivation.shape[-1])
        slope = torch.func.vmap(torch.func.grad(ACTIVATIONS[recipe.activation]))(x.ravel()).reshape(x.shape)
        np.testing.assert_array_equal(measured.is_dead[row], (slope == 0).all(0).numpy())
        expected = float((torch.tanh(x).abs() > 0.97).double().mean()) if recipe.activation == "tanh" else np.nan
        assert measured.saturation[row] == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert list(statistics.parameters) == list(seen["before"])
    for name, before in seen["before"].items():
        measured = statistics.parameters[name]
        assert_close(measured, "", row, before, 1e-7, name)
        assert_close(measured, "gradient_", row, seen["gradients"][name], 1e-5 * largest, f"{name} gradient")
        rounding = 1e-6 * float(before.abs().max()) + 1e-5 * largest * seen["rate"]
        assert_close(measured, "update_", row, seen["updates"][name], rounding, f"{name} update")


def assert_close(measured: Any, prefix: str, row: int, expected: torch.Tensor, floor: float, what: str) -> None:
    spread = float(expected.std()) if expected.numel() > 1 else np.nan
    tolerance = 1e-4 * (0.0 if np.isnan(spread) else spread) + floor
    assert getattr(measured, f"{prefix}std")[row] == pytest.approx(spread, abs=tolerance, nan_ok=True), what
    if hasattr(measured, f"{prefix}mean"):
        mean = float(expected.mean())
        assert getattr(measured, f"{prefix}mean")[row] == pytest.approx(mean, abs=tolerance + 1e-4 * abs(mean)), what


SIZES = st.sampled_from([1, 3, 4, 5, 8, 9, 24, 33])


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    norm = draw(st.sampled_from(["none", "batch", "layer"]))
    # Few units or examples under a norm leave little but rounding to compare.
    hidden = tuple(draw(st.lists(SIZES if norm == "none" else SIZES.filter(lambda size: size > 5), max_size=3)))
    is_hierarchical = draw(st.booleans())
    optimizer = draw(st.sampled_from(["sgd", "momentum", "adamw"]))
    # The gradient of a bias before batch norm is rounding, of which AdamW makes whole steps.
    bias = "auto" if optimizer == "adamw" else draw(st.sampled_from(["auto", "all"]))
    return Recipe(
        model="hierarchical" if is_hierarchical else "mlp",
        context=2 ** len(hidden) if is_hierarchical else draw(st.integers(1, 8)),
        embedding=draw(st.one_of(st.just("onehot"), SIZES)),
        hidden=hidden,
        activation=draw(st.sampled_from(["tanh", "relu", "gelu"])),
        norm=norm,
        norm_output=norm != "none" and draw(st.booleans()),
        norm_convention=draw(st.sampled_from(["pytorch", "lecture"])),
        bias=bias,
        bias_scale=0.5,
        gain=draw(st.sampled_from([1.0, 4.0])),
        dropout=draw(st.sampled_from([0.0, 0.3])),
        head_scale=1.0,
        batch=draw(st.sampled_from([31, 32, 65] if norm == "batch" else [1, 2, 31, 32, 65])),
        optimizer=optimizer,
        weight_decay=draw(st.sampled_from([0.0, 0.3])) if optimizer == "adamw" else 0.0,
        clip=draw(st.sampled_from([None, 0.1])),
        seed=draw(st.integers(1, 1000)),
    )


@pytest.mark.parametrize("built", ENGINES)
@settings(max_examples=60)
@given(recipe=recipes())
def test_statistics_are_those_of_plain_pytorch(corpus, built, recipe):
    oracle, positions, rates = Oracle(recipe, corpus), batches(corpus, recipe, 2), np.array([0.02, 0.01])
    statistics = built(recipe, corpus).run(positions, rates, 6, every=1).statistics
    assert statistics is not None
    np.testing.assert_array_equal(statistics.steps, [6, 7])
    for row, step in enumerate(statistics.steps):
        assert_measured(statistics, row, oracle.step(positions[row], float(rates[row]), int(step)), recipe)


SETTINGS = [
    {"optimizer": "sgd"},
    {"optimizer": "momentum", "clip": 0.5, "hidden": (8, 7)},
    {"optimizer": "adamw", "dropout": 0.3, "activation": "gelu"},
    {"optimizer": "adamw", "norm": "batch", "norm_convention": "notebook", "batch": 64, "activation": "relu"},
    {"optimizer": "sgd", "norm": "layer", "embedding": "onehot"},
    {
        "optimizer": "adamw",
        "model": "hierarchical",
        "context": 4,
        "hidden": (8, 6),
        "norm": "batch",
        "norm_output": True,
    },
    {"optimizer": "sgd", "hidden": ()},
]


@pytest.mark.parametrize("built", ENGINES)
@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_measuring_changes_no_bit_of_a_training(corpus, built, changes):
    recipe = replace(SMALL, **changes)
    watched, unwatched = built(recipe, corpus), built(recipe, corpus)
    positions, rates = batches(corpus, recipe, 12), np.linspace(0.1, 0.01, 12)
    expected = unwatched.run(positions, rates, 5)
    assert expected.statistics is None
    found = watched.run(positions, rates, 5, every=2)
    np.testing.assert_array_equal(found.losses, expected.losses)
    for state in ("weights", "optimizer_state"):
        arrays = getattr(unwatched, state)()
        for name, array in getattr(watched, state)().items():
            np.testing.assert_array_equal(array, arrays[name], err_msg=name)


@pytest.mark.parametrize("built", ENGINES)
@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_statistics_do_not_depend_on_how_a_training_is_cut(corpus, built, changes):
    recipe = replace(SMALL, **changes)
    positions, rates = batches(corpus, recipe, 12), np.linspace(0.1, 0.01, 12)
    whole = built(recipe, corpus).run(positions, rates, 5, every=3).statistics
    engine = built(recipe, corpus)
    cuts = [(0, 1), (1, 2), (2, 9), (9, 12)]
    parts = [engine.run(positions[i:j], rates[i:j], 5 + i, every=3).statistics for i, j in cuts]
    assert [len(part) for part in parts] == [0, 1, 2, 1]
    np.testing.assert_array_equal(whole.steps, [6, 9, 12, 15])
    assert_same(Statistics.joined(parts), whole)


@pytest.mark.parametrize("built", ENGINES)
def test_units_that_nothing_can_move_are_dead(corpus, built):
    recipe = replace(SMALL, hidden=(8, 6), activation="relu", bias_scale=1.0, dropout=0.5, batch=1)
    engine = built(recipe, corpus)
    engine.weights()["layers.0.linear.bias"][...] = [-100, 100, -100, 100, 100, 100, 100, -100]
    statistics = engine.run(batches(corpus, recipe, 1), np.array([0.0]), 0, every=1).statistics
    assert statistics.layers["layers.0"].is_dead.tolist() == [[True, False, True, *[False] * 4, True]]
    assert statistics.layers["layers.0"].dead_share == 3 / 8
    assert np.isnan(statistics.layers["layers.0"].saturation).all()


@pytest.mark.parametrize("built", ENGINES)
def test_the_step_that_fails_is_not_among_the_statistics(corpus, built):
    recipe = replace(SMALL, optimizer="sgd", activation="relu")
    result = built(recipe, corpus).run(batches(corpus, recipe, 50), np.full(50, 1e30), 0, every=1)
    assert result.failed_loss is not None
    np.testing.assert_array_equal(result.statistics.steps, np.arange(len(result.losses)))


def assert_same(statistics: Statistics, expected: Statistics) -> None:
    arrays = dict(statistics.arrays())
    assert list(arrays) == [name for name, _ in expected.arrays()]
    for name, array in expected.arrays():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
