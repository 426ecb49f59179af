"""Every pair against autograd in float64 and against central differences, over random shapes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from moreish.backprop.activations import ACTIVATIONS
from moreish.backprop.batch_norm import batch_norm_backward, batch_norm_forward, batch_norm_running
from moreish.backprop.cross_entropy import cross_entropy_backward, cross_entropy_forward
from moreish.backprop.dropout import dropout_backward, dropout_forward
from moreish.backprop.embedding import embedding_backward, embedding_forward, one_hot
from moreish.backprop.joining import JOININGS
from moreish.backprop.layer_norm import layer_norm_backward, layer_norm_forward
from moreish.backprop.linear import linear_backward, linear_forward
from moreish.draws import dropout_mask
from moreish.errors import InputError, ShapeError
from moreish.models.conventions import CONVENTIONS
from moreish.models.erf import erf

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)
leading = st.lists(sizes, min_size=1, max_size=3).map(tuple)


def assert_close(mine: Any, reference: Any, tolerance: float = 1e-10) -> None:
    """Largest difference relative to the largest reference value (at least 1e-3, so that zero may be compared)."""
    mine, reference = np.asarray(mine), np.asarray(reference)
    assert mine.shape == reference.shape
    scale = max(np.abs(reference).max(initial=0), 1e-3)
    assert np.abs(mine - reference).max(initial=0) <= tolerance * scale


def autograd(function: Callable[..., torch.Tensor], dout: Any, *inputs: Any) -> list[np.ndarray]:
    """PyTorch's gradients of sum(dout · function(*inputs)), in float64."""
    leaves = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in inputs]
    return [
        gradient.numpy()
        for gradient in torch.autograd.grad(function(*leaves), leaves, torch.as_tensor(np.asarray(dout)))
    ]


def central_differences(function: Callable[[], Any], dout: Any, array: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The gradient of sum(dout · function()) with respect to `array`, which is moved in place."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        before = array[index]
        array[index] = before + step
        above = np.sum(dout * function())
        array[index] = before - step
        below = np.sum(dout * function())
        array[index] = before
        gradient[index] = (above - below) / (2 * step)
    return gradient


@given(leading, sizes, sizes, st.booleans(), seeds)
def test_linear_equals_autograd(shape, fan_in, fan_out, has_bias, seed):
    draw = np.random.default_rng(seed)
    x, W, dy = (draw.normal(size=size) for size in ((*shape, fan_in), (fan_in, fan_out), (*shape, fan_out)))
    b = draw.normal(size=fan_out) if has_bias else None
    y, cache = linear_forward(x, W, b)
    dx, dW, db = linear_backward(dy, cache)
    if b is None:
        assert db is None
        expected = autograd(lambda x, W: x @ W, dy, x, W)
        mine = [dx, dW]
    else:
        assert_close(y, F.linear(torch.tensor(x), torch.tensor(W.T), torch.tensor(b)))
        expected = autograd(lambda x, W, b: x @ W + b, dy, x, W, b)
        mine = [dx, dW, db]
    for gradient, reference in zip(mine, expected, strict=True):
        assert_close(gradient, reference)
    assert_close(dW, central_differences(lambda: linear_forward(x, W, b)[0], dy, W), 1e-7)


def test_linear_refuses_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="last axis"):
        linear_forward(np.ones((2, 3)), np.ones((4, 5)))
    _, cache = linear_forward(np.ones((2, 4)), np.ones((4, 5)))
    with pytest.raises(ShapeError, match=r"\(5, 2\).*\(2, 5\)"):
        linear_backward(np.ones((5, 2)), cache)


@given(leading, st.integers(1, 4), sizes, seeds)
def test_embedding_accumulates_repeated_characters(shape, vocab_size, size, seed):
    draw = np.random.default_rng(seed)  # few characters: most of them occur again
    ids = draw.integers(0, vocab_size, shape)
    C, demb = draw.normal(size=(vocab_size, size)), draw.normal(size=(*shape, size))
    emb, cache = embedding_forward(C, ids)
    (expected,) = autograd(lambda C: C[torch.tensor(ids)], demb, C)
    dC = embedding_backward(demb, cache)
    assert_array_equal(emb, C[ids])
    assert_close(dC, expected)
    assert_close(dC, central_differences(lambda: embedding_forward(C, ids)[0], demb, C), 1e-7)
    assert_close(one_hot(ids, vocab_size, np.float64) @ C, emb)


def test_embedding_rows_that_do_not_occur_have_no_gradient():
    _, cache = embedding_forward(np.ones((5, 2), np.float32), np.array([[1, 1, 3]]))
    dC = embedding_backward(np.ones((1, 3, 2), np.float32), cache)
    assert_array_equal(dC, [[0, 0], [2, 2], [0, 0], [1, 1], [0, 0]])
    assert dC.dtype == np.float32


@given(sizes, sizes, sizes, seeds)
def test_joining_puts_every_gradient_back_where_its_value_came_from(B, half, E, seed):
    x = np.random.default_rng(seed).normal(size=(B, 2 * half, E))
    flat, flat_cache = JOININGS["flat"].forward(x)
    pairs, pairs_cache = JOININGS["pairs"].forward(x)
    assert_array_equal(flat, np.concatenate([x[:, t] for t in range(2 * half)], axis=1))
    assert_array_equal(pairs, np.concatenate([x[:, ::2], x[:, 1::2]], axis=2))
    assert_array_equal(JOININGS["flat"].backward(flat, flat_cache), x)
    assert_array_equal(JOININGS["pairs"].backward(pairs, pairs_cache), x)


def test_an_odd_number_of_positions_cannot_be_joined_in_pairs():
    with pytest.raises(ShapeError, match=r"odd number of positions \(3\)"):
        JOININGS["pairs"].forward(np.zeros((2, 3, 4)))


TORCH_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


@pytest.mark.parametrize("name", TORCH_ACTIVATIONS)
@given(leading, seeds, st.sampled_from([0.1, 1, 30]))
def test_activations_equal_autograd_also_where_saturated(name, shape, seed, spread):
    draw = np.random.default_rng(seed)
    x, dy = draw.normal(size=shape) * spread, draw.normal(size=shape)
    x.flat[0] = 0.0  # where ReLU has no derivative
    y, cache = ACTIVATIONS[name].forward(x)
    (expected,) = autograd(TORCH_ACTIVATIONS[name], dy, x)
    assert_close(y, TORCH_ACTIVATIONS[name](torch.tensor(x)))
    assert_close(ACTIVATIONS[name].backward(dy, cache), expected)


@pytest.mark.parametrize("name", TORCH_ACTIVATIONS)
def test_activations_equal_central_differences(name):
    x = np.linspace(-5, 5, 40)  # 0 is not among them
    dy = np.cos(np.arange(40))
    _, cache = ACTIVATIONS[name].forward(x)
    numeric = central_differences(lambda: ACTIVATIONS[name].forward(x)[0], dy, x)
    assert_close(ACTIVATIONS[name].backward(dy, cache), numeric, 1e-8)


def test_a_dead_unit_and_a_saturated_one_pass_nothing_back():
    for name, x in (("relu", -1.0), ("tanh", 40.0), ("gelu", -40.0), ("gelu_tanh", -40.0)):
        _, cache = ACTIVATIONS[name].forward(np.full((3, 1), x))
        assert_array_equal(ACTIVATIONS[name].backward(np.ones((3, 1)), cache), np.zeros((3, 1)))


def test_erf_is_that_of_the_standard_library():
    x = np.concatenate([np.linspace(-7, 7, 20_001), np.geomspace(1e-300, 1, 1_000), [np.inf, -np.inf, 0.46875, 4, 6]])
    reference = np.array([math.erf(value) for value in x])
    assert_allclose(erf(x), reference, rtol=7e-16, atol=0)
    singles = x.astype(np.float32)
    assert erf(singles).dtype == np.float32
    assert_allclose(erf(singles), [math.erf(value) for value in singles], rtol=4e-7, atol=1e-37)
    assert np.isnan(erf(np.array([np.nan]))).all()
    assert_array_equal(np.signbit(erf(np.array([0.0, -0.0]))), [False, True])


def torch_batch_norm(correction: int = 0, epsilon: float = 1e-5) -> Callable[..., torch.Tensor]:
    def oracle(x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        axes = tuple(range(x.ndim - 1))
        return gamma * (x - x.mean(axes)) / torch.sqrt(x.var(axes, correction=correction) + epsilon) + beta

    return oracle


@given(leading, sizes, st.sampled_from(sorted(CONVENTIONS)), seeds)
def test_batch_norm_equals_autograd(shape, H, name, seed):
    draw = np.random.default_rng(seed)
    shape = (*shape, H) if math.prod(shape) > 2 else (3, *shape, H)  # two values leave nothing but rounding in dx
    x = draw.normal(2, 3, size=shape)
    gamma, beta, dy = draw.normal(size=H), draw.normal(size=H), draw.normal(size=shape)
    correction, epsilon = CONVENTIONS[name].correction, CONVENTIONS[name].epsilon
    y, cache = batch_norm_forward(x, gamma, beta, correction, epsilon)
    oracle = torch_batch_norm(correction, epsilon)
    expected = autograd(oracle, dy, x, gamma, beta)
    assert_close(y, oracle(*(torch.tensor(array) for array in (x, gamma, beta))))
    for gradient, reference in zip(batch_norm_backward(dy, cache), expected, strict=True):
        assert_close(gradient, reference)


@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("shape", [(2, 3), (5, 1), (3, 2, 4), (1, 3, 2)])
def test_batch_norm_equals_central_differences(correction, shape):
    draw = np.random.default_rng(5)
    x, dy = draw.normal(size=shape), draw.normal(size=shape)
    gamma, beta = draw.normal(size=shape[-1]), draw.normal(size=shape[-1])
    _, cache = batch_norm_forward(x, gamma, beta, correction, 1e-2)
    gradients = batch_norm_backward(dy, cache)
    for gradient, array in zip(gradients, (x, gamma, beta), strict=True):
        numeric = central_differences(lambda: batch_norm_forward(x, gamma, beta, correction, 1e-2)[0], dy, array)
        assert_close(gradient, numeric, 1e-7)


def test_batch_norm_of_a_unit_that_never_changes_is_its_bias():
    x, gamma, beta, dy = np.full((4, 1), 7.0), np.array([2.0]), np.array([3.0]), np.arange(4.0).reshape(4, 1)
    y, cache = batch_norm_forward(x, gamma, beta)
    assert_array_equal(y, np.full((4, 1), 3.0))
    for gradient, reference in zip(
        batch_norm_backward(dy, cache), autograd(torch_batch_norm(), dy, x, gamma, beta), strict=True
    ):
        assert_close(gradient, reference)


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3)])
def test_batch_norm_refuses_a_batch_of_one(shape):
    with pytest.raises(ShapeError, match="batch of one.*at least 2"):
        batch_norm_forward(np.ones(shape), np.ones(3), np.zeros(3))


def test_running_statistics_of_the_pytorch_convention_are_those_of_pytorch():
    draw = np.random.default_rng(0)
    module = torch.nn.BatchNorm1d(4, dtype=torch.float64)
    mean, var = np.zeros(4), np.ones(4)
    for _ in range(5):
        x = draw.normal(1, 3, size=(7, 4))
        y, cache = batch_norm_forward(x, np.ones(4), np.zeros(4))
        assert_close(y, module(torch.tensor(x)).detach())
        mean, var = batch_norm_running(mean, var, cache, CONVENTIONS["pytorch"])
    assert_close(mean, module.running_mean)
    assert_close(var, module.running_var)


def test_running_statistics_of_the_lecture_and_the_notebook():
    x = np.random.default_rng(0).normal(1, 3, size=(7, 4))
    for name, share, spread in (("lecture", 0.1, x.var(0, ddof=1)), ("notebook", 0.001, x.std(0, ddof=1))):
        convention = CONVENTIONS[name]
        _, cache = batch_norm_forward(x, np.ones(4), np.zeros(4), convention.correction, convention.epsilon)
        mean, kept = batch_norm_running(np.zeros(4), np.ones(4), cache, convention)
        assert_close(mean, share * x.mean(0))
        assert_close(kept, 1 - share + share * spread)


@given(leading, sizes, seeds)
def test_layer_norm_equals_autograd(shape, H, seed):
    draw = np.random.default_rng(seed)
    x, dy = draw.normal(2, 3, size=(*shape, H)), draw.normal(size=(*shape, H))
    gamma, beta = draw.normal(size=H), draw.normal(size=H)
    epsilon = 1e-2  # at 1e-5, two values that nearly agree leave autograd itself only nine digits
    y, cache = layer_norm_forward(x, gamma, beta, epsilon)

    def oracle(x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, (H,), gamma, beta, epsilon)

    assert_close(y, oracle(*(torch.tensor(array) for array in (x, gamma, beta))))
    gradients = layer_norm_backward(dy, cache)
    for gradient, reference in zip(gradients, autograd(oracle, dy, x, gamma, beta), strict=True):
        assert_close(gradient, reference)
    numeric = central_differences(lambda: layer_norm_forward(x, gamma, beta, epsilon)[0], dy, x)
    assert_close(gradients[0], numeric, 1e-5)


@given(leading, sizes, seeds, st.sampled_from([0, 1, 300]))
def test_cross_entropy_equals_autograd_also_with_ties_and_certainty(shape, V, seed, spread):
    draw = np.random.default_rng(seed)
    logits = np.round(draw.normal(size=(*shape, V)) * spread)  # rounded: ties; times 300: probabilities of 0 and 1
    targets = draw.integers(0, V, shape)
    loss, cache = cross_entropy_forward(logits, targets)

    def oracle(logits: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits.reshape(-1, V), torch.tensor(targets).reshape(-1))

    (expected,) = autograd(oracle, 1.0, logits)
    dlogits = cross_entropy_backward(cache)
    assert_close(loss, oracle(torch.tensor(logits)))
    assert_close(dlogits, expected)
    assert_close(dlogits.sum(-1), np.zeros(shape))
    assert_close(cross_entropy_backward(cache, 3.0), 3 * expected)
    assert_close(dlogits, central_differences(lambda: cross_entropy_forward(logits, targets)[0], 1.0, logits), 1e-4)


def test_cross_entropy_refuses_targets_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"targets have shape \(3,\); expected \(2,\)"):
        cross_entropy_forward(np.zeros((2, 5)), np.zeros(3, np.int64))
    with pytest.raises(InputError, match="0 examples"):
        cross_entropy_forward(np.zeros((0, 5)), np.zeros(0, np.int64))


def test_dropout_passes_back_what_it_let_through():
    x = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    mask = dropout_mask(1, 2, 3, x.shape, 0.25)
    y, cache = dropout_forward(x, mask)
    dx = dropout_backward(np.ones_like(y), cache)
    (expected,) = autograd(lambda x: x * torch.tensor(mask, dtype=torch.float64), np.ones(x.shape), x)
    assert_close(dx, expected, 1e-7)
    assert_array_equal(y == 0, dx == 0)
    assert 0.2 < (dx == 0).mean() < 0.3
    assert (y.dtype, dx.dtype) == (np.float32, np.float32)
    with pytest.raises(ShapeError):
        dropout_forward(x[:1], mask)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_pair_answers_in_the_dtype_it_is_given(dtype):
    draw = np.random.default_rng(0)
    x, W, b = (draw.normal(size=size).astype(dtype) for size in ((4, 3), (3, 3), 3))
    answers = [erf(x), *linear_backward(x, linear_forward(x, W, b)[1])]
    for pair in ACTIVATIONS.values():
        y, cache = pair.forward(x)
        answers += [y, pair.backward(y, cache)]
    y, batch_cache = batch_norm_forward(x, b, b, 1)
    answers += [
        y,
        *batch_norm_backward(x, batch_cache),
        *batch_norm_running(b, b, batch_cache, CONVENTIONS["notebook"]),
    ]
    y, layer_cache = layer_norm_forward(x, b, b)
    answers += [
        y,
        *layer_norm_backward(x, layer_cache),
        cross_entropy_backward(cross_entropy_forward(x, np.zeros(4, int))[1]),
    ]
    answers += [one_hot(np.arange(3), 3, dtype), embedding_backward(x, (np.arange(4), (5, 3)))]
    assert {answer.dtype for answer in answers if answer is not None} == {np.dtype(dtype)}
