"""What the last operation of a network can give, and what of the targets lies beyond it."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.evidence import Loss, OutputRange
from moreish.doctor.structures import first_float

_PASSED_ON = ("View", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "T", "Permute", "Clone", "Alias", "ToCopy",
              "Select", "Slice")  # fmt: skip
_RANGES = {
    "Relu": (0.0, math.inf),
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Softplus": (0.0, math.inf),
    "Exp": (0.0, math.inf),
    "Abs": (0.0, math.inf),
    "Gelu": (-0.1700, math.inf),
    "Silu": (-0.2785, math.inf),
    "LogSoftmax": (-math.inf, 0.0),
    "LogSigmoid": (-math.inf, 0.0),
}
_BOUNDS = (("_saved_min", "_saved_max"), ("_saved_min_val", "_saved_max_val"))  # of clamp, and of hardtanh and ReLU6
_NUMBERS = ("squared error", "absolute error", "Huber")


@dataclass(frozen=True)
class Operation:
    """One operation, and the closed range of what it gives; without bounds where it is not known."""

    name: str = ""
    low: float = -math.inf
    high: float = math.inf


def last_operation(output: Any) -> Operation:
    """The last operation of the network that changes a number; nameless where no graph was kept."""
    outputs = first_float(output)
    node = None if outputs is None else outputs.grad_fn
    while node is not None:
        name = node.name().rstrip("0123456789").removesuffix("Backward")
        if name not in _PASSED_ON:
            low, high = _RANGES.get(name) or _bounds(node)
            return Operation(name.lower(), low, high)
        node = node.next_functions[0][0]
    return Operation()


def _bounds(node: Any) -> tuple[float, float]:
    for low, high in _BOUNDS:
        limits = getattr(node, low, None), getattr(node, high, None)
        if any(isinstance(item, int | float) for item in limits):
            least, most = (float(item) if isinstance(item, int | float) else None for item in limits)
            return -math.inf if least is None else least, math.inf if most is None else most
    return -math.inf, math.inf


def measure_range(last: Operation, loss: Loss, output: Any, targets: Any) -> OutputRange | None:
    """What the targets lose to the range of the last operation; None where it has no bounds, or the loss is another."""
    outputs = first_float(output)
    if outputs is None or not isinstance(targets, Tensor) or not targets.ndim:
        return None
    if math.isinf(last.low) and math.isinf(last.high):
        return None
    formula = loss.formula
    if loss.num_classes:
        if formula != "cross entropy" or loss.outputs_are != "logits":
            return None
        lost = math.log1p((loss.num_classes - 1) * math.exp(last.low - last.high))
        return OutputRange(last.name, last.low, last.high, "classes", 1.0, lost)
    y = targets.detach().to(outputs)
    if last.name == "softmax" and formula in (*_NUMBERS, "likelihood of probabilities") and y.shape == outputs.shape:
        rest = (y.flatten(0, -2).sum(1) - 1).abs()
        return OutputRange(last.name, 0.0, 1.0, "shares", float((rest > 1e-3).float().mean()), float(rest.mean()))
    if formula in _NUMBERS:
        beyond = (y - y.clamp(last.low, last.high)).abs()
        rows = y.reshape(len(y), -1)
        variance = (rows - rows.mean(0)).square().mean().clamp_min(1e-30)
        share = float((beyond > 0).float().mean())
        return OutputRange(last.name, last.low, last.high, "numbers", share, float(beyond.square().mean() / variance))
    if formula == "binary cross entropy":
        best = torch.logit(y.clamp(1e-6, 1 - 1e-6)).clamp(last.low, last.high)
        wanted = torch.special.entr(y) + torch.special.entr(1 - y)
        lost = F.binary_cross_entropy_with_logits(best, y, reduction="none") - wanted
        return OutputRange(last.name, last.low, last.high, "chances", float((lost > 0.1).float().mean()),
                           float(lost.mean()))  # fmt: skip
    return None
