"""Tables, JSON and figures as people and programs read them."""

import io
import json
import math
import sys

import pytest

from moreish.cli import main
from moreish.cli.printing import count, display_width, duration, print_json, print_table, visible


def test_tables_align_wide_and_combining_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([["text", "NLL"], ["さくら", "1.5"], ["e\u0301mma", "12.25"]], "<>")
    assert capsys.readouterr().out == "text      NLL\nさくら    1.5\ne\u0301mma    12.25\n"


@pytest.mark.parametrize(
    ("text", "width"), [("emma", 4), ("さくら", 6), ("e\u0301", 1), ("\u200b", 0), ("😀", 2), ("é", 1)]
)
def test_display_widths(text: str, width: int) -> None:
    assert display_width(text) == width


def test_control_characters_are_shown_and_letters_kept() -> None:
    assert visible("a\tb\x1b[31m") == "a\\tb\\x1b[31m"
    assert visible("d’arcy さくら\u3000é") == "d’arcy さくら\u3000é"


def test_json_has_null_where_there_is_no_finite_number(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [math.nan, 1.5, -math.inf], "b": {"c": math.inf}, "d": ("é", None, True)})
    written = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert written == {"a": [None, 1.5, None], "b": {"c": None}, "d": ["é", None, True]}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (1.26, "1.3 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7_800, "2 h 10 min")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_counts() -> None:
    assert (count(1, "step"), count(2000, "step")) == ("1 step", "2,000 steps")


def test_an_output_that_knows_few_characters_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    with pytest.raises(SystemExit) as end:
        main(["data", "names"])
    assert end.value.code == 0
    assert rb"... \u2192 " in written.getvalue()
