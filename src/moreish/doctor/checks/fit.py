"""What is learned, and from what: nothing from the inputs, less than counting would, or the training set by heart."""

from dataclasses import dataclass
from statistics import median

from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.evidence import Evidence, Look, Reference
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, clearly_above, mean_above, mean_above_multiple, mean_below

RISE = 0.05
"""Nats by which validation rises above its own best."""
MIN_STEPS = 100
"""A network that has taken fewer steps may not have begun to learn."""
INFORMATION = 0.10
"""Nats that inputs must tell about labels, in a simple model of them, so that there is something to learn; of a squared
error, this share of that of the mean."""
LEARNED = 0.10
"""Share of that from which a network has learned something."""
GAP, GAP_SHARE = 2.0, 0.1
"""Validation loss over training loss from which examples are known by heart; and the least of it, of the first loss."""
SMALL_GAP = 1.25
"""The same where the simple model, fitted on validation, is ahead of the network there."""
BEHIND, CLOSED = 0.05, 0.25
"""Nats (or such a share) behind the simple model; and share of what it lacks that a network closes while its steps
grow fourfold."""
RESTED = 0.25
"""Fall of a validation loss, relative to its level, while steps double, from which it does not rest."""


@dataclass(frozen=True)
class Standing:
    """How a network stands at a look after its steps have doubled twice, paired by example.

    Attributes:
        number: of such looks, from 1.
        earlier: the looks at a quarter and at half of the steps.
        behind: its losses less those of the simplest model.
        gained: losses of the labels alone less its own.
        p_stuck: against "it is not behind, or closes a quarter of that while its steps grow fourfold".
    """

    number: int
    look: Look
    earlier: tuple[Look, Look]
    behind: list[float]
    gained: list[float]
    p_stuck: float


def standings(evidence: Evidence) -> list[Standing] | str:
    """Where the network stands, at every look at which that can be said; or why at none."""
    reference = evidence.reference
    if reference is None:
        return evidence.missing.get("reference", "it needs loss_fn and train in a Doctor")
    if not _is_loss_of(evidence, reference):
        return "the loss is no squared error"
    sizes = [item.num_examples for item in evidence.history.minibatches] if evidence.history else []
    if not sizes:
        return "how many examples were seen is not known: hand inputs to step"
    # Whoever has seen fewer examples than the simplest model was fitted on may not have begun to learn.
    least = max(MIN_STEPS, reference.num_fitted / (sum(sizes) / len(sizes)))
    looks = [look for look in evidence.looks if look.train_losses and look.step >= least]
    if len(looks) < 3 or any(len(look.train_losses or ()) != len(reference.losses) for look in looks):
        return f"it takes three looks at train from step {least:,.0f} on"
    told = mean(differences(reference.marginal, reference.losses))
    if not told >= INFORMATION * reference.unit:
        return f"{reference.kind} led hardly below the labels alone (by {told:.2f}): there may be nothing to learn"
    found = []
    for number, (first, second, look) in enumerate(zip(looks, looks[1:], looks[2:], strict=False), 1):
        behind = differences(look.train_losses, reference.losses)
        lacked = differences(first.train_losses, reference.losses)
        closed = differences(first.train_losses, look.train_losses)
        rests = clearly_above([CLOSED * lack - c for c, lack in zip(closed, lacked, strict=True)], 0.0)
        p = max(clearly_above(behind, BEHIND * reference.unit), rests)  # both have to hold
        gained = differences(reference.marginal, look.train_losses)
        found.append(Standing(number, look, (first, second), behind, gained, p))
    return found


def inputs_ignored(evidence: Evidence, level: Level) -> Verdict:
    """The training loss stays at what the labels alone give, on examples where the inputs would tell more."""
    stands = standings(evidence)
    reference = evidence.reference
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
    """The training loss has all but stopped falling, above what the simplest model of the inputs reaches."""
    stands = standings(evidence)
    reference = evidence.reference
    if isinstance(stands, str) or reference is None:
        return NotExamined("underfitting", str(stands))
    found = []
    for stand in stands:
        allowed = level.each(1, stand.number)
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


def overfitting(evidence: Evidence, level: Level) -> Verdict:
    """Validation rose, example by example, above its best look, while training went on falling."""
    looks = [look for look in evidence.looks if look.validation_losses and look.train_losses]
    if len(looks) < 3:
        return NotExamined("overfitting", "under three looks at train and validation")
    found = []
    for number, look in enumerate(looks[1:], 1):
        now, train = look.validation_losses or (), look.train_losses or ()
        best = min(looks[:number], key=lambda item: mean(item.validation_losses))
        rises = [a - b for a, b in zip(now, best.validation_losses or (), strict=True)]
        # One more comparison for each earlier look that might have been the best, and two for the gap.
        allowed = level.each(number + 2, number)
        gap = _gap(evidence, looks[: number + 1], allowed)
        if gap is not None:
            found.append(gap)
        p = mean_above(rises, RISE)
        if p < allowed and mean(train) < mean(best.train_losses):
            found.append(
                Finding(
                    "overfitting", "minor", None, look.step,
                    Measurement("validation loss, paired with its best", mean(now), mean(best.validation_losses),
                                mean(best.validation_losses) + RISE, p, allowed, len(rises),
                                {"train": mean(train), "best step": best.step}),
                    f"Validation was best at step {best.step:,} and has risen since, while training fell to "
                    f"{mean(train):.3f}: what is learned now is the training set itself.",
                    "Keep the weights that were best on validation; use dropout, weight decay, fewer units or more "
                    "data.",
                    "Prechelt 1998, Early stopping - but when?",
                )
            )  # fmt: skip
    return found


def _gap(evidence: Evidence, looks: list[Look], allowed: float) -> Finding | None:
    """Validation rests far above training. It need not rise: a squared error does not punish being sure."""
    look = looks[-1]
    earlier = next((item for item in reversed(looks) if item.step <= look.step / 2), None)
    losses = evidence.history.losses[:16] if evidence.history else ()
    if earlier is None or look.step < MIN_STEPS or not losses:
        return None
    now, train = look.validation_losses or (), look.train_losses or ()
    before = earlier.validation_losses or ()
    far = mean_above_multiple(now, train, GAP)
    if mean(now) - mean(train) < GAP_SHARE * median(losses) or mean(now) < (1 - RESTED) * mean(before):
        far = 1.0
    p = min(far, _behind_on_validation(evidence, look, earlier))
    if p >= allowed:
        return None
    return Finding(
        "overfitting", "minor", None, look.step,
        Measurement("validation loss over training loss", mean(now) / max(mean(train), 1e-300), 1.0,
                    GAP if far < allowed else SMALL_GAP, p, allowed, len(now),
                    {"train": mean(train), "validation": mean(now)}),
        f"Training has come to {mean(train):.3g}, validation rests at {mean(now):.3g} since step {earlier.step:,}: "
        "what is learned now is the training set itself.",
        "Stop earlier; use weight decay, dropout, fewer units or more data.",
        "Goodfellow, Bengio & Courville 2016, Deep Learning, section 5.2 (overfitting)",
    )  # fmt: skip


def _behind_on_validation(evidence: Evidence, look: Look, earlier: Look) -> float:
    """p-value against "the simple model, fitted on validation, is not ahead there, or training is no better"."""
    reference = evidence.validation_reference
    now, before = look.validation_losses or (), earlier.validation_losses or ()
    if reference is None or len(reference.losses) != len(now) or not _is_loss_of(evidence, reference):
        return 1.0
    lacked = differences(before, reference.losses)
    rests = [c - RESTED * lack for c, lack in zip(differences(before, now), lacked, strict=True)]
    return max(
        mean_above(differences(now, reference.losses), BEHIND * reference.unit),
        mean_above_multiple(now, look.train_losses or (), SMALL_GAP),
        mean_below(rests, 0.0),
    )


def _is_loss_of(evidence: Evidence, reference: Reference) -> bool:
    """Whether the losses of a reference are the network's loss: squared errors are not everybody's."""
    formulas = [look.loss.formula for look in evidence.looks if look.loss is not None]
    return not reference.is_squared_error or formulas[-1:] == ["squared error"]


def differences(a: tuple[float, ...] | None, b: tuple[float, ...] | None) -> list[float]:
    """a - b, example by example."""
    return [x - y for x, y in zip(a or (), b or (), strict=True)]


def mean(values: tuple[float, ...] | list[float] | None) -> float:
    return sum(values) / len(values) if values else float("nan")


CHECKS = (
    Check("overfitting", ("validation_losses",), overfitting),
    Check("inputs-ignored", (), inputs_ignored),
    Check("underfitting", (), underfitting),
)
