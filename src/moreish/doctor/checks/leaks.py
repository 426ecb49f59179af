"""What must not depend on what (the future, other examples, the label itself), and inputs that never arrive."""

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.checks.wiring import mixing_loss, trained_offset
from moreish.doctor.evidence import Coupling, Data, Evidence, Look
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level

_COPIES = 0.999
"""Share of labels equal to an input from which they are a copy of it, not similar to it."""
_NO_OFFSETS = (
    "labels and inputs are not symbols of one kind, or a target trains outputs at several places, or none that loss_fn "
    "shows"
)


_MAX_COLUMNS = 8


def _couplings(evidence: Evidence) -> list[tuple[Look, Coupling]]:
    return [(look, look.coupling) for look in evidence.looks if look.coupling is not None]


def future_leak(evidence: Evidence, level: Level) -> Verdict:
    """An output depends on inputs that come after it, while it is trained on the next input."""
    found = []
    for look, coupling in _couplings(evidence):
        is_next_symbol = coupling.is_next_symbol
        if trained_offset(evidence) != 0 and evidence.data is not None:
            is_next_symbol = _label_offsets(evidence).get(1, 0.0) >= _COPIES
        if coupling.num_positions < 2 or coupling.num_positions != coupling.context or not is_next_symbol:
            return NotApplicable("the targets are not the next symbol at every position")
        if coupling.earlier > 0:
            found.append(
                Finding(
                    "future-leak", "critical", None, look.step,
                    Measurement("change of outputs before an input that was exchanged, relative to the outputs",
                                coupling.earlier, 0.0, details={"position": coupling.earlier_position}),
                    f"Exchanging the input at position {coupling.earlier_position} changed outputs before it. The "
                    "model "
                    "reads the answer off its input: the loss in training says nothing about generating.",
                    "Mask attention to positions up to its own (is_causal=True, or tril before softmax); make "
                    "convolutions causal by padding on the left only; no bidirectional recurrence.",
                    "Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3; van den Oord et al. 2016, "
                    "arXiv:1609.03499, 2.1",
                )
            )  # fmt: skip
    return found


def examples_mixed(evidence: Evidence, level: Level) -> Verdict:
    """An example's output depends on another example of the batch, in evaluation mode; or its loss does."""
    couplings, found = _couplings(evidence), mixing_loss(evidence)
    if found:
        return found
    if not couplings:
        return NotExamined("examples-mixed", evidence.missing.get("coupling", "no coupling was recorded"))
    for look, coupling in couplings:
        if coupling.batch_statistics is not None:
            return NotExamined(
                "examples-mixed", f"{coupling.batch_statistics} takes its statistics from the batch in evaluation too"
            )
        if coupling.links is not None:
            return NotApplicable(
                f"the examples are the nodes of one graph ({coupling.links}), which depend on their neighbours"
            )
        if coupling.others > 0:
            found.append(
                Finding(
                    "examples-mixed", "critical", None, look.step,
                    Measurement("share of other examples whose output changed with one", coupling.others, 0.0),
                    "Examples of a batch are mixed: exchanging one changes the outputs of others. A view or reshape "
                    "takes "
                    "the axes in the wrong order, a softmax or attention runs over the batch, or batch_first is "
                    "missing.",
                    "Use transpose or permute, not view, to exchange axes; give batch_first=True to nn.LSTM, nn.GRU "
                    "and "
                    "nn.MultiheadAttention when the batch is the first axis.",
                    "Karpathy 2019, A Recipe for Training Neural Networks, 'use backprop to chart dependencies'",
                )
            )  # fmt: skip
    return found


def output_ignores_input(evidence: Evidence, level: Level) -> Verdict:
    """Exchanging a whole example changes nothing at all."""
    return [
        Finding(
            "output-ignores-input", "critical", None, look.step,
            Measurement("outputs that changed when an example was exchanged", 0.0, 1.0),
            "The output does not depend on the input at all, also after some trial steps.",
            "Check that forward uses its input, that no multiplication by zero or constant replaces it, and that "
            "weights "
            "are not all zero.",
            "Karpathy 2019, A Recipe for Training Neural Networks, 'input-independent baseline'",
        )
        for look, coupling in _couplings(evidence)
        if not coupling.own and coupling.others == 0 and not any(coupling.reaching)
    ]  # fmt: skip


def context_unused(evidence: Evidence, level: Level) -> Verdict:
    """Positions of the input, or whole inputs, that no output depends on."""
    found = []
    for look, coupling in _couplings(evidence):
        if coupling.deaf_inputs:
            found.append(
                Finding(
                    "context-unused", "major", None, look.step,
                    Measurement("inputs that reach no output", len(coupling.deaf_inputs), 0,
                                details={"inputs": list(coupling.deaf_inputs)}),
                    f"Of the inputs, {_listed(coupling.deaf_inputs)} no output: whatever stands there, the outputs are "
                    "the same.",
                    "Look where forward drops it, or takes another in its place; leave it out if it is not meant to be "
                    "used.",
                    "Karpathy 2019, A Recipe for Training Neural Networks, 'use backprop to chart dependencies'",
                )
            )  # fmt: skip
            continue
        if coupling.context < 2:
            return NotApplicable("the inputs have no positions")
        deaf = [p for p, reaches in zip(coupling.positions, coupling.reaching, strict=True) if not reaches]
        if deaf and len(deaf) < len(coupling.positions):
            found.append(
                Finding(
                    "context-unused", "major", None, look.step,
                    Measurement("positions of the input that reach no output", len(deaf), 0,
                                details={"positions": deaf, "tried": list(coupling.positions)}),
                    f"The input at position{'s' if len(deaf) > 1 else ''} {', '.join(map(str, deaf))} reaches no "
                    "output: "
                    "the model sees less context than it is given.",
                    "Look where positions are dropped: an index such as x[:, -1], a slice, a receptive field or window "
                    "that is shorter than the context.",
                    "Karpathy 2019, A Recipe for Training Neural Networks, 'use backprop to chart dependencies'",
                )
            )  # fmt: skip
    return found


def _listed(names: tuple[str, ...]) -> str:
    """Names with their verb: "a reaches", "a, b and c reach"."""
    *front, last = names
    return f"{', '.join(front)} and {last} reach" if front else f"{last} reaches"


def dropout_in_evaluation(evidence: Evidence, level: Level) -> Verdict:
    """Two passes over the same inputs in evaluation mode differ."""
    if any(coupling.is_sampled for _, coupling in _couplings(evidence)):
        return NotExamined("dropout-in-evaluation", "outputs are random by draws from a normal distribution, which "
                           "variational networks and flows make on purpose, in evaluation too")  # fmt: skip
    return [
        Finding(
            "dropout-in-evaluation", "major", None, look.step,
            Measurement("different outputs of two passes in evaluation mode", 1.0, 0.0),
            "In evaluation mode the output is still random: dropout that does not follow the mode.",
            "Use nn.Dropout, or F.dropout(x, p, training=self.training).",
            "Srivastava et al. 2014, JMLR 15, section 4 (at test time no unit is dropped)",
        )
        for look, coupling in _couplings(evidence)
        if not coupling.repeats
    ]  # fmt: skip


def _label_offsets(evidence: Evidence) -> dict[int, float]:
    """Share of labels equal to the input so many places after the output that they train, by offset; {} if unknown."""
    moved = trained_offset(evidence)
    if evidence.data is None or moved is None:
        return {}
    return {int(offset) - moved: share for offset, share in evidence.data.label_offset.items()}


def _how(evidence: Evidence) -> str:
    """What the loss does about places, as the beginning of an explanation."""
    moved = trained_offset(evidence)
    if not moved:
        return ""
    places = f"{abs(moved)} place{'s' if abs(moved) > 1 else ''}"
    return f"loss_fn compares each output with the target {places} {'earlier' if moved > 0 else 'later'}. "


def _slices(evidence: Evidence) -> str:
    if not trained_offset(evidence):
        return ""
    return "Compare logits[:, :-1] with inputs[:, 1:], or logits with targets that were moved already as they are. "


def label_in_input(evidence: Evidence, level: Level) -> Verdict:
    """Every label is a copy of an input symbol that the model sees at that point, or stands in columns of numbers."""
    data, offsets = evidence.data, _label_offsets(evidence)
    assert data is not None
    if data.label_columns:
        return [_label_in_columns(data)]
    if not offsets:
        if data.num_columns:
            return []
        return NotApplicable(_NO_OFFSETS)
    copied = [offset for offset, share in offsets.items() if offset <= 0 and share >= _COPIES]
    if not copied or data.num_examples * data.num_symbols < 32:
        return []
    return [
        Finding(
            "label-in-input", "critical", None, 0,
            Measurement("share of labels that equal the input so many places before", offsets[copied[0]],
                        1 / max(data.num_symbols, 1), details={"offset": copied[0]}),
            f"{_how(evidence)}The label is one of the symbols that the model sees: it learns to copy. "
            "Targets have to be the symbols that follow.",
            f"{_slices(evidence)}Predict the next symbol: inputs text[i : i + T], targets text[i + 1 : i + T + 1].",
            "Karpathy 2019, A Recipe for Training Neural Networks, 'verify the data just before the net'",
        )
    ]  # fmt: skip


def _label_in_columns(data: Data) -> Finding:
    columns, is_one = data.label_columns, len(data.label_columns) == 1
    shown = ", ".join(columns[:_MAX_COLUMNS]) + (f" and {len(columns) - _MAX_COLUMNS} more"
                                                 if columns[_MAX_COLUMNS:] else "")  # fmt: skip
    return Finding(
        "label-in-input", "critical", None, 0,
        Measurement("columns of the inputs that give the label away", len(columns), 0,
                    num_examples=data.num_examples, details={"columns": list(columns)}),
        f"Input column{'' if is_one else 's'} {shown} {'is' if is_one else 'are'} {data.label_relation} the label in "
        "every example: the model learns to copy, and has nothing to copy from when it is used.",
        "Leave out of the inputs what is known only together with the label.",
        "Kapoor & Narayanan 2023, Patterns 4(9), Leakage and the reproducibility crisis, L2 (illegitimate features)",
    )  # fmt: skip


def label_shifted(evidence: Evidence, level: Level) -> Verdict:
    """Every label is the symbol after the next, or a later one."""
    offsets = _label_offsets(evidence)
    if not offsets:
        return NotApplicable(_NO_OFFSETS)
    late = [offset for offset, share in offsets.items() if offset > 1 and share >= _COPIES]
    if not late or offsets.get(1, 0.0) >= _COPIES:
        return []
    return [
        Finding(
            "label-shifted", "major", None, 0,
            Measurement("places between an input and the symbol that is its label", late[0], 1),
            f"{_how(evidence)}The label is the symbol {late[0]} places ahead, not the next one: something "
            "harder than meant is learned.",
            f"{_slices(evidence)}Take targets text[i + 1 : i + T + 1] for inputs text[i : i + T].",
            "Karpathy 2019, A Recipe for Training Neural Networks, 'verify the data just before the net'",
        )
    ]  # fmt: skip


CHECKS = (
    Check("future-leak", ("coupling",), future_leak, tests=False),
    Check("examples-mixed", (), examples_mixed, tests=False),
    Check("output-ignores-input", ("coupling",), output_ignores_input, tests=False),
    Check("context-unused", ("coupling",), context_unused, tests=False),
    Check("dropout-in-evaluation", ("coupling",), dropout_in_evaluation, tests=False),
    Check("label-in-input", ("data",), label_in_input, tests=False),
    Check("label-shifted", ("data",), label_shifted, tests=False),
)
