"""What steps that are too long do to a network: they diverge, destroy it, or lose what was learned."""

import math
from itertools import pairwise

from moreish.doctor.branching import FAR, THROWN, USUAL, largest_move
from moreish.doctor.checks.branches import EARLY, branch_at, branched, level_of, updates_until
from moreish.doctor.checks.standing import differences, mean, standings
from moreish.doctor.evidence import Branch, Evidence, Look, Rates, Site
from moreish.doctor.finding import Finding, Measurement
from moreish.doctor.significance import Level, clearly_above, mean_above

RISE = 0.10
"""Rise of the loss, relative to its level before, from which a rate is too high."""
NUM_TESTS = 10
"""That `rate-too-high` makes at one look: five of branches, two of a training that rests, one of a loss that rose, two
of first steps that raised it."""
CAP = 3.0
"""Rise of one example's loss, relative to the level before, of which no more is counted."""
REPLACED = 0.4
"""Step over parameters, both as lengths, from which one step all but replaces them."""
IDLE, ALL_IDLE = 0.4, 0.9
"""Share of the units of a layer that are dead or stuck after such a step, from which it was too large; and after one
that threw the parameters about."""
ROSE = 0.2
"""Rise of the loss of the same training examples above its best, relative to its level, that is not made good soon."""
OVERSHOT = 1.25
"""Loss after the first steps over that before them, from which these were too long where they all but replaced the
parameters."""
DIVERGED = 10.0
"""Factor by which the loss grew, step by step, before it was no number: more than noise, less than one overflow."""


def found_of_long_steps(evidence: Evidence, level: Level) -> list[Finding]:
    """The findings `rate-too-high` that take no branch."""
    found = _diverged(evidence) + _destroyed(evidence) + _lost(evidence, level) + _rose(evidence, level)
    return found + _overshot(evidence, level)


def _diverged(evidence: Evidence) -> list[Finding]:
    """The loss grew from step to step until it was no number any more."""
    losses = evidence.history.losses if evidence.history else ()
    end = next((step for step, loss in enumerate(losses) if loss - loss != 0), 0)
    start = end - 1
    while start > 0 and losses[start - 1] < losses[start]:
        start -= 1
    if end - start < 3 or not abs(losses[end - 1]) > DIVERGED * abs(losses[start]):
        return []
    return [
        Finding(
            "rate-too-high", "critical", None, start + 1,
            Measurement(f"loss {end - start - 1} steps after step {start + 1}, the last that is a number",
                        losses[end - 1], losses[start], details={"step": end}),
            f"From step {start + 1:,} on each step raised the loss, from {losses[start]:.3g} to {losses[end - 1]:.3g}; "
            "after that it was no number: each step went further past the minimum than the one before.",
            "Divide the learning rate by ten, and again if need be; or clip the gradient.",
            "Goodfellow, Bengio & Courville 2016, Deep Learning, section 4.3 (a step past the minimum)",
        )
    ]  # fmt: skip


def _destroyed(evidence: Evidence) -> list[Finding]:
    """Steps threw the parameters about or replaced them, and units are dead or stuck that were not before."""
    before = {site.name: _idle(site) for look in evidence.looks if look.step == 0 for site in look.sites or ()}
    for look in evidence.looks:
        largest = largest_move(updates_until(evidence, look.step)) or 0.0
        least = IDLE if largest >= REPLACED else ALL_IDLE
        lost = [site for site in look.sites or () if _idle(site) >= least and before.get(site.name, 0.0) < IDLE / 2]
        if largest < THROWN:
            before |= {site.name: _idle(site) for site in look.sites or ()}
        if look.step > 0 and largest >= THROWN and lost:
            site = max(lost, key=_idle)
            return [
                Finding(
                    "rate-too-high", "critical", None, look.step,
                    Measurement("length of a step over that of the parameters (median)", largest, USUAL,
                                details={"layer": site.name, "units dead or stuck there": _idle(site)}),
                    f"A step moved the parameters by {largest:.0%} of their length, and {_idle(site):.0%} of the units "
                    f"of {site.name} are dead or stuck: the initialisation is gone.",
                    "Divide the learning rate by ten, and again if need be, or warm it up; one step should move "
                    "parameters by about a thousandth of their length.",
                    "Karpathy, makemore lecture 3 (update to data ratio)",
                )
            ]  # fmt: skip
    return []


def _idle(site: Site) -> float:
    """Share of the units of an activation that are dead or stuck."""
    return (site.num_dead + site.num_stuck) / max(site.num_units, 1) if site.kind == "activation" else 0.0


def _overshot(evidence: Evidence, level: Level) -> list[Finding]:
    """The first steps all but replaced the parameters, and left the loss far above what it was."""
    untrained = evidence.history.before if evidence.history else ()
    early = next((look for look in evidence.looks if 0 < look.step <= EARLY and look.train_losses), None)
    if early is None or not untrained or evidence.optimizer == "RMSprop":
        return []  # whose first steps are ten times as long as later ones
    before, after = mean(untrained), mean(early.train_losses)
    largest = largest_move(updates_until(evidence, early.step)) or 0.0
    allowed = level.each(NUM_TESTS)
    values, bound = list(early.train_losses or ()), OVERSHOT * before
    p = min(mean_above(values, bound), mean_above(capped(values, CAP * bound), bound))
    if largest < REPLACED or before <= 0 or p >= allowed:
        return []
    return [
        Finding(
            "rate-too-high", "major", None, early.step,
            Measurement(f"loss after {early.step} steps", after, before, bound, p, allowed, len(values),
                        {"largest step": largest}),
            f"A step moved the parameters by {largest:.0%} of their length, and after {early.step} steps the loss was "
            f"{after:.3g}, where it was {before:.3g} before the first: what the initialisation was made for is gone "
            "before anything is learned.",
            "Divide the learning rate by ten, or warm it up; one step should move parameters by about a thousandth of "
            "their length.",
            "Bengio 2012, arXiv:1206.5533, section 3.1.1 (the largest rate that does not diverge); Karpathy, makemore "
            "lecture 3 (update to data ratio)",
        )
    ]  # fmt: skip


def _rose(evidence: Evidence, level: Level) -> list[Finding]:
    """The loss of the same training examples rose far above its best, and was there at two looks in a row."""
    looks = [look for look in evidence.looks if look.train_losses and look.step > 0]
    if evidence.history is not None and evidence.history.before:
        looks.insert(0, Look(0, train_losses=evidence.history.before))
    found = []
    for number, (look, last) in enumerate(pairwise(looks[1:]), 1):
        best = min(looks[:number], key=lambda item: mean(item.train_losses))
        least = ROSE * level_of(evidence, mean(best.train_losses))
        allowed = level.each(NUM_TESTS * number, number)
        rises = [differences(item.train_losses, best.train_losses) for item in (look, last)]
        p = max(clearly_above(rise, 0.0) for rise in rises)
        if (
            min(map(mean, rises)) > least
            and p < allowed
            and (largest_move(updates_until(evidence, last.step)) or 0.0) >= USUAL
        ):
            found.append(
                Finding(
                    "rate-too-high", "critical", None, last.step,
                    Measurement("loss of the same training examples", mean(last.train_losses), mean(best.train_losses),
                                mean(best.train_losses) + least, p, allowed, len(rises[0]),
                                {"best at step": best.step}),
                    f"The loss of the same training examples was {mean(best.train_losses):.3g} at step {best.step:,}, "
                    f"and {mean(look.train_losses):.3g} and {mean(last.train_losses):.3g} at steps {look.step:,} and "
                    f"{last.step:,}: what was learned is lost again.",
                    "Divide the learning rate by ten, and again if need be; or let it decay.",
                    "Bengio 2012, arXiv:1206.5533, section 3.1.1 (the largest rate that does not diverge)",
                )
            )  # fmt: skip
    return found


def _lost(evidence: Evidence, level: Level) -> list[Finding]:
    """Steps so large that nothing is kept: the network is stuck behind the simplest model while it is thrown about.

    Either its training loss is above what the labels alone give, and above that of the first step, or a step has all
    but replaced its parameters.
    """
    stands = standings(evidence)
    found = []
    for stand in [] if isinstance(stands, str) else stands:
        marginal = mean(evidence.reference.marginal) if evidence.reference else math.nan
        loss = mean(stand.look.train_losses)
        allowed = level.each(NUM_TESTS, stand.number)
        largest = largest_move(updates_until(evidence, stand.look.step))
        if largest is None or largest < USUAL:
            continue
        # A loss that hardly left its beginning speaks of other things: a rate too low, a network that cannot learn.
        first = evidence.history.losses[0] if evidence.history and evidence.history.losses else math.inf
        worse = mean_above([-gain for gain in stand.gained], RISE * marginal)
        is_thrown = largest >= THROWN or (largest >= FAR and _is_lower_better(evidence, stand.look.step, allowed))
        p = min(worse if loss > first or largest >= REPLACED else 1.0, stand.p_stuck if is_thrown else 1.0)
        if p < allowed:
            found.append(
                Finding(
                    "rate-too-high", "critical", None, stand.look.step,
                    Measurement("training loss", loss, loss - mean(stand.behind), marginal * (1 + RISE), p,
                                allowed, len(stand.gained), {"labels alone": marginal, "largest step": largest}),
                    f"After {stand.look.step:,} steps the training loss is {loss:.3g} and does not fall; frequencies "
                    f"of the labels alone give {marginal:.3g}. A step moved the parameters by {largest:.1%} of their "
                    "length.",
                    "Divide the learning rate by ten, and again if need be; one step should move parameters by about "
                    "a thousandth of their length.",
                    "Bengio 2012, arXiv:1206.5533, section 3.1.1 (the largest rate that does not diverge); Karpathy, "
                    "makemore lecture 3 (update to data ratio)",
                )
            )  # fmt: skip
    return found


def _is_lower_better(evidence: Evidence, step: int, allowed: float) -> bool:
    """Whether a tenth of the rate came out ahead wherever it was tried."""
    pairs = [(branch_at(rates, 1.0), highest_stable(rates)) for _, look, rates in branched(evidence)
             if EARLY < look.step <= step]  # fmt: skip
    gains = [differences(own.after, lower.after) for own, lower in pairs if own and lower and own.is_finite]
    return bool(gains) and all(clearly_above(gain, 0.0) < allowed for gain in gains)


def capped(values: list[float], most: float) -> list[float]:
    """No value above `most`: the mean is at least that of these, and a few huge losses hide no more what all have."""
    return [min(value, most) for value in values]


def highest_stable(rates: Rates) -> Branch | None:
    lower = [branch for branch in rates.branches if branch.factor < 1.0 and branch.decay == 1.0 and branch.is_finite]
    return max(lower, key=lambda branch: branch.factor, default=None)
