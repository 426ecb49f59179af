"""The last operation of the network cannot give what the targets ask for: an activation that does not belong there."""

import math

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.checks.loss import losses
from moreish.doctor.evidence import Evidence, OutputRange
from moreish.doctor.finding import Finding, Measurement, Severity
from moreish.doctor.significance import Level

BEYOND = 0.05
"""Share of the targets that may lie beyond the range: outliers, and what a cap is there for."""
LOST = 0.10
"""Of the variance of the targets, or nats, that the range may cost at the least: less is noise around its end."""
GROSS = 0.25
"""The same, from which the training cannot mean much."""
_SOURCE = "Goodfellow, Bengio & Courville 2016, Deep Learning, section 6.2.2 (output units follow from the targets)"
_REMEDY = (
    "Take {0} out of the end of the model, so that it ends in a linear layer; or, where the targets should lie in "
    "that range, scale them into it."
)


def output_range(evidence: Evidence, level: Level) -> Verdict:
    """Targets lie beyond what the last operation gives, or logits have half of the range that they need."""
    seen = [(look, loss.output_range) for look, loss in losses(evidence) if loss.output_range is not None]
    if not seen:
        return NotApplicable("the last operation has no bounds, or what it gives is not compared with the targets")
    return [
        Finding("output-range", _severity(item), None, look.step, _measurement(item), _cause(item),
                _remedy(item), _SOURCE)
        for look, item in seen
        if _matters(item)
    ]  # fmt: skip


def _matters(item: OutputRange) -> bool:
    if item.targets == "classes":
        return _cuts_off(item) or item.lost > LOST
    return item.beyond > BEYOND and item.lost > LOST


def _cuts_off(item: OutputRange) -> bool:
    """Whether logits below zero become zero, and have no gradient there."""
    return item.operation in ("relu", "hardtanh", "clamp", "clampmin") and item.low >= 0


def _severity(item: OutputRange) -> Severity:
    return "critical" if item.lost > GROSS or (item.targets == "classes" and _cuts_off(item)) else "major"


def _measurement(item: OutputRange) -> Measurement:
    details = {"lowest output": item.low, "highest output": item.high, "least cost of it": item.lost}
    if item.targets == "classes":
        what = "logits that cannot be below" if _cuts_off(item) else "largest difference between two logits"
        value = item.low if _cuts_off(item) else item.high - item.low
        return Measurement(what, value, -math.inf if _cuts_off(item) else math.inf, details=details)
    return Measurement(f"share of the targets beyond what {item.operation} gives", item.beyond, 0, details=details)


def _cause(item: OutputRange) -> str:
    gives = f"The last operation of the network is {item.operation}"
    if item.targets == "shares":
        return (
            f"{gives}: its outputs share out one among them, but {item.beyond:.0%} of the rows of targets do not add "
            "up to one. Of several labels that are true it can hold none with certainty."
        )
    low, high = ("infinity" if math.isinf(x) else f"{x:.3g}" for x in (item.low, item.high))
    gives = f"{gives}, and {item.operation} gives {'minus ' if math.isinf(item.low) else ''}{low} to {high}"
    if item.targets == "numbers":
        return (
            f"{gives}: {item.beyond:.0%} of the targets lie beyond that. The best outputs there are cost "
            f"{item.lost:.3g} of the variance of the targets, however long it trains."
        )
    if item.targets == "chances":
        return (
            f"{gives}, but the loss takes it for logits, which have to be far below zero and far above. The best there "
            f"are cost {item.lost:.2g} nats of every target, however long it trains."
        )
    if _cuts_off(item):
        return (
            f"{gives}, but the loss takes it for logits: those below zero are cut off and get no gradient. Where all "
            "of an example are, it is never learned."
        )
    return (
        f"{gives}, but the loss takes it for logits: they differ by at most {item.high - item.low:.3g}, so that the "
        f"loss stays above {item.lost:.2g} nats, however sure it could be."
    )


def _remedy(item: OutputRange) -> str:
    if item.targets == "shares":
        return ("Several labels may be true: return logits, without the softmax, and use "
                "F.binary_cross_entropy_with_logits.")  # fmt: skip
    if item.targets == "numbers":
        return _REMEDY.format(item.operation)
    return f"Return logits: take {item.operation} out of the end of the model."


CHECKS = (Check("output-range", ("loss",), output_range, tests=False),)
