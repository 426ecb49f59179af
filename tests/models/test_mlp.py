"""The MLP draws, computes and normalises as the notebooks and torch.nn do."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from moreish.errors import ShapeError
from moreish.models.arrays import ArrayMLP, weight_shapes
from moreish.models.mlp import MLP
from moreish.models.normalisation import BatchNorm
from moreish.recipe import Recipe

KAIMING = {"init": "kaiming", "bias_scale": 0.01, "head_init": "normal", "head_scale": 0.01, "head_bias_scale": 0.0}


def generator(seed: int = 2147483647) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(vocab_size: int = 27, **fields) -> MLP:
    return MLP(Recipe(**({"activation": "tanh"} | fields)), vocab_size, generator())


def test_parameters_are_drawn_as_the_lecture_draws_them():
    model = network(context=3, embedding=10, hidden=(200,), **KAIMING)

    g = generator()
    C = torch.randn((27, 10), generator=g)
    W1 = torch.randn((30, 200), generator=g) * (5 / 3) / (30**0.5)
    b1 = torch.randn(200, generator=g) * 0.01
    W2 = torch.randn((200, 27), generator=g) * 0.01
    b2 = torch.randn(27, generator=g) * 0
    assert [name for name, _ in model.named_parameters()] == [
        *(
            "embedding.weight",
            "layers.0.linear.weight",
            "layers.0.linear.bias",
            "head.linear.weight",
            "head.linear.bias",
        )
    ]
    for drawn, expected in zip(model.parameters(), [C, W1, b1, W2, b2], strict=True):
        assert torch.equal(drawn, expected)


def test_a_norm_after_the_output_takes_the_scale_of_the_head():
    model = network(
        context=3, embedding=10, hidden=(100,) * 5, gain=1.0, norm="batch", norm_output=True, head_scale=0.1
    )
    assert sum(parameter.numel() for parameter in model.parameters()) == 47_024
    assert torch.equal(model.head.norm.weight, torch.full((27,), 0.1))
    assert not any("linear.bias" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    ("fields", "num_parameters"),
    [
        ({"context": 3, "embedding": 10, "hidden": (200,)}, 11_897),
        ({"context": 3, "embedding": 10, "hidden": (200,), "norm": "batch"}, 12_097),
        ({"context": 3, "embedding": 10, "hidden": (200,), "norm": "batch", "bias": "all"}, 12_297),
        ({"context": 3, "embedding": 2, "hidden": (300,)}, 10_281),
        ({"context": 3, "embedding": 10, "hidden": (64,), "norm": "batch", "bias": "all"}, 4_137),
        ({"context": 3, "embedding": 10, "hidden": (100,) * 5}, 46_497),
        ({"context": 1, "embedding": "onehot", "hidden": ()}, 27 * 28),
    ],
)
def test_published_networks_have_the_published_number_of_parameters(fields, num_parameters):
    assert sum(parameter.numel() for parameter in network(**fields).parameters()) == num_parameters


def test_the_forward_pass_is_the_notebooks():
    model = network(context=3, embedding=10, hidden=(20,), **KAIMING)
    C, W1, b1, W2, b2 = model.parameters()
    contexts = torch.randint(0, 27, (9, 3), generator=generator())
    h = torch.tanh(C[contexts].view(9, -1) @ W1 + b1)
    assert torch.equal(model(contexts), h @ W2 + b2)


def test_one_hot_input_is_the_table_of_notebook_3():
    model = network(vocab_size=65, context=1, embedding="onehot", hidden=(), init="normal", head_scale=1.0)
    m, q = model.parameters()
    ids = torch.arange(65)[:, None]
    assert torch.allclose(model(ids), F.one_hot(ids[:, 0], 65).float() @ m + q)


settings_of_a_network = st.fixed_dictionaries(
    {
        "context": st.integers(1, 5),
        "embedding": st.one_of(st.just("onehot"), st.integers(1, 7)),
        "hidden": st.lists(st.integers(1, 9), max_size=3).map(tuple),
        "activation": st.sampled_from(["tanh", "relu", "gelu"]),
        "norm": st.sampled_from(["none", "batch", "layer"]),
        "norm_convention": st.sampled_from(["pytorch", "lecture", "notebook"]),
        "bias": st.sampled_from(["auto", "all"]),
        "init": st.sampled_from(["normal", "kaiming", "xavier", "orthogonal", "unit-columns", "zeros"]),
        "bias_scale": st.sampled_from([None, 0.0, 0.5]),
        "head_scale": st.sampled_from([0.1, 1.0]),
    }
)


@given(fields=settings_of_a_network, norm_output=st.booleans(), seed=st.integers(0, 1000), vocab_size=st.integers(2, 9))
def test_the_array_forward_pass_equals_the_module(fields, norm_output, seed, vocab_size):
    recipe = Recipe(**fields, norm_output=norm_output and fields["norm"] != "none")
    model = MLP(recipe, vocab_size, generator(seed))
    contexts = torch.randint(0, vocab_size, (6, recipe.context), generator=generator(seed))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator(seed))
        model.train()(contexts)  # moves the running statistics
        expected = model.eval()(contexts).numpy()
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}

    assert {name: array.shape for name, array in weights.items()} == weight_shapes(recipe, vocab_size)
    actual = ArrayMLP(recipe, vocab_size, weights).logits(contexts.numpy())
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 5), (4, 3, 5)])
def test_batch_norm_in_pytorchs_convention_equals_torch_nn(shape):
    ours, theirs = BatchNorm(5, "pytorch"), nn.BatchNorm1d(5)
    for _ in range(3):
        x = torch.randn(shape, generator=generator())
        expected = theirs(x.reshape(-1, 5)).view(shape)
        assert torch.allclose(ours(x), expected, atol=1e-6)
    assert torch.allclose(ours.running_var, theirs.running_var)
    assert torch.allclose(ours.eval()(x), theirs.eval()(x.reshape(-1, 5)).view(shape), atol=1e-6)


def test_batch_norm_in_the_notebooks_convention_keeps_a_running_standard_deviation():
    norm = BatchNorm(5, "notebook")
    x = torch.randn((8, 5), generator=generator()) * 3 + 1
    mean, std = x.mean(0, keepdim=True), x.std(0, keepdim=True)
    assert torch.equal(norm(x), torch.ones(1, 5) * (x - mean) / std + torch.zeros(1, 5))
    assert torch.equal(norm.running_std, (0.999 * torch.ones(1, 5) + 0.001 * std)[0])
    assert torch.equal(norm.eval()(x), (x - norm.running_mean) / norm.running_std)


def test_batch_norm_in_the_lectures_convention_divides_by_n_minus_1():
    norm = BatchNorm(5, "lecture")
    x = torch.randn((8, 5), generator=generator()) * 3 + 1
    mean, variance = x.mean(0, keepdim=True), x.var(0, keepdim=True)
    assert torch.equal(norm(x), (x - mean) / torch.sqrt(variance + 1e-5))
    assert torch.allclose(norm.running_var, (0.9 + 0.1 * variance)[0])


@pytest.mark.parametrize("convention", ["pytorch", "lecture", "notebook"])
def test_a_batch_of_one_has_no_variance(convention):
    with pytest.raises(ShapeError, match="batch of one"):
        BatchNorm(5, convention)(torch.zeros(1, 5))


def test_layer_norm_equals_torch_nn():
    model = network(context=2, embedding=3, hidden=(6,), norm="layer")
    x = torch.randn((4, 6), generator=generator())
    assert torch.allclose(model.layers[0].norm(x), nn.LayerNorm(6)(x))


def test_dropout_is_a_function_of_seed_step_and_layer():
    model = network(context=2, embedding=3, hidden=(50,), dropout=0.5).train()
    dropout = model.layers[0].dropout
    x = torch.ones(4, 50)
    first, again = dropout(x), dropout(x)
    dropout.step = 1
    assert torch.equal(first, again)
    assert not torch.equal(first, dropout(x))
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(dropout.eval()(x), x)
