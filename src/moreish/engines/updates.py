"""The optimisers in NumPy: how a gradient becomes a step. Each rule is stated in `OptimizerSpec`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.engines.contract import ADAM_EPSILON, OptimizerSpec

Array = NDArray[np.floating[Any]]

# What each rule keeps of a parameter, under the names of torch.optim: a training can go on with another engine.
_KEPT: dict[str, tuple[str, ...]] = {"sgd": (), "momentum": ("momentum_buffer",), "adamw": ("exp_avg", "exp_avg_sq")}


class Updates:
    """Carries out the rule of a specification on named arrays, in place.

    Args:
        spec: the rule.
        parameters: by name; written to by `update`.
    """

    def __init__(self, spec: OptimizerSpec, parameters: Mapping[str, Array]) -> None:
        self._spec = spec
        self._parameters = parameters
        self._num_done = 0
        self._kept = {
            name: [np.zeros_like(parameter) for _ in _KEPT[spec.kind]] for name, parameter in parameters.items()
        }

    def update(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One step; the gradients are used up."""
        spec = self._spec
        self._num_done += 1
        if spec.clip is not None:
            clip(gradients, spec.clip)
        if spec.weight_decay:
            for name in spec.decayed:
                parameter = self._parameters[name]
                parameter *= 1 - rate * spec.weight_decay
        for name, parameter in self._parameters.items():
            gradient, kept = gradients[name], self._kept[name]
            if spec.kind == "sgd":
                sgd(parameter, gradient, rate)
            elif spec.kind == "momentum":
                momentum(parameter, gradient, kept[0], rate, spec.momentum)
            else:
                adamw(parameter, gradient, kept[0], kept[1], rate, spec.beta1, spec.beta2, self._num_done)

    def state(self) -> dict[str, NDArray[Any]]:
        """What is kept from step to step, by name; live views."""
        if not _KEPT[self._spec.kind]:
            return {}
        state: dict[str, NDArray[Any]] = {}
        for name, arrays in self._kept.items():
            state |= {f"{name}/{key}": array for key, array in zip(_KEPT[self._spec.kind], arrays, strict=True)}
            state |= {f"{name}/step": np.array(self._num_done, dtype=np.float32)}
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `state` gave; an empty state is that before the first step."""
        for name, arrays in self._kept.items():
            for key, array in zip(_KEPT[self._spec.kind], arrays, strict=True):
                array[...] = state.get(f"{name}/{key}", 0)
            self._num_done = int(state.get(f"{name}/step", 0))


def clip(gradients: Mapping[str, Array], limit: float) -> None:
    """Scale all gradients so that their common Euclidean norm is at most `limit` (Pascanu et al. 2013, algorithm 1)."""
    norm = float(np.sqrt(sum(float(np.vdot(gradient, gradient)) for gradient in gradients.values())))
    if norm > limit:
        for gradient in gradients.values():
            gradient *= limit / norm


def sgd(parameter: Array, gradient: Array, rate: float) -> None:
    """θ ← θ − rate · g."""
    gradient *= -rate
    parameter += gradient


def momentum(parameter: Array, gradient: Array, velocity: Array, rate: float, share: float) -> None:
    """v ← share · v + g; θ ← θ − rate · v."""
    velocity *= share
    velocity += gradient
    parameter -= np.multiply(velocity, rate, out=gradient)


def adamw(
    parameter: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    rate: float,
    beta1: float,
    beta2: float,
    num_done: int,
) -> None:
    """m ← β₁ m + (1 − β₁) g; s ← β₂ s + (1 − β₂) g²; θ ← θ − rate · m̂ / (√ŝ + ε), with m̂ = m / (1 − β₁ᵗ), ŝ likewise.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, lines 6 to 12; decay is done elsewhere.
    """
    mean *= beta1
    mean += (1 - beta1) * gradient
    square *= beta2
    square += np.multiply(np.square(gradient, out=gradient), 1 - beta2, out=gradient)
    denominator = np.sqrt(square, out=gradient)
    denominator /= (1 - beta2**num_done) ** 0.5
    denominator += ADAM_EPSILON
    step = np.divide(mean, denominator, out=denominator)
    step *= rate / (1 - beta1**num_done)
    parameter -= step
