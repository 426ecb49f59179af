"""Parameters: those that are not finite, that get no gradient, or that the optimiser does not hold."""

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Evidence, Look, Parameter
from moreish.doctor.finding import Finding, Measurement, NotExamined, Severity
from moreish.doctor.significance import Level

_MAX_SHAPES = 8
_PYTORCH_OPTIM = "PyTorch documentation, torch.optim: constructing it"


_ORIGINS = {
    "parameter": "This parameter held it before the step: the step before was too large.",
    "forward": "This operation made it, with parameters that were finite, in the pass of this step.",
    "backward": "Every operation of the model was finite in this step; the loss, or the derivative of one, was not.",
    "unknown": "It came with the gradient of this step; hand inputs to step, and the operation is named.",
}


def not_finite(evidence: Evidence, level: Level) -> Verdict:
    """The first operation that made NaN or infinity out of finite numbers, or a parameter that holds it."""
    history = evidence.history
    origin = history.not_finite if history else None
    if origin is not None:
        return [_not_finite(origin.name, origin.step, _ORIGINS[origin.where])]
    losses = history.losses if history else ()
    stopped = next((step for step, value in enumerate(losses, 1) if not _is_finite(value)), None)
    for look in evidence.looks:
        if stopped is not None and stopped < look.step:
            break  # whatever is seen there came of it
        for p in look.parameters or ():
            if not p.is_finite:
                return [_not_finite(p.name, look.step, "The parameter itself holds NaN or infinity.")]
        for site in look.sites or ():
            if not site.is_finite:
                if site.has_finite_inputs:
                    how = "made it out of finite numbers"
                elif evidence.data is not None and not evidence.data.are_inputs_finite:
                    how = "got it from the inputs of the model, which hold it"
                else:
                    how = "got it from an operation before"
                return [_not_finite(site.name, look.step, f"This is the first operation seen with it; it {how}.")]
        loss = look.loss
        if loss is not None and not _is_finite(loss.value):
            in_targets = evidence.data is not None and not evidence.data.are_targets_finite
            why = ": the targets hold it" if in_targets else ""
            return [_not_finite(None, look.step, f"Every operation seen is finite, but the loss is not{why}.")]
        spoiled = [p.name for p in look.parameters or () if not _is_finite(p.gradient_rms or 0.0)]
        if spoiled:
            maker = look.graph.spoiled_by if look.graph else None
            made = f": the derivative of {maker} made it out of finite numbers" if maker else ""
            which = f"this parameter and of {len(spoiled) - 1} more" if spoiled[1:] else "this parameter"
            what = f"The loss is finite, but the gradient of {which} is not{made}."
            return [_not_finite(spoiled[0], look.step, what)]
    if stopped is not None:
        return [_not_finite(None, stopped, "The loss stopped being a finite number at this step.")]
    return []


def _not_finite(layer: str | None, step: int, what: str) -> Finding:
    return Finding(
        "not-finite", "critical", layer, step, Measurement("operations or values that are not finite", 1, 0),
        f"NaN or infinity. {what}",
        "Look at what it gets: a logarithm or root of zero, a division by zero, an overflow in half precision, or "
        "steps "
        "that were too large before. torch.autograd.set_detect_anomaly(True) names the line.",
        "PyTorch documentation, torch.autograd.detect_anomaly",
    )  # fmt: skip


def _is_finite(value: float) -> bool:
    return value - value == 0


def no_gradient(evidence: Evidence, level: Level) -> Verdict:
    """Parameters that the loss does not depend on, through several trial steps."""
    found = []
    for look in evidence.looks:
        if look.parameters is None:
            continue
        trained = [p for p in look.parameters if p.requires_grad]
        if not trained:
            return [_gradient_finding("no-gradient", None, look.step, len(look.parameters), "critical")]
        without = [p for p in trained if not p.got_gradient and p.feeds_norm is None]
        for p in without:
            is_harmless = (
                p.is_used
                and p.name.endswith("bias")
                and any(other.layer == p.layer and other.got_gradient for other in trained)
            )
            severity = "critical" if len(without) == len(trained) else "minor" if is_harmless else "major"
            found.append(_gradient_finding("no-gradient", p, look.step, 1, severity))
        found += [_cut_off(name, look.step) for name in _embeddings_cut_off(look, {p.name for p in trained})]
    return found


def _embeddings_cut_off(look: Look, trained: set[str]) -> list[str]:
    """Embeddings whose output gets no gradient, though the weight gets one: it is that of the output layer too."""
    got = {p.name for p in look.parameters or () if p.got_gradient}
    sites = [site for site in look.sites or () if site.kind == "embedding" and not site.gradient]
    return [site.parameter for site in sites if site.parameter in got & trained]


def _cut_off(name: str, step: int) -> Finding:
    return Finding(
        "no-gradient", "major", name, step,
        Measurement("gradients that reach what this embedding hands on", 0, 1),
        "What this embedding hands on gets no gradient, being cut off by detach() or no_grad(): the weight learns "
        "only by its other use, as an output layer.",
        "Take out detach(), .data and torch.no_grad() behind the embedding.",
        "Press & Wolf 2017, arXiv:1608.05859 (one weight for both)",
    )  # fmt: skip


def _gradient_finding(name: str, p: Parameter | None, step: int, count: int, severity: Severity) -> Finding:
    remedy = (
        "Use it in forward, or remove it; take out detach(), .data, .item() and torch.no_grad() on its way to the loss."
    )
    if p is None:
        cause = "No parameter requires a gradient: nothing can be learned."
    elif p.is_used:
        cause = (
            "The loss is computed with it, but its gradient is exactly zero in every trial step: it is multiplied by "
            "zeros, stands before units that are dead or flat, or cancels."
        )
        remedy = "Look at what it is multiplied by on its way to the loss: zeros, dead units, a mask, a rounding."
        if severity == "minor":
            cause += " A bias that cancels, as in a difference or before a softmax, is harmless."
            remedy += " Where it cancels, leave it out (bias=False)."
    else:
        cause = (
            "The loss does not depend on it: it is not used in forward, or cut off by detach(), no_grad() or argmax."
        )
    return Finding(
        name, severity, p.name if p else None, step,
        Measurement("parameters without a gradient in the trial steps", count, 0), cause, remedy,
        "Humbatova et al. 2020, ICSE, Taxonomy of Real Faults in Deep Learning Systems",
    )  # fmt: skip


def not_in_optimizer(evidence: Evidence, level: Level) -> Verdict:
    """What would be trained, if the optimiser knew of it: parameters, and tensors that were never registered."""
    found = _unregistered(evidence)
    for look in evidence.looks:
        held = {p.name: p.in_optimizer for p in look.parameters or () if p.requires_grad and p.in_optimizer is not None}
        held = held or {update.name: update.in_optimizer for update in look.updates or ()}
        missing = [name for name, is_held in held.items() if not is_held]
        if missing and len(missing) == len(held):
            return [_not_held(None, look.step, len(missing))]
        if held:
            return [*found, *(_not_held(name, look.step, 1) for name in missing)]
    why = evidence.missing.get("updates", "") if evidence.history else ""
    return found or NotExamined("not-in-optimizer", why or "it needs the optimizer")


def _unregistered(evidence: Evidence) -> list[Finding]:
    look = next((look for look in evidence.looks if look.graph is not None), None)
    tensors = [item for item in look.graph.unregistered if not item.in_optimizer] if look and look.graph else []
    if look is None or not tensors:
        return []
    shapes = [str(item.shape) for item in tensors[:_MAX_SHAPES]]
    more = f" and {len(tensors) - _MAX_SHAPES} more" if len(tensors) > _MAX_SHAPES else ""
    return [
        Finding(
            "not-in-optimizer", "major", None, look.step,
            Measurement("tensors used in the forward pass that require a gradient and are no parameters of the model",
                        len(tensors), 0, details={"shapes": [list(item.shape) for item in tensors]}),
            f"Used in the forward pass, but not registered: {_counted(len(tensors), 'tensor')} of shape "
            f"{', '.join(shapes)}{more}. model.parameters() does not list them, so no optimiser made from it trains "
            "them, and they are neither saved nor moved with the model. They stand in a plain list or dict, or are "
            "made in forward.",
            "Keep layers in nn.ModuleList or nn.ModuleDict, tensors in nn.Parameter or nn.ParameterList, and make them "
            "in __init__. What is not to be trained gets requires_grad_(False).",
            "PyTorch documentation, torch.nn.ModuleList: modules it contains are properly registered",
        )
    ]  # fmt: skip


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _not_held(name: str | None, step: int, count: int) -> Finding:
    which = "no parameter of the model" if name is None else "not this parameter"
    return Finding(
        "not-in-optimizer", "critical" if name is None else "major", name, step,
        Measurement("parameters that get gradients and are in no group of the optimiser", count, 0),
        f"The optimiser holds {which}: it keeps its initial values. It was made before a layer was added or "
        "replaced, or "
        "from part of the model.",
        "Make the optimiser after the model is complete: Optimizer(model.parameters(), ...), or call "
        "optimizer.add_param_group. Freeze what should stay with requires_grad_(False).",
        _PYTORCH_OPTIM,
    )  # fmt: skip


def idle_bias(evidence: Evidence, level: Level) -> Verdict:
    """A bias whose effect the following batch norm subtracts again."""
    norms = {norm.name for look in evidence.looks for norm in look.norms or ()}
    if not norms and any(look.norms is not None for look in evidence.looks):
        return NotApplicable("there is no batch norm")
    return [
        Finding(
            "bias-before-norm", "minor", p.name, look.step,
            Measurement("effect of this bias on the output in training", 0, 1),
            f"The norm {p.feeds_norm} subtracts the mean of the batch, and the bias with it: it does nothing but cost "
            "time and take noise as a gradient.",
            "Leave it out (bias=False); the norm has a bias of its own.",
            "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2",
        )
        for look in evidence.looks
        for p in look.parameters or ()
        if p.feeds_norm is not None and p.requires_grad
    ]  # fmt: skip


CHECKS = (
    Check("not-finite", ("sites",), not_finite, tests=False),
    Check("no-gradient", ("parameters",), no_gradient, tests=False),
    Check("not-in-optimizer", (), not_in_optimizer, tests=False),
    Check("bias-before-norm", ("parameters",), idle_bias, tests=False),
)
