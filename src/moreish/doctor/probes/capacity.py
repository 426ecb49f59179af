"""A layer of few numbers that everything passes: found by exchanging them, and what is lost there by linear probes.

Simple models help the network's own predictions (Alain & Bengio 2016, linear probes): first with what leaves the layer,
then with what comes into it. What only the latter can say does not get through.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moreish.doctor.evidence import Narrow
from moreish.doctor.probes import simple
from moreish.doctor.probes.predictions import is_close, layout
from moreish.doctor.structures import first_float, tensors
from moreish.doctor.subject import Subject

MAX_WIDTH = 4
MAX_EXAMPLES, MIN_EXAMPLES = 4096, 128
_FEW = 16  # examples on which it is tried what passes where
_MAX_NUMBERS = 512  # that come in
_LAST = 64  # of them, those that came last: of a long history, fewer examples tell what matters
_PENALTY = 3e-2
_COUNTS = (0, simple.NUM_FEATURES)  # random features


@torch.no_grad()
def find_narrow(subject: Subject) -> str | None:
    """Name of the first module that hands on at most MAX_WIDTH numbers, fewer than it got, and all of a prediction.

    Call it in evaluation mode. The last module with parameters is the output, not a narrow place.
    """
    if subject.num_examples < _FEW or _is_reconstruction(subject):
        return None
    few = subject.selected(torch.arange(_FEW))
    with _calls(few.model, _FEW) as calls:
        expected = _predictions(few.forward(), few)
    if expected is None or _is_constant(expected):
        return None
    names = list(dict.fromkeys(name for name, _, _ in calls))
    for name, came_in, out in calls:
        if out.shape[-1] > MAX_WIDTH or name == names[-1] or _width(came_in) <= out.shape[-1]:
            continue
        module = few.model.get_submodule(name)
        handle = module.register_forward_hook(lambda _module, _args, output: _first_for_all(output, _FEW))
        try:
            exchanged = _predictions(few.forward(), few)
        finally:
            handle.remove()
        if exchanged is not None and _is_constant(exchanged):
            return name
    return None


@torch.no_grad()
def measure_narrow(subject: Subject, name: str) -> Narrow | None:
    """What is lost at the module `name`; None where the loss is neither of classes nor a squared error."""
    rows = torch.linspace(0, subject.num_examples - 1, min(subject.num_examples, MAX_EXAMPLES)).long()
    chosen = subject.selected(rows)
    with _calls(chosen.model, len(rows)) as calls:
        output = chosen.forward()
    seen = [(came_in, out) for called, came_in, out in calls if called == name]
    known, targets = _last_place(output, chosen)
    if not seen or known is None or targets is None or len(targets) < MIN_EXAMPLES:
        return None
    before, after = seen[-1]
    before = before.flatten(1)[:, -_MAX_NUMBERS:].float().cpu()
    after = after.reshape(len(rows), -1, after.shape[-1])[:, -1].float().cpu()
    is_number = targets.is_floating_point()
    kept = torch.ones(len(targets), dtype=torch.bool) if is_number else targets >= 0
    known, targets, before, after = known[kept], targets[kept], before[kept], after[kept]
    if int(kept.sum()) < MIN_EXAMPLES or not all(bool(torch.isfinite(x).all()) for x in (known, before, after)):
        return None
    is_first = torch.arange(len(targets)) % 2 == 0
    views = [(before, count) for count in _COUNTS] + [(before[:, -_LAST:], 0)] * (before.shape[1] > _LAST)
    without, with_before = torch.zeros(len(targets)), torch.zeros(len(views), len(targets))
    for mine in (is_first, ~is_first):  # each half by what was fitted on the other
        helped = [known, *(_helped(known, after, targets, ~mine, count) for count in _COUNTS)]
        best = min(helped, key=lambda outputs: float(_losses(outputs[mine], targets[mine]).mean()))
        without[mine] = _losses(best, targets)[mine]
        for losses, (view, count) in zip(with_before, views, strict=True):
            losses[mine] = _losses(_helped(best, view, targets, ~mine, count), targets)[mine]
    helped_by_view = tuple(_numbers(losses) for losses in with_before)
    return Narrow(name, after.shape[1], before.shape[1], _numbers(without), helped_by_view, is_number)


def _is_reconstruction(subject: Subject) -> bool:
    """Whether as many numbers are asked for as come in: an autoencoder is narrow because it is meant to be."""
    x, y = subject.primary, subject.targets
    return isinstance(y, Tensor) and x.is_floating_point() and y.is_floating_point() and x.numel() == y.numel()


@contextmanager
def _calls(model: nn.Module, n: int) -> Iterator[list[tuple[str, Tensor, Tensor]]]:
    """Innermost modules with parameters as they are called: name, what comes in and goes out, one row an example."""
    calls: list[tuple[str, Tensor, Tensor]] = []

    def noting(name: str) -> Any:
        def note(_module: nn.Module, args: Any, output: Any) -> None:
            came_in = [x for x in tensors(args) if x.is_floating_point() and x.ndim > 1 and len(x) == n]
            outs = [x for x in tensors(output) if x.is_floating_point() and x.ndim in (2, 3) and len(x) == n]
            if outs:
                calls.append((name, came_in[0] if came_in else outs[0].new_zeros(n, 0), outs[0]))

        return note

    inner = [(name, m) for name, m in model.named_modules() if m._parameters and not m._modules]
    handles = [module.register_forward_hook(noting(name)) for name, module in inner]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _width(came_in: Tensor) -> int:
    return came_in[0].numel()


def _first_for_all(output: Any, n: int) -> Any:
    """The numbers of the first example in the place of all others', at the last place; of states, everywhere."""
    if isinstance(output, Tensor):
        if output.ndim == 2 and len(output) == n:
            return output[:1].expand_as(output)
        if output.ndim == 3 and len(output) == n:
            changed = output.clone()
            changed[:, -1] = output[0, -1]
            return changed
        return output[:, :1].expand_as(output) if output.ndim == 3 and output.shape[1] == n else output
    return tuple(_first_for_all(item, n) for item in output) if isinstance(output, tuple) else output


def _predictions(output: Any, subject: Subject) -> Tensor | None:
    """The outputs of the last place, (n, K)."""
    floats, n = first_float(output), subject.num_examples
    return None if floats is None or len(floats) % n else floats.reshape(n, -1, floats.shape[-1])[:, -1]


def _is_constant(predictions: Tensor) -> bool:
    return bool(torch.isclose(predictions, predictions[:1], rtol=1e-5, atol=1e-6).all())


def _last_place(output: Any, subject: Subject) -> tuple[Tensor | None, Tensor | None]:
    """Outputs and targets of the last place, (n, K) and (n,) or (n, K); None where the loss is another."""
    classes = layout(output, subject)
    if classes is not None:
        return classes.outputs[:, -1].float().cpu(), classes.labels[:, -1].cpu()
    targets = subject.targets
    if not isinstance(output, Tensor) or not isinstance(targets, Tensor) or output.shape != targets.shape:
        return None, None
    if not is_close(float(subject.loss(output)), float(F.mse_loss(output, targets))):
        return None, None
    return output.flatten(1).float().cpu(), targets.flatten(1).float().cpu()


def _helped(known: Tensor, x: Tensor, targets: Tensor, fitted: Tensor, num_random: int) -> Tensor:
    """`known` with a simple model of x on top, which was fitted on the examples `fitted`."""
    fit = simple.regressed if targets.is_floating_point() else simple.logistic
    return known + fit(x[fitted], targets[fitted], known[fitted], num_random, _PENALTY)(x)


def _losses(outputs: Tensor, targets: Tensor) -> Tensor:
    if targets.is_floating_point():
        return (outputs - targets).square().mean(1)
    return F.cross_entropy(outputs, targets, reduction="none")


def _numbers(losses: Tensor) -> tuple[float, ...]:
    return tuple(losses.double().tolist())
