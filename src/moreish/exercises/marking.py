"""Marks the answers of a file: each gradient through the comparer, and on its own, whatever went wrong above it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from moreish.backprop.chain import mlp_chain
from moreish.backprop.comparing.comparison import Comparison, compare
from moreish.backprop.comparing.context import Context, run
from moreish.errors import InputError

Status = Literal["right", "follows", "wrong", "missing"]
Values = Mapping[str, Any]

_HINT_TRAINED = (
    "A weight's gradient is a product: of what comes in from below and of what comes back from above. Which of them "
    "are zero in each layer, and can that ever change?"
)
_HINT_LOSS = (
    "When nothing but what you found above can learn, what do the predictions come to? How much surprise is left in "
    "the targets then?"
)
_HINT_CONTEXT = "Look at h2, for several examples. Which way could the context take to reach the logits?"
_PARAMETERS = ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")


@dataclass(frozen=True)
class Mark:
    """The mark of one answer.

    Attributes:
        name: of the answer.
        status: "right"; "wrong"; "missing"; or "follows": the line is right, but made from something above that is
            wrong, or from what is so wrong that the line cannot be judged.
        mistake: what kind of mistake it is, or why it cannot be judged; "" where there is none.
        hint: what to look at; it does not give the solution away.
    """

    name: str
    status: Status
    mistake: str = ""
    hint: str = ""


def mark_chain(values: Values, names: tuple[str, ...]) -> Iterator[Mark]:
    """Gradients of the whole chain, each given those that the learner has above it."""
    context = _network(values)
    for name in ("h", "bndiff", "probs"):
        _check_forward(values, context, name)
    mine: dict[str, Any] = {}
    unusable: set[str] = set()  # of a wrong shape or not finite: nothing can be worked out from it
    for name in names:
        bare = name[1:]
        unmarkable = _unmarkable(name, values)
        if unmarkable:
            yield unmarkable
            continue
        own = replace(context, gradients={**context.gradients, **mine})
        comparison = compare(name, values[name], sum(use.term for use in own.uses(bare)), context=own)
        mark = _mark(comparison, is_right_from_start=_is_right(name, values[name], context))
        above = [use.operation.name for use in own.uses(bare) if use.operation.name in unusable]
        yield Mark(name, "follows", f"not judged before d{above[0]} is") if above and mark.status == "wrong" else mark
        got = np.asarray(values[name], np.float64)
        if got.shape == context.gradients[bare].shape and np.isfinite(got).all():
            mine[bare] = got
        else:
            unusable.add(bare)


def mark_fused(values: Values, names: tuple[str, ...]) -> Iterator[Mark]:
    """dlogits and dhprebn, each from what is given."""
    context = _network(values)
    for name in names:
        yield _unmarkable(name, values) or _mark(
            compare(name, values[name], context.gradients[name[1:]], context=context)
        )


def mark_folding(values: Values, names: tuple[str, ...]) -> Iterator[Mark]:
    """Folded weights and biases, and whether the network without batch norm gives the same outputs."""
    for layer in ("1", "2"):
        W, b, gamma, beta, mean, var = (
            _needed(values, f"{name}{layer}") for name in ("W", "b", "gamma", "beta", "mean", "var")
        )
        scale = gamma / np.sqrt(var + _needed(values, "epsilon"))
        right = {f"W{layer}_folded": (W * scale, None), f"b{layer}_folded": ((b - mean) * scale + beta, b * scale)}
        for name, (reference, bias) in right.items():
            unmarkable = _unmarkable(name, values)
            if unmarkable:
                yield unmarkable
                continue
            terms = None if bias is None else {"the bias": bias, "the mean": -mean * scale, "beta": beta}
            yield _mark_folded(compare(name, values[name], reference, terms=terms))
    yield _mark_outputs(values, names)


def _mark_folded(comparison: Comparison) -> Mark:
    mark = _mark(comparison)
    if mark.status != "wrong":
        return mark
    letter = comparison.name[0]
    hint = (
        "Batch norm multiplies each output of the layer with one number. Which entries of W make that output?"
        if letter == "W"
        else "Batch norm moves each output twice: before it is scaled and after. Where does the old bias go?"
    )
    return replace(mark, hint=hint)


def _mark_outputs(values: Values, names: tuple[str, ...]) -> Mark:
    """The network is carried out without batch norm, on inputs of its own."""
    if any(_unmarkable(name, values) for name in names):
        return Mark("outputs agree", "missing")
    folded = {name: np.asarray(values[name], np.float64) for name in names}
    x = y = np.random.default_rng(0).normal(size=(200, len(_needed(values, "W1"))))
    try:
        for layer in ("1", "2"):
            W, b, gamma, beta, mean, var = (
                _needed(values, f"{name}{layer}") for name in ("W", "b", "gamma", "beta", "mean", "var")
            )
            x = np.tanh(gamma * (x @ W + b - mean) / np.sqrt(var + _needed(values, "epsilon")) + beta)
            y = np.tanh(y @ folded[f"W{layer}_folded"] + folded[f"b{layer}_folded"])
        difference = float(np.abs((x - y) @ _needed(values, "W3")).max())
    except ValueError:
        return Mark("outputs agree", "wrong", "wrong shape", "The folded layer takes the place of the old one.")
    if difference <= 1e-5:  # single precision
        return Mark("outputs agree", "right")
    return Mark(
        "outputs agree", "wrong", f"they differ by up to {difference:.2g}", "They will, once the above is right."
    )


def mark_zero_init(values: Values, names: tuple[str, ...]) -> Iterator[Mark]:
    """Answers about the network that was initialised with zeros."""
    targets = _needed(values, "Y").astype(np.int64)
    counts = np.bincount(targets)[np.unique(targets)]
    shares = counts / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    for name in names:
        value = values.get(name)
        if value is None:
            yield Mark(name, "missing")
        elif name in ("trained_at_step_0", "trained_ever"):
            yield _mark_names(name, value)
        elif name == "final_loss":
            is_right = _is_number(value) and abs(float(value) - entropy) < 1e-3
            yield Mark(name, "right") if is_right else Mark(name, "wrong", "not that number", _HINT_LOSS)
        else:
            is_right = _is_number(value) and value.dtype.kind == "b" and not value
            yield Mark(name, "right") if is_right else Mark(name, "wrong", "not so", _HINT_CONTEXT)


def _is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.shape == ()


def _mark_names(name: str, value: Any) -> Mark:
    if not isinstance(value, list):
        return Mark(name, "wrong", "not a set of names", 'Write it as {"C", "W1"}.')
    parameters = {"C", "W1", "b1", "W2", "b2", "W3", "b3"}
    got, right = set(value), {"b3"}
    if got == right:
        return Mark(name, "right")
    if got - parameters:
        return Mark(name, "wrong", f"there is no parameter {min(got - parameters)}", "The names are those of the file.")
    too_many, too_few = len(got - right), len(right - got)
    mistake = f"{too_many} too many" if too_many else ""
    mistake += (", " if too_many and too_few else "") + (f"{too_few} missing" if too_few else "")
    return Mark(name, "wrong", mistake, _HINT_TRAINED)


def _unmarkable(name: str, values: Values) -> Mark | None:
    """The mark of what is no array of numbers."""
    value = values.get(name)
    if value is None:
        return Mark(name, "missing")
    if not isinstance(value, np.ndarray):
        kind = value["type"] if isinstance(value, dict) else "collection of names"
        return Mark(name, "wrong", f"a {kind}, not a tensor", "A gradient is a tensor, in the shape of what it is of.")
    return None


def _mark(comparison: Comparison, is_right_from_start: bool = True) -> Mark:
    if comparison.mistake is None:
        return Mark(comparison.name, "right" if is_right_from_start else "follows")
    return Mark(comparison.name, "wrong", comparison.mistake.name, comparison.mistake.hint)


def _is_right(name: str, value: Any, context: Context) -> bool:
    return compare(name, value, context.gradients[name[1:]], context=context).mistake is None


def _network(values: Values) -> Context:
    leaves = {name: _needed(values, name) for name in _PARAMETERS}
    try:
        return run(mlp_chain(), leaves, _needed(values, "Xb").astype(int), _needed(values, "Yb").astype(int), "tanh")
    except (ValueError, IndexError) as error:
        raise InputError(
            f"The parameters in the file no longer fit together ({error}). Start the exercise anew in another folder."
        ) from error


def _check_forward(values: Values, context: Context, name: str) -> None:
    """A value of the forward pass that was overwritten makes right lines wrong."""
    mine, right = _needed(values, name), context.values[name]
    if mine.shape != right.shape or np.abs(mine - right).max() > 1e-3 * np.abs(right).max():
        raise InputError(
            f"{name} is no longer what the forward pass makes. Give back its line, and use other names "
            "for your own values."
        )


def _needed(values: Values, name: str) -> Any:
    """A value that the template made."""
    value = values.get(name)
    if not isinstance(value, np.ndarray):
        raise InputError(
            f"{name} is missing: the upper part of the file was changed. Start the exercise anew in another folder, "
            "and copy your lines."
        )
    return value.astype(np.float64)
