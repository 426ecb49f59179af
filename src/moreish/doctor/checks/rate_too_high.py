"""A learning rate that is too high: steps that raise the loss, destroy the network, or lose what was learned."""

import math
from dataclasses import replace
from itertools import pairwise

from moreish.doctor.branching import FAR, THROWN, USUAL, largest_move
from moreish.doctor.checks.branches import EARLY, branch_at, branched, level_of, updates_until
from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.checks.standing import differences, mean, standings
from moreish.doctor.evidence import Branch, Evidence, Look, Rates, Site
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, clearly_above, mean_above

RISE = 0.10
"""Rise of the loss, relative to its level before, from which a rate is too high."""
JUMP = 0.20
"""Loss above that of a tenth of the rate, relative to its level before, from which a training only jumps about."""
WON = 0.12
"""What a tenth of the rate gains, relative to the level before, where that is more than annealing gains at any rate."""
STEADY = 0.06
"""What a tenth of the rate gains on average over two looks or more, relative to the level before."""
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
GAINED, GAINED_LITTLE = 0.05, 0.01
"""What a tenth of the rate must gain, relative to the level before, where parameters are thrown about; and where they
are replaced and the loss has stopped falling. Elsewhere a few percent are what annealing gains at any rate."""
GETS_ON = 0.03
"""Relative fall of the loss of the same training examples, while steps double, of a training that gets on."""
DIVERGED = 10.0
"""Factor by which the loss grew, step by step, before it was no number: more than noise, less than one overflow."""
BURST = 8
"""Steps after which a rate that leapt up is back, where that was no new stage of a schedule."""


def rate_too_high(evidence: Evidence, level: Level) -> Verdict:
    """Steps raise the loss where a tenth of the rate lowers it, destroy the network, or lose what was learned."""
    found = _too_high(evidence, level)
    bursts = _bursts(evidence)
    if isinstance(found, NotExamined) or not bursts:
        return found
    return [_of_burst(finding, bursts) if min(bursts) <= finding.step else finding for finding in found]


def _bursts(evidence: Evidence) -> dict[int, float]:
    """Steps at which the rate leapt up and soon came back, and the factor."""
    jumps = evidence.history.rate_jumps if evidence.history else ()
    return {
        step: rate / before
        for (step, before, rate), (back, _, after) in pairwise(jumps)
        if 0 < before < rate and after < rate and back - step <= BURST
    }


def _of_burst(finding: Finding, bursts: dict[int, float]) -> Finding:
    """What was seen from a burst on is its fault, and not that of the rate between."""
    steps = ", ".join(f"{step:,}" for step in list(bursts)[:3]) + (", …" if len(bursts) > 3 else "")
    return replace(
        finding,
        name="spikes",
        cause=f"At {'step' if len(bursts) == 1 else 'steps'} {steps} the learning rate leaps to "
        f"{max(bursts.values()):.3g} times that of the step before. {finding.cause}",
        remedy="Find what sets the rate there (a schedule that starts again, two schedulers, a rate set by hand), and "
        "take the leaps out.",
    )


def _too_high(evidence: Evidence, level: Level) -> list[Finding] | NotExamined:
    found = _diverged(evidence) + _destroyed(evidence) + _lost(evidence, level) + _rose(evidence, level)
    found += _overshot(evidence, level)
    gains: list[tuple[list[float], float]] = []
    if not found and not branched(evidence):
        return NotExamined("rate-too-high", evidence.missing.get("rates", "no branch was made"))
    for number, look, rates in branched(evidence):
        own, lower = branch_at(rates, 1.0), _highest_stable(rates)
        if own is None or lower is None:
            continue
        before = mean(own.before)
        scale = level_of(evidence, before)
        allowed = level.each(NUM_TESTS, number)
        harm = [] if not own.is_finite else _capped(differences(own.after, own.before), CAP * scale)
        # Against the lower rate too: a loss that rises at any rate is not the rate's fault. A training that has jumped
        # about for long does not rise any more; then what the lower rate gains has to be larger.
        gain = [] if not own.is_finite else _capped(differences(own.after, lower.after), CAP * scale)
        rises = max(mean_above(harm, RISE * scale), mean_above(gain, RISE * scale)) if own.is_finite else 0.0
        after = mean(own.after) if own.is_finite else float("inf")
        what = f"loss after {rates.num_steps} steps at this rate"
        tests = [(rises, what, after, before, before + RISE * scale)]
        if look.step > EARLY:
            reached, half = mean(lower.after), max(scale, _first(evidence) / 2)
            gains.append((gain, half))
            tests += [
                (mean_above(gain, JUMP * scale), what, after, reached, reached + JUMP * scale),
                (_thrown(evidence, look, gain, scale), what, after, reached, reached),
                (_wins(evidence, gain, scale), what, after, reached, reached + WON / 2 * half),
                (_keeps_winning(gains), f"what a lower rate gains over this, mean of {len(gains)} looks, over the loss",
                 sum(mean(item) / size for item, size in gains) / len(gains), 0.0, STEADY / 2),
            ]  # fmt: skip
        p, what, value, null, threshold = min(tests, key=lambda test: test[0])
        if p < allowed:
            rate = rates.learning_rate
            found.append(
                Finding(
                    "rate-too-high", "critical" if not own.is_finite or after > 2 * before else "major", None,
                    look.step,
                    Measurement(what, value, null, threshold, p, allowed, len(own.before),
                                {"learning rate": rate, "loss before": before,
                                 f"loss at {lower.factor:g} of it": mean(lower.after)}),
                    f"At learning rate {rate:g} the loss went from {before:.3g} to {after:.3g} in {rates.num_steps} "
                    f"steps on batches where {rate * lower.factor:g} leads to {mean(lower.after):.3g}.",
                    f"Try learning rate {rate * lower.factor:g}, or reach this one by a warm-up.",
                    "Bengio 2012, arXiv:1206.5533, section 3.1.1 (the largest rate that does not diverge)",
                )
            )  # fmt: skip
    return found


def _highest_stable(rates: Rates) -> Branch | None:
    lower = [branch for branch in rates.branches if branch.factor < 1.0 and branch.decay == 1.0 and branch.is_finite]
    return max(lower, key=lambda branch: branch.factor, default=None)


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


def _wins(evidence: Evidence, gain: list[float], scale: float) -> float:
    """p-value against "a tenth of the rate gains no more than half of what matters", where it seems to gain all of it.

    Where most of the first loss is gone, half of the first is what counts: annealing gains a little of a little.
    """
    scale = max(scale, _first(evidence) / 2)
    return clearly_above(gain, WON / 2 * scale) if mean(gain) >= WON * scale else 1.0


def _keeps_winning(gains: list[tuple[list[float], float]]) -> float:
    """p-value against "a tenth of the rate gains, look after look, no more than half of what matters"."""
    if len(gains) < 2 or len({len(gain) for gain, _ in gains}) > 1 or not gains[0][0]:
        return 1.0
    average = [sum(values) / len(gains) for values in zip(*([g / s for g in gain] for gain, s in gains), strict=True)]
    return clearly_above(average, STEADY / 2) if mean(average) >= STEADY else 1.0


def _first(evidence: Evidence) -> float:
    losses = evidence.history.losses[:1] if evidence.history else ()
    return abs(losses[0]) if losses else 0.0


def _thrown(evidence: Evidence, look: Look, gain: list[float], scale: float) -> float:
    """p-value against "a tenth of the rate gains nothing", where steps throw the parameters about and it gains enough.

    Such steps destroy what the initialisation was made for; what a tenth gains afterwards understates the harm. Where
    most of the first loss is gone, little is left to gain, and half of the first is what counts.
    """
    largest = largest_move(updates_until(evidence, look.step)) or 0.0
    scale = max(scale, _first(evidence) / 2)
    rests = largest >= REPLACED and not _gets_on(evidence, look)
    if largest < THROWN or mean(gain) < scale * (GAINED_LITTLE if rests else GAINED):
        return 1.0
    return clearly_above(gain, 0.0)


def _gets_on(evidence: Evidence, look: Look) -> bool:
    earlier = [item for item in evidence.looks if item.train_losses and 0 < item.step <= look.step / 2]
    if not earlier or not look.train_losses:
        return True
    return mean(look.train_losses) < (1 - GETS_ON) * mean(earlier[-1].train_losses)


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
    p = min(mean_above(values, bound), mean_above(_capped(values, CAP * bound), bound))
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


def _capped(values: list[float], most: float) -> list[float]:
    """No value above `most`: the mean is at least that of these, and a few huge losses hide no more what all have."""
    return [min(value, most) for value in values]


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
    pairs = [(branch_at(rates, 1.0), _highest_stable(rates)) for _, look, rates in branched(evidence)
             if EARLY < look.step <= step]  # fmt: skip
    gains = [differences(own.after, lower.after) for own, lower in pairs if own and lower and own.is_finite]
    return bool(gains) and all(clearly_above(gain, 0.0) < allowed for gain in gains)


CHECKS = (Check("rate-too-high", (), rate_too_high),)
