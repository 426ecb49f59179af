"""Derivatives that are wrong in their form: those that people write, known by the function of the forward line."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from moreish.backprop.activations import ACTIVATIONS
from moreish.backprop.comparing.context import Context, Use
from moreish.backprop.comparing.mistakes import Array, Case, Kind, Mistake, largest
from moreish.models.erf import erf

_FORM = "Differentiate the function on paper once more, and write it by what is at hand, its result or its input."


class Prediction(NamedTuple):
    """What the gradient through one use would be after a mistake.

    Attributes:
        kind: of mistake.
        explanation: one sentence.
        gradient: through this use.
        hint: what to look at.
        summands: magnitude of what was summed up, most of which may have cancelled.
    """

    kind: Kind
    explanation: str
    gradient: Array
    hint: str
    summands: float


def wrong_forms(name: str, context: Context, use: Use) -> Iterator[Prediction]:
    """Derivatives that people write: known by the function of the line."""
    operation = use.operation
    above, out = context.gradients[operation.name], context.values[operation.name]
    if operation.name == "h" or operation.name.startswith("h_"):
        for form, derivative in _ACTIVATION_FORMS[context.activation].items():
            yield Prediction(
                "wrong derivative",
                f"The derivative of {context.activation} is wrong: mine is ({form}) · d{operation.name}, with "
                f"x = {name} and h = {operation.name}.",
                derivative(context.values[name], out) * above,
                _FORM,
                0.0,
            )
    if name == "C":
        ids, table = context.values["Xb"], context.values["C"]
        num_uses = np.bincount(ids.reshape(-1), minlength=len(table))[:, None]
        yield Prediction(
            "term with the wrong factor",
            "Averaged over the places where a character occurs; they are to be added.",
            use.term / np.maximum(num_uses, 1),
            "A character that occurs three times has acted on the loss three times.",
            0.0,
        )
    if name == "logprobs":
        yield Prediction(
            "wrong derivative",
            "Every entry has a gradient here; only those of the targets enter the loss.",
            np.full_like(use.term, use.term.min()),
            "Which entries of logprobs does the loss look at?",
            0.0,
        )
    if name == "logits" and operation.name == "norm_logits":
        n = len(out)
        yield Prediction(
            "wrong derivative",
            "1 was subtracted everywhere; it belongs to the target of each row alone.",
            (context.values["probs"] - 1) / n * context.gradients["loss"],
            "For which of the V logits of a row is the answer yes?",
            0.0,
        )


def find_embedding(case: Case) -> Mistake | None:
    """Rows of the table that hold one of their gradients instead of the sum of all."""
    if case.context is None or case.name != "C" or case.mine.shape != case.reference.shape:
        return None
    ids = case.context.values["Xb"].reshape(-1)
    gradients = case.context.gradients["emb"].reshape(len(ids), -1)
    tolerance = max(case.eps**0.6 * largest(case.mine), 32 * case.eps * largest(case.reference))
    repeated = np.flatnonzero(np.bincount(ids) > 1)
    for row in range(len(case.mine)):
        candidates = gradients[ids == row] if (ids == row).any() else np.zeros((1, case.mine.shape[1]))
        if np.abs(candidates - case.mine[row]).max(axis=1).min() > tolerance:
            return None
    return Mistake(
        "overwritten",
        f"Overwritten where it should have been accumulated: each row holds the gradient of one place; "
        f"{len(repeated)} characters occur more than once.",
        {"num_repeated_rows": len(repeated), "first_row": int(repeated[0]) if len(repeated) else None},
        "A character that stands in several contexts receives a gradient from each. What does an assignment to an "
        "index do when the index comes twice?",
    )


_Derivative = Callable[[Array, Array], Any]
_DENSITY = 1 / np.sqrt(2 * np.pi)

_ACTIVATION_FORMS: dict[str, dict[str, _Derivative]] = {
    "tanh": {
        "1 − x²": lambda x, h: 1 - x**2,
        "1 − h": lambda x, h: 1 - h,
        "1 + h²": lambda x, h: 1 + h**2,
        "h·(1 − h)": lambda x, h: h * (1 - h),
        "(1 − h)²": lambda x, h: (1 - h) ** 2,
        "1 − tanh(h)²": lambda x, h: 1 - np.tanh(h) ** 2,
        "1 − |h|": lambda x, h: 1 - np.abs(h),
        "h²": lambda x, h: h**2,
    },
    "relu": {
        "h": lambda x, h: h,
        "x < 0": lambda x, h: (x < 0).astype(x.dtype),
        "sign(x)": lambda x, h: np.sign(x),
        "1 − h²": lambda x, h: 1 - h**2,
    },
    "gelu": {
        "Φ(x)": lambda x, h: 0.5 * (1 + erf(x * np.sqrt(0.5))),
        "x·φ(x)": lambda x, h: x * _DENSITY * np.exp(-0.5 * x * x),
        "Φ(x) + φ(x)": lambda x, h: 0.5 * (1 + erf(x * np.sqrt(0.5))) + _DENSITY * np.exp(-0.5 * x * x),
        "x > 0": lambda x, h: (x > 0).astype(x.dtype),
        "1 − h²": lambda x, h: 1 - h**2,
        "the derivative of the approximation by tanh": lambda x, h: _derivative("gelu_tanh", x),
    },
    "gelu_tanh": {
        "½·(1 + t)": lambda x, h: 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        "x > 0": lambda x, h: (x > 0).astype(x.dtype),
        "1 − h²": lambda x, h: 1 - h**2,
        "the derivative of the exact GELU": lambda x, h: _derivative("gelu", x),
    },
}


def _derivative(activation: str, x: Array) -> Array:
    pair = ACTIVATIONS[activation]
    return np.asarray(pair.backward(np.ones_like(x), pair.forward(x)[1]), np.float64)
