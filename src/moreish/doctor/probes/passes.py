"""What is seen at every pass and every step of somebody's loop: little, because it is seen every time."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import NotFinite, Stray
from moreish.doctor.probes.norms import batch_norms, strays_noted
from moreish.doctor.probes.scaling import is_skipped
from moreish.doctor.probes.step import smallest, trained_parameters
from moreish.doctor.probes.trace import tracing
from moreish.doctor.restore import plainly, untouched
from moreish.doctor.subject import Subject, is_compiled, unwrapped
from moreish.errors import MoreishError


class Passes:
    """Counts passes without gradients by their mode, and catches the first gradient that is not finite.

    It is caught between the backward pass and the optimiser's step, while the parameters are still what they were, and
    a copy of them is kept until `explain` gets the inputs.

    Attributes:
        num_in_training_mode: passes without gradients in training mode; counted where the mode makes a difference.
        num_in_evaluation_mode: the same in evaluation mode.
        strays: what batch norms got in some of the former, rarer and rarer.
        noisy: names of modules that act otherwise in training than in evaluation.
        num_steps: how often the optimiser stepped.
        has_caught: whether a gradient that is not finite waits to be explained.
        not_finite: where it came from; None as long as there was none.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.num_in_training_mode: int = 0
        self.num_in_evaluation_mode: int = 0
        self.num_steps: int = 0
        self.strays: list[Stray] = []
        self._stray_hooks = ExitStack()
        self._entered = model
        self._model = model = unwrapped(model)
        self.noisy: tuple[str, ...] = _noisy_modules(model)
        self.not_finite: NotFinite | None = None
        self._optimizer = optimizer
        self._is_away = False
        self.has_caught: bool = False
        self._kept: list[Tensor] = []
        named = trained_parameters(model)
        name = smallest(named, optimizer)
        # Reading a number from an accelerator would make every step wait for it.
        self._sentinel = named[name] if name is not None and named[name].is_cpu else None

    def hooks(self) -> ExitStack:
        """Hooks for as long as the loop runs; closing the stack takes them away."""
        stack = ExitStack()
        if self.noisy:
            stack.callback(self._entered.register_forward_pre_hook(self._enters).remove)
            stack.callback(self._entered.register_forward_hook(self._leaves, always_call=True).remove)
        stack.callback(self._optimizer.register_step_pre_hook(self._steps).remove)
        return stack

    @contextmanager
    def away(self) -> Iterator[None]:
        """What happens inside is the doctor's own doing, and not counted."""
        self._is_away = True
        try:
            with plainly(self._model):
                yield
        finally:
            self._is_away = False

    def _enters(self, module: nn.Module, args: object) -> None:
        if torch.is_grad_enabled() or self._is_away:
            return
        if not module.training:
            self.num_in_evaluation_mode += 1
            return
        self.num_in_training_mode += 1
        is_power_of_two = self.num_in_training_mode & (self.num_in_training_mode - 1) == 0
        if is_power_of_two and not is_compiled(self._entered):  # hooks inside would be compiled with it
            self._stray_hooks.enter_context(strays_noted(self._model, self.strays))

    def _leaves(self, *_: object) -> None:
        self._stray_hooks.close()

    def _steps(self, *_: object) -> None:
        if self._is_away:
            return
        self.num_steps += 1
        gradient = None if self._sentinel is None else self._sentinel.grad
        if gradient is None or math.isfinite(gradient.sum().item()) or is_skipped(self._optimizer):
            return
        if self.not_finite is None and not self.has_caught:
            self._kept = [p.detach().clone() for p in self._model.parameters()]
            self.has_caught = True

    def explain(self, step: int, inputs: Any) -> None:
        """Say where the gradient came from that was caught in this step."""
        self.not_finite = self._origin(step, inputs, self._kept)
        self.has_caught, self._kept = False, []

    def _origin(self, step: int, inputs: Any, kept: list[Tensor]) -> NotFinite:
        """The forward pass again, with the parameters as they were and every operation looked at."""
        names = [name for name, _ in self._model.named_parameters()]
        for is_bad in (torch.isinf, torch.isnan):  # infinity comes first, NaN is made from it
            for name, value in zip(names, kept, strict=True):
                if bool(is_bad(value).any()):
                    return NotFinite(step, "parameter", name)
        if inputs is None:
            return NotFinite(step, "unknown", None)
        subject = Subject(self._model, inputs, None, lambda output, targets: output).moved()
        try:
            with untouched(self._model), self.away(), torch.no_grad():
                for p, value in zip(self._model.parameters(), kept, strict=True):
                    p.data.copy_(value)
                with tracing(self._model, subject.num_examples) as trace:
                    subject.forward()
        except MoreishError:
            return NotFinite(step, "unknown", None)
        bad = next((site for site in trace.sites() if not site.is_finite), None)
        return NotFinite(step, "backward" if bad is None else "forward", None if bad is None else bad.name)


def _noisy_modules(model: nn.Module) -> tuple[str, ...]:
    """Names of the modules that act otherwise in training than in evaluation: dropout, and norms of the batch."""
    dropout = [
        name
        for name, module in model.named_modules()
        if "dropout" in type(module).__name__.lower() and getattr(module, "p", 1.0) > 0
    ]
    return (*batch_norms(model), *dropout)
