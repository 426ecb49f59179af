"""Verdicts against cases worked out by hand."""

import math

import pytest

from moreish.experiments import Experiment, Measurement, exactly, nearly
from moreish.experiments.verdicts import compare, has_digits, judge, worst


@pytest.mark.parametrize(
    ("value", "printed"),
    [(2.45401, "2.4540"), (2.45395, "2.4540"), (2.03559662, "2.0355966"), (8.0149e-3, "8.01e-3"), (2.776, "2.78")],
)
def test_a_value_that_rounds_to_what_was_printed_has_its_digits(value, printed):
    assert has_digits(value, printed)


@pytest.mark.parametrize(("value", "printed"), [(2.45406, "2.4540"), (8.016e-3, "8.01e-3"), (math.nan, "1")])
def test_a_value_that_rounds_to_something_else_has_not(value, printed):
    assert not has_digits(value, printed)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(2.1069896, "exact"), (2.1069897, "within 5e-4"), (2.1074, "within 5e-4"), (2.1075, "differs")],
)
def test_an_exact_figure_is_exact_or_within_rounding_or_differs(value, verdict):
    assert judge(exactly("validation", "2.1069896"), [value]).verdict == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([2.10, 2.11, 2.12], "agrees"),  # mean 2.11, spread 0.01: three spreads are more than the band
        ([2.12, 2.12, 2.12], "agrees"),  # no spread: the band alone
        ([2.13, 2.13, 2.13], "differs"),
        ([2.119, 2.129, 2.139], "agrees"),  # 0.029 away, three times 0.01
        ([2.13, 2.14, 2.15], "differs"),
    ],
)
def test_a_near_figure_agrees_within_its_band_or_three_spreads(values, verdict):
    assert judge(nearly("validation", "2.1", 0.021), values).verdict == verdict


def test_a_row_of_numbers_is_as_good_as_its_worst():
    losses = exactly("losses", "3.3239 2.0322")
    assert judge(losses, [[3.32391, 2.03219]]).verdict == "exact"
    assert judge(losses, [[3.32391, 2.0325]]).verdict == "within 5e-4"
    assert judge(losses, [[3.32391, 2.1]]).verdict == "differs"
    assert judge(losses, [[3.32391]]).verdict == "differs"


def test_names_come_out_letter_for_letter_or_differ():
    names = exactly("first names", "carpah qarlileif")
    assert judge(names, ["carpah qarlileif"]).verdict == "exact"
    assert judge(names, ["carpah qarlilief"]).verdict == "differs"


def test_a_loss_that_is_not_finite_differs():
    assert judge(nearly("validation", "2.1", 0.02), [math.nan, 2.1, 2.1]).verdict == "differs"


def test_what_was_not_published_is_shown_after_what_was():
    experiment = Experiment(id="a", what="", source="", published=(exactly("b", "1.0"),))
    figures = compare(experiment, [Measurement({"a": "text", "b": 1.0}, 0.0, 0.0)])
    assert [(figure.name, figure.verdict) for figure in figures] == [("b", "exact"), ("a", "shown")]


def test_a_row_is_as_good_as_its_worst_figure():
    assert worst(["shown", "exact", "agrees", "within 5e-4"]) == "agrees"
    assert worst(["agrees", "differs"]) == "differs"
    assert worst(["shown"]) == "shown"
