"""The optimisers in NumPy: how a gradient becomes a step. Each rule is stated in `OptimizerSpec`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.engines.contract import ADAM_EPSILON, OptimizerSpec
from moreish.recipe import OptimizerName

Array = NDArray[np.floating[Any]]

# What each rule keeps from step to step, under the names of torch.optim: a training can go on with another engine.
KEPT: dict[OptimizerName, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("momentum_buffer",),
    "adamw": ("exp_avg", "exp_avg_sq"),
}


class Updates:
    """Carries out the rule of a specification on named arrays, in place.

    The gradients of all parameters are gathered in one flat array, and so is what the rule keeps: a rule then costs a
    dozen calls of NumPy, however many parameters there are.

    Args:
        spec: the rule.
        parameters: by name; written to by `update`.
    """

    def __init__(self, spec: OptimizerSpec, parameters: Mapping[str, Array]) -> None:
        self._spec = spec
        self._parameters = parameters
        self._num_done = 0
        dtype = np.result_type(*parameters.values())
        num_values = sum(parameter.size for parameter in parameters.values())
        self._gradient: Array = np.zeros(num_values, dtype)
        self._kept: list[Array] = [np.zeros(num_values, dtype) for _ in KEPT[spec.kind]]
        self._views = self._named(self._gradient)

    def update(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One step."""
        spec = self._spec
        self._num_done += 1
        for name, view in self._views.items():
            view[...] = gradients[name]
        if spec.clip is not None:
            clip(self._gradient, spec.clip)
        if spec.weight_decay:
            for name in spec.decayed:
                parameter = self._parameters[name]
                parameter *= 1 - rate * spec.weight_decay
        if spec.kind == "momentum":
            momentum(self._gradient, *self._kept, share=spec.momentum)
        elif spec.kind == "adamw":
            adam(self._gradient, *self._kept, beta1=spec.beta1, beta2=spec.beta2, num_steps=self._num_done)
        self._gradient *= rate
        for name, view in self._views.items():
            parameter = self._parameters[name]
            parameter -= view

    def state(self) -> dict[str, NDArray[Any]]:
        """What is kept from step to step, by name; live views but for the number of steps."""
        state: dict[str, NDArray[Any]] = {}
        for key, kept in zip(KEPT[self._spec.kind], self._kept, strict=True):
            state |= {f"{name}/{key}": view for name, view in self._named(kept).items()}
        if self._spec.kind == "adamw":
            state |= {f"{name}/step": np.array(self._num_done, np.float32) for name in self._parameters}
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `state` gave; an empty state is that before the first step."""
        for key, kept in zip(KEPT[self._spec.kind], self._kept, strict=True):
            for name, view in self._named(kept).items():
                view[...] = state.get(f"{name}/{key}", 0)
        self._num_done = max((int(state.get(f"{name}/step", 0)) for name in self._parameters), default=0)

    def _named(self, flat: Array) -> dict[str, Array]:
        """Views of a flat array in the shapes of the parameters."""
        stops = np.cumsum([parameter.size for parameter in self._parameters.values()])
        parts = np.split(flat, stops[:-1])
        return {
            name: part.reshape(parameter.shape)
            for (name, parameter), part in zip(self._parameters.items(), parts, strict=True)
        }


# Each of these turns the gradient g, a flat array, in place into what is then multiplied with the rate and subtracted.


def clip(g: Array, limit: float) -> None:
    """Scale g so that its Euclidean norm is at most `limit`. Source: Pascanu et al. 2013, algorithm 1."""
    norm = float(np.sqrt(np.vdot(g, g)))
    if norm > limit:
        g *= limit / norm


def momentum(g: Array, velocity: Array, share: float) -> None:
    """v ← share · v + g; g ← v."""
    velocity *= share
    velocity += g
    g[...] = velocity


def adam(g: Array, mean: Array, square: Array, beta1: float, beta2: float, num_steps: int) -> None:
    """m ← β₁ m + (1 − β₁) g; s ← β₂ s + (1 − β₂) g²; g ← m̂ / (√ŝ + ε), with m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ).

    Source: Kingma & Ba 2015, arXiv:1412.6980, algorithm 1; in AdamW, decay stands apart from it.
    """
    mean *= beta1
    mean += (1 - beta1) * g
    square *= beta2
    square += np.multiply(np.square(g, out=g), 1 - beta2, out=g)
    denominator = np.sqrt(square, out=g)
    denominator /= (1 - beta2**num_steps) ** 0.5
    denominator += ADAM_EPSILON
    np.divide(mean, denominator, out=g)
    g /= 1 - beta1**num_steps
