"""Initialisation schemes by name, each with its source, drawn in an order that can be repeated.

Weights are (fan_in, fan_out) and act as `x @ W + b`. Every scheme that draws at all draws with `torch.randn` in the
shape of the parameter (xavier: `torch.rand`), so that a generator in the state of the notebooks gives their numbers.
"""

import math

import torch
from torch import Tensor

from moreish.recipe import Activation, Scheme

# Kaiming's √2 for ReLU: He et al. 2015, arXiv:1502.01852, section 2.2; GELU takes the same. 5/3 for tanh: the value of
# torch.nn.init.calculate_gain, which the lectures use.
ACTIVATION_GAINS: dict[str, float] = {"tanh": 5 / 3, "relu": math.sqrt(2), "gelu": math.sqrt(2)}

_SCALED_SCHEMES = ("kaiming", "xavier", "orthogonal")


def recommended_gain(scheme: Scheme, activation: Activation) -> float:
    """The activation's gain for schemes that keep the spread of what passes through; 1 for the others."""
    return ACTIVATION_GAINS[activation] if scheme in _SCALED_SCHEMES else 1.0


def draw_weight(scheme: Scheme, fan_in: int, fan_out: int, gain: float, generator: torch.Generator) -> Tensor:
    """A weight of shape (fan_in, fan_out).

    - normal: N(0, 1) · gain, as the notebooks begin.
    - kaiming: N(0, 1) · gain / √fan_in. He et al. 2015, arXiv:1502.01852, eq. 10.
    - xavier: U(−a, a), a = gain · √(6 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 16.
    - orthogonal: rows or columns orthonormal, times gain. Saxe et al. 2013, arXiv:1312.6120.
    - unit-columns: N(0, 1) with every column divided by its Euclidean norm, times gain, as notebook 3 does.
    - zeros: nothing is drawn.
    """
    if scheme == "zeros":
        return torch.zeros(fan_in, fan_out)
    if scheme == "xavier":
        limit = gain * math.sqrt(6 / (fan_in + fan_out))
        return (torch.rand((fan_in, fan_out), generator=generator) * 2 - 1) * limit
    drawn = torch.randn((fan_in, fan_out), generator=generator)
    if scheme == "normal":
        return drawn * gain
    if scheme == "kaiming":
        return drawn * gain / fan_in**0.5
    if scheme == "unit-columns":
        return drawn / drawn.norm(dim=0) * gain
    return _orthogonal(drawn) * gain


def _orthogonal(drawn: Tensor) -> Tensor:
    is_wide = drawn.shape[0] < drawn.shape[1]
    q, r = torch.linalg.qr(drawn.T if is_wide else drawn)
    q = q * r.diagonal().sign()  # makes the distribution uniform (Mezzadri 2007, arXiv:math-ph/0609050)
    return (q.T if is_wide else q).contiguous()


def draw_bias(scheme: Scheme, size: int, scale: float | None, generator: torch.Generator) -> Tensor:
    """A bias of shape (size,): N(0, 1) · scale; under "unit-columns" of norm `scale`; zeros where scale is None.

    It is drawn also where scale is 0, because the notebooks write `randn(...) * 0` and draw on from there.
    """
    if scheme == "zeros" or scale is None:
        return torch.zeros(size)
    drawn = torch.randn(size, generator=generator)
    return (drawn / drawn.norm() if scheme == "unit-columns" else drawn) * scale
