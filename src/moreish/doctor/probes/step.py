"""One step of somebody's loop, from the arrival of its gradients to what the optimiser made of them."""

import math
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import Update
from moreish.doctor.probes.scaling import divided_by, is_skipped

_MAX_VALUES = 8192  # of one parameter that are kept to measure its change
_MIN_VALUES = 8


class GradientProbe:
    """Sees the gradient of one parameter, the smallest, arrive and be used: left over, or scaled in between.

    Args:
        named: the parameters that are looked at.
        optimizer: as it is stepped.
        follows_step: whether the optimiser has used up what gradients there are; else they may be part of a sum that is
            meant.
    """

    def __init__(
        self, named: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, *, follows_step: bool = True
    ) -> None:
        self._optimizer = optimizer
        self._follows_step = follows_step
        self.name: str | None = smallest(named, optimizer)
        self._parameter = None if self.name is None else named[self.name]
        self._earlier: Tensor | None = None
        self._arrived: Tensor | None = None
        self._used: Tensor | None = None
        self._divided_by: float = 1.0

    def hooks(self) -> ExitStack:
        """Hooks for one step; closing the stack takes them away."""
        stack = ExitStack()
        p = self._parameter
        if p is not None:
            if self._follows_step and p.grad is not None and not p.grad.is_sparse:
                self._earlier = _sample(p.grad).clone()
            stack.callback(p.register_hook(self._arrives).remove)
            stack.callback(self._optimizer.register_step_pre_hook(self._steps).remove)
        return stack

    def _arrives(self, gradient: Tensor) -> None:
        if not gradient.is_sparse:
            arrived = _sample(gradient)
            self._arrived = arrived.clone() if self._arrived is None else self._arrived + arrived

    @torch.no_grad()
    def _steps(self, *_: object) -> None:
        gradient = self._parameter.grad if self._parameter is not None else None
        if self._used is None and gradient is not None and not gradient.is_sparse and not is_skipped(self._optimizer):
            self._used, self._divided_by = _sample(gradient).clone(), divided_by(self._optimizer)

    def stale_and_scale(self) -> tuple[float | None, float | None]:
        """Share of the gradient used that is left over from the step before; and the factor it was scaled by.

        None where it cannot be told.
        """
        used, arrived, earlier = self._used, self._arrived, self._earlier
        if used is None or arrived is None:
            return None, None
        scale = None
        misfit, factor = _misfit(used, arrived)
        if misfit < 1e-3:
            scale = factor * self._divided_by
        if earlier is None:
            return None, scale
        if misfit > 1e-2:
            both = arrived + earlier
            if _misfit(used, both)[0] < 1e-4:
                return float(earlier.norm() / both.norm()), None
        return 0.0, scale


class StepProbe:
    """Sees one step: of each parameter an even sample is kept, and its sum; of the smallest also its gradient.

    Args:
        named: the parameters that are looked at.
        optimizer: as it is stepped.
        follows_step: as in `GradientProbe`.

    Attributes:
        num_steps: how often the optimiser changed anything.
    """

    def __init__(
        self, named: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, *, follows_step: bool = True
    ) -> None:
        self._optimizer = optimizer
        self._named = named
        self._gradient = GradientProbe(self._named, optimizer, follows_step=follows_step)
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []
        self.num_steps: int = 0

    def hooks(self) -> ExitStack:
        """Hooks for one step; closing the stack takes them away."""
        stack = self._gradient.hooks()
        stack.callback(self._optimizer.register_step_pre_hook(self._steps).remove)
        return stack

    @torch.no_grad()
    def _steps(self, *_: object) -> None:
        if is_skipped(self._optimizer):
            return
        self.num_steps += 1
        if self.num_steps > 1:
            return
        self._before = [_sample(p).clone() for p in self._named.values()]
        self._sums = [p.sum(dtype=torch.float64) for p in self._large()]

    @torch.no_grad()
    def updates(self) -> tuple[Update, ...] | None:
        """How far each parameter moved, and why; None where the optimiser did not step exactly once."""
        if self.num_steps != 1 or not self._named:
            return None
        rows: list[Tensor] = []
        for p, before in zip(self._named.values(), self._before, strict=True):
            rows += self._row(p, before)
        large = self._sums + [p.sum(dtype=torch.float64) for p in self._large()]
        sums = torch.stack(large).view(2, -1).tolist() if large else ([], [])
        differ = {id(p): a != b for p, a, b in zip(self._large(), *sums, strict=True)}
        settings = {id(p): group for group in self._optimizer.param_groups for p in group["params"]}
        stale, scale = self._gradient.stale_and_scale()
        result = []
        for (name, p), kept, (bb, cc, cb, gg, largest) in zip(
            self._named.items(), self._before, torch.stack(rows).float().view(-1, 5).tolist(), strict=True
        ):
            whole = (p.numel() / max(kept.numel(), 1)) ** 0.5  # from the sample to all values
            is_smallest = name == self._gradient.name
            result.append(
                Update(
                    name=name,
                    moved=(cc / bb) ** 0.5 if bb > 0 else math.nan,
                    is_moved=largest > 0 or differ.get(id(p), False),
                    gradient_norm=None if p.grad is None or p.grad.is_sparse else gg**0.5 * whole,
                    stale=stale if is_smallest else None,
                    scale=scale if is_smallest else None,
                    size=bb**0.5 * whole,
                    decay=self._decay(settings.get(id(p)), bb, cc, cb, gg),
                    in_optimizer=id(p) in settings,
                )
            )
        return tuple(result)

    @staticmethod
    def _row(p: nn.Parameter, before: Tensor) -> list[Tensor]:
        """Squares of the values before, of the change, their product, squares of the gradient; the largest change."""
        change = _sample(p) - before
        gradient = torch.zeros_like(before) if p.grad is None or p.grad.is_sparse else _sample(p.grad)
        dots = [before.dot(before), change.dot(change), change.dot(before), gradient.dot(gradient)]
        return [*dots, change.abs_().max() if change.numel() else dots[0]]

    def _large(self) -> list[nn.Parameter]:
        return [p for p in self._named.values() if p.numel() > _MAX_VALUES]

    def _decay(self, group: dict[str, Any] | None, bb: float, cc: float, cb: float, gg: float) -> float:
        """Norm of what weight decay did to a parameter in this step over that of what the gradient did."""
        decay = float(group.get("weight_decay") or 0.0) if group else 0.0
        if group is None or decay == 0:
            return 0.0
        if isinstance(self._optimizer, torch.optim.AdamW) or group.get("decoupled_weight_decay"):
            pull = float(group["lr"]) * decay  # the change is that of the gradient, less pull times the values
            return pull * (bb / max(cc + 2 * pull * cb + pull**2 * bb, 1e-300)) ** 0.5
        return decay * (bb / max(gg, 1e-300)) ** 0.5


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Those that require a gradient, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def smallest(named: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> str | None:
    """Name of the parameter with the fewest values, of those that the optimiser holds; the last of equals.

    With less than eight values it is taken only if there is no other: two small gradients are soon multiples of each
    other.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    names = [name for name in reversed(named) if id(named[name]) in held]
    return min(names, key=lambda name: (named[name].numel() < _MIN_VALUES, named[name].numel()), default=None)


def _sample(tensor: Tensor) -> Tensor:
    """At most `_MAX_VALUES` values, evenly spread; a view where it can be."""
    values, size = tensor.detach().reshape(-1), tensor.numel()
    return values if size <= _MAX_VALUES else values[:: -(-size // _MAX_VALUES)]


def _misfit(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Distance of a from the nearest multiple of b, relative to a, and that multiple: clipping scales gradients."""
    if torch.equal(a, b):  # nothing scales them as a rule
        return 0.0, 1.0
    a, b = a.double(), b.double()
    size, own = float(b @ b), float(a @ a)
    if not 0 < size < float("inf") or not 0 < own < float("inf"):
        return 0.0, 1.0
    factor = float(a @ b) / size
    return float((a - factor * b).norm()) / own**0.5, factor
