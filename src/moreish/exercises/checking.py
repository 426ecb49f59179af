"""Hands out exercises, marks them, and shows a solution where one is asked for."""

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from moreish.errors import FileError, InputError
from moreish.exercises.catalogue import EXERCISES, Exercise
from moreish.exercises.marking import Mark
from moreish.exercises.process import run
from moreish.exercises.solutions import SOLUTIONS

_TEMPLATES = Path(__file__).parent / "_templates"
_GONE = "there is no such name in the file any more"
_MARKER = re.compile(r"^#\s*moreish exercise:\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """How a file was marked.

    Attributes:
        exercise: name.
        marks: one for each answer, in their order.
        trouble: one line on what ended the file early, or ""; answers before that are marked all the same.
        printed: what the file printed.
    """

    exercise: str
    marks: tuple[Mark, ...]
    trouble: str
    printed: str

    @property
    def num_right(self) -> int:
        """How many answers are right."""
        return sum(mark.status == "right" for mark in self.marks)

    @property
    def is_solved(self) -> bool:
        """Whether all answers are right, and the file came to its end."""
        return bool(self.marks) and self.num_right == len(self.marks) and not self.trouble


def start(name: str, directory: str | Path = ".") -> Path:
    """Write the file of an exercise into a directory, which is made where there is none.

    Raises:
        InputError: there is no exercise of that name.
        FileError: the file exists, which is never overwritten, or cannot be written.
    """
    exercise = _find(name)
    path = Path(directory) / exercise.template
    if path.parent.exists() and not path.parent.is_dir():
        raise FileError(
            f"{path.parent} is a file; expected a folder. Name another: moreish exercise start {name} FOLDER"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write((_TEMPLATES / exercise.template).read_text(encoding="utf-8"))
    except FileExistsError:
        raise FileError(
            f"{path} exists and is not overwritten. Name another folder: moreish exercise start {name} FOLDER"
        ) from None
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}. Name another folder.") from error
    return path


def check(file: str | Path, seconds: float = 60.0) -> Result:
    """Carry out a learner's file in a process of its own and mark its answers.

    Args:
        file: one that `start` wrote, with answers filled in.
        seconds: after which it is stopped.

    Raises:
        FileError: the file cannot be read.
        InputError: it is no exercise, or what was given in it is no longer there.
    """
    path, exercise = Path(file), of_file(file)
    outcome = run(path, (*exercise.answers, *exercise.given), seconds)
    trouble = outcome.trouble or ""
    if trouble and not all(name in outcome.values for name in exercise.given):
        marks = [Mark(name, "missing") for name in exercise.answers]
    else:
        marks = list(exercise.mark(outcome.values, exercise.answers))
    if not trouble:
        gone = set(exercise.answers) - outcome.values.keys()
        marks = [replace(mark, mistake=_GONE) if mark.name in gone else mark for mark in marks]
    return Result(exercise.name, tuple(marks), trouble, outcome.printed)


def solution(file: str | Path, name: str) -> str:
    """The line that solves one answer of a file.

    Raises:
        FileError, InputError: as `check`; or there is no answer of that name.
    """
    exercise = of_file(file)
    if name not in exercise.answers:
        raise InputError(
            f"There is no {name} to solve in exercise {exercise.name}. {_meant(name, exercise.answers)}"
            f"Its answers are: {', '.join(exercise.answers)}."
        )
    return f"{name} = {SOLUTIONS[exercise.name][name]}"


def of_file(file: str | Path) -> Exercise:
    """Which exercise a file is: its first line says so."""
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: {error.reason}. Name the file of an exercise.") from error
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}. {_beginning(file)}") from error
    marker = _MARKER.search(text)
    if not marker:
        raise InputError(
            f"{file} is not the file of an exercise: it has no line “# moreish exercise: NAME”. {_beginning(file)}"
        )
    return _find(marker[1])


def _beginning(file: str | Path) -> str:
    """How a file like this one is begun: its name may say which exercise is meant."""
    names = {Path(exercise.template).stem: name for name, exercise in EXERCISES.items()} | {n: n for n in EXERCISES}
    near = difflib.get_close_matches(Path(file).stem, names, n=1)
    if near:
        return f"Begin with: moreish exercise start {names[near[0]]}"
    return f"Begin with: moreish exercise start NAME, where NAME is one of {', '.join(EXERCISES)}"


def _find(name: str) -> Exercise:
    if name not in EXERCISES:
        raise InputError(
            f"There is no exercise {name}. {_meant(name, tuple(EXERCISES))}The exercises are: {', '.join(EXERCISES)}."
        )
    return EXERCISES[name]


def _meant(name: str, names: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]}? " if near else ""
