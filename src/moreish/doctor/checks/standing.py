"""Where a network stands beside simple models, once its steps have grown."""

import math
from dataclasses import dataclass

from moreish.doctor.evidence import Evidence, Look, Reference
from moreish.doctor.significance import clearly_above

MIN_STEPS = 100
"""A network that has taken fewer steps may not have begun to learn."""
INFORMATION = 0.10
"""Nats that inputs must tell about labels, in a simple model of them, so that there is something to learn; of a squared
error, this share of that of the mean."""
BEHIND, CLOSED = 0.05, 0.25
"""Nats (or such a share) behind the simple model; and share of what it lacks that a network closes while its steps
grow fourfold."""
GROWTH = 2.0
"""Factor by which steps must have grown."""


@dataclass(frozen=True)
class Standing:
    """How a network stands at the third look or later, paired by example.

    Attributes:
        number: of such looks, from 1.
        earlier: the look at a quarter of the steps, or the first where there is none, and the look before this one.
        behind: its losses less those of the simplest model.
        gained: losses of the labels alone less its own.
        p_stuck: against "it is not behind, or closes a quarter of that while its steps grow fourfold" (less, where they
            grew less).
    """

    number: int
    look: Look
    earlier: tuple[Look, Look]
    behind: list[float]
    gained: list[float]
    p_stuck: float


def standings(evidence: Evidence) -> list[Standing] | str:
    """Where the network stands, at every look at which that can be said; or why at none."""
    reference = evidence.reference
    if reference is None:
        return evidence.missing.get("reference", "it needs loss_fn and train in a Doctor")
    if not is_loss_of(evidence, reference):
        return (
            f"the loss was not recognised as {reference.loss}, which is that of the simple model: cross entropy, "
            "binary cross entropy and squared errors have one"
        )
    sizes = [item.num_examples for item in evidence.history.minibatches] if evidence.history else []
    if not sizes:
        return "how many examples were seen is not known: hand inputs to step"
    # Whoever has seen fewer examples than the simplest model was fitted on may not have begun to learn.
    least = max(MIN_STEPS, reference.num_fitted / (sum(sizes) / len(sizes)))
    looks = [look for look in evidence.looks if look.train_losses and look.step >= least]
    if len(looks) < 3 or any(len(look.train_losses or ()) != len(reference.losses) for look in looks):
        return f"it takes three looks at train from step {least:,.0f} on"
    told = mean(differences(reference.marginal, reference.losses))
    if not told >= INFORMATION * reference.unit:
        below = f"hardly below the labels alone (by {told:.2g})" if told > 0 else "no lower than the labels alone"
        return f"{reference.kind} led {below}: there may be nothing to learn"
    found: list[Standing] = []
    for look in looks[2:]:
        first, second = _latest(looks, look.step / 4) or looks[0], _latest(looks, look.step - 1)
        if second is None or look.step < GROWTH * first.step:
            continue
        # The end of a training comes when it comes: steps that grew less may close as much less.
        share = CLOSED * min(1.0, math.log(look.step / first.step, 4))
        behind = differences(look.train_losses, reference.losses)
        lacked = differences(first.train_losses, reference.losses)
        closed = differences(first.train_losses, look.train_losses)
        rests = clearly_above([share * lack - c for c, lack in zip(closed, lacked, strict=True)], 0.0)
        p = max(clearly_above(behind, BEHIND * reference.unit), rests)  # both have to hold
        gained = differences(reference.marginal, look.train_losses)
        found.append(Standing(len(found) + 1, look, (first, second), behind, gained, p))
    return found


def _latest(looks: list[Look], step: float) -> Look | None:
    """The last look up to a step."""
    return max((look for look in looks if look.step <= step), key=lambda look: look.step, default=None)


def is_loss_of(evidence: Evidence, reference: Reference) -> bool:
    """Whether the losses of a reference are the network's: those of numbers are not everybody's."""
    formulas = [look.loss.formula for look in evidence.looks if look.loss is not None]
    own = {"likelihood of probabilities": "binary cross entropy"}
    return reference.loss == "cross entropy" or [own.get(item, item) for item in formulas[-1:]] == [reference.loss]


def differences(a: tuple[float, ...] | None, b: tuple[float, ...] | None) -> list[float]:
    """a - b, example by example."""
    return [x - y for x, y in zip(a or (), b or (), strict=True)]


def mean(values: tuple[float, ...] | list[float] | None) -> float:
    return sum(values) / len(values) if values else float("nan")
