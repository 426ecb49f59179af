"""`diagnose`: examine a model on one batch before it is trained, and leave it as it was."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from moreish.doctor.evidence import Evidence, Look
from moreish.doctor.finding import NO_HISTORY, Report
from moreish.doctor.judge import judge
from moreish.doctor.probes.coupling import UnclearError, measure_coupling
from moreish.doctor.probes.data import measure_data
from moreish.doctor.probes.memory import measure_memory
from moreish.doctor.probes.norms import measure_norms
from moreish.doctor.probes.parameters import measure_parameters
from moreish.doctor.probes.predictions import measure_loss
from moreish.doctor.probes.rates import halves, measure_rates
from moreish.doctor.probes.trace import Trace, tracing
from moreish.doctor.restore import untouched, without_dropout
from moreish.doctor.subject import LossFunction, Subject, make_subject


def diagnose(
    model: nn.Module, batch: Any, loss_fn: LossFunction, optimizer: torch.optim.Optimizer | None = None
) -> Report:
    """Examine a model before training: what is wrong with it, why, and what to do.

    Costs some tens of training steps on this batch. Parameters, buffers, gradients, modes, hooks, the optimiser and the
    random streams of PyTorch, NumPy and Python are bit for bit as before, also after an error.

    Args:
        model: any module with parameters on one device.
        batch: a pair (inputs, targets). Inputs are a tensor whose first axis counts the examples, or a tuple or dict of
            such. The more examples, the smaller the faults that can be told from chance; a few hundred are plenty.
        loss_fn: called as `loss_fn(model(inputs), targets)`; one number.
        optimizer: with it, parameters that it does not hold and its learning rate are examined too.

    Raises:
        InputError: the batch or the loss have another form.
        ModelError: the module cannot be examined, or raised.
    """
    return judge(collect(model, batch, loss_fn, optimizer))


def collect(
    model: nn.Module, batch: Any, loss_fn: LossFunction, optimizer: torch.optim.Optimizer | None = None
) -> Evidence:
    """What `diagnose` measures, without a verdict; arguments and errors as there."""
    subject = make_subject(model, batch, loss_fn)
    unseen = ("history", "updates", "reference", "train_losses", "validation_losses")
    missing: dict[str, str] = {section: NO_HISTORY for section in unseen}  # noqa: C420
    with untouched(model, optimizer), torch.enable_grad():
        torch.manual_seed(0)
        if not model.training:
            model.train()
        look = look_before_training(subject, optimizer, missing)
    data = _tried("data", missing, lambda: measure_data(batch))
    return Evidence((look,), data, None, missing, None if optimizer is None else type(optimizer).__name__)


def look_before_training(
    subject: Subject, optimizer: torch.optim.Optimizer | None, missing: dict[str, str], step: int = 0
) -> Look:
    """Everything that can be seen at one point. Changes the model; whoever calls it puts it back."""
    model = subject.model
    with untouched(model, optimizer):
        trace, loss = first_pass(subject)
    with untouched(model, optimizer):
        norms = _tried("norms", missing, lambda: measure_norms(subject))
    rates = None
    if optimizer is None:
        missing["rates"] = "it needs the optimizer"
    else:
        rates = _tried("rates", missing, lambda: measure_rates(*halves(subject), optimizer))
    with without_dropout(model):  # so that equal units get equal gradients
        parameters = _tried("parameters", missing, lambda: measure_parameters(subject, optimizer, trace.feeds))
    memory = _tried("memory", missing, lambda: measure_memory(subject))
    coupling = _tried("coupling", missing, lambda: measure_coupling(subject))
    return Look(
        step=step,
        sites=trace.sites(),
        parameters=parameters,
        loss=loss,
        coupling=coupling,
        norms=norms,
        rates=rates,
        memory=memory,
        in_training_mode=True,
    )


def first_pass(subject: Subject) -> tuple[Trace, Any]:
    """One forward and backward pass with every operation looked at."""
    with tracing(subject.model, subject.num_examples) as trace:
        output = subject.forward()
    loss = subject.loss(output)
    measured = measure_loss(output, subject)
    if loss.requires_grad:
        loss.backward()
    return trace, measured


def _tried(section: str, missing: dict[str, str], measure: Callable[[], Any]) -> Any:
    """What a probe measured; where it could not, why is noted: nobody's training fails for the doctor's sake."""
    try:
        result = measure()
    except UnclearError as reason:
        missing[section] = str(reason)
        return None
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        missing[section] = f"measuring it failed with {type(error).__name__}: {lines[0][:200]}"
        return None
    if isinstance(result, str):
        missing[section] = result
        return None
    return result
