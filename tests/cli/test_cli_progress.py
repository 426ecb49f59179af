"""What is said while a training goes on, to a log and to a terminal."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from moreish.cli.progress import LiveProgress, Progress, progress
from moreish.observers import ChunkDone, Ended, Evaluated, Prepared, Saved, Started

NUM_PREDICTED = {"train": 80, "validation": 10, "test": 10}
PREPARED = Prepared(
    Path("runs/list-1"), "list.txt", ("1 blank line was dropped.",), 27, NUM_PREDICTED, {}, corpus=cast(Any, None)
)
STARTED = Started(0, 100, None, 1234, "autograd", "the recipe names it")


def chunk(step: int, losses: list[float]) -> ChunkDone:
    return ChunkDone(step, np.array(losses, np.float32), step / 100, step / 10)


def test_the_beginning_is_said_with_notes_and_engine(capsys: pytest.CaptureFixture[str]) -> None:
    follower = Progress()
    follower.observe(PREPARED)
    follower.observe(STARTED)
    said = capsys.readouterr().err
    assert "note: 1 blank line was dropped.\n" in said
    assert "1,234 parameters, 100 steps, engine autograd (the recipe names it)" in said
    assert (follower.has_begun, follower.run) == (True, Path("runs/list-1"))


def test_the_minibatch_nll_is_an_exponential_average_over_steps() -> None:
    losses = np.random.default_rng(1).uniform(1, 4, 60)
    follower = Progress()
    follower.observe(STARTED)
    follower.observe(chunk(25, losses[:25].tolist()))
    follower.observe(chunk(60, losses[25:].tolist()))
    weights = 0.99 ** np.arange(59, -1, -1)
    assert f"NLL minibatch {np.average(losses, weights=weights):.3f}" in follower.describe()


def test_speed_and_time_left_follow_from_what_was_done() -> None:
    follower = Progress()
    follower.observe(STARTED)
    follower.observe(chunk(25, [2.0]))
    assert follower.describe() == "25%, 7.5 s left, NLL minibatch 2.000, 10 steps/s"


def test_the_best_validation_is_named_where_it_is_not_the_last() -> None:
    follower = Progress()
    for event in (STARTED, chunk(10, [2.0]), Evaluated(10, 2.1, True)):
        follower.observe(event)
    assert "NLL minibatch 2.000, validation 2.100, 10 steps/s" in follower.describe()
    follower.observe(Evaluated(20, 2.3, False))
    assert "NLL minibatch 2.000, validation 2.300, best 2.100, 10 steps/s" in follower.describe()


def test_an_end_by_patience_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Progress().observe(Ended(60, "patience", 6.0))
    assert capsys.readouterr().err == "Stopped after step 60: --patience ran out without a better validation NLL.\n"


def test_a_log_gets_a_line_at_every_tenth_of_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    follower = Progress()
    for step in range(1, 101):
        follower.observe(chunk(step, [2.0]))
        follower.observe(Evaluated(step, 2.1, True))
        follower.observe(Saved(step))
    follower.observe(Ended(100, "finished", 10.0))
    steps = [int(line.split(":")[0].split()[1]) for line in capsys.readouterr().err.splitlines()]
    assert steps == list(range(10, 101, 10))


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_gets_one_line_that_moves(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    with progress() as follower:
        assert isinstance(follower, LiveProgress)
        for event in (PREPARED, STARTED, chunk(50, [2.0]), Evaluated(50, 2.1, True), Evaluated(60, 2.3, False)):
            follower.observe(event)
        follower.observe(Ended(60, "finished", 6.0))
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "note: 1 blank line was dropped.\n" in written
    last = written.rstrip().splitlines()[-1]
    assert "50%, 5.0 s left, NLL minibatch 2.000, validation 2.300, best 2.100, 10 steps/s" in last
    assert len(last) <= width
    assert ("━" in last) == (width == 140)


def test_an_error_leaves_the_terminal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with contextlib.suppress(KeyboardInterrupt), progress() as follower:
        follower.observe(STARTED)
        follower.observe(chunk(50, [2.0]))
        raise KeyboardInterrupt
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")  # the cursor is back


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> Any:
        return True
