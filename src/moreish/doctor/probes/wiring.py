"""Which outputs a target trains: one target is exchanged, and the gradients of the loss that change are looked up.

The network runs once; the loss is called on its outputs, a little moved, some tens of times.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from moreish.doctor.evidence import Wiring
from moreish.doctor.probes.coupling import UnclearError
from moreish.doctor.probes.formula import away
from moreish.doctor.probes.predictions import is_close
from moreish.doctor.restore import seed
from moreish.doctor.structures import first_float, with_floats
from moreish.doctor.subject import Subject
from moreish.errors import MoreishError

MIN_EXAMPLES = 4
"""With fewer, a factor that is common to the other examples cannot be told from chance."""
NUM_EXCHANGED = 6
_MOVED = 1e-3  # of the largest change
_ROUNDING = 1e-5  # of the largest gradient


def measure_wiring(subject: Subject) -> Wiring:
    """Exchange targets, in evaluation mode. The caller puts modes and random states back.

    Raises:
        UnclearError: it cannot be told which output or target belongs to which example, or the loss is random.
    """
    subject.model.eval()
    targets, n = subject.targets, subject.num_examples
    if not isinstance(targets, Tensor) or not targets.ndim or not targets.numel() or targets.numel() % n:
        raise UnclearError("the targets are not a tensor with as many entries for each example")
    if n < MIN_EXAMPLES:
        raise UnclearError(f"the batch has {n} examples; it takes {MIN_EXAMPLES}")
    with torch.no_grad():
        seed(0)
        output = subject.forward()
    outputs = first_float(output)
    if outputs is None or targets.shape[0] % n or (outputs.shape[0] % n and outputs.shape[1:2] != (n,)):
        raise UnclearError(f"outputs and targets have no axis of {n} examples")
    loss = _Loss(subject, output, away(outputs.detach()))
    layouts, exchanges = _layouts(loss), []
    readings = [list[_Reading]() for _ in layouts]
    for change in _exchanges(loss):
        exchanges.append(_by_example(change))
        for layout, reading in zip(layouts, readings, strict=True):
            reading.append(_by_place(layout, change))
    own, others = _mean([own for own, _, _ in exchanges]), _mean([others for _, others, _ in exchanges])
    shifts = [shift for _, _, shift in exchanges if shift and loss.are_labels]
    return Wiring(
        output_shape=tuple(outputs.shape),
        target_shape=tuple(targets.shape),
        num_exchanged=len(exchanges),
        own=own,
        others=others,
        is_all_pairs=others > 0 and _is_over_all_pairs(loss),
        num_elsewhere=len(shifts),
        elsewhere_shifts=tuple(shifts),
        **_best_reading(readings, loss.num_places),
    )


@dataclass(frozen=True)
class _Loss:
    """The loss as a function of outputs that need no network."""

    subject: Subject
    output: Any
    outputs: Tensor

    @property
    def num_places(self) -> int:
        return self.subject.targets.numel() // self.subject.num_examples

    @property
    def are_labels(self) -> bool:
        return not self.subject.targets.is_floating_point()

    def by_example(self, values: Tensor) -> Tensor:
        """Outputs, or their gradient, as (n, numbers)."""
        n = self.subject.num_examples
        return (values if values.shape[0] % n == 0 else values.transpose(0, 1)).reshape(n, -1)

    def value(self, rows: slice, target_rows: slice) -> float:
        """Of some outputs and targets."""
        subject = replace(self.subject, targets=self.subject.targets[target_rows])
        with torch.no_grad():
            return float(subject.loss(with_floats(self.output, self.outputs[rows])))

    def gradient(self, targets: Tensor) -> Tensor:
        """With respect to the outputs, in their shape; zero where the loss does not depend on them."""
        leaf = self.outputs.clone().requires_grad_()
        seed(0)
        with torch.enable_grad():
            loss = replace(self.subject, targets=targets).loss(with_floats(self.output, leaf.clone()))
            if not loss.requires_grad:  # the model has computed it, say
                return torch.zeros_like(leaf)
            (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
        return torch.zeros_like(leaf) if gradient is None else gradient


@dataclass(frozen=True)
class _Change:
    """What one exchange did: the gradients before and after, and where the target stands."""

    example: int
    place: int | None
    before: Tensor
    after: Tensor


def _exchanges(loss: _Loss) -> Iterator[_Change]:
    """Targets exchanged in turn, spread over examples and places; those that change nothing are left out."""
    targets, n, num_places = loss.subject.targets, loss.subject.num_examples, loss.num_places
    before = loss.gradient(targets)
    if not bool(torch.isfinite(before).all()) or not torch.equal(before, loss.gradient(targets)):
        raise UnclearError("the gradient of the loss is random, or not finite")
    for number in range(NUM_EXCHANGED):
        example = (2 * number + 1) * n // (2 * NUM_EXCHANGED)
        place = (3 * number + 1) % num_places if loss.are_labels and num_places > 1 else None
        exchanged = _exchanged(targets.reshape(n, num_places), example, place, number)
        after = loss.gradient(exchanged.reshape(targets.shape))
        if bool(torch.isfinite(after).all()) and bool((after != before).any()):
            yield _Change(example, place, loss.by_example(before), loss.by_example(after))


def _exchanged(targets: Tensor, example: int, place: int | None, number: int) -> Tensor:
    """Targets (n, P) with those of one example, or one of them, exchanged for others that occur; not ignored ones."""
    changed = targets.clone()
    where = (example, slice(None) if place is None else slice(place, place + 1))
    old = targets[where]
    if targets.dtype == torch.bool:
        changed[where] = ~old
    elif targets.is_floating_point():
        low, high = targets.min(), targets.max()
        other = low + high - old if bool(low < high) else torch.where(old == 0, torch.ones_like(old), 0 * old)
        changed[where] = torch.where((other - old).abs() > 0.1 * (high - low), other, high)
    else:
        symbols = torch.unique(targets[targets >= 0])
        if len(symbols) < 2:
            raise UnclearError("all targets are the same")
        further = 1 + (len(symbols) // 2 + number) % (len(symbols) - 1)  # now this class, now that
        others = symbols[(torch.searchsorted(symbols, old.clamp_min(0).contiguous()) + further) % len(symbols)]
        changed[where] = torch.where(old >= 0, others, old)
    return changed


def _moved(before: Tensor, after: Tensor) -> Tensor:
    """Change of each number of (rows, …), beyond a factor that is common to most rows; 0 where it is rounding."""
    rounding = _ROUNDING * float(before.abs().max())
    change = (after - before).abs()
    if float((change.flatten(1).amax(1) > rounding).float().mean()) > 0.5:
        used = before.abs() > rounding
        factor = (after[used] / before[used]).median() if bool(used.any()) else 1.0
        change = (after - factor * before).abs()
    return torch.where(change > max(rounding, _MOVED * float(change.max())), change, 0 * change)


def _by_example(change: _Change) -> tuple[float, float, int | None]:
    """Share of the change in the own example; of the others that changed; how far the one is that did, if it is one."""
    moved = _moved(change.before, change.after).sum(1)
    touched = moved.nonzero().flatten().tolist()
    own = float(moved[change.example] / moved.sum()) if touched else 1.0
    others = sum(row != change.example for row in touched) / (len(moved) - 1)
    return own, others, touched[0] - change.example if len(touched) == 1 else None


def _is_over_all_pairs(loss: _Loss) -> bool:
    """Whether every output is compared with every target: the value is the mean, or the sum, of those of all pairs.

    That is what becomes of (n, 1) beside (n,), and of nothing that couples examples on purpose.
    """
    try:
        together = loss.value(slice(0, MIN_EXAMPLES), slice(0, MIN_EXAMPLES))
        rows = [slice(row, row + 1) for row in range(MIN_EXAMPLES)]
        pairs = [loss.value(one, other) for one in rows for other in rows]
    except MoreishError:  # the loss refuses so few
        return False
    return is_close(together, _mean(pairs)) or is_close(together, sum(pairs))


Layout = Callable[[Tensor], Tensor]
"""How the outputs of one example, (numbers,), are read as (places, classes)."""
_Reading = tuple[float, int | None, bool]
"""Share of a change at the target's own place; how far the one place is that changed, if it is one; whether it is
scattered. The share is NaN where nothing changed: the loss cuts the place off."""


def _layouts(loss: _Loss) -> list[Layout]:
    shape, n, num_places = loss.outputs.shape, loss.subject.num_examples, loss.num_places
    size = loss.outputs.numel() // n
    ways: list[Layout] = []
    if num_places == 1 or not loss.are_labels:
        return ways
    if shape[-1] * num_places == size or size == num_places:
        ways.append(lambda row: row.reshape(num_places, -1))
    if len(shape) > 2 and shape[0] == n and shape[1] * num_places == size and shape[1] > 1:
        ways.append(lambda row: row.reshape(-1, num_places).T)
    return ways


def _by_place(layout: Layout, change: _Change) -> _Reading:
    assert change.place is not None
    moved = _moved(layout(change.before[change.example]), layout(change.after[change.example]))
    touched = moved.sum(1).nonzero().flatten().tolist()
    if not touched:
        return float("nan"), None, False
    numbers = moved[touched] > 0
    # Places that are coupled on purpose (skip-grams, targets smoothed over time) are so class by class, the old class
    # and the new one at each.
    is_by_class = bool((numbers == numbers[0]).all()) and int(numbers[0].sum()) > 1
    is_scattered = 1 < len(touched) <= int(numbers.sum()) <= moved.shape[1] and not is_by_class
    at_place = float(moved[change.place].sum() / moved.sum())
    return at_place, touched[0] - change.place if len(touched) == 1 else None, is_scattered


def _best_reading(readings: list[list[_Reading]], num_places: int) -> dict[str, Any]:
    """Where in its own example a target changes gradients, with the layout that fits best."""
    told = []
    for reading in readings:
        seen = [item for item in reading if not math.isnan(item[0])]
        if not seen:
            continue
        offsets = {offset for _, offset, _ in seen}
        told.append(
            {
                "num_places": num_places,
                "at_place": _mean([share for share, _, _ in seen]),
                "num_scattered": sum(is_scattered for _, _, is_scattered in seen),
                "offset": offsets.pop() if len(offsets) == 1 else None,
            }
        )
    if len(readings) > 1:  # as many places as classes: a fault cannot be told from the other layout
        told = [item for item in told if item["offset"] is not None]
    return told[0] if told else {}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
