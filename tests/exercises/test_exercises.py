"""Exercises are handed out, marked whatever a learner's file does, and give nothing away."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from moreish.errors import FileError, InputError
from moreish.exercises import EXERCISES, Mark, Result, check, solution, start

FileOf = Callable[..., Path]


@pytest.fixture
def file_of(tmp_path: Path) -> FileOf:
    """An exercise's file with answers filled in: all solved, but for those that are handed in."""

    def fill_in(exercise: str, solves: bool = True, more: str = "", **answers: str) -> Path:
        path = start(exercise, tmp_path / str(len(list(tmp_path.iterdir()))))
        text = path.read_text(encoding="utf-8")
        for name in EXERCISES[exercise].answers:
            line = solution(path, name) if solves else f"{name} = None"
            line = f"{name} = {answers[name]}" if name in answers else line
            text, num_filled = re.subn(rf"^{name} = None", lambda _, line=line: line, text, flags=re.MULTILINE)
            assert num_filled == 1, name
        path.write_text(text + more, encoding="utf-8")
        return path

    return fill_in


def marks_of(result: Result) -> dict[str, Mark]:
    return {mark.name: mark for mark in result.marks}


@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_handed_out_runs_and_has_everything_missing(name: str, tmp_path: Path) -> None:
    result = check(start(name, tmp_path / "new" / "folder"))
    assert result.trouble == ""
    assert {mark.status for mark in result.marks} == {"missing"}
    assert {mark.mistake for mark in result.marks} == {""}
    assert not result.is_solved


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solutions_solve_it(name: str, file_of: FileOf) -> None:
    result = check(file_of(name))
    assert [mark for mark in result.marks if mark.status != "right"] == []
    assert result.is_solved
    assert result.num_right == len(result.marks)


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    path = start("backprop", tmp_path)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(FileError, match="exists and is not overwritten"):
        start("backprop", tmp_path)
    assert path.read_text(encoding="utf-8") == "mine"
    with pytest.raises(FileError, match="cannot be written"):
        start("backprop", path / "below")


# Wrong lines of the right shape, and wrong ones from which nothing else is made: every line is marked on its own.
WRONG = {
    "dlogprobs": ("torch.eye(V)[Yb] / n", "sign flipped"),
    "dprobs": ("dlogprobs", "derivative missing"),
    "dcounts": ("counts_sum_inv * dprobs", "term missing"),
    "dnorm_logits": ("norm_logits * dcounts", "wrong array"),
    "dlogits": ("dnorm_logits * n - torch.eye(V)[logits.argmax(1)] * dlogit_maxes", "unknown"),
    "dW2": ("dlogits.T @ h", "transposed"),
    "db2": ("dlogits", "not summed"),
    "dhpreact": ("(1 - h) * dh", "wrong derivative"),
    "dbngain": ("dhpreact.sum(0, keepdim=True)", "derivative missing"),
    "dbnbias": ("torch.zeros_like(bnbias)", "all zeros"),
    "dbnvar": ("-0.5 * (bnvar + 1e-5) ** -0.5 * dbnvar_inv", "factor left over"),
    "dbndiff2": ("1 / n * torch.ones_like(bndiff2) * dbnvar", "constant factor"),
    "dbndiff": ("2 * bndiff * dbndiff2", "overwritten"),
    "dhprebn": ("-dbndiff - 1 / n * dbnmeani", "sign flipped"),
    "demb": ("dembcat", "not reshaped"),
    "dW1": ("embcat.T @ dhprebn * float('nan')", "not finite"),
}


def test_each_wrong_line_gets_its_hint_whatever_is_wrong_above_it(file_of: FileOf) -> None:
    path = file_of("backprop", **{name: line for name, (line, _) in WRONG.items()})
    result = check(path)
    marks = marks_of(result)
    assert result.trouble == ""
    assert {name: marks[name].mistake for name in WRONG} == {name: mistake for name, (_, mistake) in WRONG.items()}
    assert {mark.status for name, mark in marks.items() if name not in WRONG} <= {"follows", "right"}
    for name in WRONG:
        assert marks[name].status == "wrong"
        assert len(marks[name].hint) > 20
        assert solution(path, name).partition(" = ")[2] not in marks[name].hint


def test_what_is_made_from_a_wrong_shape_is_not_blamed(file_of: FileOf) -> None:
    marks = marks_of(check(file_of("backprop", dcounts_sum_inv="counts * dprobs")))
    assert marks["dcounts_sum_inv"].mistake == "not summed"
    assert marks["dcounts_sum"] == Mark("dcounts_sum", "follows", "not judged before dcounts_sum_inv is")
    assert "wrong" not in {mark.status for name, mark in marks.items() if name != "dcounts_sum_inv"}


def test_the_fused_gradients_name_the_term(file_of: FileOf) -> None:
    marks = marks_of(
        check(
            file_of(
                "fused",
                dlogits="F.softmax(logits, 1) / n",
                dhprebn="bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - bnraw * (dhpreact * bnraw).sum(0))",
            )
        )
    )
    assert marks["dlogits"].mistake == "term missing"
    assert marks["dhprebn"].mistake == "term with the wrong factor"


def test_wrong_answers_about_zeros_and_folding(file_of: FileOf) -> None:
    path = file_of("zero-init", trained_at_step_0='{"C", "W3"}', trained_ever='{"W9"}', final_loss="0.5")
    marks = marks_of(check(path))
    assert marks["trained_at_step_0"].mistake == "2 too many, 1 missing"
    assert marks["trained_ever"].mistake == "there is no parameter W9"
    assert marks["final_loss"].mistake == "not that number"
    assert marks["depends_on_context"].status == "right"
    marks = marks_of(check(file_of("folding", W1_folded="W1", b2_folded="b2 * gamma2 / torch.sqrt(var2 + epsilon)")))
    assert marks["W1_folded"].status == marks["b2_folded"].status == "wrong"
    assert marks["b1_folded"].status == marks["W2_folded"].status == "right"
    assert marks["outputs agree"].mistake.startswith("they differ by up to ")
    for mark in marks.values():
        assert "sqrt" not in mark.hint


def test_the_final_loss_is_where_the_training_ends(file_of: FileOf) -> None:
    path = file_of("zero-init", final_loss="float(loss)")
    path.write_text(path.read_text(encoding="utf-8").replace("range(1000)", "range(3000)"), encoding="utf-8")
    result = check(path)
    assert result.is_solved
    assert result.printed.startswith("step 0: loss ")


# --- Whatever a learner's file does -----------------------------------------------------------------------------------


def trouble_of(tmp_path: Path, code: str, seconds: float = 30) -> str:
    """Of a file without the template: it is carried out the same way, and is done sooner."""
    path = tmp_path / "mine.py"
    path.write_text("# moreish exercise: backprop\nimport sys\n" + code, encoding="utf-8")
    result = check(path, seconds)
    assert {mark.status for mark in result.marks} == {"missing"}
    assert not result.is_solved
    assert "Traceback" not in result.trouble + result.printed
    assert "\n" not in result.trouble
    return result.trouble


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("1 / 0", "Line 3 stopped with ZeroDivisionError: division by zero (1 / 0)."),
        ("def f():\n    return None * 2\nx = f()", "Line 4 stopped with TypeError: .* still None"),
        ("import json\njson.loads('{')", "Line 4 stopped with JSONDecodeError"),
        ("x = (1,", "Line 3 is not Python: '.' was never closed"),
        ("  x = 1", "Line 3 is not Python: unexpected indent"),
        ("sys.exit()", "Line 3 ends the program .* Take that out"),
        ("raise KeyboardInterrupt", "Line 3 stopped with KeyboardInterrupt"),
        ("f = lambda: f()\nf()", "Line 3 stopped with RecursionError"),
        ("import os\nos._exit(3)", "Python ended with exit code 3 before the file was done"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "Python ended by signal 11"),
        ("class E(Exception):\n    def __str__(self):\n        raise self\nraise E", "Line 6 stopped with E"),
        ("while True:\n    print(1)", r"printed more than 100,000 characters and was stopped in line \d"),
    ],
)
def test_what_stops_a_file_is_said_in_one_line_with_its_place(tmp_path: Path, code: str, trouble: str) -> None:
    assert re.match(trouble.replace("(", r"\(").replace(")", r"\)"), trouble_of(tmp_path, code).removeprefix("It "))


@pytest.mark.parametrize("code", ["x = 1\nwhile True: pass", "import time\ntime.sleep(1000)"])
def test_an_endless_loop_is_stopped_and_its_place_named(tmp_path: Path, code: str) -> None:
    assert trouble_of(tmp_path, code, seconds=2) == (
        "It was not done after 2 seconds and was stopped in line 4. Is there a loop without end?"
    )


def test_what_was_right_before_an_exception_is_marked(file_of: FileOf) -> None:
    result = check(file_of("backprop", dcounts_sum="undefined"))
    marks = marks_of(result)
    assert [marks[name].status for name in ("dlogprobs", "dprobs", "dcounts_sum_inv")] == ["right"] * 3
    assert marks["dC"].status == "missing"
    assert re.fullmatch(r"Line \d+ stopped with NameError: name 'undefined' is not defined \(.*\)\.", result.trouble)


def test_answers_that_are_no_tensors_and_names_that_are_gone_are_said(file_of: FileOf) -> None:
    more = "\ndel dlogprobs\n"
    marks = marks_of(check(file_of("backprop", solves=False, dprobs='"probs"', dh="[1, 2]", dC="print", more=more)))
    assert marks["dlogprobs"] == Mark("dlogprobs", "missing", "there is no such name in the file any more")
    assert marks["dprobs"].mistake == "a str, not a tensor"
    assert marks["dC"].mistake == "a builtin_function_or_method, not a tensor"
    assert marks["dh"].status == "wrong"


def test_a_forward_pass_that_was_changed_is_an_error(file_of: FileOf) -> None:
    with pytest.raises(InputError, match="h is no longer what the forward pass makes"):
        check(file_of("backprop", solves=False, more="\nh = h * 2\n"))
    with pytest.raises(InputError, match="W1 is missing: the upper part of the file was changed"):
        check(file_of("backprop", solves=False, more="\ndel W1\n"))


def test_what_is_no_exercise_is_said(tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("x = 1", encoding="utf-8")
    with pytest.raises(InputError, match="not the file of an exercise"):
        check(other)
    other.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        check(other)
    with pytest.raises(FileError, match="cannot be read: No such file"):
        check(tmp_path / "none.py")
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        check(tmp_path)
    with pytest.raises(FileError, match=r"other.py is a file; expected a folder"):
        start("backprop", other)
    with pytest.raises(FileError, match="exercise start zero-init$"):  # as the file's name says
        check(tmp_path / "zero_init.py")
    with pytest.raises(FileError, match="exercise start fused$"):
        check(tmp_path / "fuse")
    other.write_text("x = 1", encoding="utf-8")
    with pytest.raises(InputError, match="start NAME, where NAME is one of backprop, fused, zero-init, folding$"):
        check(other)
    with pytest.raises(InputError, match="no exercise backpro. Did you mean backprop?"):
        start("backpro", tmp_path)
    other.write_text("# moreish exercise: backprop", encoding="utf-8")
    with pytest.raises(InputError, match="no dprob to solve .* Did you mean dprobs?"):
        solution(other, "dprob")
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="seconds were given"):
            check(other, seconds)
