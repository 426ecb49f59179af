"""What the loss computes: softmax twice or over the wrong axis, likelihood of logits, rows that are no distributions, a
sum instead of a mean.
"""

import math

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Evidence, Look, Loss
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level

_PYTORCH = "PyTorch documentation, torch.nn.CrossEntropyLoss: the input is unnormalised logits"
LN_2 = math.log(2)
"""What even chances between two give, nats."""
ROWS_OFF = 0.05
"""Share of rows that may be anything else than distributions: labels that were entered twice."""


def losses(evidence: Evidence) -> list[tuple[Look, Loss]]:
    """Every look at which the loss was measured."""
    return [(look, look.loss) for look in evidence.looks if look.loss is not None]


def softmax_twice(evidence: Evidence, level: Level) -> Verdict:
    """Probabilities are treated as logits: the loss can hardly fall below ln(1 + (V-1)/e)."""
    seen = [loss for _, loss in losses(evidence)]
    if all(loss.num_classes == 0 and not loss.is_binary and "twice" not in loss.formula for loss in seen):
        return NotApplicable("the targets are neither classes nor 0 and 1")
    slow = "so the loss cannot come near zero and gradients are far too small."
    return _formula(
        evidence,
        "softmax-twice",
        {
            "softmax twice": (
                (
                    "The loss applies softmax to numbers that are probabilities already. Differences between them are "
                    f"at most 1, {slow}"
                ),
                "Return logits: take the softmax out of the model (or out of what is handed to the loss).",
            ),
            "softmax of sigmoid": (
                (
                    "The loss applies softmax to what a sigmoid has made of the logits. Differences between them are "
                    f"at most 1, {slow}"
                ),
                "Return logits: take the sigmoid out of the model (or out of what is handed to the loss).",
            ),
            "sigmoid twice": (
                (
                    "The loss applies a sigmoid to numbers that are probabilities already: it takes 0 to 1 for logits, "
                    f"which stand for probabilities of 0.5 to 0.73, {slow}"
                ),
                (
                    "Return logits: take the sigmoid out of the model; or keep it, and use F.binary_cross_entropy "
                    "without logits."
                ),
            ),
        },
        _PYTORCH,
    )


def softmax_axis(evidence: Evidence, level: Level) -> Verdict:
    """The softmax adds up to one over the places, not over the classes."""
    if all(loss.num_classes == 0 for _, loss in losses(evidence)):
        return NotApplicable("the targets are not classes")
    return _formula(
        evidence,
        "softmax-axis",
        {
            "softmax over places": (
                (
                    "A softmax runs over the places of an example instead of the classes: the classes of one place do "
                    "not add up to one, and every place depends on all others, later ones too."
                ),
                (
                    "Give the axis of the classes: log_softmax(dim=-1) for (examples, places, classes), dim=1 for "
                    "(examples, classes, places); and with F.cross_entropy none at all."
                ),
            ),
        },
        "PyTorch documentation, torch.nn.LogSoftmax: dim is the dimension along which it sums to one",
    )


def likelihood_of_logits(evidence: Evidence, level: Level) -> Verdict:
    """The loss is minus a logit: it falls without end and means nothing."""
    if all(loss.num_classes == 0 for _, loss in losses(evidence)):
        return NotApplicable("the targets are not classes")
    return _formula(
        evidence,
        "likelihood-of-logits",
        {
            "likelihood of logits": (
                (
                    "The loss picks the target's output and changes its sign, but the outputs are no "
                    "log-probabilities. It can fall without end by making all outputs larger."
                ),
                "Use F.cross_entropy(logits, targets), or apply log_softmax before nll_loss.",
            )
        },
        "PyTorch documentation, torch.nn.NLLLoss: the input is log-probabilities",
    )


def _formula(evidence: Evidence, name: str, told: dict[str, tuple[str, str]], source: str) -> Verdict:
    """A finding for every look whose loss is one of the formulas in `told`, each with its cause and remedy."""
    seen = losses(evidence)
    if all(loss.formula == "unknown" for _, loss in seen):
        return NotExamined(name, "what loss_fn computes was not recognised (weights, smoothing, or a further term)")
    found = []
    for look, loss in seen:
        if loss.formula in told:
            cause, remedy = told[loss.formula]
            evidence_of_it = Measurement(
                f"loss_fn(outputs, targets) is {loss.formula}; its value", loss.value,
                LN_2 if math.isnan(loss.chance) else loss.chance, details={"outputs are": loss.outputs_are},
            )  # fmt: skip
            found.append(Finding(name, "critical", None, look.step, evidence_of_it, cause, remedy, source))
    return found


def loss_summed(evidence: Evidence, level: Level) -> Verdict:
    """The sum over the batch: every gradient, and so every step, grows with the batch size."""
    seen = losses(evidence)
    if all(not loss.reduction for _, loss in seen):
        return NotExamined("loss-summed", "what loss_fn computes was not recognised, so its reduction is not known")
    return [
        Finding(
            "loss-summed", "major", None, look.step,
            Measurement("loss over the mean loss of a prediction", loss.num_predictions, 1,
                        details={"loss": loss.value, "predictions": loss.num_predictions}),
            f"The loss is summed over {loss.num_predictions:,} predictions instead of averaged: gradients are as many "
            "times larger, and the learning rate means something else with every batch size.",
            "Use reduction='mean'; or divide the learning rate by the number of predictions, if the sum is meant.",
            "Goyal et al. 2017, arXiv:1706.02677, section 2.1 (how the rate follows the batch size)",
        )
        for look, loss in seen
        if loss.reduction == "sum"
    ]  # fmt: skip


def targets_no_distribution(evidence: Evidence, level: Level) -> Verdict:
    """Rows of several labels go into a cross entropy, which takes them for the chances of one."""
    seen = [(look, loss) for look, loss in losses(evidence) if "cross entropy of" in loss.formula]
    if not seen:
        return NotApplicable("the loss is no cross entropy of rows of numbers")
    reads = {
        "cross entropy of rows": "takes a row for the chances of one class, and pulls towards shares of them",
        "cross entropy of the largest": "keeps the first of a row's labels and counts the others as wrong",
    }
    return [
        Finding(
            "targets-no-distribution", "critical", None, look.step,
            Measurement("share of rows of targets with several entries that do not add up to one", loss.rows_off, 0,
                        details={"they add up to": loss.row_sum}),
            f"{loss.rows_off:.0%} of the rows of targets hold several entries, which add up to {loss.row_sum:.3g} and "
            f"not to one: each label is true by itself. The cross entropy {reads[loss.formula]}.",
            "Use F.binary_cross_entropy_with_logits where several labels may be true; where one is, divide each row by "
            "its sum.",
            "PyTorch documentation, torch.nn.CrossEntropyLoss: targets are indices or probabilities of classes",
        )
        for look, loss in seen
        if loss.rows_off > ROWS_OFF
    ]  # fmt: skip


CHECKS = (
    Check("softmax-twice", ("loss",), softmax_twice, tests=False),
    Check("softmax-axis", ("loss",), softmax_axis, tests=False),
    Check("likelihood-of-logits", ("loss",), likelihood_of_logits, tests=False),
    Check("targets-no-distribution", ("loss",), targets_no_distribution, tests=False),
    Check("loss-summed", ("loss",), loss_summed, tests=False),
)
