"""Less than there is to learn: nothing of the inputs, less than a simple model, or what passes a narrow layer."""

from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.checks.standing import BEHIND, INFORMATION, differences, mean, standings
from moreish.doctor.evidence import Evidence, Look, Narrow
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, clearly_above, mean_above, mean_below

LEARNED = 0.10
"""Share of what a simple model has learned, from which a network has learned something."""
LOST, LOST_SHARE = 0.05, 0.10
"""Nats, or share of the squared error, that a narrow layer must lose."""
NUM_TESTS = 4
"""That `underfitting` makes at one look: one of a training that rests, three of a narrow layer."""


def inputs_ignored(evidence: Evidence, level: Level) -> Verdict:
    """The training loss stays at what the labels alone give, on examples where the inputs would tell more."""
    stands = standings(evidence)
    reference = evidence.reference
    if _narrow(evidence, level):
        return []  # they reach the outputs, as far as they can
    if isinstance(stands, str) or reference is None:
        return NotExamined("inputs-ignored", str(stands))
    told = differences(reference.marginal, reference.losses)
    found = []
    for stand in stands:
        allowed = level.each(1, stand.number)
        p = mean_above(told, INFORMATION * reference.unit)
        for look in (*stand.earlier, stand.look):
            gained = differences(reference.marginal, look.train_losses)
            p = max(p, mean_below([g - LEARNED * t for g, t in zip(gained, told, strict=True)], 0.0))
        if p < allowed and mean(stand.gained) > -2 * LEARNED * mean(told):
            labels, loss = mean(reference.marginal), mean(stand.look.train_losses)
            found.append(
                Finding(
                    "inputs-ignored", "critical", None, stand.look.step,
                    Measurement("training loss", loss, mean(reference.losses), labels - LEARNED * mean(told), p,
                                allowed, len(told), {"labels alone": labels, "null is of": reference.kind}),
                    f"From step {stand.earlier[0].step:,} to {stand.look.step:,} the loss stayed where the frequencies "
                    f"of the labels alone lead ({labels:.3f}), although {reference.kind} led to "
                    f"{mean(reference.losses):.3f} on the same examples: the network learns nothing from its inputs.",
                    "Check that inputs and targets belong together in the loop (one of them shuffled without the "
                    "other), that the inputs reach the loss undetached, and the learning rate.",
                    "Karpathy 2019, A Recipe for Training Neural Networks, 'input-independent baseline'",
                )
            )  # fmt: skip
    return found


def underfitting(evidence: Evidence, level: Level) -> Verdict:
    """The training loss has all but stopped falling, above what a simple model reaches; or a layer is too narrow."""
    narrow = _narrow(evidence, level)
    if narrow:
        return narrow
    stands = standings(evidence)
    reference = evidence.reference
    if isinstance(stands, str) or reference is None:
        return NotExamined("underfitting", str(stands))
    found = []
    for stand in stands:
        allowed = level.each(NUM_TESTS, stand.number)
        if stand.p_stuck < allowed:
            loss, first = mean(stand.look.train_losses), stand.earlier[0]
            found.append(
                Finding(
                    "underfitting", "major", None, stand.look.step,
                    Measurement("training loss", loss, mean(reference.losses),
                                mean(reference.losses) + BEHIND * reference.unit, stand.p_stuck, allowed,
                                len(stand.behind),
                                {"at step": first.step, "it was": mean(first.train_losses),
                                 "null is of": reference.kind}),
                    f"From step {first.step:,} to {stand.look.step:,} the training loss went from "
                    f"{mean(first.train_losses):.3f} to {loss:.3f}; {reference.kind} reached "
                    f"{mean(reference.losses):.3f} on the same examples without having seen them.",
                    "Look at the learning rate, and at what limits the network: width, depth, dropout, weight decay, "
                    "saturated or dead units.",
                    "Goodfellow, Bengio & Courville 2016, Deep Learning, section 5.2 (capacity, underfitting)",
                )
            )  # fmt: skip
    return found


def _narrow(evidence: Evidence, level: Level) -> list[Finding]:
    """At the last look at it, a narrow layer withheld what a simple model of what comes into it makes use of."""
    looks: list[tuple[Look, Narrow]] = [(look, look.narrow) for look in evidence.looks if look.narrow is not None]
    if not looks:
        return []
    look, narrow = looks[-1]
    allowed = level.each(NUM_TESTS, len(looks))
    best = min(narrow.with_before, key=mean)
    loss = mean(narrow.without)
    least = LOST_SHARE * loss if narrow.is_squared_error else LOST
    lost = differences(narrow.without, best)
    p = clearly_above(lost, 0.0)
    if p >= allowed or mean(lost) < least:
        return []
    return [
        Finding(
            "underfitting", "major", narrow.layer, look.step,
            Measurement("loss of the last place", loss, mean(best), loss - least, p, allowed, len(lost),
                        {"numbers that come in": narrow.num_before, "numbers handed on": narrow.width}),
            f"All that a prediction rests on passes the {_numbers(narrow.width)} of {narrow.layer}: what comes into "
            f"it, in a simple model beside the network, would bring the loss from {loss:.3g} to {mean(best):.3g} on "
            "examples that this was not fitted on.",
            f"Make {narrow.layer} wider, or lead what comes into it around it.",
            "Alain & Bengio 2016, arXiv:1610.01644 (linear probes)",
        )
    ]  # fmt: skip


def _numbers(count: int) -> str:
    return "one number" if count == 1 else f"{count} numbers"


CHECKS = (
    Check("inputs-ignored", (), inputs_ignored),
    Check("underfitting", (), underfitting),
)
