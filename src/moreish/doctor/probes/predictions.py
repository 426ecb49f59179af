"""Outputs and targets in one form, (examples, positions, classes) and (examples, positions); what a loss computes."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.evidence import Loss
from moreish.doctor.subject import Subject, first_float

MAX_EXAMPLES = 512
_IGNORED = -100  # PyTorch's default ignore_index
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
    used = labels[labels != _IGNORED]
    return [item for item in layouts if item.outputs.shape[-1] > 1 and used.numel() and int(used.min()) >= 0 and
            int(used.max()) < item.outputs.shape[-1]]  # fmt: skip


def layout(output: Any, subject: Subject) -> Predictions | None:
    """The layout whose loss is the one that `loss_fn` computes; the first where none fits."""
    layouts = classify(output, subject)
    if len(layouts) < 2:
        return layouts[0] if layouts else None
    with torch.no_grad():
        value = float(subject.loss(output))
        return min(layouts, key=lambda item: abs(float(item.losses().mean()) - value))


def per_example_losses(output: Any, subject: Subject) -> Tensor | None:
    """The loss of each example, (n,): cross-entropy of classes; of numbers what `loss_fn` gives, None where unclear."""
    predictions = layout(output, subject)
    if predictions is not None:
        return predictions.losses()
    targets, n = subject.targets, subject.num_examples
    if not isinstance(output, Tensor) or not isinstance(targets, Tensor) or not targets.is_floating_point():
        return None
    if len(output) != n or not targets.ndim or len(targets) != n:
        return None
    with torch.no_grad():
        value = float(subject.loss(output))
        if output.shape == targets.shape:
            for formula in (_squares, _likelihoods, _distances):
                losses = formula(output, targets).reshape(n, -1).mean(1)
                if _is_close(value, float(losses.mean())) or _is_close(value, float(losses.sum()) * targets[0].numel()):
                    return losses
        losses = torch.stack([subject.loss_fn(output[i : i + 1], targets[i : i + 1]) for i in range(n)])
        is_apart = losses.ndim == 1 and (
            _is_close(value, float(losses.mean())) or _is_close(value, float(losses.sum()))
        )
        return losses if is_apart else None


def _squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square()


def _likelihoods(outputs: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of logits; not a number where the targets are no chances."""
    chances = torch.where((targets >= 0) & (targets <= 1), targets, torch.nan)
    return F.binary_cross_entropy_with_logits(outputs, chances, reduction="none")


def _distances(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs()


def measure_loss(output: Any, subject: Subject) -> Loss:
    """What the loss is, and on which examples."""
    with torch.no_grad():
        value = float(subject.loss(output))
        predictions = layout(output, subject)
        losses = per_example_losses(output, subject)
        kept = () if losses is None else tuple(losses[:MAX_EXAMPLES].double().tolist())
        if predictions is None:
            formula, reduction = _numeric_formula(output, subject, value)
            of_zero, of_mean, mean = _of_constants(subject.targets, len(kept))
            return Loss(
                *(value, formula, reduction, 0, subject.num_examples, kept, math.nan, math.nan, "other"),
                of_zero=of_zero,
                of_mean=of_mean,
                targets_mean=mean,
            )
        used = predictions.labels != _IGNORED
        labels = predictions.labels[used]
        outputs = predictions.outputs[used].float()
        num_classes = outputs.shape[-1]
        formula, reduction = _class_formula(outputs, labels, value)
        if isinstance(output, Tensor) and _what_are(outputs) == "logits":
            formula, reduction = _formula_elsewhere(output, subject)
        frequencies = torch.bincount(labels, minlength=num_classes).double() / len(labels)
        marginal = float(-(frequencies * frequencies.clamp_min(1e-300).log()).sum())
        return Loss(
            *(value, formula, reduction, num_classes, len(labels), kept, math.log(num_classes), marginal),
            outputs_are=_what_are(outputs),
        )


def _formula_elsewhere(output: Tensor, subject: Subject) -> tuple[str, str]:
    """What the loss computes of other logits: untrained ones are often near zero, where formulas agree."""
    noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    other = output + noise.to(output)
    predictions = layout(other, subject)
    assert predictions is not None
    used = predictions.labels != _IGNORED
    return _class_formula(predictions.outputs[used].float(), predictions.labels[used], float(subject.loss(other)))


def _class_formula(outputs: Tensor, labels: Tensor, value: float) -> tuple[str, str]:
    picked = outputs.gather(1, labels[:, None])[:, 0]
    normalised = _what_are(outputs) == "log-probabilities"
    candidates = {
        "cross entropy": F.cross_entropy(outputs, labels, reduction="none"),
        "softmax twice": F.cross_entropy(outputs.softmax(-1), labels, reduction="none"),
        "cross entropy of logs": -picked if normalised else None,
        "likelihood of probabilities": -outputs.clamp_min(1e-30).gather(1, labels[:, None])[:, 0].log(),
        "likelihood of logits": None if normalised else -picked,
    }
    names = {"cross entropy of logs": "cross entropy", "likelihood of probabilities": "cross entropy"}
    if _what_are(outputs) == "probabilities":
        candidates["softmax twice"] = candidates.pop("cross entropy")
    for name, losses in candidates.items():
        if losses is None:
            continue
        for reduction, total in (("mean", losses.mean()), ("sum", losses.sum())):
            if _is_close(value, float(total)) and (reduction == "mean" or len(losses) > 1):
                return names.get(name, name), reduction
    return "unknown", ""


def _numeric_formula(output: Any, subject: Subject, value: float) -> tuple[str, str]:
    outputs, targets = first_float(output), subject.targets
    if outputs is None or not isinstance(targets, Tensor) or outputs.shape != targets.shape:
        return "unknown", ""
    squares = (outputs - targets).square()
    for reduction, total in (("mean", squares.mean()), ("sum", squares.sum())):
        if _is_close(value, float(total)) and squares.numel() > 1:
            return "squared error", reduction
    return "unknown", ""


def _of_constants(targets: Any, count: int) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Squared errors of predicting 0, and the mean of all targets, for each of the first examples; and that mean."""
    if not count:
        return (), (), 0.0
    y = targets.detach().double().reshape(len(targets), -1)
    zero, mean = y[:count].square().mean(1), (y[:count] - y.mean(0)).square().mean(1)
    return tuple(zero.tolist()), tuple(mean.tolist()), float(y.mean())


def _what_are(outputs: Tensor) -> str:
    if bool((outputs >= 0).all()) and torch.allclose(outputs.sum(-1), torch.ones(()).to(outputs), atol=1e-3):
        return "probabilities"
    if torch.allclose(outputs.logsumexp(-1), torch.zeros(()).to(outputs), atol=1e-3):
        return "log-probabilities"
    return "logits"


def _cross_entropies(outputs: Tensor, labels: Tensor) -> Tensor:
    flat = F.cross_entropy(outputs.flatten(0, 1).float(), labels.flatten(), reduction="none", ignore_index=_IGNORED)
    return flat.reshape(labels.shape)


def _per_example(losses: Tensor, labels: Tensor) -> Tensor:
    used = labels != _IGNORED
    return losses.sum(1) / used.sum(1).clamp_min(1)


def _is_close(a: float, b: float) -> bool:
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= _TOLERANCE * max(abs(a), abs(b), 1e-3)
