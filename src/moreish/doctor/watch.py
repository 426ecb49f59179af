"""`Doctor`: look on while somebody else's loop trains, at steps that grow apart, and change nothing."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import Evidence, History, Minibatch
from moreish.doctor.finding import Report
from moreish.doctor.given import Given
from moreish.doctor.judge import joined, judge
from moreish.doctor.looks import Looks
from moreish.doctor.probes.data import Row, labels_of, rows_of
from moreish.doctor.probes.passes import Passes
from moreish.doctor.probes.schedule import has_scheduler, scheduler_steps
from moreish.doctor.probes.step import GradientProbe, trained_parameters
from moreish.doctor.structures import dense, first_tensor
from moreish.doctor.subject import LossFunction, check_model, check_optimizer, scalar, unwrapped
from moreish.errors import InputError

_FIRST, _GROWTH = 50, 2
_END = 1.2  # steps over those of the last look, from which the end is a look of its own
_JUMP = 3.0  # factor between the rates of two steps, from which it is noted
_PENDING = 1024  # losses on an accelerator that are fetched together
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

    Between looks a step costs a call or two. Looks are at step 2, at step 50, and then each at twice the step of the
    one before: they depend on the number of the step alone, so that a training can be repeated. The trajectory is bit
    for bit that without a doctor. Without the `with` block, passes of evaluation, schedules and the first module that
    makes NaN are not seen.

    Args:
        model: as it is trained.
        optimizer: as it is stepped.
        loss_fn: called as `loss_fn(model(inputs), targets)`; needed for `train` and `validation`.
        train: a pair (inputs, targets) of training examples.
        validation: a pair that is held out; measured at looks in evaluation mode, as is `train`: an even choice of at
            most 256 examples of each. What is measured is moved to the device of the model.

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
        if isinstance(optimizer, list | tuple):
            raise InputError(
                f"optimizer is {len(optimizer)} optimizers; a Doctor watches one. Watch each part of the model by "
                "itself: Doctor(part, optimizer of that part)."
            )
        check_optimizer(optimizer)
        self._model: nn.Module = unwrapped(model)
        self._optimizer: torch.optim.Optimizer = optimizer
        self._passes: Passes = Passes(model, optimizer)
        self._given: Given = Given(model, self._passes, loss_fn, train, validation)
        self._looks: Looks = Looks(model, optimizer, self._passes, self._given)
        self._before: tuple[float, ...] = ()
        self._losses: list[float] = []
        self._pending: list[Tensor] = []
        self._last_rate: Any = None
        self._rate_jumps: list[tuple[int, float, float]] = []
        self._minibatches: list[Minibatch] = []
        self._batch_size: int = 32
        self._looped: list[Row] = []
        self._scales: list[tuple[int, float]] = []
        self._number: int = 0
        self._num_steps_before: int = 0
        self._next: int = 2
        self._next_labels: int = 1
        self._next_event: int = 1
        self._gradient_probe: GradientProbe | None = None
        self._gradient_hooks: ExitStack = ExitStack()
        self._pass_hooks: ExitStack | None = None
        self._is_over: bool = False
        self._sums: list[float] | None = None
        self._scheduler_steps: int | None = None

    def __enter__(self) -> "Doctor":
        self._sums = self._parameter_sums()
        self._before = self._given.losses("train") or ()
        self._pass_hooks = self._passes.hooks()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._looks.close()
        self._gradient_hooks.close()
        self._gradient_probe = None
        if kind is None and self._looks.taken and self._number >= _END * self._looks.taken[-1].step:
            self._looks.take_last(self._number)
        if self._pass_hooks is not None:
            self._pass_hooks.close()
        self._is_over = True
        if has_scheduler(self._optimizer):
            self._scheduler_steps = scheduler_steps(self._optimizer)

    def step(self, loss: Tensor, inputs: Any = None, targets: Any = None) -> None:
        """Take note of one step; call it after `optimizer.step()`.

        Args:
            loss: of this step; one number.
            inputs: of this step; the number of examples is read off.
            targets: of this step; with them it is seen whether the data are shuffled.

        Raises:
            InputError: the loss is not one number.
        """
        if not isinstance(loss, Tensor) or loss.ndim:
            loss = scalar(loss)
        if loss.is_cpu:
            self._losses.append(loss.item())
        else:
            self._pending.append(loss.detach().clone())
            if len(self._pending) >= _PENDING:
                self._fetch()
        self._number = number = self._number + 1
        rate = self._optimizer.param_groups[0]["lr"]
        if rate is not self._last_rate:
            self._note_rate(rate)
        if number >= self._next_event or self._passes.has_caught:
            self._happens(number, inputs, targets)

    def _note_rate(self, rate: Any) -> None:
        """The loop or a scheduler has set it; what changes little is left out."""
        last, self._last_rate = self._last_rate, rate
        if isinstance(last, float) and isinstance(rate, float) and not last / _JUMP < rate < last * _JUMP:
            self._rate_jumps.append((self._number, last, rate))

    def _happens(self, number: int, inputs: Any, targets: Any) -> None:
        """Everything that is not done at every step."""
        if self._passes.has_caught:
            self._passes.explain(number, inputs)
        if number == self._next_labels:
            self._note_minibatch(inputs, targets)
        if self._looks.is_open:
            self._fetch()
            is_taken = self._looks.take(number, self._losses, self._batch_size)
            self._next = max(_FIRST, number * _GROWTH) if is_taken else number + 1
        if number + 1 == self._next:
            is_new = self._pass_hooks is None or self._passes.num_steps > self._num_steps_before
            self._looks.open(inputs, follows_step=is_new)
        if self._looks.is_clipped and number + 1 == self._next_labels:
            self._gradient_probe = GradientProbe(trained_parameters(self._model), self._optimizer)
            self._gradient_hooks.enter_context(self._gradient_probe.hooks())
        self._num_steps_before = self._passes.num_steps
        upcoming = self._next - 2, self._next - 1, self._next, self._next_labels - 1, self._next_labels
        self._next_event = min(event for event in upcoming if event > number)

    @torch.no_grad()
    def _parameter_sums(self) -> list[float]:
        sums = [p.sum(dtype=torch.float64) for p in self._model.parameters()]
        return torch.stack(sums).tolist()

    def _fetch(self) -> None:
        if self._pending:
            self._losses += torch.stack(self._pending).double().tolist()
            self._pending.clear()

    def _note_minibatch(self, inputs: Any, targets: Any) -> None:
        self._next_labels = self._number + max(1, self._number // 4)
        if self._gradient_probe is not None:
            self._gradient_hooks.close()
            _, scale = self._gradient_probe.stale_and_scale()
            self._gradient_probe = None
            if scale is not None:
                self._scales.append((self._number, scale))
        if inputs is not None:
            self._batch_size = n = first_tensor(inputs).shape[0]
            self._minibatches.append(Minibatch(self._number, labels_of(targets, n), n))
            if self._given.has_train:
                self._looped += rows_of(dense(inputs), targets)

    def evidence(self) -> Evidence:
        """What was recorded so far."""
        self._fetch()
        formula = next((look.loss.formula for look in self._looks.taken if look.loss), "")
        self._given.know_data(self._looped, formula)
        is_seen = self._pass_hooks is not None
        history = History(
            losses=tuple(self._losses),
            before=self._before,
            look_steps=tuple(step for step, _ in self._looks.rates),
            learning_rates=tuple(rate for _, rate in self._looks.rates),
            has_scheduler=has_scheduler(self._optimizer),
            scheduler_steps=self._scheduler_steps,
            is_over=self._is_over,
            not_finite=self._passes.not_finite,
            passes_in_training_mode=self._passes.num_in_training_mode if is_seen else None,
            passes_in_evaluation_mode=self._passes.num_in_evaluation_mode if is_seen else None,
            strays=tuple(self._passes.strays),
            noisy_modules=self._passes.noisy,
            minibatches=tuple(self._minibatches),
            scales=tuple(self._scales),
            rate_jumps=tuple(self._rate_jumps),
            optimizer_steps=self._passes.num_steps if is_seen else None,
            has_moved=None if self._sums is None else self._sums != self._parameter_sums(),
        )
        missing = dict.fromkeys(("parameters", "coupling", "memory"), _BEFORE_ONLY)
        missing |= {
            "data": "it needs train",
            "loss": "it needs loss_fn and train, and a look",
            "wiring": "it needs loss_fn and train, and a look",
            "input_scales": "it needs loss_fn and train, and a look at a model that is not compiled",
            "sites": f"the first look is at step {self._next}",
        }
        if is_seen and self._number > 1 and self._passes.num_steps == 0:
            missing["sites"] = "the optimiser never stepped, and looks are at its steps"
        missing["norms"] = missing["updates"] = missing["in_training_mode"] = missing["sites"]
        if self._looks.failure is not None:
            missing["sites"] = self._looks.failure
        if self._looks.is_compiled:
            missing["sites"] = missing["norms"] = "the model is compiled, its operations are hidden: use diagnose"
        missing["train_losses"] = missing["validation_losses"] = (
            "the loss cannot be taken apart by example"
            if self._looks.taken and self._given.has_both
            else "it needs loss_fn, train and validation, and a look"
        )
        reference, validation_reference = self._given.reference, self._given.validation_reference
        if isinstance(reference, str):
            missing["reference"] = reference
        belonging = self._given.belonging
        if isinstance(belonging, str):
            missing["belonging"] = belonging
        missing["rates"] = self._given.together or (
            "branches are made only where the loss, the steps or the decay ask for one, with loss_fn and train"
        )
        return Evidence(
            tuple(self._looks.taken),
            self._given.data,
            history,
            missing,
            type(self._optimizer).__name__,
            None if isinstance(reference, str) else reference,
            None if isinstance(validation_reference, str) else validation_reference,
            None if isinstance(belonging, str) else belonging,
        )

    def report(self, before: Report | None = None) -> Report:
        """Judge what was recorded so far.

        Args:
            before: what `diagnose` said of the same model before it was trained. Then both are one report, in which a
                cause that one of them saw explains what the other did.

        Raises:
            InputError: `before` is something else.
        """
        if not isinstance(before, Report | None):
            raise InputError(f"before is a {type(before).__name__}; expected the Report that moreish.diagnose returns.")
        report = judge(self.evidence())
        return report if before is None else joined(before, report)
