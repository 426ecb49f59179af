"""Outputs and targets in one form, (examples, positions, classes) and (examples, positions); losses of examples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.devices import making_tensors_on
from moreish.doctor.structures import first_float, take
from moreish.doctor.subject import Subject

MAX_EXAMPLES = 512
IGNORED = -100  # PyTorch's default ignore_index
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Predictions:
    """Logits (or whatever the model returns) and labels in one layout: (n, P, V) and (n, P)."""

    outputs: Tensor
    labels: Tensor

    def losses(self) -> Tensor:
        """Mean cross-entropy of each example, (n,), nats."""
        return _per_example(_cross_entropies(self.outputs, self.labels), self.labels)


def classify(output: Any, subject: Subject) -> list[Predictions]:
    """Every layout in which the output could be predictions of classes; none where the targets are no classes."""
    outputs, targets = first_float(output), subject.targets
    if outputs is None or not isinstance(targets, Tensor) or targets.is_floating_point() or targets.dtype == torch.bool:
        return []
    n = subject.num_examples
    if targets.numel() == 0 or targets.numel() % n or not targets.ndim:
        return []
    positions = targets.numel() // n
    labels = targets.reshape(n, positions).long()
    layouts = []
    if outputs.numel() % (n * positions) == 0 and outputs.shape[0] in (n, n * positions):
        if outputs.shape[-1] * n * positions == outputs.numel():
            layouts.append(Predictions(outputs.reshape(n, positions, -1), labels))
        if outputs.ndim == 3 and outputs.shape[0] == n and outputs.shape[2] == positions and positions > 1:
            layouts.append(Predictions(outputs.transpose(1, 2), labels))
    used = labels[labels != IGNORED]
    return [item for item in layouts if item.outputs.shape[-1] > 1 and used.numel() and int(used.min()) >= 0 and
            int(used.max()) < item.outputs.shape[-1]]  # fmt: skip


def layout(output: Any, subject: Subject) -> Predictions | None:
    """The layout whose loss is the one that `loss_fn` computes; the first where none fits."""
    layouts = classify(output, subject)
    return layouts[_fitting(layouts, output, subject)] if layouts else None


def _fitting(layouts: list[Predictions], output: Any, subject: Subject) -> int:
    if len(layouts) < 2:
        return 0
    with torch.no_grad():
        value = float(subject.loss(output))
        return min(range(len(layouts)), key=lambda number: abs(float(layouts[number].losses().mean()) - value))


ExampleLosses = Callable[[Any], Tensor]
"""Outputs of the network → the loss of each example, (n,)."""


def per_example_losses(output: Any, subject: Subject) -> Tensor | None:
    """The loss of each example, (n,): cross-entropy of classes; of numbers what `loss_fn` gives, None where unclear."""
    losses_of = example_losses(output, subject)
    return None if losses_of is None else losses_of(output)


def example_losses(output: Any, subject: Subject) -> ExampleLosses | None:
    """How the loss comes apart by example, decided on these outputs; None where that is unclear.

    Outputs that the same network gives later are taken apart in the same way, also where they are not finite any more.
    """
    if layouts := classify(output, subject):
        number = _fitting(layouts, output, subject)
        return lambda other: classify(other, subject)[number].losses()
    targets, n = subject.targets, subject.num_examples
    with torch.no_grad():
        value = float(subject.loss(output))
        if not isinstance(output, Tensor) or not isinstance(targets, Tensor) or not targets.is_floating_point():
            return _one_by_one(output, subject, value)
        if len(output) != n or not targets.ndim or len(targets) != n:
            return None
        if output.shape == targets.shape:
            for formula in (_squares, _likelihoods, _distances):
                losses_of = _by_example(formula, targets)
                losses = losses_of(output)
                if is_close(value, float(losses.mean())) or is_close(value, float(losses.sum()) * targets[0].numel()):
                    return losses_of
        return _one_by_one(output, subject, value)


def _by_example(formula: Callable[[Tensor, Tensor], Tensor], targets: Tensor) -> ExampleLosses:
    return lambda outputs: formula(outputs, targets).reshape(len(targets), -1).mean(1)


def _one_by_one(output: Any, subject: Subject, value: float) -> ExampleLosses | None:
    """What `loss_fn` gives for each example by itself, whatever its outputs are; None where it is not their mean."""
    n = subject.num_examples
    rows = [torch.tensor([i]) for i in range(n)]

    def losses_of(outputs: Any) -> Tensor:
        with making_tensors_on(subject.device):
            return torch.stack([subject.loss_fn(take(outputs, i, n), take(subject.targets, i, n)) for i in rows])

    try:
        losses = losses_of(output)
    except Exception:  # a loss may ask for more than one example
        return None
    is_apart = losses.ndim == 1 and (is_close(value, float(losses.mean())) or is_close(value, float(losses.sum())))
    return losses_of if is_apart else None


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square()


def _likelihoods(outputs: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of logits; not a number where the targets are no chances."""
    chances = torch.where((targets >= 0) & (targets <= 1), targets, torch.nan)
    return F.binary_cross_entropy_with_logits(outputs, chances, reduction="none")


def _distances(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs()


def _cross_entropies(outputs: Tensor, labels: Tensor) -> Tensor:
    flat = F.cross_entropy(outputs.flatten(0, 1).float(), labels.flatten(), reduction="none", ignore_index=IGNORED)
    return flat.reshape(labels.shape)


def _per_example(losses: Tensor, labels: Tensor) -> Tensor:
    used = labels != IGNORED
    return losses.sum(1) / used.sum(1).clamp_min(1)


def is_close(a: float, b: float) -> bool:
    """Whether two losses are one, but for rounding."""
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= _TOLERANCE * max(abs(a), abs(b), 1e-3)
