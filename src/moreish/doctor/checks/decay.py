"""Weight decay that pulls harder than the gradient, where that can be shown to harm."""

import math

from moreish.doctor.branching import LOWER, PULL
from moreish.doctor.checks.branches import branch_at, branched, level_of
from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.checks.standing import differences, mean, standings
from moreish.doctor.evidence import Evidence, Look, Update
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, clearly_above, mean_above

GAIN = 0.02
"""Loss that a branch without decay gains, relative to its level before."""
GROWTH = 1.5
"""How many times the gain of an earlier look it must be to grow."""
NUM_TESTS = 4
"""Made at one look: two of a branch, one of a training that rests, one of a loss that hardly fell."""
STRONG = 1.0
"""Pull that outweighs the gradient: then half of that gain will do, if it is one beyond doubt and grows."""
NATS, SQUARED = 0.03, 0.06
"""Gain that costs something though it does not grow: nats, or of a squared error this share of its level."""
GONE, CRUSHED = 0.01, 10.0
"""Share of its first length from which a parameter is gone, and pull over gradient that has crushed it."""
FELL = 0.5
"""Share of the first loss that is lost by a training that gets on; asked only where parameters shrink away."""
SHRUNK = 0.2
"""Share of its first length from which a parameter has been decayed away."""
LEAST_PULLED = 0.8
"""What decay pulls in all steps, relative to the length: half of what it takes to shrink to that share."""


def weight_decay(evidence: Evidence, level: Level) -> Verdict:
    """Decay pulls hard, and without it the loss falls further, or the network is stuck while its parameters shrink."""
    if all(_pull(look) < PULL for look in evidence.looks):
        return []
    found, gained = [], 0.0
    formulas = [look.loss.formula for look in evidence.looks if look.loss is not None]
    for number, look, rates in branched(evidence):
        own, free = branch_at(rates, 1.0), next((branch for branch in rates.branches if branch.decay == 0.0), None)
        if own is None or free is None or not own.is_finite or not free.is_finite:
            continue
        lower = branch_at(rates, LOWER[0])
        if lower is not None and lower.is_finite and mean(lower.after) <= mean(free.after):
            continue  # smaller steps win as much: it is the rate
        scale, gain = level_of(evidence, mean(own.before)), differences(own.after, free.after)
        least, much = GAIN * scale, SQUARED * scale if "squared error" in formulas else NATS
        grows, gained = gained > 0 and mean(gain) > GROWTH * gained, max(gained, mean(gain))
        allowed = level.each(NUM_TESTS, number)
        p = mean_above(gain, least)
        if _pull(look) >= STRONG and mean(gain) >= least / 2:
            p = min(p, clearly_above(gain, 0.0))
        if p < allowed and (mean(gain) >= much or grows):
            measured = Measurement(
                f"loss after {rates.num_steps} steps with weight decay", mean(own.after), mean(free.after),
                mean(free.after) + least, p, allowed, len(gain), {"pull over gradient": _pull(look)},
            )  # fmt: skip
            what = (
                f"From the same state, on the same batches, {rates.num_steps} steps with it lead to "
                f"{mean(own.after):.3g}, without it to {mean(free.after):.3g}"
            )
            found.append(_finding(look, measured, what))
    stands = standings(evidence)
    for stand in [] if isinstance(stands, str) else stands:
        allowed = level.each(NUM_TESTS, stand.number)
        name, share = _shrunk(evidence, stand.look)
        if stand.p_stuck < allowed and _pull(stand.look) > PULL and share < SHRUNK:
            loss, null = mean(stand.look.train_losses), mean(stand.look.train_losses) - mean(stand.behind)
            measured = Measurement(
                "training loss", loss, null, None, stand.p_stuck, allowed, len(stand.behind),
                {"pull over gradient": _pull(stand.look), f"length of {name} over its first": share},
            )  # fmt: skip
            what = f"{name} has shrunk to {share:.1%} of its first length, and the loss stays at {loss:.3g}"
            found.append(_finding(stand.look, measured, what))
    if evidence.reference is None or evidence.reference.loss != "cross entropy":
        found += _decayed_away(evidence, level)
    found += _gone(evidence)
    if not found and isinstance(stands, str) and not branched(evidence):
        return NotExamined("weight-decay", f"decay pulls hard, but whether it harms is not known: {stands}")
    return sorted(found, key=lambda finding: finding.step)


def _gone(evidence: Evidence) -> list[Finding]:
    """A parameter has shrunk to almost nothing under a pull that leaves the gradient no say: no network is left."""
    for look in evidence.looks:
        name, share = _shrunk(evidence, look)
        if _pull(look) > CRUSHED and share < GONE:
            measured = Measurement(f"length of {name} over its first", share, 1.0, GONE,
                                   details={"pull over gradient": _pull(look)})  # fmt: skip
            what = f"{name} has shrunk to {share:.1%} of its first length, and nothing holds it"
            return [_finding(look, measured, what)]
    return []


def _decayed_away(evidence: Evidence, level: Level) -> list[Finding]:
    """Where no simpler model is there to compare with: a parameter shrinks away while the loss hardly falls."""
    looks = [look for look in evidence.looks if look.train_losses and look.updates]
    found = []
    for number, look in enumerate(looks[1:], 1):
        least = FELL * mean(looks[0].train_losses)
        allowed = level.each(NUM_TESTS, number)
        p = mean_above([least - fall for fall in differences(looks[0].train_losses, look.train_losses)], 0.0)
        name, share = _shrunk(evidence, look)
        if p < allowed and _pull(look) > PULL and share < SHRUNK:
            loss = mean(look.train_losses)
            measured = Measurement(
                "training loss", loss, mean(looks[0].train_losses) - least, None, p, allowed,
                len(look.train_losses or ()),
                {"pull over gradient": _pull(look), f"length of {name} over its first": share},
            )  # fmt: skip
            what = f"{name} has shrunk to {share:.1%} of its first length, and the loss stays at {loss:.3g}"
            found.append(_finding(look, measured, what))
    return found


def _finding(look: Look, measured: Measurement, what: str) -> Finding:
    return Finding(
        "weight-decay", "major", None, look.step, measured,
        f"Weight decay pulls {_pull(look):.2g} times as hard as the gradient. {what}: it keeps the network from "
        "fitting.",
        "Divide weight_decay by ten or more; leave biases, norms and embeddings out of it.",
        "Loshchilov & Hutter 2019, arXiv:1711.05101 (decoupled weight decay)",
    )  # fmt: skip


def _pull(look: Look) -> float:
    """Of all parameters, the most that decay pulled in relation to the gradient."""
    return max((update.decay for update in look.updates or ()), default=0.0)


def _shrunk(evidence: Evidence, look: Look) -> tuple[str, float]:
    """The parameter that kept the least of the length that it had at the first look, and how much.

    Only those that decay has shrunk: large steps may do so too.
    """
    first = next((item.updates for item in evidence.looks if item.updates), ())
    before = {update.name: update.size for update in first or ()}
    shares = [
        (update.size / before[update.name], update.name)
        for update in look.updates or ()
        if before.get(update.name, 0.0) > 1.0 and _pulled(update) * look.step > LEAST_PULLED
    ]
    share, name = min(shares, default=(1.0, ""))
    return name, share


def _pulled(update: Update) -> float:
    """By how much decay shortens a parameter in a step, relative to its length."""
    return update.moved * update.decay / math.hypot(1.0, update.decay)


CHECKS = (Check("weight-decay", ("updates",), weight_decay),)
