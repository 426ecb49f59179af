"""What was tried against each finding, and what came of it, as lines of text."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from moreish.doctor.trainings.remedies import Changes

if TYPE_CHECKING:
    from moreish.doctor.trainings.treatment import Attempt, Diagnosis


def attempts_to_text(diagnosis: "Diagnosis", in_words: Callable[[Changes], str]) -> str:
    """The proofs, and what the doctor says of the changed recipe.

    Args:
        in_words: names changes, as they stand in a recipe or as they are typed.
    """
    if not diagnosis.attempts:
        return "There is nothing to be proved."
    lines = ["Proofs: trainings from the same states on the same minibatches, with and without each remedy.", ""]
    for attempt in diagnosis.attempts:
        lines += [attempt.finding.name, *_tried(attempt, in_words), ""]
    if diagnosis.changes:
        remaining = ", ".join(dict.fromkeys(diagnosis.remaining.names))
        finds = f"still finds {remaining}" if remaining else "finds nothing more"
        lines.append(f"With {in_words(diagnosis.changes)} the doctor {finds}.")
    else:
        lines.append("No remedy was shown to help.")
    return "\n".join(lines)


def _tried(attempt: "Attempt", in_words: Callable[[Changes], str]) -> list[str]:
    if not attempt.proofs:
        return ["  not tried: no change of the network or its training is a remedy"]
    lines = []
    for proof in attempt.proofs:
        lines += [
            f"  {in_words(proof.changes)}" + (" (taken)" if proof.changes == attempt.adopted else ""),
            f"      {proof}",
            f"      ({proof.confidence:.2%} interval; {proof.num_seeds} seeds of {proof.num_steps:,} steps)",
        ]
    return lines
