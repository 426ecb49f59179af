"""Seen only while it trains: gradients left over, parameters that stay, the wrong mode."""

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Evidence
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level

WITHOUT_EFFECT = 1e-5
"""Gradient of a parameter over the largest of all, from which it is made of rounding errors."""


def not_cleared(evidence: Evidence, level: Level) -> Verdict:
    """The optimiser used the sum of this step's gradient and the one before."""
    shares = [(look, update) for look in evidence.looks for update in look.updates or () if update.stale is not None]
    if not shares:
        return NotExamined("gradients-not-cleared", "no gradient was seen from its arrival to its use")
    return [
        Finding(
            "gradients-not-cleared", "critical", None, look.step,
            Measurement("share of the gradient used that is left over from the step before", update.stale or 0.0, 0.0),
            "Gradients of earlier steps are still in .grad and are added to: every step repeats all before it.",
            "Call optimizer.zero_grad() once a step, before loss.backward().",
            "PyTorch documentation, torch.optim: taking an optimization step",
        )
        for look, update in shares
        if update.stale
    ][:1]  # fmt: skip


def never_moves(evidence: Evidence, level: Level) -> Verdict:
    """Parameters that no step looked at has changed; or all, since no step was ever made."""
    history = evidence.history
    if history is not None and history.optimizer_steps == 0 and history.has_moved is False and len(history.losses) > 1:
        return [
            Finding(
                "never-moves", "critical", None, len(history.losses),
                Measurement("steps of the optimiser", 0, len(history.losses)),
                f"In {len(history.losses):,} steps of the loop the optimiser never made one, and no parameter changed.",
                "Call optimizer.step() after loss.backward(), on the optimiser that holds this model's parameters.",
                "PyTorch documentation, torch.optim: taking an optimization step",
            )
        ]  # fmt: skip
    looks = [look for look in evidence.looks if look.updates]
    if len(looks) < 2:
        return NotExamined("never-moves", "under two steps were looked at")
    moved = {update.name for look in looks for update in look.updates or () if update.is_moved}
    idle = {p.name for look in evidence.looks for p in look.parameters or () if p.feeds_norm is not None}
    # A gradient of rounding errors moves nothing: what has no effect is not kept from moving.
    largest = max((u.gradient_norm or 0.0 for look in looks for u in look.updates or ()), default=0.0)
    idle |= {u.name for u in looks[-1].updates or () if u.gradient_norm and u.gradient_norm < WITHOUT_EFFECT * largest}
    still = [u for u in looks[-1].updates or () if u.name not in moved and u.name not in idle]
    arrived = {u.name for look in looks for u in look.updates or () if u.gradient_norm != 0}
    return [_still(u.name, u.name not in arrived, moved, looks[-1].step, len(looks)) for u in still]


def _still(name: str, is_zero: bool, moved: set[str], step: int, num_looks: int) -> Finding:
    cause = f"In none of the {num_looks} steps looked at did it change by one bit, though it requires a gradient."
    remedy = "Check that the optimiser holds it, that the loss depends on it, and that the learning rate is not zero."
    layer = name.rpartition(".")[0]
    is_harmless = is_zero and name.endswith("bias") and any(other.rpartition(".")[0] == layer for other in moved)
    if is_zero:
        cause = (
            f"In none of the {num_looks} steps looked at did it change by one bit: its gradient was exactly zero in "
            "each. It is multiplied by zeros, stands before units that are dead or flat, or cancels."
        )
        remedy = "Look at what it is multiplied by on its way to the loss: zeros, dead units, a mask, a rounding."
    if is_harmless:
        cause += " A bias that cancels, as in a difference or before a softmax, is harmless."
        remedy += " Where it cancels, leave it out (bias=False)."
    return Finding(
        "never-moves", "minor" if is_harmless else "major", name, step,
        Measurement("steps that changed it, of those looked at", 0, num_looks), cause, remedy,
        "Humbatova et al. 2020, ICSE, Taxonomy of Real Faults in Deep Learning Systems",
    )  # fmt: skip


def evaluation_mode(evidence: Evidence, level: Level) -> Verdict:
    """The model is in evaluation mode at the last step looked at, so that dropout and batch norm do not train.

    Before training it may be in either; often it is training mode that is not come back to after an evaluation.
    """
    name = "trained-in-eval-mode"
    if evidence.history is not None and evidence.history.is_over and not evidence.history.noisy_modules:
        return NotApplicable("no dropout and no batch norm: the mode makes no difference")
    looks = [look for look in evidence.looks if look.in_training_mode is not None and look.step > 0]
    since = next((n for n, look in enumerate(reversed(looks)) if look.in_training_mode), len(looks))
    if not looks:
        return NotExamined(name, "no step was looked at")
    if since == 0:
        return []
    return [
        Finding(
            name, "major", None, looks[-since].step,
            Measurement("steps in evaluation mode up to the last, of those looked at", since, 0,
                        details={"looks": len(looks)}),
            "The model is in evaluation mode while it trains: dropout does nothing and batch norm keeps its "
            "statistics.",
            "Call model.train() before the loop, and again after each evaluation.",
            "PyTorch documentation, torch.nn.Module.train",
        )
    ]  # fmt: skip


CHECKS = (
    Check("gradients-not-cleared", ("updates",), not_cleared, tests=False),
    Check("never-moves", (), never_moves, tests=False),
    Check("trained-in-eval-mode", ("in_training_mode",), evaluation_mode, tests=False),
)
