"""`moreish exercise`: list, start, check, solution, and how each ends."""

import json
from pathlib import Path
from typing import Any

import pytest


def test_alone_it_lists_the_exercises(command: Any) -> None:
    outcome = command("exercise")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()[:4]] == ["backprop", "fused", "zero-init", "folding"]
    listed = json.loads(command("exercise", "--json").out)["exercises"]
    assert listed[1] == {"name": "fused", "question": listed[1]["question"], "answers": ["dlogits", "dhprebn"]}


def test_an_exercise_is_started_marked_and_solved(command: Any) -> None:
    outcome = command("exercise", "start", "fused", "here")
    assert (outcome.code, outcome.err) == (0, "")
    path = Path("here") / "fused.py"
    assert outcome.out == f"Fill in {path}, then: moreish exercise check {path}\n"
    again = command("exercise", "start", "fused", "here")
    assert (again.code, again.out) == (2, "")
    assert again.err.startswith("moreish: here/fused.py exists and is not overwritten.")

    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("dlogits = None", "dlogits = F.softmax(logits, 1) / n\nprint('my words')"))
    marked = command("exercise", "check", path)
    assert marked.code == 1
    assert "  | my words\n" in marked.out
    assert "dlogits               wrong    term missing\n" in marked.out
    assert "dhprebn               not yet\n" in marked.out
    assert "0 of 2 are right." in marked.out
    as_json = json.loads(command("exercise", "check", path, "--json").out)
    assert as_json["num_right"] == 0
    assert as_json["is_solved"] is False
    assert as_json["marks"][0]["mistake"] == "term missing"

    for name in ("dlogits", "dhprebn"):
        line = command("exercise", "check", path, "--solution", name)
        assert line.code == 0
        text = text.replace(f"{name} = None", line.out.strip())
    path.write_text(text, encoding="utf-8")
    solved = command("exercise", "check", path)
    assert solved.code == 0
    assert "2 of 2 are right." in solved.out
    assert "Stuck?" not in solved.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("start", "backpropagation"), "There is no exercise backpropagation. Did you mean backprop?"),
        (("check", "none.py"), "none.py cannot be read: No such file or directory."),
        (("check", "mine.py", "--seconds", "soon"), "--seconds is soon; expected a number"),
        (("check", "mine.py", "--seconds", "0"), "0 seconds were given"),
        (("check", "mine.py", "--solution", "dx"), "There is no dx to solve in exercise backprop."),
    ],
)
def test_errors_are_one_line_and_end_with_2(command: Any, arguments: tuple[str, ...], complaint: str) -> None:
    Path("mine.py").write_text("# moreish exercise: backprop\n", encoding="utf-8")
    outcome = command("exercise", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"moreish: {complaint}")
    assert outcome.err.count("\n") == 1
