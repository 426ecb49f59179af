"""The learning rate, tried out: a few steps from the same state on the same batches at this rate and others."""

from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.evidence import Branch, Evidence, Look, Rates
from moreish.doctor.finding import Finding, Measurement
from moreish.doctor.significance import Level, mean_above

RISE = 0.10
"""Rise of the loss, relative to its level before, from which a rate is too high."""
FACTOR = 1000.0
"""Rates that far above one that is right are not stable; one where they are is too low."""
GAIN = 0.003
"""Further fall of the loss at such a rate within a few steps, relative to its level before, that is no accident."""
MORE = 20.0
"""How many times as far the loss must fall there."""


def _rates(evidence: Evidence) -> list[tuple[int, Look, Rates]]:
    looks = [(look, look.rates) for look in evidence.looks if look.rates is not None]
    return [(number, look, rates) for number, (look, rates) in enumerate(looks, 1)]


def rate_too_high(evidence: Evidence, level: Level) -> Verdict:
    """The steps raise the loss on held-out examples, where a tenth of the rate lowers it."""
    found = []
    for number, look, rates in _rates(evidence):
        own, lower = _branch(rates, 1.0), _branch(rates, 0.1)
        if own is None or lower is None or not lower.is_finite:
            continue
        before = _mean(own.before)
        allowed = level.each(1, number)
        harm = [] if not own.is_finite else _paired(own.after, own.before)
        # Against the lower rate too: a loss that rises at any rate is not the rate's fault.
        p = 0.0 if not own.is_finite else max(
            mean_above(harm, RISE * abs(before)), mean_above(_paired(own.after, lower.after), RISE * abs(before))
        )  # fmt: skip
        if p < allowed:
            after = _mean(own.after) if own.is_finite else float("inf")
            found.append(
                Finding(
                    "rate-too-high", "critical" if not own.is_finite or after > 2 * before else "major", None,
                    look.step,
                    Measurement(f"loss after {rates.num_steps} steps at this rate", after, before, before * (1 + RISE),
                                p, allowed, len(own.before),
                                {"learning rate": rates.learning_rate, "loss at a tenth of it": _mean(lower.after)}),
                    f"At learning rate {rates.learning_rate:g} the loss rose from {before:.3g} to {after:.3g} in "
                    f"{rates.num_steps} steps on batches where a tenth of the rate gives {_mean(lower.after):.3g}.",
                    f"Try learning rate {rates.learning_rate / 10:g}, or reach this one by a warm-up.",
                    "Bengio 2012, arXiv:1206.5533, section 3.1.1 (the largest rate that does not diverge)",
                )
            )  # fmt: skip
    return found


def rate_too_low(evidence: Evidence, level: Level) -> Verdict:
    """A thousand times the rate, or more, is still stable, and much better."""
    found = []
    for number, look, rates in _rates(evidence):
        own = _branch(rates, 1.0)
        higher = [branch for branch in rates.branches if branch.factor >= FACTOR and branch.is_finite]
        if own is None or not own.is_finite or not higher:
            continue
        before, after = _mean(own.before), _mean(own.after)
        allowed = level.each(len(higher), number)
        tried = [(mean_above(_paired(own.after, branch.after), GAIN * abs(before)), branch) for branch in higher]
        p, best = min(tried, key=lambda item: item[0])
        gain = _paired(own.after, best.after)
        if p < allowed and sum(gain) / len(gain) > MORE * (before - after):
            rate = rates.learning_rate
            found.append(
                Finding(
                    "rate-too-low", "major", None, look.step,
                    Measurement(f"loss after {rates.num_steps} steps at this rate", after, _mean(best.after),
                                _mean(best.after) + GAIN * before, p, allowed, len(gain),
                                {"learning rate": rate, "loss before": before, "factor": best.factor}),
                    f"At learning rate {rate:g} the loss hardly falls ({before:.4g} to {after:.4g} in "
                    f"{rates.num_steps} "
                    f"steps); at {rate * best.factor:g}, on the same batches, it falls to {_mean(best.after):.4g}.",
                    f"Try learning rate {rate * best.factor / 10:g}.",
                    "Smith 2017, arXiv:1506.01186, section 3.3 (the range of rates)",
                )
            )  # fmt: skip
    return found


def _branch(rates: Rates, factor: float) -> Branch | None:
    return next((branch for branch in rates.branches if branch.factor == factor), None)


def _paired(a: tuple[float, ...], b: tuple[float, ...]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / max(len(values), 1)


CHECKS = (
    Check("rate-too-high", ("rates",), rate_too_high),
    Check("rate-too-low", ("rates",), rate_too_low),
)
