"""A learning rate that is too low: many times as much is stable, and better."""

from statistics import median

from moreish.doctor.branching import TINY, USUAL, largest_move
from moreish.doctor.checks.branches import EARLY, branch_at, branched, updates_until
from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.checks.standing import differences, mean, standings
from moreish.doctor.evidence import Evidence, Look
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, mean_above

FACTOR, SHORT_FACTOR = 1000.0, 30.0
"""Rates that far above one that is right are not stable; one where they are is too low. The second where steps are
shorter than usual."""
MIN_STEPS = 200
"""A training may still be warming up before."""
FALLEN = 0.02
"""Relative fall of the loss since the first steps from which a training gets on."""
GAIN = 0.003
"""Further fall of the loss at such a rate within a few steps, relative to its level before, that is no accident."""
MORE = 20.0
"""How many times as far the loss must fall there; a third of the factor, where that is less."""


def rate_too_low(evidence: Evidence, level: Level) -> Verdict:
    """A thousand times the rate, or more, is still stable, and much better; thirty times, where steps are short."""
    found = _lost_in_rounding(evidence) + _crept(evidence, level)
    if not found and not branched(evidence):
        return NotExamined("rate-too-low", evidence.missing.get("rates", "no branch was made"))
    for number, look, rates in branched(evidence):
        own = branch_at(rates, 1.0)
        largest = rates.moved if look.step == 0 else largest_move(updates_until(evidence, look.step))
        is_short = largest is not None and largest < USUAL
        if look.step == 0 and not is_short:
            continue  # some networks take any rate; this one is not small
        if EARLY < look.step < MIN_STEPS or (not is_short and _has_fallen(evidence, look.step)):
            continue
        least = SHORT_FACTOR if is_short else FACTOR
        higher = [b for b in rates.branches if b.factor >= least and b.is_finite and b.decay == 1.0]
        if own is None or not own.is_finite or not higher:
            continue
        before, after = mean(own.before), mean(own.after)
        allowed = level.each(2 * len(higher), number)
        tried = [(mean_above(differences(own.after, branch.after), GAIN * abs(before)), branch) for branch in higher]
        p, best = min(tried, key=lambda item: item[0])
        gain = differences(own.after, best.after)
        if p < allowed and mean(gain) > min(MORE, best.factor / 3) * (before - after):
            rate = rates.learning_rate
            found.append(
                Finding(
                    "rate-too-low", "major", None, look.step,
                    Measurement(f"loss after {rates.num_steps} steps at this rate", after, mean(best.after),
                                mean(best.after) + GAIN * before, p, allowed, len(gain),
                                {"learning rate": rate, "loss before": before, "factor": best.factor}),
                    f"At learning rate {rate:g} the loss hardly falls ({before:.4g} to {after:.4g} in "
                    f"{rates.num_steps} "
                    f"steps); at {rate * best.factor:g}, on the same batches, it falls to {mean(best.after):.4g}.",
                    f"Try learning rate {rate * best.factor / 10:g}.",
                    "Smith 2017, arXiv:1506.01186, section 3.3 (the range of rates)",
                )
            )  # fmt: skip
    return found


def _lost_in_rounding(evidence: Evidence) -> list[Finding]:
    """All steps are tiny, and those of some parameter so small that no bit of it changes, gradient or not."""
    looks = [look for look in evidence.looks if look.updates]
    largest = largest_move(updates_until(evidence, looks[-1].step)) if looks else None
    if len(looks) < 3 or largest is None or not 0 < largest < TINY or looks[-1].step < MIN_STEPS:
        return []
    moved = {update.name for look in looks for update in look.updates or () if update.is_moved}
    still = [u.name for u in looks[-1].updates or () if u.name not in moved and u.gradient_norm and u.in_optimizer]
    if not still:
        return []
    return [_creeping(looks[-1], largest, f"no bit of {still[0]} changes, though it gets a gradient", None, None, None)]


def _crept(evidence: Evidence, level: Level) -> list[Finding]:
    """Steps are tiny from the first on, and the training rests behind the simple model."""
    stands = standings(evidence)
    found = []
    for stand in [] if isinstance(stands, str) else stands:
        allowed, largest = level.each(2, stand.number), largest_move(updates_until(evidence, stand.look.step))
        if stand.p_stuck < allowed and largest is not None and 0 < largest < TINY:
            loss = mean(stand.look.train_losses)
            what = f"the training loss rests at {loss:.3g}, {mean(stand.behind):.3g} above what a simple model reaches"
            found.append(_creeping(stand.look, largest, what, stand.p_stuck, allowed, len(stand.behind)))
    return found


def _creeping(
    look: Look, largest: float, what: str, p: float | None, allowed: float | None, count: int | None
) -> Finding:
    return Finding(
        "rate-too-low", "major", None, look.step,
        Measurement("length of a step over that of the parameters (median)", largest, USUAL,
                    None if p is None else TINY, p, allowed, count),
        f"A step moves the parameters by {largest:.1g} of their length, where a thousandth is usual, and {what}.",
        "Multiply the learning rate by ten, and again, until a step moves parameters by about a thousandth.",
        "Karpathy, makemore lecture 3 (update to data ratio)",
    )  # fmt: skip


def _has_fallen(evidence: Evidence, step: int) -> bool:
    """Whether the loss fell since the first steps: whoever gets on has no rate that is a thousandth of its due."""
    losses = evidence.history.losses[:step] if evidence.history else ()
    return len(losses) > 32 and median(losses[-16:]) < (1 - FALLEN) * median(losses[:16])


CHECKS = (Check("rate-too-low", ("rates",), rate_too_low),)
