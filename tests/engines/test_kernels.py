"""Each compiled kernel against NumPy in float64, on every instruction set that this processor has.

A matrix is padded as the engine pads it: rows begin at multiples of 64 bytes and are zero behind the last column. Every
kernel must leave those zeros as they are, since the next one adds them up.
"""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from moreish.backprop.activations import gelu_backward, gelu_forward, relu_backward, relu_forward
from moreish.draws import dropout_mask, philox, seed_for
from moreish.engines.native import levels

LEVELS = levels()
pytestmark = pytest.mark.skipif(not LEVELS, reason="the native engine was not built: no C++ compiler")
SIZES = [1, 2, 3, 8, 15, 16, 17, 31, 48, 65, 97, 200]
Floats = NDArray[np.float64]


def padded(values: Any, columns: int = 0) -> NDArray[np.float32]:
    """A view of the values in padded rows."""
    values = np.atleast_2d(np.asarray(values, np.float32))
    ld = 16 * ((max(columns, values.shape[1]) + 15) // 16 | 1)
    room = np.zeros(values.shape[0] * ld + 16, np.float32)
    skipped = -room.ctypes.data % 64 // 4
    rows = room[skipped : skipped + values.shape[0] * ld].reshape(-1, ld)
    rows[:, : values.shape[1]] = values
    return rows[:, : values.shape[1]]


def behind(view: NDArray[np.float32]) -> NDArray[np.float32]:
    """What stands behind the last column, up to the end of a vector of 16."""
    rows, columns = view.shape
    return np.lib.stride_tricks.as_strided(view, (rows, -(-columns // 16) * 16), (view.strides[0], 4))[:, columns:]


def close(found: NDArray[np.float32], expected: Any, tolerance: float = 2e-6, size: float | None = None) -> None:
    """To a relative error, of the largest number or of `size`; and the padding is still zero."""
    expected = np.atleast_2d(expected)
    scale = np.abs(expected).max() if size is None else size
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(scale, 1e-30))
    assert not behind(found).any()


@pytest.fixture(params=LEVELS or ["none"])
def kernels(request: pytest.FixtureRequest) -> Any:
    from moreish.engines import _native  # it may not have been built

    return _native.Kernels(request.param)


def rule(**changes: Any) -> Any:
    from moreish.engines import _native

    return _native.Rule(**changes)


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(7)


def shapes(draw: np.random.Generator, number: int = 40) -> list[tuple[int, int, int]]:
    return [tuple(map(int, draw.choice(SIZES, 3))) for _ in range(number)]  # type: ignore[misc]


# --- Products ---


def test_product(kernels, draw):
    for M, K, N in shapes(draw):
        a, b, bias = draw.normal(size=(M, K)), draw.normal(size=(K, N)), draw.normal(size=(1, N))
        before, out = draw.normal(size=(M, N)), padded(np.ones((M, N)))
        a32, b32 = padded(a), padded(b)
        kernels.product(a32, b32, out)
        close(out, a @ b)
        kernels.product(a32, b32, out, padded(bias))
        close(out, a @ b + bias)
        if M > 1:  # one row is taken for a bias
            kernels.product(a32, b32, out, padded(before))
            close(out, a @ b + before)
        kernels.product(padded(a.T).T, b32, out)  # the left factor as it stands in another product
        close(out, a @ b)


def test_product_times(kernels, draw):
    for M, K, N in shapes(draw):
        a, b, factor = draw.normal(size=(M, K)), draw.normal(size=(K, N)), draw.normal(size=(M, N))
        out = padded(factor)
        kernels.product_times(padded(a), padded(b), out)
        close(out, a @ b * factor)


def test_product_transposed(kernels, draw):
    for M, K, N in shapes(draw):
        a, b, out = draw.normal(size=(M, K)), draw.normal(size=(N, K)), padded(np.ones((M, N)))
        kernels.product_transposed(padded(a), padded(b), out)
        close(out, a @ b.T)


def stepped(kind: str, parameters: Floats, gradients: list[Floats]) -> Floats:
    """PyTorch's optimisers, in float64, decay 0.1, and a rate of 0.05."""
    parameter = torch.tensor(parameters, requires_grad=True)
    if kind == "adamw":
        optimizer: torch.optim.Optimizer = torch.optim.AdamW([parameter], 0.05, (0.8, 0.95), weight_decay=0.1)
    else:  # the decay taken from the parameter, not added to the gradient
        optimizer = torch.optim.SGD([parameter], 0.05, momentum=0.7 if kind == "momentum" else 0.0)
    for gradient in gradients:
        if kind != "adamw":
            parameter.data *= 1 - 0.05 * 0.1
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    return parameter.detach().numpy()


def rules(kind: str, step: int) -> Any:
    mean_scale, square_scale = 1 / (1 - 0.8**step), (1 - 0.95**step) ** -0.5
    return rule(
        kind=kind, rate=0.05, keep=1 - 0.05 * 0.1, momentum=0.7, beta1=0.8, beta2=0.95,
        mean_scale=mean_scale, square_scale=square_scale,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adamw"])
def test_product_update(kernels, draw, kind):
    for M, K, N in shapes(draw, 15):
        start = draw.normal(size=(M, N))
        value, first, second = padded(start), padded(np.zeros((M, N))), padded(np.zeros((M, N)))
        gradients = []
        for step in (1, 2, 3):
            x, dy = draw.normal(size=(K, M)), draw.normal(size=(K, N))
            kernels.product_update(padded(x).T, padded(dy), value, first, second, rules(kind, step), decays=True)
            gradients.append(x.T @ dy)
        # AdamW divides by the size of the gradient, whose rounding it shows where the sum nearly cancels.
        close(value, stepped(kind, start, gradients), 2e-4 if kind == "adamw" else 2e-6)


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adamw"])
def test_update(kernels, draw, kind):
    for M, N, _ in shapes(draw, 15):
        start, gradients = draw.normal(size=(M, N)), [draw.normal(size=(M, N)) for _ in range(3)]
        value, first, second = padded(start), padded(np.zeros((M, N))), padded(np.zeros((M, N)))
        for step, gradient in enumerate(gradients, 1):
            kernels.update(value, padded(gradient), first, second, rules(kind, step), decays=True, scale=0.5)
        close(value, stepped(kind, start, [0.5 * gradient for gradient in gradients]))


def test_square_sum(kernels, draw):
    for M, N, _ in shapes(draw):
        x = draw.normal(size=(M, N))
        assert kernels.square_sum(padded(x)) == pytest.approx((x**2).sum(), rel=1e-6)


def test_transpose(kernels, draw):
    for M, N, _ in shapes(draw):
        x = padded(draw.normal(size=(M, N)))
        out = padded(np.zeros((N, M)))
        kernels.transpose(x, out)
        np.testing.assert_array_equal(out, x.T)
        assert not behind(out).any()


# --- Sums ---


@pytest.mark.parametrize("has_bias", [False, True])
def test_gather_sum(kernels, draw, has_bias):
    for P, R, N in shapes(draw):
        table, bias, num_terms = draw.normal(size=(P, N)), draw.normal(size=(1, N)), int(draw.integers(1, 9))
        index, out = draw.integers(0, P, (R, num_terms)), padded(np.ones((R, N)))
        kernels.gather_sum(padded(table), index.astype(np.int32).ravel(), padded(bias) if has_bias else None, out)
        close(out, table[index].sum(1) + has_bias * bias)


def test_scatter_sum(kernels, draw):
    for R, P, N in shapes(draw):
        x, out, num_terms = draw.normal(size=(R, N)), padded(np.full((P, N), np.nan)), int(draw.integers(1, 9))
        index = draw.integers(0, P, R * num_terms)
        _, firsts = np.unique(index, return_index=True)
        marked = index.astype(np.int32)
        marked[firsts] = ~marked[firsts]
        kernels.scatter_sum(padded(x), marked, out)
        expected = np.zeros((P, N))
        np.add.at(expected, index, np.repeat(x, num_terms, 0))
        out[np.setdiff1d(np.arange(P), index)] = 0  # a row that does not occur is left as it is
        close(out, expected)


def test_column_sums(kernels, draw):
    for R, N, _ in shapes(draw):
        x, out = draw.normal(size=(R, N)), padded(np.ones((1, N)))
        kernels.column_sums(padded(x), out)
        close(out, x.sum(0))


# --- Activations ---

FUNCTIONS = {
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": (lambda x: relu_forward(x)[0], lambda x: relu_backward(np.ones_like(x), relu_forward(x)[1])),
    "gelu": (lambda x: gelu_forward(x)[0], lambda x: gelu_backward(np.ones_like(x), gelu_forward(x)[1])),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_activate(kernels, draw, kind):
    function, derivative = FUNCTIONS[kind]
    for R, N, _ in shapes(draw, 20):
        x = padded(draw.normal(size=(R, N)) * 4)
        exact, slope = x.astype(np.float64), padded(np.zeros((R, N)))
        kernels.activate(kind, x, slope)
        np.testing.assert_allclose(x, function(exact), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(slope, derivative(exact), rtol=1e-6, atol=1e-6)
        assert not behind(x).any()


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_activate_keeps_what_is_not_a_number(kernels, kind):
    x = padded([[np.nan, np.inf, -np.inf, 0, 1]])
    kernels.activate(kind, x, padded(np.zeros((1, 5))))
    assert np.isnan(x[0, 0])
    assert x[0, 3] == 0


@pytest.mark.parametrize("shape", [(1, 1), (5, 33), (32, 97)])
def test_activate_drops_the_elements_that_backprop_drops(kernels, shape):
    seed, step, layer, share = 5, 2**33 + 1, 2, 0.3
    key = int(philox((step % 2**32, step >> 32, layer, 1), seed_for(seed, "dropout")).ravel()[0])
    x, slope = padded(np.ones(shape)), padded(np.zeros(shape))
    kernels.activate("relu", x, slope, key, int(share * 2**32), 1 / (1 - share))
    mask = dropout_mask(seed_for(seed, "dropout"), step, layer, shape, share)
    np.testing.assert_allclose(x, mask, rtol=1e-6)
    np.testing.assert_allclose(slope, mask, rtol=1e-6)


# --- Norms: autograd in float64, on every example by itself ---


def normed_by_autograd(x, count, gamma, beta, dy, correction, epsilon):
    """Batch norm of x (R, N), row r standing for count[r] examples; dy is the sum of their gradients."""
    x, gamma, beta = (torch.tensor(array, requires_grad=True) for array in (x, gamma, beta))
    rows = torch.repeat_interleave(torch.arange(len(count)), torch.tensor(count))
    every = x[rows]
    mean, variance = every.mean(0, keepdim=True), every.var(0, correction=correction, keepdim=True)
    y = gamma * (x - mean) / torch.sqrt(variance + epsilon) + beta
    (y * torch.tensor(dy)).sum().backward()
    gradients = [tensor.grad for tensor in (x, gamma, beta)]
    return [tensor.detach().numpy() for tensor in (y, mean, variance, *gradients)]  # type: ignore[union-attr]


@pytest.mark.parametrize(("correction", "epsilon"), [(0, 1e-5), (1, 1e-5), (1, 0.0)])
def test_batch_norm_and_batch_norm_backward(kernels, draw, correction, epsilon):
    for R, N, _ in shapes(draw, 25):
        count = draw.integers(1, 4, R + 3)  # at least 4 examples: few leave only rounding
        gamma, beta = draw.normal(size=(2, 1, N))
        x, dy = draw.normal(size=(2, len(count), N))
        y, mean, variance, dx, dgamma, dbeta = normed_by_autograd(x, count, gamma, beta, dy, correction, epsilon)
        counts, n = count.astype(np.float32), int(count.sum())
        out, xhat, rstd = padded(x), padded(np.zeros_like(x)), padded(np.zeros((1, N)))
        found_mean, found_variance = padded(np.zeros((1, N))), padded(np.zeros((1, N)))
        kernels.batch_norm(
            out, xhat, counts, padded(gamma), padded(beta), found_mean, found_variance, rstd, n, correction, epsilon
        )
        close(out, y, 5e-6)
        close(found_mean, mean)
        close(found_variance, variance)
        assert not behind(xhat).any()

        found_dx, found_dgamma, found_dbeta = padded(dy), padded(np.zeros((1, N))), padded(np.zeros((1, N)))
        kernels.batch_norm_backward(
            found_dx, xhat, counts, padded(gamma), rstd, found_dgamma, found_dbeta, n, correction
        )
        close(found_dx, dx, 1e-5)
        # Relative to the terms of the sums, which may nearly cancel.
        close(found_dgamma, dgamma, 1e-5, np.abs(dy * xhat).sum(0).max())
        close(found_dbeta, dbeta, size=np.abs(dy).sum(0).max())


def test_layer_norm_and_layer_norm_backward(kernels, draw):
    for R, N, _ in shapes(draw, 25):
        N = max(N, 3)  # two units only tell which is the larger: nothing but rounding is left of the gradient
        x, dy, (gamma, beta) = draw.normal(size=(R, N)), draw.normal(size=(R, N)), draw.normal(size=(2, N))
        tensors = [torch.tensor(array, requires_grad=True) for array in (x, gamma, beta)]
        y = torch.nn.functional.layer_norm(tensors[0], (N,), tensors[1], tensors[2], 1e-5)
        (y * torch.tensor(dy)).sum().backward()
        out, xhat, rstd = padded(x), padded(np.zeros_like(x)), np.zeros(R, np.float32)
        kernels.layer_norm(out, xhat, rstd, padded(gamma), padded(beta), 1e-5)
        close(out, y.detach().numpy(), 2e-5)
        found = padded(dy), padded(np.zeros((1, N))), padded(np.zeros((1, N)))
        kernels.layer_norm_backward(found[0], xhat, rstd, padded(gamma), found[1], found[2])
        for array, tensor in zip(found, tensors, strict=True):
            assert tensor.grad is not None
            close(array, tensor.grad.numpy(), 5e-5)


# --- Cross-entropy ---


def test_softmax(kernels, draw):
    for R, N, _ in shapes(draw):
        x, count = draw.normal(size=(R, N)) * 10, draw.integers(1, 5, R)
        logits = torch.tensor(padded(x).copy(), dtype=torch.float64)
        out, log_sum = padded(x), np.zeros(R, np.float32)
        kernels.softmax(out, log_sum, count.astype(np.float32), 50.0)
        close(out, logits.softmax(1).numpy() * count[:, None] / 50)
        np.testing.assert_allclose(log_sum, torch.logsumexp(logits, 1), rtol=1e-6, atol=1e-6)


def test_softmax_does_not_overflow(kernels):
    out, log_sum = padded([[1e4, 0, -1e4]]), np.zeros(1, np.float32)
    kernels.softmax(out, log_sum, np.ones(1, np.float32), 1.0)
    np.testing.assert_allclose(out, [[1, 0, 0]], atol=1e-7)
    assert log_sum[0] == 1e4


# --- Statistics ---


def test_moments(kernels, draw):
    for R, N, _ in shapes(draw):
        x, origin = padded(draw.normal(size=(R, N))), float(draw.normal())
        distance = x.astype(np.float64) - origin
        np.testing.assert_allclose(
            kernels.moments(x, origin), (distance.sum(), (distance**2).sum()), rtol=1e-12, atol=1e-10
        )


def test_moments_keep_what_is_not_a_number(kernels):
    assert all(np.isnan(kernels.moments(padded([[1, np.nan, 3]]), 0.0)))


# --- The door ---


def test_rows_that_vectors_cannot_be_loaded_from_are_refused(kernels):
    x, out = padded(np.ones((4, 8))), padded(np.ones((1, 8)))
    for refused in (x[:, 1:], np.ones((4, 8), np.float32), x.astype(np.float64)):
        with pytest.raises(TypeError):
            kernels.column_sums(refused, out)
    with pytest.raises(ValueError, match="shapes do not fit"):
        kernels.column_sums(x, padded(np.ones((1, 7))))
