"""What was tried out: a few steps from the same state on the same batches, at the rate as it is and at others."""

from statistics import median

from moreish.doctor.evidence import Branch, Evidence, Look, Rates, Update

EARLY = 10
"""Up to this step a network is as good as untrained."""


def branched(evidence: Evidence) -> list[tuple[int, Look, Rates]]:
    """The looks at which rates or decay were tried out, numbered from 1."""
    looks = [(look, look.rates) for look in evidence.looks if look.rates is not None]
    return [(number, look, rates) for number, (look, rates) in enumerate(looks, 1)]


def branch_at(rates: Rates, factor: float) -> Branch | None:
    """The branch at this factor of the rate, with the decay as it is."""
    return next((b for b in rates.branches if b.factor == factor and b.decay == 1.0), None)


def updates_until(evidence: Evidence, step: int) -> list[tuple[Update, ...]]:
    """How far parameters moved, at each look up to a step.

    The first steps of RMSprop are ten times as long as later ones: its mean of squares begins at zero.
    """
    first = EARLY if evidence.optimizer == "RMSprop" else 0
    return [look.updates for look in evidence.looks if look.updates and first <= look.step <= step]


def level_of(evidence: Evidence, before: float) -> float:
    """What a change of the loss is related to: its level, but no less than a tenth of that of the first steps.

    A loss of almost zero doubles easily.
    """
    losses = evidence.history.losses[:16] if evidence.history else ()
    return max(abs(before), 0.1 * abs(median(losses)) if losses else 0.0)
