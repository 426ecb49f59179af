"""What an engine measures of a step, as rows of `Statistics`: the definitions in NumPy, which native/ compiles."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.activations import ACTIVATIONS
from moreish.measures import dead_units, saturation
from moreish.statistics import Statistics

Array = NDArray[np.floating[Any]]
Row = dict[str, Any]


class Rows:
    """The rows of one call of an engine.

    Args:
        every: steps whose number is a multiple of it have a row; None for no step.
    """

    def __init__(self, every: int | None) -> None:
        self._every = every
        self._steps: list[int] = []
        self._rows: list[Row] = []

    def are_due(self, step: int) -> bool:
        """Whether a step is to be measured."""
        return self._every is not None and step % self._every == 0

    def append(self, step: int, row: Row) -> None:
        """Add what was measured of a step."""
        self._steps.append(step)
        self._rows.append(row)

    def statistics(self) -> Statistics | None:
        """What was measured; None where nothing was asked for."""
        return None if self._every is None else Statistics.from_rows(self._steps, self._rows)


def layer_row(name: str, activation: str | None, preactivation: Array, output: Array, doutput: Array) -> Row:
    """The part of a row that is about one layer; see `LayerStatistics`.

    Args:
        name: of the layer.
        activation: of `moreish.backprop.activations`; None for the head.
        preactivation: what comes into it, (…, H).
        output: what the layer passes on, (…, H).
        doutput: gradient of the loss with respect to that, (…, H).
    """
    is_dead, saturated = np.zeros(output.shape[-1], np.bool_), math.nan
    if activation is not None:
        pair = ACTIVATIONS[activation]
        y, cache = pair.forward(preactivation)
        is_dead = dead_units(pair.backward(np.ones_like(y), cache).reshape(-1, y.shape[-1]))
        saturated = saturation(y) if activation == "tanh" else math.nan
    measured = {"saturation": saturated, "is_dead": is_dead}
    for prefix, array in (("", output), ("preactivation_", preactivation), ("gradient_", doutput)):
        measured[f"{prefix}mean"], measured[f"{prefix}std"] = mean_and_std(array)
    return {f"layers/{name}/{measure}": value for measure, value in measured.items()}


def parameter_rows(before: Mapping[str, Array], gradients: Mapping[str, Array], after: Mapping[str, Array]) -> Row:
    """The part of a row that is about parameters; see `ParameterStatistics`.

    Args:
        before: values before the step, by name.
        gradients: before clipping.
        after: values after the step.
    """
    row: Row = {}
    for name, value in before.items():
        gradient_mean, gradient_std = mean_and_std(gradients[name])
        row |= {
            f"parameters/{name}/std": mean_and_std(value)[1],
            f"parameters/{name}/gradient_mean": gradient_mean,
            f"parameters/{name}/gradient_std": gradient_std,
            f"parameters/{name}/update_std": mean_and_std(after[name] - value)[1],
        }
    return row


class Sheet:
    """Where the kernels write what they measure in one call, in the order of `Measures` in native/network.h.

    Args:
        units: H of each layer, by name.
        parameters: names.
        first_step, num_steps: of the call.
        every: steps whose number is a multiple of it have a row; None for no step.
    """

    _OF_LAYER = (
        *("mean", "std", "preactivation_mean", "preactivation_std", "saturation"),
        *("gradient_mean", "gradient_std"),
    )
    _OF_PARAMETER = ("std", "gradient_mean", "gradient_std", "update_std")

    def __init__(
        self, units: Mapping[str, int], parameters: Sequence[str], first_step: int, num_steps: int, every: int | None
    ) -> None:
        steps = np.arange(first_step, first_step + num_steps)
        self._steps = steps[:0] if every is None else steps[steps % every == 0]
        self._units = units
        self._names = [f"layers/{layer}/{measure}" for layer in units for measure in self._OF_LAYER]
        self._names += [f"parameters/{name}/{measure}" for name in parameters for measure in self._OF_PARAMETER]
        self.numbers: NDArray[np.float32] = np.empty((len(self._steps), len(self._names)), np.float32)
        self.is_dead: NDArray[np.uint8] = np.empty((len(self._steps), sum(units.values())), np.uint8)

    def statistics(self) -> Statistics:
        """What was written, where all steps of the call were carried out."""
        arrays = {name: self.numbers[:, column] for column, name in enumerate(self._names)}
        parts = np.split(self.is_dead.view(np.bool_), np.cumsum([*self._units.values()])[:-1], axis=1)
        arrays |= {f"layers/{layer}/is_dead": part for layer, part in zip(self._units, parts, strict=True)}
        return Statistics.from_arrays({"steps": self._steps} | arrays)


def mean_and_std(array: Array) -> tuple[float, float]:
    """Mean and spread, in float64, with Bessel's correction; the spread of a single number is NaN."""
    values = array.astype(np.float64).ravel()
    mean = float(values.mean())
    values -= mean
    return mean, math.sqrt(float(values @ values) / (values.size - 1)) if values.size > 1 else math.nan
