"""Gradients that are sums: one term of several is missing, overwritten, has the wrong sign or the wrong factor."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from moreish.backprop.comparing.context import Context
from moreish.backprop.comparing.factors import fitted_factor, named_factors
from moreish.backprop.comparing.mistakes import Array, Case, Kind, Mistake, largest, number


class Decomposition(NamedTuple):
    """A way to write the reference as a sum.

    Attributes:
        terms: in the order in which a backward pass adds them.
        is_accumulated: whether each is the gradient from another use of the value, not a part of one expression.
    """

    terms: Mapping[str, Array]
    is_accumulated: bool


def find_terms(case: Case) -> Mistake | None:
    """One term that is not as it should be, all others being right."""
    found = list(decompositions(case))
    for look in (_overwritten, _one_term):
        for decomposition in found:
            mistake = look(case, decomposition)
            if mistake:
                return mistake
    return None


def decompositions(case: Case) -> Iterator[Decomposition]:
    """The sums that are known: those handed in, those of the fused expressions, those of the chain's uses."""
    if case.terms is not None:
        yield Decomposition(case.terms, is_accumulated=False)
    if case.context is None:
        return
    fused = fused_terms(case.context, case.name)
    if fused:
        yield Decomposition(fused, is_accumulated=False)
    uses = case.context.uses(case.name)
    if len(uses) > 1:
        terms = {f"the one through {use.operation.name}": use.term for use in uses}
        yield Decomposition(terms, is_accumulated=True)


def fused_terms(context: Context, name: str) -> dict[str, Array]:
    """The terms of the fused expression of a gradient: softmax with cross-entropy, batch norm, layer norm."""
    values, gradients = context.values, context.gradients
    if name == "logits":
        n, V = values["logits"].shape
        loss = gradients["loss"] / n
        return {"softmax / n": values["probs"] * loss, "−onehot / n": -np.eye(V)[values["Yb"]] * loss}
    if not name.startswith("hprebn"):
        return {}
    s = name.removeprefix("hprebn")
    bn = "bn" if f"bnraw{s}" in values else "ln"
    xhat, rstd, dxhat = values[f"{bn}raw{s}"], values[f"{bn}var_inv{s}"], gradients[f"{bn}raw{s}"]
    axes = tuple(range(xhat.ndim - 1)) if bn == "bn" else -1
    n = xhat.size // xhat.shape[-1] if bn == "bn" else xhat.shape[-1]
    squares = values[f"{bn}diff2{s}"].sum(axes, keepdims=True)
    divisor = np.where(values[f"{bn}var{s}"] > 0, squares / np.maximum(values[f"{bn}var{s}"], 1e-300), n)
    factor, over, inside = "gamma·rstd", "sum(dout)", "sum(dout·xhat)"
    if bn == "ln":  # gamma differs along the axis of the sums, so it stays inside them
        factor, over, inside = "rstd", "sum(gamma·dout)", "sum(gamma·dout·xhat)"
    return {
        f"the direct term {factor}·dout": rstd * dxhat,
        f"the mean term −{factor}/n·{over}": -rstd * dxhat.sum(axes, keepdims=True) / n * np.ones_like(xhat),
        f"the variance term −{factor}/n·c·xhat·{inside}": -rstd
        / divisor
        * xhat
        * (dxhat * xhat).sum(axes, keepdims=True),
    }


def _overwritten(case: Case, decomposition: Decomposition) -> Mistake | None:
    """Only what was added last is there."""
    if not decomposition.is_accumulated:
        return None
    last, term = list(decomposition.terms.items())[-1]
    if not case.is_explained_by(term) or not _matters(case, case.reference - term):
        return None
    num_uses = len(decomposition.terms)
    return Mistake(
        "overwritten",
        f"Overwritten where it should have been accumulated: {case.name} is used {num_uses} times, and mine is {last} "
        "alone, the last that the backward pass meets.",
        {"only": last, "share": _share(case, term), "num_uses": num_uses},
        f"{case.name} stands in {num_uses} lines of the forward pass. What happens to the first gradient when the "
        "second arrives?",
    )


def _one_term(case: Case, decomposition: Decomposition) -> Mistake | None:
    for name, term in decomposition.terms.items():
        rest = case.reference - term
        if not _matters(case, term):
            continue
        if case.is_explained_by(rest):
            return _mistake(case, decomposition, "term missing", name, term, 0.0)
        factor = fitted_factor(case.mine - rest, term)
        if factor is None or not case.is_explained_by(rest + factor * term):
            continue
        names = named_factors(factor, case)
        if names == ["−1"]:
            return _mistake(case, decomposition, "term with the wrong sign", name, term, factor)
        if names:
            return _mistake(case, decomposition, "term with the wrong factor", name, term, factor, names)
    return None


def _mistake(
    case: Case,
    decomposition: Decomposition,
    kind: Kind,
    name: str,
    term: Array,
    factor: float,
    names: list[str] | None = None,
) -> Mistake:
    evidence = {"term": name, "share": _share(case, term), "factor": factor} | ({"is": names} if names else {})
    num_terms = len(decomposition.terms)
    said = {
        "term missing": f"One of {num_terms} terms is missing: {name}",
        "term with the wrong sign": f"One of {num_terms} terms has the wrong sign: {name}",
        "term with the wrong factor": f"One of {num_terms} terms is off by the factor {number(factor)}"
        f"{f', that is {names[0]}' if names else ''}: {name}",
    }[kind]
    where = (
        f"In which lines of the forward pass does {case.name} stand? Each sends a gradient back."
        if decomposition.is_accumulated
        else f"In how many ways does {case.name} act on the loss? Each gives a term."
    )
    if kind != "term missing":
        where += " All of mine are there; check the signs and constants of each."
    return Mistake(kind, f"{said} ({evidence['share']:.0%} of the largest entry).", evidence, where)


def _matters(case: Case, term: Array) -> bool:
    """A term that is lost in rounding cannot be missed."""
    return largest(term) > 32 * case.eps * largest(case.reference)


def _share(case: Case, term: Array) -> float:
    scale = largest(case.reference)
    return largest(term) / scale if scale else float("inf")
