"""`Doctor`: look on while somebody else's loop trains, at steps that grow apart, and change nothing."""

from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.branching import BRANCH_STEPS, FIRST_STEP, MAX_BRANCHINGS, what_to_try
from moreish.doctor.checks.loop import SCALE_FREE
from moreish.doctor.evidence import (
    BatchNorm,
    Data,
    Evidence,
    Graph,
    History,
    Look,
    Loss,
    Minibatch,
    Narrow,
    Rates,
    Reference,
    Wiring,
)
from moreish.doctor.finding import Report
from moreish.doctor.judge import judge
from moreish.doctor.probes.capacity import find_narrow, measure_narrow
from moreish.doctor.probes.data import Row, labels_of, measure_data, rows_of
from moreish.doctor.probes.formula import ends_in_sigmoid, measure_loss
from moreish.doctor.probes.graph import strangers_noted
from moreish.doctor.probes.norms import norms_noted
from moreish.doctor.probes.passes import Passes
from moreish.doctor.probes.predictions import per_example_losses
from moreish.doctor.probes.rates import measure_rates, minibatches
from moreish.doctor.probes.reference import measure_reference
from moreish.doctor.probes.schedule import has_scheduler, scheduler_steps
from moreish.doctor.probes.step import GradientProbe, StepProbe
from moreish.doctor.probes.trace import Trace, tracing
from moreish.doctor.probes.wiring import measure_wiring
from moreish.doctor.restore import untouched
from moreish.doctor.subject import (
    LossFunction,
    Subject,
    check_model,
    check_optimizer,
    first_tensor,
    is_compiled,
    make_subject,
    scalar,
    unwrapped,
)
from moreish.errors import InputError

_FIRST, _GROWTH = 50, 2
_END = 1.2  # steps over those of the last look, from which the end is a look of its own
_MAX_EXAMPLES = 256  # of train and of validation that a look evaluates
_JUMP = 3.0  # factor between the rates of two steps, from which it is noted
_CLIPPED = 0.99  # of a gradient's length
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
            most 256 examples of each.

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
        for name, pair in (("train", train), ("validation", validation)):
            if pair is not None and not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise InputError(f"{name} is a {type(pair).__name__}; expected a pair (inputs, targets).")
        self._model: nn.Module = unwrapped(model)
        self._is_compiled: bool = is_compiled(model)
        self._optimizer: torch.optim.Optimizer = optimizer
        self._whole: dict[str, Subject] = {}
        if loss_fn is not None:
            given = {"train": train, "validation": validation}
            self._whole = {name: make_subject(model, pair, loss_fn) for name, pair in given.items() if pair is not None}
        self._subjects: dict[str, Subject] = {name: _few(subject) for name, subject in self._whole.items()}
        self._given: tuple[Any, Any] = train, validation
        self._data: Data | None = None
        self._reference: Reference | str = "it needs loss_fn and train"
        self._validation_reference: Reference | str = "it needs loss_fn and validation"
        self._num_branchings: int = 0
        self._narrow: str | None = None  # not looked for yet; empty where there is none
        self._before: tuple[float, ...] = ()
        self._losses: list[float] = []
        self._pending: list[Tensor] = []
        self._rates: list[tuple[int, float]] = []
        self._last_rate: Any = None
        self._rate_jumps: list[tuple[int, float, float]] = []
        self._looks: list[Look] = []
        self._minibatches: list[Minibatch] = []
        self._batch_size: int = 32
        self._looped: list[Row] = []
        self._scales: list[tuple[int, float]] = []
        self._is_clipped: bool = False
        self._norms: dict[str, BatchNorm] = {}
        self._graphs: list[Graph] = []
        self._number: int = 0
        self._next: int = 2
        self._next_labels: int = 1
        self._next_event: int = 1
        self._probe: StepProbe | None = None
        self._gradient_probe: GradientProbe | None = None
        self._trace: Trace | None = None
        self._step_hooks: ExitStack = ExitStack()
        self._gradient_hooks: ExitStack = ExitStack()
        self._passes: Passes = Passes(model, optimizer)
        self._pass_hooks: ExitStack | None = None
        self._is_over: bool = False
        self._sums: list[float] | None = None
        self._scheduler_steps: int | None = None

    def __enter__(self) -> "Doctor":
        self._sums = self._parameter_sums()
        self._before = self._evaluate("train") or ()
        self._pass_hooks = self._passes.hooks()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._step_hooks.close()
        self._gradient_hooks.close()
        self._probe = self._gradient_probe = None
        if kind is None and self._looks and self._number >= _END * self._looks[-1].step:
            self._looks.append(self._last_look())
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
        if len(self._pending) >= _PENDING:
            self._fetch()
        if number == self._next_labels:
            self._note_minibatch(inputs, targets)
        if self._probe is not None:
            probe, self._probe = self._probe, None
            self._step_hooks.close()
            if probe.num_steps == 0 and self._passes.num_steps > 0:
                self._next = number + 1  # gradients are being accumulated: the step is still to come
            else:
                self._looks.append(self._look(probe))
                self._next = max(_FIRST, number * _GROWTH)
        if number + 1 == self._next:
            num_examples = 1 if inputs is None else first_tensor(inputs).shape[0]
            is_new = self._pass_hooks is None or self._passes.num_steps >= number
            self._norms = {}
            if not self._is_compiled:  # hooks inside would be compiled with it
                self._trace = self._step_hooks.enter_context(tracing(self._model, num_examples, self._optimizer))
                self._step_hooks.enter_context(norms_noted(self._model, self._norms, training_only=True))
                if not self._looks:
                    noted = strangers_noted(self._model, self._optimizer, self._graphs)
                    self._step_hooks.enter_context(noted)
            self._probe = StepProbe(self._trained(), self._optimizer, follows_step=is_new)
            self._step_hooks.enter_context(self._probe.hooks())
        if self._is_clipped and number + 1 == self._next_labels:
            self._gradient_probe = GradientProbe(self._trained(), self._optimizer)
            self._gradient_hooks.enter_context(self._gradient_probe.hooks())
        upcoming = self._next - 1, self._next, self._next_labels - 1, self._next_labels
        self._next_event = min(event for event in upcoming if event > number)

    @torch.no_grad()
    def _parameter_sums(self) -> list[float]:
        sums = [p.sum(dtype=torch.float64) for p in self._model.parameters()]
        return torch.stack(sums).tolist()

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self._model.named_parameters() if p.requires_grad}

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
            if self._given[0] is not None:
                self._looped += rows_of(inputs, targets)

    def _look(self, probe: StepProbe) -> Look:
        self._rates.append((self._number, float(self._optimizer.param_groups[0]["lr"])))
        updates = probe.updates()
        if not self._looks and type(self._optimizer).__name__ not in SCALE_FREE:
            self._is_clipped = any((update.scale or 1.0) < _CLIPPED for update in updates or ())
        look = Look(
            step=self._number,
            sites=None if self._trace is None else self._trace.sites(),
            loss=None if self._looks else self._formula(),
            norms=None
            if self._is_compiled
            else tuple(
                replace(norm, num_updates=self._number if norm.num_updates is None else norm.num_updates)
                for norm in self._norms.values()
            ),
            updates=updates,
            wiring=None if self._looks else self._wiring(),
            train_losses=self._evaluate("train"),
            validation_losses=self._evaluate("validation"),
            in_training_mode=self._model.training,
            graph=None if self._looks or not self._graphs else self._graphs[0],
            narrow=self._narrowed(),
        )
        return replace(look, rates=self._branched(look))

    def _last_look(self) -> Look:
        """What the loop leaves behind, on the same examples as at other looks."""
        self._rates.append((self._number, float(self._optimizer.param_groups[0]["lr"])))
        train, validation = self._evaluate("train"), self._evaluate("validation")
        return Look(self._number, train_losses=train, validation_losses=validation)

    def _evaluate(self, name: str) -> tuple[float, ...] | None:
        """The loss of each example of a pair, in evaluation mode."""
        subject = self._subjects.get(name)
        if subject is None:
            return None
        with untouched(self._model, values=False), self._passes.away(), torch.no_grad():
            self._model.eval()
            losses = per_example_losses(subject.forward(), subject)
        return None if losses is None else tuple(losses.double().tolist())

    def _formula(self) -> Loss | None:
        """What `loss_fn` computes; its value is not that of an untrained network any more."""
        subject = self._subjects.get("train")
        if subject is None:
            return None
        with untouched(self._model, values=False), self._passes.away(), torch.no_grad():
            self._model.eval()
            try:
                with torch.enable_grad():  # a graph tells of a sigmoid; that of two examples is small
                    is_sigmoid = ends_in_sigmoid(subject.selected(torch.arange(2)).forward())
                return replace(measure_loss(subject.forward(), subject, is_sigmoid), per_example=())
            except Exception:  # nobody's training fails for the doctor's sake
                return None

    def _wiring(self) -> Wiring | None:
        """Which outputs a target trains."""
        subject = self._subjects.get("train")
        if subject is None:
            return None
        with untouched(self._model, values=False), self._passes.away():
            try:
                return measure_wiring(subject)
            except Exception:  # nobody's training fails for the doctor's sake
                return None

    def _narrowed(self) -> Narrow | None:
        """What is lost in a layer of few numbers, where there is one."""
        subject = self._whole.get("train")
        if subject is None or self._is_compiled or self._number < FIRST_STEP or self._narrow == "":
            return None
        with untouched(self._model, values=False), self._passes.away():
            self._model.eval()
            try:
                if self._narrow is None:
                    self._narrow = find_narrow(subject) or ""
                return measure_narrow(subject, self._narrow) if self._narrow else None
            except Exception:  # nobody's training fails for the doctor's sake
                self._narrow = ""
                return None

    def _branched(self, look: Look) -> Rates | None:
        """Branches from here, where something speaks against the rate or the decay: they cost as much as some steps."""
        subject = self._whole.get("train")
        if subject is None or self._num_branchings >= MAX_BRANCHINGS or self._number < FIRST_STEP:
            return None
        self._fetch()
        trial = what_to_try(self._losses, [item.updates for item in (*self._looks, look) if item.updates])
        if trial is None:
            return None
        self._num_branchings += 1
        factors, decays = trial
        with untouched(self._model, values=False), self._passes.away(), torch.enable_grad():
            self._model.train()
            try:
                batches, held_out = minibatches(subject, BRANCH_STEPS, self._batch_size)
                rates = measure_rates(batches, held_out, self._optimizer, (1.0, *factors), decays)
            except Exception:  # nobody's training fails for the doctor's sake
                return None
        return None if isinstance(rates, str) else rates

    def _know_data(self) -> None:
        """What can be said of the data alone: once, and only when somebody asks."""
        train, validation = self._given
        if train is None or self._data is not None:
            return
        self._data = measure_data(train, validation, self._looped)
        if "train" in self._subjects:
            self._reference = measure_reference(train, _chosen(self._whole["train"].num_examples))
        if "validation" in self._subjects:
            n = self._whole["validation"].num_examples
            self._validation_reference = measure_reference(validation, _chosen(n))

    def evidence(self) -> Evidence:
        """What was recorded so far."""
        self._fetch()
        self._know_data()
        is_seen = self._pass_hooks is not None
        history = History(
            losses=tuple(self._losses),
            before=self._before,
            look_steps=tuple(step for step, _ in self._rates),
            learning_rates=tuple(rate for _, rate in self._rates),
            has_scheduler=has_scheduler(self._optimizer),
            scheduler_steps=self._scheduler_steps,
            is_over=self._is_over,
            not_finite=self._passes.not_finite,
            passes_in_training_mode=self._passes.num_in_training_mode if is_seen else None,
            passes_in_evaluation_mode=self._passes.num_in_evaluation_mode if is_seen else None,
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
            "sites": f"the first look is at step {self._next}",
        }
        missing["norms"] = missing["updates"] = missing["in_training_mode"] = missing["sites"]
        if self._is_compiled:
            missing["sites"] = missing["norms"] = "the model is compiled, its operations are hidden: use diagnose"
        missing["train_losses"] = missing["validation_losses"] = "it needs loss_fn, train and validation, and a look"
        if isinstance(self._reference, str):
            missing["reference"] = self._reference
        missing["rates"] = (
            "branches are made only where the loss has stalled or decay is strong, with loss_fn and train"
        )
        return Evidence(
            tuple(self._looks),
            self._data,
            history,
            missing,
            type(self._optimizer).__name__,
            None if isinstance(self._reference, str) else self._reference,
            None if isinstance(self._validation_reference, str) else self._validation_reference,
        )

    def report(self) -> Report:
        """Judge what was recorded so far."""
        return judge(self.evidence())


def _few(subject: Subject) -> Subject:
    """An even choice of the examples, so that a look is cheap however many there are."""
    n = subject.num_examples
    return subject if n <= _MAX_EXAMPLES else subject.selected(_chosen(n))


def _chosen(n: int) -> Tensor:
    """Which of n examples looks evaluate."""
    return torch.arange(n) if n <= _MAX_EXAMPLES else torch.linspace(0, n - 1, _MAX_EXAMPLES).long()
