"""A line of the backward pass with one array where another belongs, or with none.

Every use of the value is carried back again with each argument of the derivative replaced by every array of the network
that has the same shape. So "1 − hpreact² instead of 1 − h²" and "used probs where dlogits belongs" need no list of
their own; only derivatives that are wrong in their form do (`forms`).
"""

from collections.abc import Callable, Iterator

import numpy as np

from moreish.backprop.comparing.context import Context, Use
from moreish.backprop.comparing.forms import Prediction, wrong_forms
from moreish.backprop.comparing.mistakes import Array, Case, Mistake, largest

_UPSTREAM = "The chain rule has two factors: the derivative of this line, and the gradient that comes from above."
_LOCAL = "By how much does the forward line's result change when this one number changes? That factor is missing."
_OPERAND = "Write the derivative with letters first, then put in the arrays: which one does each letter stand for?"


def find_omission(case: Case) -> Mistake | None:
    """One of the two factors of the chain rule is missing, or the derivative is of a wrong form."""
    return _first(case, _omissions)


def find_substitution(case: Case) -> Mistake | None:
    """One argument of one derivative replaced by another array."""
    return _first(case, _substitutions)


def _first(case: Case, predictions: Callable[[Case, Context, Use], Iterator[Prediction]]) -> Mistake | None:
    if case.context is None:
        return None
    for use in case.context.uses(case.name):
        rest = case.reference - use.term
        for prediction in predictions(case, case.context, use):
            try:
                gradient = np.broadcast_to(prediction.gradient, use.term.shape)
            except ValueError:
                continue
            if case.is_explained_by(rest + gradient, prediction.summands):
                evidence = {"through": use.operation.name, "largest": largest(gradient)}
                return Mistake(prediction.kind, prediction.explanation, evidence, prediction.hint)
    return None


def find_array(case: Case) -> Mistake | None:
    """Another array of the network altogether."""
    if case.context is None:
        return None
    for name, array in case.context.named_arrays():
        if name == f"d{case.name}" or not case.is_explained_by(np.asarray(array, np.float64)):
            continue
        if name.startswith("d") and name[1:] in case.context.gradients:
            return Mistake(
                "another gradient",
                f"This is {name}, the gradient of {name[1:]}, not of {case.name}.",
                {"is": name},
                f"One step is missing between {name[1:]} and {case.name}, or the name is.",
            )
        return Mistake(
            "value instead of gradient",
            f"This is the value {name} of the forward pass, not a gradient.",
            {"is": name},
            _UPSTREAM,
        )
    return None


def find_leftover(case: Case) -> Mistake | None:
    """The right term times a power of some array of the network: a factor too many, too few, or a wrong exponent."""
    if case.context is None:
        return None
    for use in case.context.uses(case.name):
        rest = case.reference - use.term
        for name, array in case.context.named_arrays():
            if array.size == 1 or not _fits(array, use.term):
                continue
            for power in (-1.0, 1.0, -2.0, 2.0, -0.5, 0.5, -1.5, 1.5, -3.0, 3.0):
                with np.errstate(all="ignore"):
                    factor = np.asarray(array, np.float64) ** power
                    prediction = rest + np.where(use.term == 0, 0, use.term * factor)
                if case.is_explained_by(prediction):
                    return Mistake(
                        "factor left over",
                        f"mine = reference · {name}^{power:g}, element by element: a factor {name} is "
                        f"{'missing' if power < 0 else 'too many'}, or an exponent is wrong.",
                        {"array": name, "power": power, "through": use.operation.name},
                        "Every factor of the derivative once, with its own exponent: which one is not as it should be?",
                    )
    return None


def _fits(factor: Array, term: Array) -> bool:
    """Whether it can be multiplied with the term, axis by axis."""
    return factor.ndim == term.ndim and all(a in (b, 1) for a, b in zip(factor.shape, term.shape, strict=True))


def _omissions(case: Case, context: Context, use: Use) -> Iterator[Prediction]:
    operation = use.operation
    above = context.gradients[operation.name]
    ones = np.ones_like(above)
    yield Prediction(
        "upstream gradient missing",
        f"Not multiplied with d{operation.name}, the gradient from above: this is the derivative of that line alone.",
        context.carry_back(operation, use.position, {0: ones}),
        _UPSTREAM,
        context.magnitude(operation, use.position, {0: ones}),
    )
    passed = above
    if above.shape != use.term.shape and above.ndim == use.term.ndim:
        axes = tuple(axis for axis, size in enumerate(use.term.shape) if size == 1)
        passed = above.sum(axes, keepdims=True)
    yield Prediction(
        "derivative missing",
        f"d{operation.name} was handed on as it is: the derivative of the line that makes {operation.name} is missing.",
        passed,
        _LOCAL,
        float(np.abs(above).sum(0).max(initial=0.0)),
    )
    yield from wrong_forms(case.name, context, use)


def _substitutions(case: Case, context: Context, use: Use) -> Iterator[Prediction]:
    operation = use.operation
    names = [f"d{operation.name}", operation.name, *operation.inputs]
    arrays = [context.gradients[operation.name], *context.arguments(operation)]
    for place, (right, argument) in enumerate(zip(names, arrays, strict=True)):
        if argument.dtype.kind != "f" or argument.ndim == 0:
            continue
        for wrong, array in context.named_arrays():
            if wrong in (right, f"d{case.name}") or array.shape != argument.shape:
                continue
            is_value = place == 0 and not (wrong.startswith("d") and wrong[1:] in context.gradients)
            yield Prediction(
                "value instead of gradient" if is_value else "wrong array",
                f"{wrong} stands where {right} belongs, in what comes back through {operation.name}.",
                context.carry_back(operation, use.position, {place: array}),
                _UPSTREAM if is_value else _OPERAND,
                context.magnitude(operation, use.position, {place: array}),
            )
