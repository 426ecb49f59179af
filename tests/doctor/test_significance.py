"""The p-values against tables and simulation, and the rule that spends α."""

import math

import numpy as np
import pytest

from moreish.doctor.significance import (
    ALPHA,
    count_above,
    level_for,
    mean_above,
    mean_above_multiple,
    mean_below,
    student_tail,
)


@pytest.mark.parametrize(
    ("t", "df", "tail"),  # Student's t, upper tails: Abramowitz & Stegun 1964, table 26.10
    [(6.314, 1, 0.05), (2.920, 2, 0.05), (3.747, 4, 0.01), (2.764, 10, 0.01), (4.144, 10, 0.001), (3.090, 1e9, 0.001)],
)
def test_tails_of_student_t(t: float, df: float, tail: float) -> None:
    assert student_tail(t, df) == pytest.approx(tail, rel=2e-3)
    assert student_tail(-t, df) == pytest.approx(1 - tail, rel=2e-3)


def test_binomial_tails_are_those_of_a_plain_sum() -> None:
    for trials, chance in ((7, 0.3), (40, 0.05), (200, 0.9)):
        for successes in (1, trials // 2, trials):
            terms = (
                math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes, trials + 1)
            )
            assert count_above(successes, trials, chance) == pytest.approx(sum(terms), rel=1e-9)


def test_what_is_spent_over_all_looks_places_and_checks_never_exceeds_alpha() -> None:
    level = level_for(30)
    spent = 30 * sum(12 * level.each(12, look) for look in range(1, 5000))
    assert 0.999 * ALPHA < spent <= ALPHA


def test_looking_again_and_again_does_not_raise_the_rate_of_false_alarms() -> None:
    generator = np.random.default_rng(0)
    alarms, runs, alpha = 0, 2000, 0.05
    level = level_for(1, alpha)
    for _ in range(runs):
        values = generator.normal(0, 1, (40, 20))  # 40 looks that accumulate
        alarms += any(mean_above(values[:look].ravel().tolist(), 0) < level.each(1, look) for look in range(1, 41))
    assert alarms / runs <= alpha


def test_p_values_are_uniform_or_larger_under_the_null() -> None:
    generator = np.random.default_rng(1)
    p = np.array([mean_below(generator.normal(3, 2, 16).tolist(), 3.0) for _ in range(4000)])
    for alpha in (0.01, 0.05, 0.2):
        assert abs((p < alpha).mean() - alpha) < 4 * math.sqrt(alpha * (1 - alpha) / len(p))


def test_constants_and_too_few_values_prove_nothing_they_should_not() -> None:
    assert mean_above([1.0, 1.0], 0) == 1.0
    assert mean_above([float("nan")] * 5, 0) == 1.0
    assert mean_above([1.0] * 5, 1.0) == pytest.approx(0.5)


def test_a_multiple_of_a_mean_is_rejected_as_rarely_as_it_says() -> None:
    """Unequal spreads and sizes, at the very edge of the null; and nearly always where it is far off."""
    generator = np.random.default_rng(0)
    edge = [
        mean_above_multiple(generator.normal(2.0, 3.0, 60), generator.normal(1.0, 0.5, 25), 2.0) for _ in range(3000)
    ]
    assert np.mean(np.array(edge) < 0.05) == pytest.approx(0.05, abs=0.012)  # three standard errors
    assert mean_above_multiple(generator.normal(3.0, 0.1, 60), generator.normal(1.0, 0.1, 25), 2.0) < 1e-12
    assert mean_above_multiple([1.0, 2.0], [1.0, 2.0, 3.0], 2.0) == 1.0
