"""A learning rate that is too low: many times as much is stable, and better."""

from moreish.doctor.branching import FIRST_HIGHER, TINY, USUAL, has_fallen, largest_move
from moreish.doctor.checks.branches import EARLY, branch_at, branched, level_of, updates_until
from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.checks.standing import differences, mean, standings
from moreish.doctor.evidence import Evidence, Look
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, clearly_above, mean_above

FACTOR, SHORT_FACTOR = 1000.0, 30.0
"""Rates that far above one that is right are not stable; one where they are is too low. The second where steps are
shorter than usual."""
NUM_TESTS = 3
"""Made at one look: of a training that is outrun, of one that hardly falls, of one that creeps."""
GAIN = 0.003
"""Further fall of the loss at such a rate within a few steps, relative to its level before, that is no accident."""
MORE = 20.0
"""How many times as far the loss must fall there; a third of the factor, where that is less."""
AHEAD, AHEAD_IN_NATS = 0.1, 0.05
"""Or how far ahead such a rate comes in a training that gets on as it is: relative to the level of the loss; of cross
entropies in nats."""
PROMISED = 0.1
"""Share of what the loss falls in a step of a branch that it has to fall, as a mean, in later steps of the training."""


def rate_too_low(evidence: Evidence, level: Level) -> Verdict:
    """Far more of it is stable and better: thirty times far, or at all where steps are short; or a thousand times."""
    found = _lost_in_rounding(evidence) + _crept(evidence, level) + _outrun(evidence, level)
    if not found and not branched(evidence):
        return NotExamined("rate-too-low", evidence.missing.get("rates", "no branch was made"))
    for number, look, rates in branched(evidence):
        own = branch_at(rates, 1.0)
        largest = rates.moved if look.step == 0 else largest_move(updates_until(evidence, look.step))
        is_short = largest is not None and largest < USUAL
        if look.step == 0 and not is_short:
            continue  # some networks take any rate; this one is not small
        if EARLY < look.step < FIRST_HIGHER or (not is_short and _gets_on(evidence, look.step)):
            continue
        least = SHORT_FACTOR if is_short else FACTOR
        higher = [b for b in rates.branches if b.factor >= least and b.is_finite and b.decay == 1.0]
        if own is None or not own.is_finite or not higher:
            continue
        before, after = mean(own.before), mean(own.after)
        allowed = level.each(NUM_TESTS * len(higher), number)
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


def _outrun(evidence: Evidence, level: Level) -> list[Finding]:
    """The training gets on, and thirty times the rate gets on far better."""
    found = []
    for number, look, rates in branched(evidence):
        own, higher = branch_at(rates, 1.0), branch_at(rates, SHORT_FACTOR)
        if look.step < FIRST_HIGHER or own is None or higher is None or not (own.is_finite and higher.is_finite):
            continue
        before, after, reached = mean(own.before), mean(own.after), mean(higher.after)
        least = AHEAD_IN_NATS if _is_in_nats(evidence) else AHEAD * level_of(evidence, before)
        gain, allowed = differences(own.after, higher.after), level.each(NUM_TESTS, number)
        p = clearly_above(gain, 0.0)
        if (
            p < allowed
            and mean(gain) >= least
            and _is_behind(evidence, look, (before - after) / rates.num_steps, reached)
        ):
            rate = rates.learning_rate
            found.append(
                Finding(
                    "rate-too-low", "major", None, look.step,
                    Measurement(f"loss after {rates.num_steps} steps at this rate", after, reached, reached,
                                p, allowed, len(gain),
                                {"learning rate": rate, "loss before": before, "factor": SHORT_FACTOR}),
                    f"In {rates.num_steps} steps at learning rate {rate:g} the loss goes from {before:.4g} to "
                    f"{after:.4g}; at {rate * SHORT_FACTOR:g}, from the same state on the same batches, to "
                    f"{reached:.4g}.",
                    f"Try learning rate {rate * SHORT_FACTOR / 3:g}, or train many times as long.",
                    "Smith 2017, arXiv:1506.01186, section 3.3 (the range of rates)",
                )
            )  # fmt: skip
    return found


def _is_behind(evidence: Evidence, look: Look, fall: float, reached: float) -> bool:
    """Whether the training is still behind what the branch reached, and for no other reason than its rate.

    Args:
        fall: of the loss in a step of the branch at its own rate.
        reached: by the branch at the higher rate. Whoever is there after four times the steps had a rate that will do.
    """
    if _is_rising(evidence, look.step):
        return False
    later = [item for item in evidence.looks if item.train_losses and item.step >= 1.5 * look.step]
    if not later:
        return True
    last, loss = later[-1].step, mean(later[-1].train_losses)
    # Where next to nothing of what the branch promised has come true, something else holds it up: its targets, say.
    promised = fall * (last - look.step)
    return (loss > reached or last < 4 * look.step) and mean(look.train_losses) - loss >= PROMISED * promised


def _is_rising(evidence: Evidence, step: int) -> bool:
    """Whether a schedule is still warming up: the rate has risen since the look before."""
    history = evidence.history
    looks = [] if history is None else zip(history.look_steps, history.learning_rates, strict=True)
    rates = [rate for at, rate in looks if at <= step]
    return len(rates) > 1 and rates[-1] > 1.01 * rates[-2]


def _is_in_nats(evidence: Evidence) -> bool:
    formulas = [look.loss.formula for look in evidence.looks if look.loss is not None]
    return any("cross entropy" in formula for formula in formulas[-1:])


def _lost_in_rounding(evidence: Evidence) -> list[Finding]:
    """All steps are tiny, and those of some parameter so small that no bit of it changes, gradient or not."""
    looks = [look for look in evidence.looks if look.updates]
    largest = largest_move(updates_until(evidence, looks[-1].step)) if looks else None
    if len(looks) < 3 or largest is None or not 0 < largest < TINY or looks[-1].step < FIRST_HIGHER:
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
        allowed, largest = level.each(NUM_TESTS, stand.number), largest_move(updates_until(evidence, stand.look.step))
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


def _gets_on(evidence: Evidence, step: int) -> bool:
    """Whether the loss fell since the first steps: whoever gets on has no rate that is a thousandth of its due."""
    losses = evidence.history.losses[:step] if evidence.history else ()
    return has_fallen(losses, [look for look in evidence.looks if look.step <= step])


CHECKS = (Check("rate-too-low", ("rates",), rate_too_low),)
