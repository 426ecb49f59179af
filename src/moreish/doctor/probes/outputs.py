"""What one pass of a network gave, example by example, of all its outputs; and what another pass changed."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moreish.doctor.probes.predictions import layout
from moreish.doctor.structures import all_floats
from moreish.doctor.subject import Subject

LEAK = 1e-6  # of the largest output: more than rounding between two passes of the same shape


@dataclass(frozen=True)
class Output:
    """One tensor of floats.

    Attributes:
        values: (n, P, …); of an output without an axis of examples in its own shape.
        has_examples: whether it has such an axis, the first or the second.
        is_of_pairs: whether there is one number, or row, for each two examples, as of similarities.
    """

    values: Tensor
    has_examples: bool = True
    is_of_pairs: bool = False

    @property
    def scale(self) -> float:
        """The largest number; one where there is none, or all are zero."""
        return float(self.values.abs().max()) or 1.0 if self.values.numel() else 1.0

    def change(self, after: "Output") -> Tensor:
        """Absolute change of each number, in the shape of `values`; NaN counts as none, and so does another shape."""
        if after.values.shape != self.values.shape:
            return torch.zeros_like(self.values)
        return (after.values - self.values).abs().nan_to_num()

    def largest_change(self, after: "Output") -> float:
        """Of any number; infinite where the shape is another."""
        if after.values.shape != self.values.shape:
            return math.inf
        return float(self.change(after).max()) if self.values.numel() else 0.0

    def touched(self, after: "Output", example: int) -> tuple[bool, Tensor]:
        """Whether the outputs of an example changed when it was exchanged, and of which others they did, (n,)."""
        others = self.change(after) > LEAK * self.scale
        own = bool(others[example].any()) or after.values.shape != self.values.shape
        others[example] = False
        if self.is_of_pairs:  # those that it belongs to are its own as well
            others.reshape(*others.shape[:2], len(others), -1)[:, :, example] = False
        return own, others.flatten(1).any(1)


def outputs_of(output: Any, subject: Subject) -> list[Output]:
    """Every tensor of floats in an output: what is taken for predictions first, in the form that `layout` gives it.

    Without any output that has an axis of examples, or without examples in it, none of them has `has_examples`.
    """
    n, predictions = subject.num_examples, layout(output, subject)
    outputs = [_by_example(item.clone(), n) for item in all_floats(output)]
    if outputs and not outputs[0].has_examples and outputs[0].values.ndim:
        flat = outputs[0].values  # (n · P, …), as a loss may like it
        if len(flat) and len(flat) % n == 0:
            outputs[0] = Output(flat.reshape(n, len(flat) // n, -1))
    if predictions is not None:
        outputs[0] = Output(predictions.outputs.clone(), is_of_pairs=outputs[0].is_of_pairs)
    return sorted(outputs, key=lambda item: not item.has_examples)


def _by_example(values: Tensor, n: int) -> Output:
    if values.ndim and len(values) == n:
        return Output(values.reshape(n, 1, -1), is_of_pairs=values.ndim > 1 and values.shape[1] == n)
    if values.ndim > 1 and values.shape[1] == n and len(values):  # states (layers, n, …), or predictions (P, n, …)
        return Output(values.transpose(0, 1).reshape(n, len(values), -1))
    return Output(values, has_examples=False)
