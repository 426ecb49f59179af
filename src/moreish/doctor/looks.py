"""What happens at one look of a `Doctor`: a step is traced from its forward pass on, and examples are evaluated."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from moreish.doctor.branching import FIRST_STEP, what_to_try
from moreish.doctor.checks.loop import SCALE_FREE
from moreish.doctor.evidence import BatchNorm, Graph, Look, Rates
from moreish.doctor.given import Given
from moreish.doctor.probes.graph import strangers_noted
from moreish.doctor.probes.norms import norms_noted
from moreish.doctor.probes.passes import Passes
from moreish.doctor.probes.step import StepProbe, trained_parameters
from moreish.doctor.probes.trace import Trace, tracing
from moreish.doctor.structures import first_tensor
from moreish.doctor.subject import is_compiled, unwrapped

_CLIPPED = 0.99  # of a gradient's length


class Looks:
    """Takes looks: `open` before a step, `take` behind it.

    Args:
        model: as it is trained.
        optimizer: as it is stepped.
        passes: count the steps of the optimiser; what is done at a look is not counted.
        given: what is evaluated at each look.

    Attributes:
        taken: so far.
        rates: step of each look, and the learning rate there.
        is_clipped: whether the first look saw a gradient that was scaled before it was used.
        is_compiled: whether the operations of the model are hidden.
        failure: what could not be measured of them at the last look; None where everything could.
        is_open: whether a step is being looked at.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, passes: Passes, given: Given) -> None:
        self.taken: list[Look] = []
        self.rates: list[tuple[int, float]] = []
        self.is_clipped: bool = False
        self.is_compiled: bool = is_compiled(model)
        self.failure: str | None = None
        self._model: nn.Module = unwrapped(model)
        self._optimizer: torch.optim.Optimizer = optimizer
        self._passes: Passes = passes
        self._given: Given = given
        self._hooks: ExitStack = ExitStack()
        self._probe: StepProbe | None = None
        self._trace: Trace | None = None
        self._norms: dict[str, BatchNorm] = {}
        self._graphs: list[Graph] = []

    @property
    def is_open(self) -> bool:
        return self._probe is not None

    def open(self, inputs: Any, *, follows_step: bool) -> None:
        """Look at what comes next.

        Args:
            inputs: of the step before, for the number of examples; None where unknown.
            follows_step: whether the optimiser has used up what gradients there are.
        """
        hook = self._hooks.enter_context
        if not self.is_compiled:  # hooks inside would be compiled with it
            num_examples = 1 if inputs is None else first_tensor(inputs).shape[0]
            self._trace = hook(tracing(self._model, num_examples, self._optimizer))
            self._norms = {}
            hook(norms_noted(self._model, self._norms, training_only=True))
            if not self.taken:
                hook(strangers_noted(self._model, self._optimizer, self._graphs))
        self._probe = StepProbe(trained_parameters(self._model), self._optimizer, follows_step=follows_step)
        hook(self._probe.hooks())

    def close(self) -> None:
        """Leave a look that was begun."""
        self._hooks.close()
        self._probe = None

    def take(self, number: int, losses: Sequence[float], batch_size: int) -> bool:
        """Look at the step with this number; False where gradients are being accumulated and it is still to come.

        Args:
            losses: of all steps so far.
            batch_size: of the loop's minibatches.
        """
        probe = self._probe
        assert probe is not None
        self.close()
        if probe.num_steps == 0 and self._passes.num_steps > 0:
            return False
        look = self._look(number, probe)
        self.taken.append(replace(look, rates=self._branched(look, losses, batch_size)))
        return True

    def take_last(self, number: int) -> None:
        """What the loop leaves behind, on the same examples as at other looks."""
        self._note_rate(number)
        train, validation = self._given.losses("train"), self._given.losses("validation")
        self.taken.append(Look(number, train_losses=train, validation_losses=validation))

    def _note_rate(self, number: int) -> None:
        self.rates.append((number, float(self._optimizer.param_groups[0]["lr"])))

    def _look(self, number: int, probe: StepProbe) -> Look:
        self._note_rate(number)
        is_first, updates = not self.taken, probe.updates()
        self.failure = None if self._trace is None else self._trace.failure
        train, validation = self._given.losses("train"), self._given.losses("validation")
        if is_first and type(self._optimizer).__name__ not in SCALE_FREE:
            self.is_clipped = any((update.scale or 1.0) < _CLIPPED for update in updates or ())
        return Look(
            step=number,
            sites=None if self._trace is None or self.failure is not None else self._trace.sites(),
            loss=self._given.formula() if is_first else None,
            norms=None if self.is_compiled else self._norms_after(number),
            updates=updates,
            wiring=self._given.wiring() if is_first else None,
            input_scales=self._given.input_scales() if is_first and not self.is_compiled else None,
            train_losses=train,
            validation_losses=validation,
            in_training_mode=self._model.training,
            graph=self._graphs[0] if is_first and self._graphs else None,
            narrow=None if self.is_compiled or number < FIRST_STEP else self._given.narrow(),
        )

    def _norms_after(self, number: int) -> tuple[BatchNorm, ...]:
        """Norms that do not count their updates have had one a step."""
        return tuple(
            replace(norm, num_updates=number if norm.num_updates is None else norm.num_updates)
            for norm in self._norms.values()
        )

    def _branched(self, look: Look, losses: Sequence[float], batch_size: int) -> Rates | None:
        """Branches from here, where something speaks against the rate or the decay: they cost as much as some steps."""
        trial = what_to_try(losses, [*self.taken, look]) if self._given.can_branch else None
        return None if trial is None else self._given.rates(self._optimizer, batch_size, *trial)
