"""What a mistake is, and the case that is being looked at: a gradient, the right one, and what is known around them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.comparing.context import Context

Array = NDArray[np.float64]

Kind = Literal[
    "not computed",
    "not finite",
    "dimension lost",
    "transposed",
    "not reshaped",
    "not summed",
    "summed over the wrong axis",
    "summed too far",
    "wrong shape",
    "all zeros",
    "sign flipped",
    "constant factor",
    "term missing",
    "overwritten",
    "term with the wrong sign",
    "term with the wrong factor",
    "upstream gradient missing",
    "derivative missing",
    "wrong derivative",
    "wrong array",
    "value instead of gradient",
    "another gradient",
    "factor left over",
    "rows shuffled",
    "constant added",
    "few digits",
    "partly right",
    "unknown",
]


@dataclass(frozen=True)
class Mistake:
    """The likeliest mistake in a gradient.

    Attributes:
        name: which kind of mistake, one of `Kind`; "unknown" where nothing that is known explains it.
        explanation: what was found, in one sentence.
        evidence: the numbers and names that it rests on.
        hint: what to look at; it does not give the solution away.
    """

    name: Kind
    explanation: str
    evidence: dict[str, Any] = field(default_factory=dict[str, Any])
    hint: str = ""


@dataclass(frozen=True)
class Case:
    """A gradient that is wrong.

    Attributes:
        name: of the value that it belongs to: "hprebn", not "dhprebn".
        mine: the gradient that was handed in.
        reference: the right one.
        eps: rounding of the less precise of the two.
        context: the network around it, where it is known.
        terms: named arrays whose sum is the reference, where they were given.
    """

    name: str
    mine: Array
    reference: Array
    eps: float
    context: Context | None = None
    terms: Mapping[str, Array] | None = None

    def is_explained_by(self, prediction: Array, summands: float = 0.0) -> bool:
        """Whether `mine` is this array, but for rounding.

        The tolerance is eps^0.6 of the largest number (7e-5 in single precision, 4e-10 in double): wide enough for
        rounding that has gone through a whole network, and far below 1/n for any batch that is learned from.

        Args:
            prediction: any shape; another shape than that of `mine` explains nothing.
            summands: magnitude of what was summed up to the prediction, where most of it may have cancelled.
        """
        if prediction.shape != self.mine.shape or not np.isfinite(prediction).all():
            return False
        scale = max(largest(self.mine), largest(prediction))
        floor = 32 * self.eps * max(largest(self.reference), summands)
        return largest(self.mine - prediction) <= max(self.eps**0.6 * scale, floor)


def largest(array: Array) -> float:
    """The largest magnitude in an array; 0 of an empty one."""
    return float(np.abs(array).max(initial=0.0))


def number(value: float) -> str:
    """Four digits, with a minus sign that is one."""
    return f"{value:.4g}".replace("-", "−", 1)
