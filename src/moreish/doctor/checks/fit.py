"""Whether a network learns the training set by heart."""

from statistics import median

from moreish.doctor.checks.check import Check, Verdict
from moreish.doctor.checks.standing import BEHIND, MIN_STEPS, differences, is_loss_of, mean
from moreish.doctor.evidence import Evidence, Look
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, count_above, mean_above, mean_above_multiple, mean_below

RISE = 0.05
"""Nats by which validation rises above its own best."""
GAP, GAP_SHARE = 2.0, 0.1
"""Validation loss over training loss from which examples are known by heart; and the least of it, of the first loss."""
BY_HEART = 10.0
"""The same from which there is nothing left to learn but by heart, though validation may still fall."""
SMALL_GAP = 1.25
"""The same where the simple model, fitted on validation, is ahead of the network there."""
TURNED = 0.05
"""Rise of a validation loss, relative to its best, from which it has turned."""
DOUBT = 0.01
"""Chance of a rise of validation that is none, where what training has left behind is beyond doubt."""
RESTED = 0.25
"""Fall of a validation loss, relative to its level, while steps double, from which it does not rest."""


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
        # One more comparison for each earlier look that might have been the best, and three for the gap.
        allowed = level.each(number + 3, number)
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
    far = _far(evidence, look, earlier, median(losses))
    p = min(far, _behind_on_validation(evidence, look, earlier), _turned(looks))
    if p >= allowed:
        return None
    return Finding(
        "overfitting", "minor", None, look.step,
        Measurement("validation loss over training loss", mean(now) / max(mean(train), 1e-300), 1.0,
                    GAP if far < allowed else SMALL_GAP, p, allowed, len(now),
                    {"train": mean(train), "validation": mean(now)}),
        f"Training has come to {mean(train):.3g}, validation is at {mean(now):.3g}, where it was at {mean(before):.3g} "
        f"at step {earlier.step:,}: what is learned now is the training set itself.",
        "Stop earlier; use weight decay, dropout, fewer units or more data.",
        "Goodfellow, Bengio & Courville 2016, Deep Learning, section 5.2 (overfitting)",
    )  # fmt: skip


def _far(evidence: Evidence, look: Look, earlier: Look, first: float) -> float:
    """p-value against "validation is not twice as far from zero as training", where it is, and hardly falls still."""
    now, train, before = mean(look.validation_losses), mean(look.train_losses), mean(earlier.validation_losses)
    losses = look.validation_losses or (), look.train_losses or ()
    is_known = any(item.loss is not None and item.loss.formula != "unknown" for item in evidence.looks)
    is_by_heart = is_known and now >= BY_HEART * train
    is_far = now >= GAP * train and now - train >= GAP_SHARE * first and (now >= (1 - RESTED) * before or is_by_heart)
    if not is_far or min(map(min, losses)) < 0:  # a logarithm of a density has no zero to be measured from
        return 1.0
    more = _more_large(*losses) if is_known else 1.0  # of other losses nobody knows what is large
    return min(1.0, 2 * min(mean_above_multiple(*losses, GAP), more))


def _more_large(now: tuple[float, ...], train: tuple[float, ...]) -> float:
    """p-value against "a loss is as often large in validation as in training": a few huge ones hide from a t-test.

    Large is what is above the mean of validation; given how many are in both, those in validation are a binomial share.
    """
    large_now, large = (sum(loss > mean(now) for loss in losses) for losses in (now, [*now, *train]))
    return count_above(large_now, large, len(now) / max(len(now) + len(train), 1))


def _turned(looks: list[Look]) -> float:
    """p-value against "validation is hardly above training, or that falls no more", where validation has turned."""
    now, best = looks[-1], min(looks[:-1], key=lambda item: mean(item.validation_losses))
    rise = differences(now.validation_losses, best.validation_losses)
    if mean(rise) < TURNED * mean(best.validation_losses) or mean_above(rise, 0.0) > DOUBT:
        return 1.0
    return max(
        mean_above_multiple(now.validation_losses or (), now.train_losses or (), SMALL_GAP),
        mean_above(differences(best.train_losses, now.train_losses), 0.0),
    )


def _behind_on_validation(evidence: Evidence, look: Look, earlier: Look) -> float:
    """p-value against "the simple model, fitted on validation, is not ahead there, or training is no better"."""
    reference = evidence.validation_reference
    now, before = look.validation_losses or (), earlier.validation_losses or ()
    if reference is None or len(reference.losses) != len(now) or not is_loss_of(evidence, reference):
        return 1.0
    lacked = differences(before, reference.losses)
    rests = [c - RESTED * lack for c, lack in zip(differences(before, now), lacked, strict=True)]
    return max(
        mean_above(differences(now, reference.losses), BEHIND * reference.unit),
        mean_above_multiple(now, look.train_losses or (), SMALL_GAP),
        mean_below(rests, 0.0),
    )


CHECKS = (Check("overfitting", ("validation_losses",), overfitting),)
