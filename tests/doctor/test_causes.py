"""What explains what depends on what came first."""

from itertools import combinations

import pytest

from moreish.doctor.causes import CONSEQUENCES, explained_by, hidden


@pytest.mark.parametrize(
    ("steps", "causes"),
    [
        ({"rate-too-high": 0, "not-finite": 7}, {"rate-too-high"}),  # it diverged
        ({"not-finite": 0, "rate-too-high": 0}, {"not-finite"}),  # it never was a number
        (
            {"trained-in-eval-mode": 50, "not-finite": 30},
            {"trained-in-eval-mode"},
        ),  # a mode was there before it was seen
        ({"rate-too-high": 0, "saturated-tanh": 0}, {"saturated-tanh"}),  # no step was taken yet
        ({"rate-too-high": 50, "stuck-units": 50}, {"rate-too-high"}),
        ({"rate-too-high": 0, "initial-loss": 0}, {"initial-loss"}),  # steps were tried on what is confident
        (
            {"rate-too-high": 100, "initial-loss": 0},
            {"initial-loss", "rate-too-high"},
        ),  # they have undone it
        ({"vanishing": 0, "output-ignores-input": 0}, {"vanishing"}),
        ({"rnn-forgets": 0, "context-unused": 0, "inputs-ignored": 400}, {"rnn-forgets"}),
        ({"label-shifted": 0, "rate-too-high": 200}, {"label-shifted"}),
        ({"not-shuffled": 100, "batch-norm-statistics": 50, "exploding": 50}, {"not-shuffled"}),
        ({"attention-collapse": 100, "inputs-ignored": 400, "underfitting": 400}, {"attention-collapse"}),
        ({"never-moves": 100, "inputs-ignored": 400, "underfitting": 400, "overfitting": 400}, {"never-moves"}),
        ({"never-moves": 100, "rate-too-low": 100}, {"rate-too-low"}),
        ({"never-moves": 100, "rate-too-high": 100}, {"never-moves"}),
        ({"not-finite": 0, "output-ignores-input": 0, "no-gradient": 0, "context-unused": 0}, {"not-finite"}),
        ({"not-finite": 3, "never-moves": 50}, {"not-finite"}),
        ({"dead-relu": 0, "output-ignores-input": 0, "no-gradient": 0}, {"dead-relu"}),
    ],
)
def test_causes_are_told_from_consequences_by_their_steps(steps: dict[str, int], causes: set[str]) -> None:
    assert {name for name in steps if not explained_by(name, steps)} == causes


@pytest.mark.parametrize("times", [(0, 0, 0), (0, 2, 50), (50, 2, 0)])
def test_no_set_of_findings_explains_itself_away(times: tuple[int, int, int]) -> None:
    names = sorted({*CONSEQUENCES, *(name for items in CONSEQUENCES.values() for name in items)})
    for found in combinations(names, 3):
        steps = dict(zip(found, times, strict=True))
        assert len(hidden(steps)) < 3, steps


def test_of_findings_that_explain_each_other_in_a_circle_the_first_one_stands() -> None:
    steps = {"not-finite": 2, "never-moves": 50, "rate-too-high": 0}
    assert all(explained_by(name, steps) for name in steps)
    assert hidden(steps) == {"not-finite", "never-moves"}
