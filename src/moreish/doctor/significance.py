"""One α a run, spent over checks, places and looks; and the p-values it is spent on.

The rule: a test of check c at one of n places at look k may reject at

    α · 1/(number of checks that test) · 1/n · 6/(π² k²),    k = 1, 2, 3, …

Since Σ 6/(π² k²) = 1, the chances of a false alarm add up to at most α over all checks, places and looks, whatever
their dependence and whenever one stops looking (the union bound). No look has to be planned in advance.

Sources: Dunn 1961 (Bonferroni's inequality for several comparisons); Lan & DeMets 1983 (spending α over looks);
Lehmann & Romano 2005, "Testing Statistical Hypotheses", section 5.2 (Student's t).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALPHA = 0.001


@dataclass(frozen=True)
class Level:
    """The α that one check may spend, in all."""

    alpha: float

    def each(self, num_places: int = 1, look: int = 1) -> float:
        """What one test may spend at one of `num_places` places at the look with this number (from 1)."""
        return self.alpha / max(num_places, 1) * 6 / (math.pi * look) ** 2


def level_for(num_checks: int, alpha: float = ALPHA) -> Level:
    """The share of one of `num_checks` checks."""
    return Level(alpha / max(num_checks, 1))


def mean_above(values: Sequence[float], bound: float) -> float:
    """p-value against "the mean is at most `bound`": one-sided t-test over independent values (n,).

    1.0 where there are fewer than three values or one is not finite. Values without any spread count as spread by a
    millionth of their size, so that rounding is never taken for certainty.
    """
    array = np.asarray(values, np.float64)
    if array.size < 3 or not np.isfinite(array).all():
        return 1.0
    spread = max(float(array.std(ddof=1)), 1e-6 * (abs(float(array.mean())) + abs(bound)), 1e-300)
    t = (float(array.mean()) - bound) / (spread / math.sqrt(array.size))
    return student_tail(t, array.size - 1)


def mean_below(values: Sequence[float], bound: float) -> float:
    """p-value against "the mean is at least `bound`"; see `mean_above`."""
    return mean_above([-value for value in values], -bound)


def clearly_above(values: Sequence[float], bound: float) -> float:
    """p-value against "the mean is at most `bound`, or no more than half of the values are above it".

    The mean has to be above it; then a sign test will do where a few huge values hide it from the t-test (the smaller
    of the two p-values counts, twice).
    """
    if len(values) < 3 or not sum(values) / len(values) > bound:
        return 1.0
    signs = count_above(sum(value > bound for value in values), len(values), 0.5)
    return min(1.0, 2 * min(mean_above(values, bound), signs))


def mean_above_multiple(a: Sequence[float], b: Sequence[float], factor: float) -> float:
    """p-value against "the mean of `a` is at most `factor` times that of `b`", two independent samples (Welch 1947)."""
    x, y = np.asarray(a, np.float64), factor * np.asarray(b, np.float64)
    if min(x.size, y.size) < 3 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return 1.0
    parts = x.var(ddof=1) / x.size, y.var(ddof=1) / y.size
    total = max(float(sum(parts)), 1e-300)
    df = total**2 / max(parts[0] ** 2 / (x.size - 1) + parts[1] ** 2 / (y.size - 1), 1e-300)
    return student_tail(float(x.mean() - y.mean()) / math.sqrt(total), max(df, 1.0))


def count_above(successes: int, trials: int, chance: float) -> float:
    """P(X ≥ successes) for X ~ Binomial(trials, chance): exact, against "the share is at most `chance`"."""
    if successes <= 0:
        return 1.0
    if chance <= 0:
        return 0.0
    return 1.0 if chance >= 1 else incomplete_beta(successes, trials - successes + 1, chance)


def student_tail(t: float, df: float) -> float:
    """P(T > t) for Student's t with `df` degrees of freedom."""
    if not math.isfinite(t):
        return 0.0 if t > 0 else 1.0
    half = incomplete_beta(df / 2, 0.5, df / (df + t * t)) / 2
    return half if t > 0 else 1 - half


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction; relative error below 1e-10.

    Source: Abramowitz & Stegun 1964, 26.5.8; Lentz 1976 (evaluating continued fractions).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / (_nonzero(1 - (a + b) * x / (a + 1), tiny))
    fraction = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _nonzero(1 + numerator * d, tiny)
            c = _nonzero(1 + numerator / c, tiny)
            change = c * d
            fraction *= change
        if abs(change - 1) < 1e-13:
            break
    return min(front * fraction, 1.0)


def _nonzero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def student_quantile(probability: float, df: float) -> float:
    """The t below which Student's t lies with this probability (above 1/2), by bisection; relative error 1e-12."""
    low, high = 0.0, 1.0
    while student_tail(high, df) > 1 - probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, df) > 1 - probability else (low, middle)
    return high
