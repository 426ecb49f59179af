"""`diagnose`: examine a model on one batch before it is trained, and leave it as it was."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import Evidence, Look
from moreish.doctor.finding import NO_HISTORY, Report
from moreish.doctor.judge import judge
from moreish.doctor.probes.coupling import UnclearError, measure_coupling
from moreish.doctor.probes.data import measure_data
from moreish.doctor.probes.formula import measure_loss
from moreish.doctor.probes.graph import leaves_of, measure_graph
from moreish.doctor.probes.input_scales import measure_input_scales
from moreish.doctor.probes.memory import measure_memory
from moreish.doctor.probes.nodes import ALL_TOGETHER, links
from moreish.doctor.probes.norms import measure_norms
from moreish.doctor.probes.output_range import last_operation
from moreish.doctor.probes.parameters import measure_parameters
from moreish.doctor.probes.rates import halves, try_rates
from moreish.doctor.probes.trace import Trace, tracing
from moreish.doctor.probes.wiring import measure_wiring
from moreish.doctor.restore import plainly, seed, untouched, without_dropout
from moreish.doctor.structures import dense
from moreish.doctor.subject import LossFunction, Subject, check_optimizer, make_subject
from moreish.errors import InputError

Optimizers = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]


def diagnose(model: nn.Module, batch: Any, loss_fn: LossFunction, optimizer: Optimizers | None = None) -> Report:
    """Examine a model before training: what is wrong with it, why, and what to do.

    Costs some tens of training steps on this batch. Parameters, buffers, gradients, modes, hooks, the optimiser and the
    random streams of PyTorch, NumPy and Python are bit for bit as before, also after an error.

    Args:
        model: any module with parameters on one device. What `torch.compile` made runs as it is written.
        batch: a pair (inputs, targets). Inputs are a tensor whose first axis counts the examples, or a tuple or dict of
            such, handed on as `model(*inputs)` and `model(**inputs)`; where `forward` does not take them so, as
            `model(inputs)`. The more examples, the smaller the faults that can be told from chance; a few hundred are
            plenty. It is moved to the device of the model.
        loss_fn: called as `loss_fn(model(inputs), targets)`; one number.
        optimizer: with it, parameters that it does not hold and its learning rate are examined too; with several in a
            list, parameters that none of them holds.

    Raises:
        InputError: the batch, the loss or the optimizer have another form.
        ModelError: the module cannot be examined, or raised.
    """
    return judge(collect(model, batch, loss_fn, optimizer))


def collect(model: nn.Module, batch: Any, loss_fn: LossFunction, optimizer: Optimizers | None = None) -> Evidence:
    """What `diagnose` measures, without a verdict; arguments and errors as there."""
    subject, optimizers = make_subject(model, batch, loss_fn).moved(), _as_tuple(optimizer)
    model = subject.model
    unseen = ("history", "updates", "reference", "train_losses", "validation_losses")
    missing: dict[str, str] = {section: NO_HISTORY for section in unseen}  # noqa: C420
    with plainly(model), untouched(model), torch.enable_grad():
        seed(0)
        if not model.training:
            model.train()
        with untouched(model):
            leaves, strangers = leaves_of(subject)
        with untouched(model, others=[*leaves, *_held(optimizers)]):
            look = look_before_training(subject, optimizers, strangers, missing)
    with plainly(model):
        data = _tried("data", missing, lambda: measure_data((dense(batch[0]), batch[1])))
    return Evidence((look,), data, None, missing, type(optimizers[0]).__name__ if len(optimizers) == 1 else None)


def look_before_training(
    subject: Subject,
    optimizers: tuple[torch.optim.Optimizer, ...],
    strangers: list[Tensor],
    missing: dict[str, str],
    step: int = 0,
) -> Look:
    """Everything that can be seen at one point. Changes the model; whoever calls it puts it back."""
    model = subject.model
    with untouched(model):
        trace, loss = first_pass(subject)
    if trace.failure is not None:
        missing["sites"] = trace.failure
    with untouched(model):
        graph = _tried("graph", missing, lambda: measure_graph(subject, strangers, optimizers))
    with untouched(model):
        norms = _tried("norms", missing, lambda: measure_norms(subject))
    with untouched(model):
        scales = _tried("input_scales", missing, lambda: measure_input_scales(subject))
    rates = None
    if len(optimizers) != 1:
        missing["rates"] = "it needs one optimizer to step with" if optimizers else "it needs the optimizer"
    elif graph is not None and not graph.has_gradient:
        missing["rates"] = "the loss depends on nothing that requires a gradient"
    elif (linked := links(subject)) is not None:
        missing["rates"] = f"{ALL_TOGETHER} ({linked})"
    else:
        rates = _tried("rates", missing, lambda: try_rates(*halves(subject), optimizers[0]))
    with without_dropout(model):  # so that equal units get equal gradients
        parameters = _tried("parameters", missing, lambda: measure_parameters(subject, optimizers, trace.feeds))
    memory = _tried("memory", missing, lambda: measure_memory(subject))
    coupling = _tried("coupling", missing, lambda: measure_coupling(subject))
    wiring = _tried("wiring", missing, lambda: measure_wiring(subject))
    return Look(
        step=step,
        sites=trace.sites() if trace.failure is None else None,
        parameters=parameters,
        loss=loss,
        coupling=coupling,
        norms=norms,
        rates=rates,
        memory=memory,
        in_training_mode=True,
        graph=graph,
        wiring=wiring,
        input_scales=scales,
    )


def _as_tuple(optimizer: Any) -> tuple[torch.optim.Optimizer, ...]:
    """No, one, or several optimisers."""
    several = tuple(optimizer) if isinstance(optimizer, list | tuple) else () if optimizer is None else (optimizer,)
    if optimizer is not None and not several:
        raise InputError(f"optimizer is an empty {type(optimizer).__name__}; leave it out, or hand in what trains the "
                         "model.")  # fmt: skip
    for item in several:
        check_optimizer(item)
    return several


def _held(optimizers: tuple[torch.optim.Optimizer, ...]) -> list[Tensor]:
    return [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]


def first_pass(subject: Subject) -> tuple[Trace, Any]:
    """One forward and backward pass with every operation looked at."""
    with tracing(subject.model, subject.num_examples) as trace:
        output = subject.forward()
    loss = subject.loss(output)
    measured = measure_loss(output, subject, last_operation(output))
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
