"""Which outputs a loss trains on which targets: those of one example and place, or others by mistake."""

from moreish.doctor.evidence import Evidence, Look, Loss, Wiring
from moreish.doctor.finding import Finding, Measurement

MIN_EXCHANGED = 4
"""Exchanged targets that a verdict rests on."""
OWN = 0.5
"""Share of the change that is in the outputs of the target's own example: a loss that couples examples on purpose
(contrastive, by pairs, a correlation) still changes these the most."""
MOST = 0.5
"""Share of the exchanges that have to tell the same."""
_BROADCASTING = "PyTorch documentation, Broadcasting semantics; the warning of torch.nn.MSELoss about sizes that differ"
_RECIPE = "Karpathy 2019, A Recipe for Training Neural Networks, 'use backprop to chart dependencies'"


def mixing_loss(evidence: Evidence) -> list[Finding]:
    """The findings "examples-mixed" that are the loss's own doing."""
    found = []
    for look in evidence.looks:
        if look.loss is not None and look.loss.formula == "softmax over examples":
            found.append(_over_examples(look, look.loss))
        elif look.wiring is not None and look.wiring.num_exchanged >= MIN_EXCHANGED:
            found += _of_wiring(look, look.wiring)
    return found


def trained_offset(evidence: Evidence) -> int | None:
    """By how many places the output that is trained stands after its target; None where a target trains several, or
    none: what the loss makes of it is not seen then.

    0 where nobody looked, or it could not be told.
    """
    for look in evidence.looks:
        if look.wiring is not None and look.wiring.num_exchanged == 0:
            return None
        if look.wiring is not None and look.wiring.offset is not None:
            return look.wiring.offset
        if look.wiring is not None and look.wiring.at_place < OWN:
            return None
    return 0


def _of_wiring(look: Look, wiring: Wiring) -> list[Finding]:
    if wiring.own < OWN and wiring.is_all_pairs:
        return [_broadcast(look, wiring)]
    # One shift for all may be meant: series whose examples stand in the order of time.
    if wiring.num_elsewhere > MOST * wiring.num_exchanged and len(set(wiring.elsewhere_shifts)) > 1:
        return [_elsewhere(look, wiring)]
    is_scattered = wiring.num_scattered > MOST * wiring.num_exchanged and wiring.at_place < OWN
    return [_scattered(look, wiring)] if is_scattered and wiring.num_places > 2 and wiring.offset is None else []


def _broadcast(look: Look, wiring: Wiring) -> Finding:
    outputs, targets = _shape(wiring.output_shape), _shape(wiring.target_shape)
    inside = " inside loss_fn" if outputs == targets else ""
    return Finding(
        "examples-mixed", "critical", None, look.step,
        Measurement("share of the loss's change that is in the example whose target was exchanged", wiring.own, 1.0,
                    details={"outputs": list(wiring.output_shape), "targets": list(wiring.target_shape)}),
        f"The loss mixes examples: outputs {outputs} beside targets {targets} are broadcast{inside}, and every output "
        "is compared with the targets of all examples. The best that can be learned is the mean target.",
        f"Give both one shape{inside}: outputs.squeeze(-1), or targets.reshape(outputs.shape), so that (n, 1) is not "
        "beside (n,).",
        _BROADCASTING,
    )  # fmt: skip


def _elsewhere(look: Look, wiring: Wiring) -> Finding:
    return Finding(
        "examples-mixed", "critical", None, look.step,
        Measurement("targets that train the outputs of another example", wiring.num_elsewhere, 0,
                    details={"exchanged": wiring.num_exchanged, "examples between": list(wiring.elsewhere_shifts),
                             "outputs": list(wiring.output_shape), "targets": list(wiring.target_shape)}),
        f"The loss mixes examples: with outputs {_shape(wiring.output_shape)} and targets "
        f"{_shape(wiring.target_shape)}, exchanging the target of one example changes the gradient of another's "
        "output, and not of its own. loss_fn flattens them in different orders.",
        "Flatten outputs and targets in the same order, without exchanging axes of one alone; use transpose or "
        "permute, not view or reshape, to exchange axes.",
        _RECIPE,
    )  # fmt: skip


def _scattered(look: Look, wiring: Wiring) -> Finding:
    return Finding(
        "examples-mixed", "critical", None, look.step,
        Measurement("share of the loss's change that is at the place whose target was exchanged", wiring.at_place, 1.0,
                    details={"outputs": list(wiring.output_shape), "targets": list(wiring.target_shape)}),
        f"The loss mixes places: with outputs {_shape(wiring.output_shape)} and targets "
        f"{_shape(wiring.target_shape)}, exchanging the target of one place changes gradients at others: what it takes "
        "for the classes of one place are numbers of several. A view or reshape takes the axes in the wrong order.",
        "F.cross_entropy takes (examples, classes, places); to flatten that, move the classes last first: "
        "outputs.transpose(1, 2).flatten(0, 1). To exchange axes use transpose or permute, not view or reshape.",
        _RECIPE,
    )  # fmt: skip


def _over_examples(look: Look, loss: Loss) -> Finding:
    return Finding(
        "examples-mixed", "critical", None, look.step,
        Measurement("loss_fn(outputs, targets) with a softmax over the examples; its value", loss.value, loss.chance),
        "A softmax runs over the examples of the batch instead of the classes: what an example is told depends on "
        "the others, and all of them together can be assigned to one class.",
        "Give the axis of the classes: softmax(dim=-1), log_softmax(dim=-1) for (examples, classes); and with "
        "F.cross_entropy none at all.",
        "PyTorch documentation, torch.nn.LogSoftmax: dim is the dimension along which it sums to one",
    )  # fmt: skip


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
