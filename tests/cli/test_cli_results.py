"""What a person is told to do after a training follows from its figures."""

from pathlib import Path
from typing import Any

import pytest

from moreish.cli.results import show_run
from moreish.training import Run


def shown(
    trained: Path, capsys: pytest.CaptureFixture[str], best_step: int, nll: float, train_nll: float = 2.0, **more: Any
) -> str:
    """What is shown at the end of 100 steps, where the n-gram reaches 2.3 on validation."""
    run = Run.open(trained)
    assert run.results is not None
    counted = dict.fromkeys(("train", "validation", "test"), 2.3)
    figures = {"train": train_nll, "validation": nll, "test": nll}
    results = {"steps": 100, "best_step": best_step, "nll": figures, "baselines": {"n-gram (order 3)": counted}}
    content = {"recipe": run.recipe.with_changes(**more).to_dict(), "data": run.data}
    show_run(Run(run.path, content), run.results | results)
    return capsys.readouterr().out.partition("What next:")[2]


def test_a_network_that_still_improved_and_wins_is_trained_longer(trained: Path, capsys: Any) -> None:
    advice = shown(trained, capsys, best_step=96, nll=2.1)
    assert "--steps 40" in advice
    assert not any(flag in advice for flag in ("--dropout", "--model", "--keep"))
    assert "--minutes 3" in shown(trained, capsys, best_step=96, nll=2.1, minutes=1.5)


def test_a_network_that_overfits_is_made_smaller_not_trained_longer(trained: Path, capsys: Any) -> None:
    advice = shown(trained, capsys, best_step=30, nll=2.2)
    assert "--hidden 2 --dropout 0.2" in advice
    assert "--keep last" in advice
    assert "--new-only: often nicer items" in advice
    assert not any(flag in advice for flag in ("--steps", "--model"))
    assert "--hidden 64,64 --dropout 0.5" in shown(trained, capsys, 30, 2.2, hidden=(256, 256), dropout=0.4)


def test_a_network_behind_the_n_gram_is_told_of_it(trained: Path, capsys: Any) -> None:
    learned_by_heart = shown(trained, capsys, best_step=100, nll=2.4, train_nll=1.0)
    assert "--model ngram" in learned_by_heart
    assert "--dropout" in learned_by_heart
    assert "--steps" not in learned_by_heart
    too_short = shown(trained, capsys, best_step=100, nll=2.4, train_nll=2.5)
    assert "--model ngram" in too_short
    assert "--steps 40" in too_short
    flat = shown(trained, capsys, best_step=80, nll=2.4, train_nll=2.5)
    assert "--model ngram" in flat
    assert "--steps" not in flat


def test_running_text_gets_no_advice_for_short_lists(trained_on_text: Path, capsys: Any) -> None:
    assert "--keep" not in shown(trained_on_text, capsys, best_step=30, nll=2.2)


def test_a_long_list_is_not_told_to_keep_the_last_weights(
    trained: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moreish.cli.results._SHORT_LIST", 30)
    assert "--keep" not in shown(trained, capsys, best_step=30, nll=2.2)


def test_what_is_told_can_be_typed(command: Any, trained: Path, capsys: Any) -> None:
    lines = shown(trained, capsys, best_step=30, nll=2.4).splitlines()
    commands = [line.split("  ")[1].split() for line in lines if " train " in line]
    assert len(commands) == 3
    for number, (_, *arguments) in enumerate(commands):
        assert command(*arguments, "--out", f"run-{number}").code == 0
