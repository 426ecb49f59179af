"""One number that everything was multiplied with: a sign, n, n − 1, 2, …"""

from collections.abc import Iterator

import numpy as np

from moreish.backprop.comparing.mistakes import Array, Case, Mistake, largest, number

_WHERE_FROM = {
    "n": "n, the batch size",
    "V": "V, the vocabulary size",
    "T": "T, the context length",
    "E": "E, the embedding size",
    "H": "H, the hidden size",
    "n·L": "n·L, examples times positions",
}


def find_factor(case: Case) -> Mistake | None:
    """The reference times one number that has a name."""
    factor = fitted_factor(case.mine, case.reference)
    if factor is None or not case.is_explained_by(factor * case.reference):
        return None
    names = named_factors(factor, case)
    if not names:
        return None
    share = f"mine = {number(factor)} · reference, everywhere"
    if names == ["−1"]:
        return Mistake(
            "sign flipped",
            f"Every sign is flipped: {share}.",
            {"factor": factor},
            "Follow the minus signs of the forward line: a subtraction, an inverse, or the loss itself has one.",
        )
    sign = " The sign is flipped as well." if factor < 0 else ""
    return Mistake(
        "constant factor",
        f"Off by a constant factor: {share}; that is {_as_words(names)}.{sign}",
        {"factor": factor, "is": names},
        _hint(names[0]),
    )


def find_unnamed_factor(case: Case) -> Mistake | None:
    """The reference times a number that has no name here."""
    factor = fitted_factor(case.mine, case.reference)
    if factor is None or case.mine.size < 2 or not case.is_explained_by(factor * case.reference):
        return None
    return Mistake(
        "constant factor",
        f"Off by a constant factor that is none of the usual ones: mine = {number(factor)} · reference, everywhere.",
        {"factor": factor, "is": []},
        "The derivative is right but for one number. Which constants stand in the forward line?",
    )


def fitted_factor(mine: Array, reference: Array) -> float | None:
    """k of the least squares fit mine ≈ k · reference; None where the reference is zero, or k would be."""
    scale = largest(reference)
    if mine.shape != reference.shape or scale == 0:
        return None
    unit = reference / scale
    factor = float((mine / scale * unit).sum() / (unit * unit).sum())
    return factor if factor and np.isfinite(factor) else None


def named_factors(factor: float, case: Case) -> list[str]:
    """Every name of a factor, the most plausible first: "−1", "n", "1/(n − 1)", "2", …

    Several may be equal: with two examples n is also 2 and n/(n − 1).
    """
    tolerance = 4 * case.eps**0.6
    size = abs(factor)
    names = [name for name, value in _candidates(case) if value > 0 and abs(size / value - 1) <= tolerance]
    if abs(size - 1) <= tolerance:
        return ["−1"] if factor < 0 else []  # 1 is no mistake
    return list(dict.fromkeys(f"−{name}" if factor < 0 else name for name in names))


def _candidates(case: Case) -> Iterator[tuple[str, float]]:
    sizes = dict(case.context.sizes()) if case.context else {}
    known = set(sizes.values())
    for axis, length in enumerate(case.reference.shape):
        if length not in known:
            sizes[f"size of axis {axis}"] = length
    if case.reference.size not in known:
        sizes["number of elements"] = case.reference.size
    sizes = {name: size for name, size in sizes.items() if size > 1}
    yield from (("2", 2), ("1/2", 1 / 2))
    for name, n in sizes.items():
        s = f"({name})" if " " in name else name
        yield from ((name, n), (f"1/{s}", 1 / n), (f"({name} − 1)", n - 1), (f"1/({name} − 1)", 1 / (n - 1)))
        yield from ((f"{s}/({name} − 1)", n / (n - 1)), (f"({name} − 1)/{s}", (n - 1) / n))
    for name, n in sizes.items():
        s = f"({name})" if " " in name else name
        yield from ((f"2·{s}", 2 * n), (f"2/{s}", 2 / n), (f"1/(2·{s})", 1 / (2 * n)), (f"{s}/2", n / 2))
        yield from ((f"{s}²", n * n), (f"1/{s}²", 1 / n**2), (f"√{s}", n**0.5), (f"1/√{s}", n**-0.5))
    yield from (("4", 4), ("1/4", 1 / 4), ("3", 3), ("1/3", 1 / 3), ("ln 2", np.log(2)), ("1/ln 2", 1 / np.log(2)))
    for (name, n), (other, m) in ((a, b) for a in sizes.items() for b in sizes.items() if a < b):
        yield from ((f"{name}·{other}", n * m), (f"1/({name}·{other})", 1 / (n * m)))
        yield from ((f"{name}/{other}", n / m), (f"{other}/{name}", m / n))


def _as_words(names: list[str]) -> str:
    first = names[0].lstrip("−")
    words = _WHERE_FROM.get(first, names[0])
    also = f" (here also {', '.join(names[1:3])})" if len(names) > 1 else ""
    return words + also


def _hint(name: str) -> str:
    bare = name.lstrip("−")
    if bare in ("2", "1/2"):
        return "Is there a square or a square root in the forward line? Its exponent comes down as a factor."
    if "− 1" in bare:
        return "Look at what the forward line divides by: the number of examples, or one less (Bessel's correction)?"
    if bare in ("n", "1/n", "n·L", "1/n·L"):
        return "Somewhere a mean was taken as a sum, or a sum as a mean. Does the forward line divide by n here?"
    return "Does the forward line sum or average over that many numbers? A sum has no divisor, a mean has one."
