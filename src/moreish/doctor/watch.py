"""`Doctor`: look on while somebody else's loop trains, at steps that grow apart, and change nothing."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import Evidence, History, Look, Update
from moreish.doctor.finding import Report
from moreish.doctor.judge import judge
from moreish.doctor.probes.data import measure_data
from moreish.doctor.probes.predictions import per_example_losses
from moreish.doctor.probes.trace import Trace, tracing
from moreish.doctor.restore import untouched
from moreish.doctor.subject import LossFunction, Subject, check_model, first_tensor, make_subject, scalar

_FIRST, _GROWTH = 50, 1.5
_BEFORE_ONLY = "it is measured before training: use moreish.diagnose"


class Doctor:
    """Watch a training from inside its loop.

        with moreish.Doctor(model, optimizer) as doctor:
            for inputs, targets in batches:
                optimizer.zero_grad()
                loss = loss_fn(model(inputs), targets)
                loss.backward()
                optimizer.step()
                doctor.step(loss, inputs, targets)
        print(doctor.report())

    Between looks a step costs one call. Looks are at step 2, at step 50, and then each half as far again as the one
    before: they depend on the number of the step alone, so that a training can be repeated. The trajectory is
    bit for bit that without a doctor.

    Args:
        model: as it is trained.
        optimizer: as it is stepped.
        loss_fn: called as `loss_fn(model(inputs), targets)`; needed for `train` and `validation`.
        train: a pair (inputs, targets) of training examples.
        validation: a pair that is held out; measured at looks in evaluation mode.

    Raises:
        ModelError: the module cannot be examined.
        InputError: a pair or the loss has another form.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_fn: LossFunction | None = None,
        train: Any = None,
        validation: Any = None,
    ) -> None:
        check_model(model)
        self._model: nn.Module = model
        self._optimizer: torch.optim.Optimizer = optimizer
        self._subjects: dict[str, Subject] = {}
        if loss_fn is not None:
            given = {"train": train, "validation": validation}
            self._subjects = {
                name: make_subject(model, pair, loss_fn) for name, pair in given.items() if pair is not None
            }
        self._data: Any = None if train is None else measure_data(train, validation)
        self._losses: list[Tensor] = []
        self._rates: list[tuple[int, float]] = []
        self._looks: list[Look] = []
        self._next: int = 2
        self._num_examples: int = 1
        self._watched: _Step | None = None
        self._stack: ExitStack = ExitStack()

    def __enter__(self) -> "Doctor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        self._watched = None

    def step(self, loss: Tensor, inputs: Any = None, targets: Any = None) -> None:
        """Take note of one step; call it after `optimizer.step()`.

        Args:
            loss: of this step; one number.
            inputs: of this step; the number of examples is read off.
            targets: of this step.

        Raises:
            InputError: the loss is not one number.
        """
        self._losses.append(scalar(loss).detach().clone())
        number = len(self._losses)
        if self._watched is not None:
            watched, self._watched = self._watched, None
            self._stack.close()
            self._looks.append(self._look(number, watched))
            self._next = max(_FIRST, int(number * _GROWTH))
        if number + 1 == self._next:
            self._num_examples = 1 if inputs is None else first_tensor(inputs).shape[0]
            self._watched = _Step(self._model, self._optimizer)
            self._stack.enter_context(self._watched.hooks())
            self._watched.trace = self._stack.enter_context(tracing(self._model, self._num_examples))

    def _look(self, number: int, watched: "_Step") -> Look:
        self._rates.append((number, float(self._optimizer.param_groups[0]["lr"])))
        return Look(
            step=number,
            sites=None if watched.trace is None else watched.trace.sites(),
            updates=watched.updates(),
            train_losses=self._evaluate("train"),
            validation_losses=self._evaluate("validation"),
            in_training_mode=self._model.training,
        )

    def _evaluate(self, name: str) -> tuple[float, ...] | None:
        """The loss of each example of a pair, in evaluation mode."""
        subject = self._subjects.get(name)
        if subject is None:
            return None
        with untouched(self._model, values=False), torch.no_grad():
            self._model.eval()
            losses = per_example_losses(subject.forward(), subject)
        return None if losses is None else tuple(losses[:512].double().tolist())

    def evidence(self) -> Evidence:
        """What was recorded so far."""
        losses = tuple(torch.stack(self._losses).double().tolist()) if self._losses else ()
        history = History(losses, tuple(step for step, _ in self._rates), tuple(rate for _, rate in self._rates))
        missing = dict.fromkeys(("loss", "parameters", "coupling", "norms", "rates"), _BEFORE_ONLY)
        missing |= {"data": "it needs train", "sites": f"the first look is at step {self._next}"}
        missing["updates"] = missing["in_training_mode"] = missing["sites"]
        missing["train_losses"] = missing["validation_losses"] = "it needs loss_fn, train and validation, and a look"
        return Evidence(tuple(self._looks), self._data, history, missing, type(self._optimizer).__name__)

    def report(self) -> Report:
        """Judge what was recorded so far."""
        return judge(self.evidence())


class _Step:
    """One step of the loop, looked at from its backward pass to its update."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.trace: Trace | None = None
        self._optimizer = optimizer
        self._named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._smallest = min(self._named, key=lambda name: self._named[name].numel(), default=None)
        self._earlier: Tensor | None = None
        self._arrived: Tensor | None = None
        self._used: dict[str, Tensor | None] = {}
        self._before: dict[str, Tensor] = {}
        self._num_steps = 0

    def hooks(self) -> ExitStack:
        """Hooks that see gradients arrive and be used; closing the stack takes them away."""
        stack = ExitStack()
        if self._smallest is not None:
            p = self._named[self._smallest]
            self._earlier = None if p.grad is None else p.grad.detach().clone()
            stack.callback(p.register_hook(self._arrives).remove)
        stack.callback(self._optimizer.register_step_pre_hook(self._steps).remove)
        return stack

    def _arrives(self, gradient: Tensor) -> None:
        gradient = gradient.detach()
        self._arrived = gradient.clone() if self._arrived is None else self._arrived + gradient

    def _steps(self, *_: object) -> None:
        self._num_steps += 1
        if self._num_steps == 1:
            self._before = {name: p.detach().clone() for name, p in self._named.items()}
            self._used = {
                name: p.grad.detach().clone() if name == self._smallest and p.grad is not None else p.grad
                for name, p in self._named.items()
            }

    def updates(self) -> tuple[Update, ...] | None:
        """How far each parameter moved; None where the optimiser did not step exactly once."""
        if self._num_steps != 1:
            return None
        result = []
        for name, p in self._named.items():
            change = p.detach() - self._before[name]
            spread = float(self._before[name].std(correction=0))
            moved = float(change.std(correction=0)) / spread if spread > 0 else float("nan")
            gradient = self._used[name]
            norm = None if gradient is None or gradient.is_sparse else float(gradient.norm())
            stale = self._stale() if name == self._smallest else None
            result.append(Update(name, moved, bool((change != 0).any()), norm, stale))
        return tuple(result)

    def _stale(self) -> float | None:
        """Share of the gradient used that is left over from the step before; None where it cannot be told."""
        used = None if self._smallest is None else self._used.get(self._smallest)
        if used is None or self._arrived is None or self._earlier is None:
            return None
        both = self._arrived + self._earlier
        if _misfit(used, self._arrived) > 1e-2 and _misfit(used, both) < 1e-4:
            return float(self._earlier.norm() / both.norm())
        return 0.0


def _misfit(a: Tensor, b: Tensor) -> float:
    """Distance of a from the nearest multiple of b, relative to a: clipping scales gradients."""
    a, b = a.double().flatten(), b.double().flatten()
    size = float(b @ b)
    if size == 0 or float(a @ a) == 0:
        return 0.0
    return float((a - float(a @ b) / size * b).norm() / a.norm())
