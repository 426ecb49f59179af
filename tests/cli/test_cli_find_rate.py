"""`moreish find-rate` shows the valley, draws it, and says what it cannot do."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import moreish

# As few rates as the average allows: a moment.
QUICK = ["--lowest", "0.001", "--highest", "100", "--num-rates", "80", "--hidden", "8", "--embedding", "4"]


@pytest.fixture(autouse=True)
def _without_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without a picture in them, which take no time to make."""
    monkeypatch.setattr("moreish.sharing.plotting.to_bytes", lambda figure, file_format: b"")


def test_it_shows_the_rate_and_what_to_do_next(command: Any, items_file: Path) -> None:
    done = command("find-rate", items_file, *QUICK)
    assert done.code == 0
    found = moreish.find_rate(items_file, lowest=0.001, highest=100, num_rates=80, hidden=(8,), embedding=4)
    assert found.suggestion is not None
    rows = dict(line.split("  ", 1) for line in done.out.splitlines()[:3])
    assert float(rows["learning rate"]) == float(f"{found.suggestion:.2g}")
    assert f"moreish train {items_file} --learning-rate {found.suggestion:.2g}" in done.out
    assert 2 <= done.err.count(" of 80 rates: at ") <= 5


def test_json_holds_every_rate_and_loss(command: Any, items_file: Path) -> None:
    content = json.loads(command("find-rate", items_file, "--json", *QUICK).out)
    assert len(content["rates"]) == len(content["losses"]) == len(content["smoothed"])
    assert content["rates"][0] == pytest.approx(0.001)
    assert content["suggestion"] in content["rates"]
    assert (content["why_none"], content["pictures"]) == ("", [])


def test_the_valley_is_drawn_and_nothing_is_overwritten(command: Any, items_file: Path, tmp_path: Path) -> None:
    done = command("find-rate", items_file, "--plot", "drawn", *QUICK)
    assert "drawn/rate-search.png, drawn/rate-search.svg" in done.out
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["rate-search.png", "rate-search.svg"]
    again = command("find-rate", items_file, "--plot", "drawn", *QUICK)
    assert again.code == 2
    assert "would be overwritten" in again.err
    assert command("find-rate", items_file, "--plot", "drawn", "--overwrite", *QUICK).code == 0


def test_where_there_is_no_valley_it_says_why(command: Any, items_file: Path) -> None:
    done = command("find-rate", items_file, "--lowest", "1e-9", "--highest", "1e-8", "--num-rates", "20")
    assert done.code == 0
    assert done.out.startswith("learning rate  none found: the loss ")
    assert "moreish train" not in done.out


def test_an_interruption_shows_what_was_tried(command: Any, items_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moreish.cli.find_rate._Report.take", lambda self, tried: os.kill(os.getpid(), signal.SIGINT))
    done = command("find-rate", items_file, *QUICK)
    assert done.code == 130
    assert "where it was interrupted" in done.out


def test_errors_are_one_line(command: Any, items_file: Path) -> None:
    for arguments, message in (
        (["nowhere.txt"], "nowhere.txt"),
        ([items_file, "--highest", "high"], "--highest is 'high'; expected a number"),
        ([items_file, "--num-rates", "3"], "--num-rates is 3; expected at least 80"),
        ([items_file, "--model", "bigram"], "counts and takes no steps"),
        ([items_file, "--context", "0"], "--context is 0"),
    ):
        outcome = command("find-rate", *arguments)
        assert outcome.code == 2
        assert outcome.err.startswith("moreish: ")
        assert message in outcome.err
        assert outcome.err.count("\n") == 1
