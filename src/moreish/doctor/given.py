"""What a `Doctor` is given besides the loop: a loss, and examples of training and validation to measure it on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from moreish.doctor.branching import BRANCH_STEPS
from moreish.doctor.devices import making_tensors_on
from moreish.doctor.evidence import Belonging, Data, InputScales, Loss, Narrow, Rates, Reference, Wiring
from moreish.doctor.probes.belonging import measure_belonging
from moreish.doctor.probes.capacity import find_narrow, measure_narrow
from moreish.doctor.probes.data import Row, measure_data
from moreish.doctor.probes.formula import measure_loss
from moreish.doctor.probes.input_scales import measure_input_scales
from moreish.doctor.probes.nodes import ALL_TOGETHER, links
from moreish.doctor.probes.output_range import last_operation
from moreish.doctor.probes.passes import Passes
from moreish.doctor.probes.predictions import per_example_losses
from moreish.doctor.probes.rates import measure_rates, minibatches
from moreish.doctor.probes.reference import measure_reference
from moreish.doctor.probes.wiring import measure_wiring
from moreish.doctor.restore import untouched
from moreish.doctor.structures import dense
from moreish.doctor.subject import LossFunction, ModelError, Subject, make_subject, unwrapped
from moreish.errors import InputError

_MAX_EXAMPLES = 256  # of train and of validation that a look evaluates
_PROCESSOR = torch.device("cpu")

_Measured = TypeVar("_Measured")


class Given:
    """Measures on the examples that were given, and puts everything back; None where there is nothing to measure on.

    Args:
        model: as it is trained.
        passes: those that are made here are not counted there.
        loss_fn: without it, only the data themselves can be examined.
        train: a pair (inputs, targets) of training examples, or None.
        validation: a pair that is held out, or None.

    Attributes:
        data: what can be said of the data alone; None before `know_data`, and without `train`.
        reference: what a simple model reaches on `train`; or why it is not known.
        validation_reference: the same on `validation`.
        belonging: how well targets can be guessed in both; or why that is not known.

    Raises:
        InputError: a pair has another form.
    """

    def __init__(
        self, model: nn.Module, passes: Passes, loss_fn: LossFunction | None, train: Any, validation: Any
    ) -> None:
        given = {"train": train, "validation": validation}
        for name, pair in given.items():
            if pair is not None and not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise InputError(f"{name} is a {type(pair).__name__}; expected a pair (inputs, targets).")
        self._model: nn.Module = unwrapped(model)
        self._passes: Passes = passes
        self._pairs: dict[str, Any] = given
        self._whole: dict[str, Subject] = {}
        if loss_fn is not None:
            self._whole = {name: make_subject(model, pair, loss_fn) for name, pair in given.items() if pair is not None}
        with making_tensors_on(_PROCESSOR):
            with self._passes.away():
                linked = {name: links(subject) for name, subject in self._whole.items()}
            self._are_nodes: bool = linked.get("train") is not None
            self._together: dict[str, str] = {
                name: f"{ALL_TOGETHER} ({what})" for name, what in linked.items() if what is not None
            }
            self._few: dict[str, Subject] = {
                name: subject.moved() if name in self._together else _few(subject)
                for name, subject in self._whole.items()
            }
        self._narrow: str | None = None  # not looked for yet; empty where there is none
        self.data: Data | None = None
        self.reference: Reference | str = "it needs loss_fn and train"
        self.validation_reference: Reference | str = "it needs loss_fn and validation"
        self.belonging: Belonging | str = "it needs train and validation"

    @property
    def has_train(self) -> bool:
        """Whether training examples were given, be it without `loss_fn`."""
        return self._pairs["train"] is not None

    @property
    def has_both(self) -> bool:
        """Whether `loss_fn`, training examples and held-out ones were given."""
        return len(self._whole) == 2

    @property
    def can_branch(self) -> bool:
        """Whether steps can be tried out: with `loss_fn`, and training examples of which some can do without others."""
        return "train" in self._whole and self.together is None

    @property
    def together(self) -> str | None:
        """Why nothing is measured on some of the training examples alone; None where it is."""
        return self._together.get("train")

    def losses(self, name: str) -> tuple[float, ...] | None:
        """The loss of each of the same few examples of "train" or "validation", in evaluation mode."""
        if name not in self._few:
            return None
        with untouched(self._model, values=False), self._passes.away(), torch.no_grad():
            self._model.eval()
            output = self._output(name)
            losses = per_example_losses(output, self._few[name])
            if losses is None:
                return None
            return tuple(losses[_chosen(len(losses)).to(losses.device)].double().tolist())

    def _output(self, name: str) -> Any:
        """Of the few examples; from now on of all, where the network runs on all together and not on the few."""
        try:
            return self._few[name].forward()
        except ModelError as error:
            whole = self._whole[name]
            if self._few[name].num_examples == whole.num_examples:
                raise
            try:
                output = whole.moved().forward()
            except ModelError:
                raise error from None
            self._few[name], self._together[name] = whole.moved(), ALL_TOGETHER
            return output

    def formula(self) -> Loss | None:
        """What `loss_fn` computes; its value is not that of an untrained network any more."""
        subject = self._few.get("train")

        def measure(subject: Subject) -> Loss:
            two = subject if self.together else subject.selected(torch.arange(2))
            with torch.enable_grad():  # a graph tells of the last operation; that of two examples is small
                last = last_operation(two.forward())
            return replace(measure_loss(subject.forward(), subject, last), per_example=())

        with torch.no_grad():
            return self._tried(measure, subject)

    def wiring(self) -> Wiring | None:
        """Which outputs a target trains."""
        return self._tried(measure_wiring, self._few.get("train"))

    def input_scales(self) -> InputScales | None:
        """How large the columns are that go into the first linear layer."""
        return self._tried(measure_input_scales, self._few.get("train"))

    def narrow(self) -> Narrow | None:
        """What is lost in a layer of few numbers, where there is one."""
        subject = None if self.together else self._whole.get("train")
        if self._narrow is None:
            self._narrow = self._tried(find_narrow, subject) or ""
        name = self._narrow
        return self._tried(lambda subject: measure_narrow(subject, name), subject) if name else None

    def rates(
        self, optimizer: torch.optim.Optimizer, batch_size: int, factors: Sequence[float], decays: Sequence[float]
    ) -> Rates | None:
        """Branches with minibatches as the loop draws them, at the rate and at factors of it and of the decay."""

        def measure(subject: Subject) -> Rates | str:
            self._model.train()
            batches, held_out = minibatches(subject, BRANCH_STEPS, batch_size)
            with torch.enable_grad():
                return measure_rates(batches, held_out, optimizer, (1.0, *factors), decays)

        rates = self._tried(measure, self._whole.get("train"))
        return None if isinstance(rates, str) else rates

    def _tried(self, measure: Callable[[Subject], _Measured], subject: Subject | None) -> _Measured | None:
        """Measured in evaluation mode; None where that fails: nobody's training fails for the doctor's sake."""
        if subject is None:
            return None
        with untouched(self._model, values=False), self._passes.away():
            self._model.eval()
            try:
                return measure(subject)
            except Exception:
                return None

    def know_data(self, looped: Sequence[Row], formula: str) -> None:
        """Examine the data, once, when somebody asks.

        Args:
            looped: examples that the loop trained on, to be looked up in `train`.
            formula: what the loss computes, as far as it is known.
        """
        train, validation = (
            pair if pair is None else (dense(pair[0]), pair[1])
            for pair in (self._pairs["train"], self._pairs["validation"])
        )
        if train is None or self.data is not None:
            return
        with making_tensors_on(_PROCESSOR):
            # One graph may be handed in for both, each with its own targets.
            held_out = None if self._are_nodes else validation
            self.data = measure_data(train, held_out, looped)
            if held_out is not None:
                self.belonging = measure_belonging(train, held_out)
            if "train" in self._whole:
                self.reference = measure_reference(train, _chosen(self._whole["train"].num_examples), formula)
            if "validation" in self._whole:
                rows = _chosen(self._whole["validation"].num_examples)
                self.validation_reference = measure_reference(validation, rows, formula)


def _few(subject: Subject) -> Subject:
    """An even choice of the examples, so that a look is cheap however many there are; only these are moved."""
    n = subject.num_examples
    return subject.moved() if n <= _MAX_EXAMPLES else subject.selected(_chosen(n))


def _chosen(n: int) -> Tensor:
    """Which of n examples looks evaluate."""
    return torch.arange(n) if n <= _MAX_EXAMPLES else torch.linspace(0, n - 1, _MAX_EXAMPLES).long()
