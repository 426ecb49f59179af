"""What a loss computes: its value is compared with that of formulas, on outputs a little away from the network's."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.evidence import Loss
from moreish.doctor.probes.output_range import Operation, measure_range
from moreish.doctor.probes.predictions import (
    IGNORED,
    MAX_EXAMPLES,
    Predictions,
    classify,
    is_close,
    layout,
    per_example_losses,
)
from moreish.doctor.probes.rows import OF_LARGEST, OF_ROWS, row_losses, rows_off
from moreish.doctor.structures import first_float, tensors, with_floats
from moreish.doctor.subject import Subject
from moreish.errors import MoreishError


def measure_loss(output: Any, subject: Subject, last: Operation) -> Loss:
    """What the loss is, and on which examples.

    Args:
        last: the operation that the output comes out of; see `last_operation`.
    """
    loss = _measured(output, subject, last.name == "sigmoid")
    with torch.no_grad():
        beyond = measure_range(last, loss, output, subject.targets)
        share, mean = rows_off(loss.formula, tensors(subject.inputs), subject.targets)
    return replace(loss, output_range=beyond, rows_off=share, row_sum=mean)


def _measured(output: Any, subject: Subject, is_sigmoid: bool) -> Loss:
    with torch.no_grad():
        value = float(subject.loss(output))
        predictions = layout(output, subject)
        losses = per_example_losses(output, subject)
        kept = () if losses is None else tuple(losses[:MAX_EXAMPLES].double().tolist())
        if predictions is None:
            targets = subject.targets
            formula, reduction = _numeric_formula(output, subject, is_sigmoid)
            if formula == "unknown" and _is_binary(targets):
                formula = _weighted_formula(output, subject, is_sigmoid, False)
            of_zero, of_mean, mean = _of_constants(targets, len(kept))
            count = targets.numel() if isinstance(targets, Tensor) else subject.num_examples
            chance = math.nan
            if formula in (OF_ROWS, OF_LARGEST, "softmax twice"):
                count, chance = count // targets.shape[1], math.log(targets.shape[1])
            return Loss(
                *(value, formula, reduction, 0, count, kept, chance, math.nan, "other"),
                of_zero=of_zero,
                of_mean=of_mean,
                targets_mean=mean,
                is_binary=_is_binary(targets),
            )
        used = predictions.labels != IGNORED
        labels = predictions.labels[used]
        num_classes = predictions.outputs.shape[-1]
        formula, reduction = _class_formula(predictions, value)
        outputs_are = what_are(predictions.outputs[used].float())
        if outputs_are == "logits":
            formula, reduction = _formula_elsewhere(output, subject)
            if is_sigmoid and formula == "cross entropy":
                formula = "softmax of sigmoid"
            formula = _normalised_elsewhere(predictions.outputs.float()) or formula
        if formula == "unknown":
            formula = _weighted_formula(output, subject, is_sigmoid, outputs_are == "probabilities")
        frequencies = torch.bincount(labels, minlength=num_classes).double() / len(labels)
        marginal = float(-(frequencies * frequencies.clamp_min(1e-300).log()).sum())
        return Loss(
            *(value, formula, reduction, num_classes, len(labels), kept, math.log(num_classes), marginal),
            outputs_are=outputs_are,
        )


def _of_constants(targets: Any, count: int) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Squared errors of predicting 0, and the mean of all targets, for each of the first examples; and that mean."""
    if not count or not isinstance(targets, Tensor):
        return (), (), 0.0
    y = targets.detach().double().reshape(len(targets), -1)
    zero, mean = y[:count].square().mean(1), (y[:count] - y.mean(0)).square().mean(1)
    return tuple(zero.tolist()), tuple(mean.tolist()), float(y.mean())


def away(outputs: Tensor, seed: int = 0) -> Tensor:
    """Other outputs of the same kind: untrained ones are often near zero or all equal, where formulas agree.

    What is positive stays so, and probabilities stay below 1.
    """
    generator = torch.Generator().manual_seed(seed)
    if bool((outputs > 0).all()):
        return outputs * (1 - 0.2 * torch.rand(outputs.shape, generator=generator)).to(outputs)
    return outputs + torch.randn(outputs.shape, generator=generator).to(outputs)


def _formula_elsewhere(output: Any, subject: Subject) -> tuple[str, str]:
    """The formula that fits twice: one of several fits by chance in a training of some thousand."""
    outputs = first_float(output)
    assert outputs is not None
    found = set()
    for other in (with_floats(output, away(outputs, seed)) for seed in (0, 1)):
        try:
            value, predictions = float(subject.loss(other)), layout(other, subject)
        except MoreishError:  # it takes the network's own outputs only
            value, predictions = float(subject.loss(output)), layout(output, subject)
        found.add(("unknown", "") if predictions is None else _class_formula(predictions, value))
    return found.pop() if len(found) == 1 else ("unknown", "")


def _class_formula(predictions: Predictions, value: float) -> tuple[str, str]:
    used = predictions.labels != IGNORED
    labels, outputs = predictions.labels[used], predictions.outputs[used].float()
    kind = what_are(outputs)

    def likelihood(values: Tensor) -> Tensor:
        return -values[used].float().gather(1, labels[:, None])[:, 0]

    candidates = {
        "cross entropy": F.cross_entropy(outputs, labels, reduction="none"),
        "softmax twice": F.cross_entropy(outputs.softmax(-1), labels, reduction="none"),
        "cross entropy of logs": likelihood(predictions.outputs) if kind == "log-probabilities" else None,
        "likelihood of probabilities": likelihood(predictions.outputs.clamp_min(1e-30).log()),
        "likelihood of logits": None if kind == "log-probabilities" else likelihood(predictions.outputs),
        "softmax of sigmoid": F.cross_entropy(outputs.sigmoid(), labels, reduction="none"),
    }
    if kind == "probabilities":
        candidates["softmax twice"] = candidates.pop("cross entropy")
    tried = [(name, losses) for name, losses in candidates.items() if losses is not None]
    for name, axis in _other_axes(predictions.outputs):
        logs = _log_softmax(predictions.outputs.float(), axis)
        tried += [(name, likelihood(logs)), (name, F.cross_entropy(logs.exp()[used], labels, reduction="none")),
                  (name, F.cross_entropy(logs[used], labels, reduction="none"))]  # fmt: skip
    names = {"cross entropy of logs": "cross entropy", "likelihood of probabilities": "cross entropy"}
    name, reduction = _matching(value, tried)
    return names.get(name, name), reduction


def _other_axes(outputs: Tensor) -> list[tuple[str, int | None]]:
    """Axes of (n, P, V) other than the classes, along which a softmax may run; None: the first two as one."""
    axes: list[tuple[str, int | None]] = [("softmax over examples", 0)] if len(outputs) > 1 else []
    return axes if outputs.shape[1] == 1 else [*axes, ("softmax over places", 1), ("softmax over examples", None)]


def _log_softmax(outputs: Tensor, axis: int | None) -> Tensor:
    flat = outputs.flatten(0, 1) if axis is None else outputs
    return flat.log_softmax(axis or 0).reshape(outputs.shape)


def _normalised_elsewhere(outputs: Tensor) -> str:
    """Along which axis other than the classes the network has taken a softmax, or its logarithm; or ""."""
    for name, axis in _other_axes(outputs):
        flat = outputs.flatten(0, 1) if axis is None else outputs
        if _is_normalised(flat, axis or 0) or _is_normalised(flat.exp(), axis or 0):
            return name
    return ""


def _is_normalised(probabilities: Tensor, axis: int) -> bool:
    sums = probabilities.sum(axis)
    return bool((probabilities >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)


def _numeric_formula(output: Any, subject: Subject, is_sigmoid: bool) -> tuple[str, str]:
    outputs, targets = first_float(output), subject.targets
    if outputs is None or not isinstance(targets, Tensor) or outputs.numel() != targets.numel():
        return "unknown", ""
    moved = away(outputs)
    try:
        value = float(subject.loss(with_floats(output, moved)))
    except MoreishError:  # it takes the network's own outputs only
        moved, value = outputs, float(subject.loss(output))
    by_row = row_losses(moved, targets.to(moved))
    name, reduction = _matching(value, [*_numeric_losses(moved.flatten(), targets.flatten().to(moved)), *by_row])
    if name in (OF_ROWS, OF_LARGEST) and what_are(outputs) == "probabilities":
        return "softmax twice", reduction
    return "sigmoid twice" if is_sigmoid and name == "binary cross entropy" else name, reduction


def _numeric_losses(outputs: Tensor, targets: Tensor) -> list[tuple[str, Tensor]]:
    """What each formula gives for numbers and targets of one shape, one by one."""
    losses = [("squared error", (outputs - targets).square()), ("absolute error", (outputs - targets).abs()),
              ("Huber", F.smooth_l1_loss(outputs, targets, reduction="none"))]  # fmt: skip
    if bool(((targets >= 0) & (targets <= 1)).all()):
        losses.append(("binary cross entropy", F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")))
        if bool(((outputs >= 0) & (outputs <= 1)).all()):
            likelihoods = F.binary_cross_entropy(outputs, targets, reduction="none")
            losses.append(("likelihood of probabilities", likelihoods))
        twice = F.binary_cross_entropy_with_logits(outputs.sigmoid(), targets, reduction="none")
        losses.append(("sigmoid twice", twice))
    return losses


def _weighted_formula(output: Any, subject: Subject, is_sigmoid: bool, are_probabilities: bool) -> str:
    """A second softmax or sigmoid in a loss that weights classes, whose value fits no formula: told by its gradient."""
    outputs = first_float(output)
    assert outputs is not None
    leaf = away(outputs.detach()).requires_grad_()
    with torch.enable_grad():
        try:
            (gradient,) = torch.autograd.grad(subject.loss(with_floats(output, leaf.clone())), leaf)
        except (MoreishError, RuntimeError):  # it takes the network's own outputs only, or does not depend on them
            return "unknown"
        here, there = (classify(with_floats(output, item), subject) for item in (leaf.detach(), gradient))
        for predictions, gradients in zip(here, there, strict=False):
            used = predictions.labels != IGNORED
            rows, labels = predictions.outputs[used].float().requires_grad_(), predictions.labels[used]
            logits = [("softmax twice", rows.softmax(-1)), ("softmax of sigmoid", rows.sigmoid())]
            logits += [("softmax twice", rows)] if are_probabilities else []
            logits += [("softmax of sigmoid", rows)] if is_sigmoid else []
            for name, item in logits:
                (own,) = torch.autograd.grad(F.cross_entropy(item, labels, reduction="sum"), rows)
                if _is_weighted(gradients.outputs[used].float(), own, labels):
                    return name
        if not here and outputs.numel() == subject.targets.numel():
            rows, labels = leaf.detach().float().reshape(-1, 1).requires_grad_(), subject.targets.reshape(-1, 1).float()
            for item in [rows.sigmoid(), *([rows] if is_sigmoid else [])]:
                twice = F.binary_cross_entropy_with_logits(item, labels, reduction="sum")
                (own,) = torch.autograd.grad(twice, rows)
                if _is_weighted(gradient.float().reshape(-1, 1), own, labels[:, 0].long()):
                    return "sigmoid twice"
    return "unknown"


def _is_weighted(gradient: Tensor, own: Tensor, labels: Tensor) -> bool:
    """Whether one gradient (m, V) is the other times a factor for each class."""
    num_classes = int(labels.max()) + 1
    if len(labels) < 4 * num_classes and gradient.shape[1] == 1:
        return False
    products = gradient.new_zeros(2, num_classes).index_add(1, labels, torch.stack((gradient * own, own * own)).sum(2))
    weights = products[0] / products[1].clamp_min(1e-30)
    rest = gradient - weights[labels, None] * own
    return bool((weights >= 0).all()) and float(rest.abs().max()) <= 1e-3 * float(gradient.abs().max())


def _matching(value: float, candidates: Iterable[tuple[str, Tensor]]) -> tuple[str, str]:
    """The first formula whose mean or sum is the value."""
    for name, losses in candidates:
        for reduction, total in (("mean", losses.mean()), ("sum", losses.sum())):
            if is_close(value, float(total)) and (reduction == "mean" or losses.numel() > 1):
                return name, reduction
    return "unknown", ""


def _is_binary(targets: Any) -> bool:
    return isinstance(targets, Tensor) and targets.numel() > 0 and bool(((targets == 0) | (targets == 1)).all())


def what_are(outputs: Tensor) -> str:
    """ "logits", "log-probabilities" or "probabilities", by what they add up to over the last axis."""
    if bool((outputs >= 0).all()) and torch.allclose(outputs.sum(-1), torch.ones(()).to(outputs), atol=1e-3):
        return "probabilities"
    if torch.allclose(outputs.logsumexp(-1), torch.zeros(()).to(outputs), atol=1e-3):
        return "log-probabilities"
    return "logits"
