"""What a wrong shape tells: transposed, a dimension lost, not summed, summed over the wrong axis."""

import itertools
from collections.abc import Iterator

import numpy as np

from moreish.backprop.comparing.mistakes import Array, Case, Mistake


def find_shape(case: Case) -> Mistake | None:
    """None only where the shapes are equal."""
    if case.mine.shape == case.reference.shape:
        return None
    return (
        _dimension_lost(case)
        or _transposed(case)
        or _not_summed(case)
        or find_wrong_axis(case)
        or _summed_too_far(case)
        or _not_reshaped(case)
        or _by_shape_alone(case)
    )


def _shapes(case: Case) -> str:
    return f"shape {case.mine.shape}, expected {case.reference.shape}"


def _agrees(case: Case, mine: Array) -> bool:
    return Case(case.name, mine, case.reference, case.eps).is_explained_by(case.reference)


def _verdict(case: Case, mine: Array) -> str:
    if _agrees(case, mine):
        return "the numbers are right"
    if _agrees(case, -mine):
        return "the sign is flipped as well"
    return "the numbers are wrong as well"


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _dimension_lost(case: Case) -> Mistake | None:
    if _without_ones(case.mine.shape) != _without_ones(case.reference.shape):
        return None
    if case.mine.size > 1 and not _agrees(case, case.mine.reshape(case.reference.shape)):
        wrong_axis = find_wrong_axis(
            case
        )  # with as many rows as columns the sum over the wrong axis has the right length
        if wrong_axis:
            return wrong_axis
    what = "missing" if case.mine.ndim < case.reference.ndim else "too many"
    if case.mine.ndim == case.reference.ndim:
        what = "in the wrong place"
    return Mistake(
        "dimension lost",
        f"A dimension of size 1 is {what}: {_shapes(case)}; {_verdict(case, case.mine.reshape(case.reference.shape))}.",
        {"shape": case.mine.shape, "expected": case.reference.shape},
        "A sum drops the axis it goes over unless it is told to keep it.",
    )


def _transposed(case: Case) -> Mistake | None:
    if case.mine.ndim != 2 or case.mine.T.shape != case.reference.shape:
        return None
    return Mistake(
        "transposed",
        f"Transposed: {_shapes(case)}; after transposing, {_verdict(case, case.mine.T)}.",
        {"shape": case.mine.shape, "expected": case.reference.shape},
        "Write the shapes of both factors under the product. Only one order gives the shape of what it belongs to.",
    )


def _not_summed(case: Case) -> Mistake | None:
    """Axes of mine whose sum would be the reference."""
    for axes in _axes(case.mine.ndim):
        if np.prod([case.mine.shape[axis] for axis in axes]) == 1:
            continue
        total = case.mine.sum(axes)
        if total.size != case.reference.size:
            continue
        total = total.reshape(case.reference.shape)
        if _agrees(case, total) or _agrees(case, -total):
            sizes = [case.mine.shape[axis] for axis in axes]
            over = " and ".join(f"axis {axis} (size {size})" for axis, size in zip(axes, sizes, strict=True))
            return Mistake(
                "not summed",
                f"Not summed over {over}: {_shapes(case)}; after summing, {_verdict(case, total)}.",
                {"axes": axes, "sizes": sizes, "shape": case.mine.shape},
                f"{case.name} was repeated along an axis in the forward pass (broadcasting). Repeated forwards, "
                "summed backwards.",
            )
    return None


def find_wrong_axis(case: Case) -> Mistake | None:
    """The sum over another axis of what should have been summed."""
    full = _unsummed(case)
    if full is None:
        return None
    for axes in _axes(full.ndim):
        total = full.sum(axes)
        if total.size == case.mine.size and case.is_explained_by(total.reshape(case.mine.shape)):
            return Mistake(
                "summed over the wrong axis",
                f"Summed over axis {', '.join(map(str, axes))} of what has the shape {full.shape}: {_shapes(case)}.",
                {"axes": axes, "shape": case.mine.shape, "expected": case.reference.shape},
                f"Along which axis was {case.name} repeated in the forward pass? That one disappears.",
            )
    return None


def _unsummed(case: Case) -> Array | None:
    return case.context.unsummed(case.name) if case.context else None


def _summed_too_far(case: Case) -> Mistake | None:
    for axes in _axes(case.reference.ndim):
        total = case.reference.sum(axes)
        if total.size == case.mine.size < case.reference.size and case.is_explained_by(total.reshape(case.mine.shape)):
            return Mistake(
                "summed too far",
                f"Summed over axis {', '.join(map(str, axes))}, which should have stayed: {_shapes(case)}.",
                {"axes": axes, "shape": case.mine.shape, "expected": case.reference.shape},
                f"{case.name} was not repeated along that axis, so each of its entries has a gradient of its own.",
            )
    return None


def _not_reshaped(case: Case) -> Mistake | None:
    if case.mine.size != case.reference.size:
        return None
    return Mistake(
        "not reshaped",
        f"As many numbers in another shape: {_shapes(case)}; "
        f"reshaped, {_verdict(case, case.mine.reshape(case.reference.shape))}.",
        {"shape": case.mine.shape, "expected": case.reference.shape},
        f"What reshaped {case.name} on the way forward is undone on the way back.",
    )


def _by_shape_alone(case: Case) -> Mistake:
    """The numbers say nothing; the shape still does."""
    evidence = {"shape": case.mine.shape, "expected": case.reference.shape}
    full = _unsummed(case)
    if full is not None and full.shape == case.mine.shape:
        return Mistake(
            "not summed",
            f"Not summed over what was broadcast: {_shapes(case)}; the numbers are wrong as well.",
            evidence,
            f"{case.name} was repeated along an axis in the forward pass. Repeated forwards, summed backwards.",
        )
    owners = []
    if case.context:
        owners = [name for name, array in case.context.values.items() if array.shape == case.mine.shape][:4]
    like = f" That is the shape of {', '.join(owners)}." if owners else ""
    return Mistake(
        "wrong shape",
        f"The shape is wrong: {_shapes(case)}.{like}",
        evidence,
        "A gradient has the shape of what it belongs to. Write the shapes under every factor of your line.",
    )


def _axes(ndim: int) -> Iterator[tuple[int, ...]]:
    for num_axes in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), num_axes)
