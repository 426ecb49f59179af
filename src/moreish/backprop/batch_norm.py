"""Batch norm: every unit is brought to mean 0 and spread 1 over the batch, then stretched and shifted.

The conventions that are in use (`moreish.models.conventions`) differ in the divisor of the variance (n, or n − 1 after
Bessel), in epsilon, and in what is kept for evaluation; the gradient is the same.
"""

from typing import NamedTuple

import numpy as np

from moreish.backprop.arrays import Floats, check_shape
from moreish.errors import ShapeError
from moreish.models.conventions import Convention


class BatchNormCache(NamedTuple):
    """What the forward pass keeps: xhat (…, H), gamma, mean, rstd (H,), and var (H,), divided by n − correction."""

    xhat: Floats
    gamma: Floats
    mean: Floats
    var: Floats
    rstd: Floats
    correction: int


def num_values(x: Floats) -> int:
    """How many values each unit is normalised over: n, the product of all axes but the last.

    Raises:
        ShapeError: it is one.
    """
    n = x.size // x.shape[-1]
    if n == 1:
        raise ShapeError(f"Batch norm got a batch of one, shape {x.shape}; it needs at least 2 examples. Draw more.")
    return n


def batch_norm_forward(
    x: Floats, gamma: Floats, beta: Floats, correction: int = 0, epsilon: float = 1e-5
) -> tuple[Floats, BatchNormCache]:
    """y = gamma * xhat + beta,  xhat = (x − mean) * rstd,  rstd = 1/√(var + epsilon), over all axes but the last.

    Args:
        x: (B, H) or (B, L, H).
        gamma: gain, (H,).
        beta: bias, (H,).
        correction: the variance is divided by n − correction, n = B or B·L.
        epsilon: with 0, a unit that is the same for all examples comes out as nan.

    Returns:
        y in the shape of `x`, and what `batch_norm_backward` and `batch_norm_running` need.

    Raises:
        ShapeError: a batch of one, which has no variance.
    """
    axes, n = tuple(range(x.ndim - 1)), num_values(x)
    mean = x.sum(axes) / n  # (H,)
    diff = x - mean  # (…, H)
    var = (diff * diff).sum(axes) / (n - correction)  # (H,)
    rstd = 1 / np.sqrt(var + epsilon)  # (H,)
    xhat = np.multiply(diff, rstd, out=diff)  # (…, H)
    y = gamma * xhat  # (…, H)
    y += beta
    return y, BatchNormCache(xhat, gamma, mean, var, rstd, correction)


def batch_norm_backward(dy: Floats, cache: BatchNormCache) -> tuple[Floats, Floats, Floats]:
    """Gradient of batch norm, in one expression.

    dx = gamma * rstd / n * (n * dy − sum(dy) − c * xhat * sum(dy * xhat)),  c = n / (n − correction)

    The two sums are dbeta and dgamma. x acts on y along three ways, and each gives one term: directly, through the
    mean, and through the variance. Epsilon is in rstd alone.

    Args:
        dy: gradient of the loss with respect to the output, (…, H).
        cache: what `batch_norm_forward` kept; read, not changed.

    Returns:
        dx in the shape of `dy`, dgamma (H,), dbeta (H,).

    Raises:
        ShapeError: `dy` does not have the shape that was normalised.

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.
    """
    xhat, gamma, _, _, rstd, correction = cache
    check_shape("dy", dy.shape, xhat.shape, "the output of batch norm")
    axes, n = tuple(range(dy.ndim - 1)), num_values(xhat)
    c = n / (n - correction)
    dbeta = dy.sum(axes)  # (H,)
    dgamma = (dy * xhat).sum(axes)  # (H,)
    dx = xhat * (c / n * dgamma)  # (…, H), and from here in place
    np.subtract(dy, dx, out=dx)
    dx -= dbeta / n
    dx *= gamma * rstd
    return dx, dgamma, dbeta


def batch_norm_running(
    running_mean: Floats, running_spread: Floats, cache: BatchNormCache, convention: Convention
) -> tuple[Floats, Floats]:
    """The running statistics after this batch: running + momentum · (batch − running).

    Args:
        running_mean: before, (H,).
        running_spread: variance or standard deviation before, whichever the convention keeps, (H,).
        cache: what `batch_norm_forward` kept.
        convention: its momentum, and which spread it keeps.

    Returns:
        Mean and spread (H,); new arrays.
    """
    n, momentum = num_values(cache.xhat), convention.momentum
    spread = cache.var * ((n - cache.correction) / (n - 1))
    if convention.keeps_std:
        spread = np.sqrt(spread)
    return (
        (1 - momentum) * running_mean + momentum * cache.mean,
        (1 - momentum) * running_spread + momentum * spread,
    )
