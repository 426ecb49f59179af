"""Exact intervals for shares."""

from moreish.doctor.significance import incomplete_beta


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval whose ends a binomial test just does not reject; Clopper & Pearson 1934, Biometrika 26(4)."""
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _root(lambda p: incomplete_beta(successes, trials - successes + 1, p) - tail)
    high = (
        1.0
        if successes == trials
        else _root(lambda p: incomplete_beta(successes + 1, trials - successes, p) - 1 + tail)
    )
    return low, high


def _root(rising) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def share(successes: int, trials: int) -> str:
    """A share with its exact 95% interval."""
    if trials == 0:
        return "–"
    low, high = clopper_pearson(successes, trials)
    return f"{successes / trials:.3f} ({successes:,} of {trials:,}; {low:.3f} to {high:.3f})"
