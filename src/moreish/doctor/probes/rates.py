"""What the learning rate does: a few steps at several rates, from the same state and on the same batches."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor

from moreish.doctor.branching import HIGHER, LOWER, LOWEST
from moreish.doctor.evidence import Branch, Rates
from moreish.doctor.probes.predictions import ExampleLosses, example_losses
from moreish.doctor.restore import seed, untouched, without_dropout
from moreish.doctor.subject import Subject

NUM_STEPS = 6
SLOW = 0.025
"""Fall of the loss, relative to its level, from which a rate cannot be a thousandth of its due."""
MAX_MEASURED = 1024
_MIN_EXAMPLES = 16


def measure_rates(
    batches: Sequence[Subject],
    held_out: Subject,
    optimizer: torch.optim.Optimizer,
    factors: Sequence[float],
    decays: Sequence[float] = (),
) -> Rates | str:
    """Branch once for each factor; or a sentence on why that cannot be done. Everything is put back.

    Args:
        batches: what each step trains on, in this order.
        held_out: what is measured before and after, in the mode of training but without dropout.
        factors: of the learning rates of all groups.
        decays: factors of their weight decay, at their own rate.
    """
    if held_out.num_examples < _MIN_EXAMPLES:
        return f"{held_out.num_examples} examples to measure on; at least {_MIN_EXAMPLES} are needed"
    model = held_out.model
    base = [_intended(group) for group in optimizer.param_groups]
    if all(rate == 0 for rate in base):
        return "the learning rate is zero"
    with untouched(model, values=False):
        losses_of, before = _taken_apart(held_out)
    if losses_of is None:
        return "the loss cannot be taken apart by example"
    branches, moved = [], None
    for factor, decay in [*((factor, 1.0) for factor in factors), *((1.0, decay) for decay in decays)]:
        with untouched(model, optimizer):
            seed(0)
            for group, rate in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = rate * factor
                group["weight_decay"] = group.get("weight_decay", 0.0) * decay
            origin = [p.detach().clone() for p in model.parameters()] if factor == decay == 1.0 else []
            is_finite = all(_step(batch, optimizer) for batch in batches)
            moved = _moved(origin, model) / len(batches) if origin else moved
            after = _losses(held_out, losses_of)
            is_finite &= bool(torch.isfinite(after).all())
            branches.append(Branch(factor, _numbers(before), _numbers(after), is_finite, decay))
    return Rates(base[0], len(batches), tuple(branches), moved)


def try_rates(batches: Sequence[Subject], held_out: Subject, optimizer: torch.optim.Optimizer) -> Rates | str:
    """The rate as it is; where the loss rises also lower ones, where it hardly moves also higher ones."""
    first = measure_rates(batches, held_out, optimizer, (1.0,))
    if isinstance(first, str):
        return first
    own = first.branches[0]
    fall = 1 - sum(own.after) / max(sum(own.before), 1e-300)
    factors = LOWER if not own.is_finite or fall < 0 else HIGHER if fall < SLOW else ()
    others = measure_rates(batches, held_out, optimizer, factors) if factors else ""
    if isinstance(others, str):
        return first
    tried = first.branches + others.branches
    if not any(branch.is_finite for branch in tried):  # a tenth of a rate that is far too high is so as well
        lowest = measure_rates(batches, held_out, optimizer, LOWEST)
        tried += () if isinstance(lowest, str) else lowest.branches
    return replace(first, branches=tried)


def halves(subject: Subject) -> tuple[list[Subject], Subject]:
    """Half of a batch to train on again and again; the other half to measure on."""
    n = subject.num_examples
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    training, held_out = order[: n // 2], order[n // 2 :]
    return [subject.selected(training)] * NUM_STEPS, subject.selected(held_out)


def minibatches(subject: Subject, num_steps: int, size: int) -> tuple[list[Subject], Subject]:
    """Minibatches drawn from a training set, as a loop draws them; and others of its examples to measure on."""
    n, generator = subject.num_examples, torch.Generator().manual_seed(0)
    order = torch.randperm(n, generator=generator)
    num_measured = min(n // 2, MAX_MEASURED)
    measured, rest = order[:num_measured], order[num_measured:]
    size = min(size, len(rest))
    chosen = [rest[torch.randperm(len(rest), generator=generator)[:size]] for _ in range(num_steps)]
    return [subject.selected(rows) for rows in chosen], subject.selected(measured)


def _intended(group: dict[str, object]) -> float:
    """The rate of a group; where a scheduler is still warming up, the one that it will reach."""
    rate, initial = float(group["lr"]), group.get("initial_lr")  # type: ignore[arg-type]
    return max(rate, float(initial)) if isinstance(initial, int | float) else rate


def _step(subject: Subject, optimizer: torch.optim.Optimizer) -> bool:
    """One step as the optimiser takes it; whether the loss was finite."""
    for p in subject.model.parameters():
        p.grad = None
    loss = subject.loss(subject.forward())
    if not bool(torch.isfinite(loss)):
        return False
    loss.backward()
    type(optimizer).step(optimizer)  # past a scheduler's wrapper, which would count it
    return True


@torch.no_grad()
def _moved(origin: list[Tensor], model: torch.nn.Module) -> float:
    """Length of the way from `origin` over the length there, median over parameters."""
    pairs = [
        (float(p.norm()), float((p - before).norm())) for p, before in zip(model.parameters(), origin, strict=True)
    ]
    return median([way / length for length, way in pairs if length > 0] or [0.0])


@torch.no_grad()
def _taken_apart(subject: Subject) -> tuple[ExampleLosses | None, Tensor]:
    """How the loss comes apart by example, and the losses; the same formula holds for what the network becomes."""
    with without_dropout(subject.model):
        output = subject.forward()
        losses_of = example_losses(output, subject)
        return losses_of, torch.zeros(0) if losses_of is None else losses_of(output)


@torch.no_grad()
def _losses(subject: Subject, losses_of: ExampleLosses) -> Tensor:
    with without_dropout(subject.model):
        return losses_of(subject.forward())


def _numbers(losses: Tensor) -> tuple[float, ...]:
    return tuple(losses[:MAX_MEASURED].double().tolist())
