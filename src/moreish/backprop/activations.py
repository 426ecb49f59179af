"""Nonlinearities, element by element: tanh, ReLU, GELU exact and approximate."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from moreish.backprop.arrays import Floats, check_shape
from moreish.models.erf import erf

_SQRT_HALF = math.sqrt(1 / 2)
_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def tanh_forward(x: Floats) -> tuple[Floats, Floats]:
    """y = tanh x; the cache is y."""
    y = np.tanh(x)
    return y, y


def tanh_backward(dy: Floats, cache: Floats) -> Floats:
    """dx = (1 − y²) dy: nothing passes where tanh is saturated."""
    y = cache
    check_shape("dy", dy.shape, y.shape, "the activations")
    dx = y * y
    np.subtract(1, dx, out=dx)
    dx *= dy
    return dx


def relu_forward(x: Floats) -> tuple[Floats, Floats]:
    """y = max(x, 0); the cache is y."""
    y = np.maximum(x, 0)
    return y, y


def relu_backward(dy: Floats, cache: Floats) -> Floats:
    """dx = dy where x > 0, else 0. At 0, where there is no derivative, it is 0, as in PyTorch."""
    y = cache
    check_shape("dy", dy.shape, y.shape, "the activations")
    return (y > 0) * dy


def gelu_forward(x: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """y = x Φ(x), Φ the distribution function of the standard normal; the cache is x and Φ(x).

    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2.
    """
    cdf = 0.5 * (1 + erf(x * _SQRT_HALF))
    return x * cdf, (x, cdf)


def gelu_backward(dy: Floats, cache: tuple[Floats, Floats]) -> Floats:
    """dx = (Φ(x) + x φ(x)) dy, with the density φ(x) = exp(−x²/2) / √(2π)."""
    x, cdf = cache
    check_shape("dy", dy.shape, x.shape, "the activations")
    density = np.exp(-0.5 * x * x) * (0.5 * _SQRT_2_OVER_PI)
    return (cdf + x * density) * dy


def gelu_tanh_forward(x: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """y = ½ x (1 + tanh u), u = √(2/π) (x + 0.044715 x³); the cache is x and tanh u.

    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2; within 5e-4 of the exact GELU.
    """
    t = np.tanh(_SQRT_2_OVER_PI * (x + _CUBIC * x * x * x))
    return 0.5 * x * (1 + t), (x, t)


def gelu_tanh_backward(dy: Floats, cache: tuple[Floats, Floats]) -> Floats:
    """dx = ½ (1 + t + x (1 − t²) du/dx) dy, with t = tanh u and du/dx = √(2/π) (1 + 3 · 0.044715 x²)."""
    x, t = cache
    check_shape("dy", dy.shape, x.shape, "the activations")
    du = _SQRT_2_OVER_PI * (1 + 3 * _CUBIC * x * x)
    return 0.5 * (1 + t + x * (1 - t * t) * du) * dy


class ActivationPair(NamedTuple):
    """forward(x) → (y, cache); backward(dy, cache) → dx."""

    forward: Callable[[Floats], tuple[Floats, Any]]
    backward: Callable[[Floats, Any], Floats]


ACTIVATIONS: dict[str, ActivationPair] = {
    "tanh": ActivationPair(tanh_forward, tanh_backward),
    "relu": ActivationPair(relu_forward, relu_backward),
    "gelu": ActivationPair(gelu_forward, gelu_backward),
    "gelu_tanh": ActivationPair(gelu_tanh_forward, gelu_tanh_backward),
}
