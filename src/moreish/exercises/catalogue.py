"""Which exercises there are."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moreish.exercises.marking import Mark, mark_chain, mark_folding, mark_fused, mark_zero_init
from moreish.exercises.solutions import SOLUTIONS

_NETWORK = ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias", "Xb", "Yb")
_LAYER = ("W", "b", "gamma", "beta", "mean", "var")


@dataclass(frozen=True)
class Exercise:
    """An exercise.

    Attributes:
        name: what it is called on the command line.
        question: in one line.
        template: name of the file that is handed out.
        given: names of the file that marking needs besides the answers.
        mark: (values by name, names of the answers) → marks.
    """

    name: str
    question: str
    template: str
    given: tuple[str, ...]
    mark: Callable[[Mapping[str, Any], tuple[str, ...]], Iterator[Mark]] = field(repr=False)

    @property
    def answers(self) -> tuple[str, ...]:
        """Names that the learner fills in, in their order."""
        return tuple(SOLUTIONS[self.name])


EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for exercise in (
        Exercise(
            "backprop",
            "Every gradient of the lecture's network, one operation at a time",
            "backprop.py",
            (*_NETWORK, "h", "bndiff", "probs"),
            mark_chain,
        ),
        Exercise(
            "fused",
            "Softmax with cross-entropy, and batch norm, as one expression each",
            "fused.py",
            _NETWORK,
            mark_fused,
        ),
        Exercise(
            "zero-init",
            "All weights and biases zero: what trains, and why?",
            "zero_init.py",
            ("Y",),
            mark_zero_init,
        ),
        Exercise(
            "folding",
            "Fold batch norm into the linear layer before it",
            "folding.py",
            (*(f"{name}{layer}" for layer in (1, 2) for name in _LAYER), "W3", "epsilon"),
            mark_folding,
        ),
    )
}
