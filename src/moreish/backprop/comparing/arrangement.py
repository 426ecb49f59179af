"""What can be said of the numbers alone: zeros, order, an offset, how many digits and how many entries are right."""

import numpy as np

from moreish.backprop.comparing.mistakes import Array, Case, Mistake, largest, number


def find_not_finite(case: Case) -> Mistake | None:
    """NaN or infinity, and where first."""
    bad = ~np.isfinite(case.mine)
    if not bad.any():
        return None
    where = tuple(int(index) for index in np.argwhere(bad)[0])
    what = "NaN" if np.isnan(case.mine[where]) else "infinity"
    here = f" Of {case.name} the entry there is fine." if np.isfinite(case.reference).all() else ""
    if not np.isfinite(case.reference).all():
        here = " The reference is not finite either."
    return Mistake(
        "not finite",
        f"{int(bad.sum())} of {bad.size} entries are NaN or infinite, the first, {what}, at {where}.{here}",
        {"first": where, "count": int(bad.sum()), "size": bad.size},
        "NaN is 0/0, ∞ − ∞ or 0 · ∞; infinity is a division by 0, log 0 or exp of something large. Look at what your "
        "line divides by, there.",
    )


def find_zeros(case: Case) -> Mistake | None:
    """Nothing but zeros."""
    if case.mine.any() or not case.reference.any():
        return None
    return Mistake(
        "all zeros",
        f"All {case.mine.size} entries are zero; the largest of the reference is {number(largest(case.reference))}.",
        {"size": case.mine.size, "largest": largest(case.reference)},
        "Was it computed after it was set to zeros?",
    )


def find_transposed(case: Case) -> Mistake | None:
    """A square matrix whose rows are the reference's columns."""
    if case.reference.ndim != 2 or case.mine.shape != case.reference.shape or 1 in case.mine.shape:
        return None
    if not case.is_explained_by(case.reference.T):
        return None
    return Mistake(
        "transposed",
        f"Transposed: row i is the reference's column i; as {case.mine.shape} is square, the shape does not tell.",
        {"shape": case.mine.shape},
        "Write the axes' names under the product, not only their sizes.",
    )


def find_shuffled(case: Case) -> Mistake | None:
    """The same rows, columns or entries in another order."""
    if case.mine.size < 2:
        return None
    for axis in range(case.mine.ndim):
        if case.mine.shape[axis] > 1:
            order = _order(case, axis)
            if order is not None:
                moved = int((order != np.arange(len(order))).sum())
                return Mistake(
                    "rows shuffled",
                    f"The same slices along axis {axis} in another order: {moved} of {len(order)} are not in their "
                    f"place; what should be first is at {int(np.argmax(order == 0))}.",
                    {"axis": axis, "num_moved": moved},
                    "The examples of the batch have to be in the same order forwards and backwards.",
                )
    mine, reference = np.sort(case.mine, axis=None), np.sort(case.reference, axis=None)
    if not Case(case.name, mine, reference, case.eps).is_explained_by(reference):
        return None
    return Mistake(
        "rows shuffled",
        "The same numbers in another order.",
        {"axis": None, "num_moved": case.mine.size},
        "Was it reshaped along other axes than on the way forward?",
    )


def _order(case: Case, axis: int) -> np.ndarray[tuple[int], np.dtype[np.intp]] | None:
    """Which slice of the reference each of mine is, all of them being different; else None."""
    mine = np.moveaxis(case.mine, axis, 0).reshape(case.mine.shape[axis], -1)
    reference = np.moveaxis(case.reference, axis, 0).reshape(mine.shape)
    if mine.shape[1] == 1 and mine.shape[0] < 3:
        return None
    distances = np.stack([np.abs(reference - row).max(axis=1) for row in mine])
    order = distances.argmin(axis=1)
    if len(np.unique(order)) < len(order):  # equal slices, such as zeros: match them in their order
        keys = [np.lexsort(np.round(rows / (largest(reference) or 1), 3).T) for rows in (mine, reference)]
        order = np.empty(len(mine), dtype=np.intp)
        order[keys[0]] = keys[1]
    moved = np.moveaxis(reference[order].reshape(np.moveaxis(case.reference, axis, 0).shape), 0, axis)
    return order if case.is_explained_by(moved) else None


def find_offset(case: Case) -> Mistake | None:
    """The reference plus one number."""
    offset = float((case.mine - case.reference).mean())
    if case.mine.size < 3 or not case.is_explained_by(case.reference + offset) or not offset:
        return None
    return Mistake(
        "constant added",
        f"mine = reference + {number(offset)}, everywhere.",
        {"offset": offset},
        "A constant in the forward pass has no derivative.",
    )


def find_slices(case: Case) -> Mistake | None:
    """Each slice along an axis has a factor of its own."""
    for axis in range(case.mine.ndim):
        others = tuple(other for other in range(case.mine.ndim) if other != axis)
        if case.mine.shape[axis] < 2 or case.mine.size == case.mine.shape[axis]:
            continue
        squares = (case.reference**2).sum(others, keepdims=True)
        factors = (case.mine * case.reference).sum(others, keepdims=True) / np.where(squares > 0, squares, 1)
        if case.is_explained_by(factors * case.reference):
            lowest, highest = float(factors.min()), float(factors.max())
            return Mistake(
                "factor left over",
                f"Each slice along axis {axis} is off by a factor of its own, between {number(lowest)} and "
                f"{number(highest)}.",
                {"axis": axis, "lowest": lowest, "highest": highest},
                f"Something that has one value for each slice along axis {axis} is missing or there twice.",
            )
    return None


def find_digits(case: Case) -> Mistake | None:
    """Right to some digits: precision, or a small constant such as epsilon."""
    relative = largest(case.mine - case.reference) / (largest(case.reference) or 1)
    if relative > 1e-3:
        return None
    digits = int(-np.log10(relative))
    return Mistake(
        "few digits",
        f"Right to {digits} digits: the largest difference is {number(relative)} of the largest entry, more than "
        "rounding makes.",
        {"digits": digits, "relative": relative},
        "The derivation is right. Was something computed in lower precision, by differences, or without epsilon?",
    )


def find_part(case: Case) -> Mistake | None:
    """Some entries are right, or some are and the others are zero."""
    scale = largest(case.reference)
    is_right = np.abs(case.mine - case.reference) <= case.eps**0.6 * np.maximum(np.abs(case.reference), 1e-3 * scale)
    counts = is_right & (case.reference != 0)
    if counts.sum() < max(2, 0.1 * (case.reference != 0).sum()):
        return None
    where = tuple(int(index) for index in np.argwhere(~is_right)[0])
    zeros = " The others are zero." if not case.mine[~is_right].any() else ""
    return Mistake(
        "partly right",
        f"{int(is_right.sum())} of {is_right.size} entries are right; the first wrong one is at {where}.{zeros}"
        f"{_common_index(~is_right)}",
        {"num_right": int(is_right.sum()), "size": is_right.size, "first_wrong": where},
        "The line is right where it applies. What is different about the entries that it misses?",
    )


def _common_index(is_wrong: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
    for axis, indices in enumerate(np.nonzero(is_wrong)):
        distinct = np.unique(indices)
        if len(distinct) == 1 and is_wrong.shape[axis] > 1:
            return f" All wrong ones have index {int(distinct[0])} on axis {axis}."
    return ""


def describe_unknown(case: Case) -> Mistake:
    """What is left to say where nothing fits."""
    mine, reference = case.mine.reshape(-1), case.reference.reshape(-1)
    correlation = _correlation(mine, reference)
    is_sure = np.abs(reference) > 1e-3 * largest(reference)
    ratios = mine[is_sure] / reference[is_sure] if is_sure.any() else np.array([np.nan])
    lowest, middle, highest = (float(np.quantile(ratios, share)) for share in (0.05, 0.5, 0.95))
    alike = "points the right way" if correlation > 0.7 else "has little to do with it"
    alike = "points the wrong way" if correlation < -0.7 else alike
    return Mistake(
        "unknown",
        f"None of the known mistakes explains it. The correlation with the reference is {number(correlation)} (it "
        f"{alike}); mine / reference is {number(lowest)} to {number(highest)} for nine entries in ten.",
        {"correlation": correlation, "ratio": (lowest, middle, highest)},
        "Take one entry and follow it by hand through the forward line, with two examples and two units.",
    )


def _correlation(mine: Array, reference: Array) -> float:
    sizes = float(np.linalg.norm(mine) * np.linalg.norm(reference))
    return float(mine @ reference) / sizes if sizes else 0.0
