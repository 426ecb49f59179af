"""What the loss computes: softmax twice, likelihood of logits, a sum instead of a mean."""

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Evidence, Look, Loss
from moreish.doctor.finding import Finding, Measurement, NotExamined, Severity
from moreish.doctor.significance import Level

_PYTORCH = "PyTorch documentation, torch.nn.CrossEntropyLoss: the input is unnormalised logits"


def losses(evidence: Evidence) -> list[tuple[Look, Loss]]:
    """Every look at which the loss was measured."""
    return [(look, look.loss) for look in evidence.looks if look.loss is not None]


def softmax_twice(evidence: Evidence, level: Level) -> Verdict:
    """Probabilities are treated as logits: the loss can hardly fall below ln(1 + (V-1)/e)."""
    return _formula(
        evidence,
        "softmax twice",
        "softmax-twice",
        "critical",
        "The loss applies softmax to numbers that are probabilities already. Differences between them are at most 1, "
        "so "
        "the loss cannot come near zero and gradients are far too small.",
        "Return logits: take the softmax out of the model (or out of what is handed to the loss).",
        _PYTORCH,
    )


def likelihood_of_logits(evidence: Evidence, level: Level) -> Verdict:
    """The loss is minus a logit: it falls without end and means nothing."""
    return _formula(
        evidence,
        "likelihood of logits",
        "likelihood-of-logits",
        "critical",
        "The loss picks the target's output and changes its sign, but the outputs are not log-probabilities. It can "
        "fall "
        "without end by making all outputs larger.",
        "Use F.cross_entropy(logits, targets), or apply log_softmax before nll_loss.",
        "PyTorch documentation, torch.nn.NLLLoss: the input is log-probabilities",
    )


def _formula(
    evidence: Evidence, formula: str, name: str, severity: Severity, cause: str, remedy: str, source: str
) -> Verdict:
    seen = losses(evidence)
    if all(loss.num_classes == 0 for _, loss in seen):
        return NotApplicable("the targets are not classes")
    if all(loss.formula == "unknown" for _, loss in seen):
        return NotExamined(name, "what loss_fn computes was not recognised (weights, smoothing, or a further term)")
    found = []
    for look, loss in seen:
        if loss.formula == formula:
            evidence_of_it = Measurement(
                f"loss_fn(outputs, targets) equals {formula}; its value", loss.value, loss.chance,
                details={"outputs are": loss.outputs_are},
            )  # fmt: skip
            found.append(Finding(name, severity, None, look.step, evidence_of_it, cause, remedy, source))
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


CHECKS = (
    Check("softmax-twice", ("loss",), softmax_twice, tests=False),
    Check("likelihood-of-logits", ("loss",), likelihood_of_logits, tests=False),
    Check("loss-summed", ("loss",), loss_summed, tests=False),
)
