"""The whole network against a restatement in plain PyTorch, float64, weight by weight."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from moreish.backprop.network import loss_and_gradients, network_forward, running_statistics
from moreish.draws import dropout_mask, seed_for
from moreish.errors import ShapeError
from moreish.recipe import Recipe

CORRECTION = {"pytorch": 0, "lecture": 1, "notebook": 1}
EPSILON = {"pytorch": 1e-5, "lecture": 1e-5, "notebook": 0.0}
MOMENTUM = {"pytorch": 0.1, "lecture": 0.1, "notebook": 0.001}
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "gelu": F.gelu}


def make_recipe(model="mlp", **fields):
    recipe = Recipe(**fields)
    object.__setattr__(recipe, "model", model)  # for models that the recipe comes to know later than the gradients
    return recipe


def draw_weights(recipe, V, draw, dtype: type[np.floating] = np.float64):
    """Parameters and buffers under the names of the PyTorch module."""
    size = V if recipe.embedding == "onehot" else recipe.embedding
    weights = {} if recipe.embedding == "onehot" else {"embedding.weight": draw.normal(size=(V, size))}
    names = [*(f"layers.{index}" for index in range(len(recipe.hidden))), "head"]
    fan_in = 2 * size if recipe.model == "hierarchical" else recipe.context * size
    for name, fan_out in zip(names, (*recipe.hidden, V), strict=True):
        has_norm = recipe.norm != "none" and (name != "head" or recipe.norm_output)
        if recipe.model == "hierarchical" and name == "head":
            fan_in //= 2
        weights[f"{name}.linear.weight"] = draw.normal(size=(fan_in, fan_out)) * fan_in**-0.5
        if recipe.bias == "all" or not has_norm:
            weights[f"{name}.linear.bias"] = draw.normal(size=fan_out) * 0.1
        if has_norm:
            weights[f"{name}.norm.weight"] = 1 + draw.normal(size=fan_out) * 0.1
            weights[f"{name}.norm.bias"] = draw.normal(size=fan_out) * 0.1
        if has_norm and recipe.norm == "batch":
            spread = "running_std" if recipe.norm_convention == "notebook" else "running_var"
            weights[f"{name}.norm.running_mean"] = draw.normal(size=fan_out)
            weights[f"{name}.norm.{spread}"] = draw.uniform(1, 2, size=fan_out)
        fan_in = 2 * fan_out if recipe.model == "hierarchical" else fan_out
    return {name: array.astype(dtype) for name, array in weights.items()}


def oracle(recipe, weights, contexts, targets, step):
    """Loss, gradients and new buffers by autograd."""
    w = {name: torch.tensor(array, requires_grad=".running_" not in name) for name, array in weights.items()}
    V = w["head.linear.weight"].shape[1]
    ids = torch.tensor(contexts)
    x = F.one_hot(ids, V).double() if recipe.embedding == "onehot" else w["embedding.weight"][ids]
    if recipe.model == "mlp":
        x = x.flatten(1)
    buffers = {}
    for index, name in enumerate([*(f"layers.{index}" for index in range(len(recipe.hidden))), "head"]):
        if recipe.model == "hierarchical":
            x = torch.cat([x[:, ::2], x[:, 1::2]], dim=2) if name != "head" else x.squeeze(1)
        x = x @ w[f"{name}.linear.weight"]
        if f"{name}.linear.bias" in w:
            x = x + w[f"{name}.linear.bias"]
        if f"{name}.norm.weight" in w:
            is_batch = recipe.norm == "batch"
            axes = tuple(range(x.ndim - 1)) if is_batch else (-1,)
            mean = x.mean(axes, keepdim=True)
            var = x.var(axes, correction=CORRECTION[recipe.norm_convention] if is_batch else 0, keepdim=True)
            if is_batch:
                share = MOMENTUM[recipe.norm_convention]
                unbiased = x.var(axes, correction=1)
                spreads = {"running_var": unbiased, "running_std": unbiased.sqrt()}
                for buffer, value in ({"running_mean": mean.flatten()} | spreads).items():
                    if (old := w.get(f"{name}.norm.{buffer}")) is not None:
                        buffers[f"{name}.norm.{buffer}"] = old + share * (value.detach() - old)
            epsilon = EPSILON[recipe.norm_convention] if is_batch else 1e-5
            x = (x - mean) / torch.sqrt(var + epsilon) * w[f"{name}.norm.weight"] + w[f"{name}.norm.bias"]
        if name != "head":
            x = ACTIVATIONS[recipe.activation](x)
            if recipe.dropout:
                seed = seed_for(recipe.seed, "dropout")
                x = x * torch.tensor(dropout_mask(seed, step, index, tuple(x.shape), recipe.dropout))
    loss = F.cross_entropy(x, torch.tensor(targets))
    loss.backward()
    gradients = {name: np.asarray(tensor.grad) for name, tensor in w.items() if tensor.requires_grad}
    return loss.item(), gradients, {name: buffer.numpy() for name, buffer in buffers.items()}


def check_against_oracle(recipe, seed, V=6, B=7, step=3, tolerance=1e-10):
    draw = np.random.default_rng(seed)
    weights = draw_weights(recipe, V, draw)
    contexts, targets = draw.integers(0, V, (B, recipe.context)), draw.integers(0, V, B)
    loss, gradients = loss_and_gradients(recipe, weights, contexts, targets, step)
    _, cache = network_forward(recipe, weights, contexts, targets, step)
    expected_loss, expected, expected_buffers = oracle(recipe, weights, contexts, targets, step)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for mine, theirs in ((gradients, expected), (running_statistics(recipe, weights, cache), expected_buffers)):
        assert mine.keys() == theirs.keys()
        for name, reference in theirs.items():
            assert mine[name].shape == reference.shape == weights[name].shape, name
            scale = max(np.abs(reference).max(), 1e-3)  # a bias before batch norm has the gradient zero
            assert np.abs(mine[name] - reference).max() <= tolerance * scale, name


@pytest.mark.parametrize(
    ("norm", "activation", "embedding", "bias"),
    list(itertools.product(("none", "batch", "layer"), ("tanh", "relu", "gelu"), (3, "onehot"), ("auto", "all"))),
)
def test_every_combination_equals_autograd(norm, activation, embedding, bias):
    recipe = make_recipe(
        context=3, embedding=embedding, hidden=(5, 4), norm=norm, activation=activation, bias=bias, dropout=0.2
    )
    check_against_oracle(recipe, seed=1)


@pytest.mark.parametrize("convention", ["pytorch", "lecture", "notebook"])
@pytest.mark.parametrize("model", ["mlp", "hierarchical"])
@pytest.mark.parametrize("norm_output", [False, True])
def test_every_convention_of_batch_norm_equals_autograd(convention, model, norm_output):
    recipe = make_recipe(
        *(model,),
        context=8,
        embedding=3,
        hidden=(5, 4, 6),
        norm="batch",
        norm_convention=convention,
        norm_output=norm_output,
    )
    check_against_oracle(recipe, seed=2, B=9)


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("embedding", [3, "onehot"])
def test_the_hierarchical_network_equals_autograd(norm, embedding):
    recipe = make_recipe("hierarchical", context=4, embedding=embedding, hidden=(5, 4), norm=norm, dropout=0.3)
    check_against_oracle(recipe, seed=3)


def test_a_network_without_hidden_layers_equals_autograd():
    check_against_oracle(make_recipe(context=1, embedding="onehot", hidden=()), seed=4)
    check_against_oracle(make_recipe(context=2, embedding=3, hidden=()), seed=4, B=1)


@settings(max_examples=50)
@given(
    st.integers(1, 4),
    st.one_of(st.just("onehot"), st.integers(1, 4)),
    st.lists(st.integers(1, 5), max_size=3),
    st.integers(1, 5),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
)
def test_any_size_of_one_and_more_equals_autograd(context, embedding, hidden, B, V, seed):
    recipe = make_recipe(context=context, embedding=embedding, hidden=tuple(hidden), activation="gelu")
    check_against_oracle(recipe, seed, V, B)


def test_dropout_is_drawn_anew_at_every_step_and_the_same_when_repeated():
    draw = np.random.default_rng(0)
    recipe = make_recipe(context=3, embedding=4, hidden=(50,), dropout=0.5)
    weights = draw_weights(recipe, 6, draw)
    contexts, targets = draw.integers(0, 6, (5, 3)), draw.integers(0, 6, 5)
    losses = [loss_and_gradients(recipe, weights, contexts, targets, step)[0] for step in (0, 1, 1)]
    assert losses[0] != losses[1] == losses[2]


def test_gradients_come_in_the_dtype_of_the_weights():
    draw = np.random.default_rng(0)
    for fields in ({"norm": "batch"}, {"norm": "layer", "dropout": 0.1}, {"embedding": "onehot", "activation": "gelu"}):
        recipe = make_recipe(context=3, hidden=(5,), **fields)
        weights = draw_weights(recipe, 6, draw, np.float32)
        contexts, targets = draw.integers(0, 6, (5, 3)), draw.integers(0, 6, 5)
        loss, cache = network_forward(recipe, weights, contexts, targets)
        exact, _ = network_forward(
            recipe, {name: array.astype(np.float64) for name, array in weights.items()}, contexts, targets
        )
        assert loss == pytest.approx(exact, rel=1e-5)
        gradients = loss_and_gradients(recipe, weights, contexts, targets)[1] | running_statistics(
            recipe, weights, cache
        )
        assert gradients.keys() == weights.keys()
        assert {array.dtype for array in gradients.values()} == {np.dtype(np.float32)}


def test_nothing_that_is_passed_in_is_changed():
    draw = np.random.default_rng(0)
    recipe = make_recipe(context=2, embedding=3, hidden=(4,), norm="batch", bias="all")
    weights = draw_weights(recipe, 6, draw)
    contexts, targets = draw.integers(0, 6, (5, 2)), draw.integers(0, 6, 5)
    for array in (*weights.values(), contexts, targets):
        array.flags.writeable = False
    loss_and_gradients(recipe, weights, contexts, targets)


def test_a_batch_of_one_under_batch_norm_is_refused():
    draw = np.random.default_rng(0)
    recipe = make_recipe(context=2, embedding=3, hidden=(4,), norm="batch")
    with pytest.raises(ShapeError, match="batch of one"):
        loss_and_gradients(recipe, draw_weights(recipe, 6, draw), np.array([[1, 2]]), np.array([3]))
