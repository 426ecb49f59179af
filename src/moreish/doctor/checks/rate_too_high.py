"""A learning rate that is too high: steps that raise the loss, destroy the network, or lose what was learned."""

from dataclasses import replace
from itertools import pairwise

from moreish.doctor.branching import THROWN, largest_move
from moreish.doctor.checks.branches import EARLY, branch_at, branched, level_of, updates_until
from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.checks.long_steps import CAP, NUM_TESTS, REPLACED, RISE, capped, found_of_long_steps, highest_stable
from moreish.doctor.checks.standing import differences, mean
from moreish.doctor.evidence import Evidence, Look
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, clearly_above, mean_above

JUMP = 0.20
"""Loss above that of a tenth of the rate, relative to its level before, from which a training only jumps about."""
WON = 0.12
"""What a tenth of the rate gains, relative to the level before, where that is more than annealing gains at any rate."""
STEADY = 0.06
"""What a tenth of the rate gains on average over two looks or more, relative to the level before."""
GAINED, GAINED_LITTLE = 0.05, 0.01
"""What a tenth of the rate must gain, relative to the level before, where parameters are thrown about; and where they
are replaced and the loss has stopped falling. Elsewhere a few percent are what annealing gains at any rate."""
GETS_ON = 0.03
"""Relative fall of the loss of the same training examples, while steps double, of a training that gets on."""
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
    found = found_of_long_steps(evidence, level)
    gains: list[tuple[list[float], float]] = []
    if not found and not branched(evidence):
        return NotExamined("rate-too-high", evidence.missing.get("rates", "no branch was made"))
    for number, look, rates in branched(evidence):
        own, lower = branch_at(rates, 1.0), highest_stable(rates)
        if own is None or lower is None:
            continue
        before = mean(own.before)
        scale = level_of(evidence, before)
        allowed = level.each(NUM_TESTS, number)
        harm = [] if not own.is_finite else capped(differences(own.after, own.before), CAP * scale)
        # Against the lower rate too: a loss that rises at any rate is not the rate's fault. A training that has jumped
        # about for long does not rise any more; then what the lower rate gains has to be larger.
        gain = [] if not own.is_finite else capped(differences(own.after, lower.after), CAP * scale)
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


CHECKS = (Check("rate-too-high", (), rate_too_high),)
