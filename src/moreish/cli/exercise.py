"""`moreish exercise`: the questions of the notebooks, handed out, marked and, where asked for, solved."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from moreish.cli.options import JsonOption, number_option
from moreish.cli.printing import count, print_json, print_table, visible
from moreish.errors import InputError

if TYPE_CHECKING:
    from moreish.exercises import Result

EXIT_UNSOLVED = 1

_NUM_PRINTED_LINES = 20  # of what the learner's file prints
_STATUS = {"right": "right", "follows": "follows", "wrong": "wrong", "missing": "not yet"}
_FOLLOWS = "this line is right; what it is made from is not"

exercise: typer.Typer = typer.Typer(rich_markup_mode=None, add_completion=False)


@exercise.callback(invoke_without_command=True)
def _list(context: typer.Context, json: JsonOption = False) -> None:
    """Work out gradients by hand, and have them marked.

    Alone, it lists the exercises.
    """
    if context.invoked_subcommand:
        return
    from moreish.exercises import EXERCISES

    if json:
        names = [{"name": e.name, "question": e.question, "answers": list(e.answers)} for e in EXERCISES.values()]
        print_json({"exercises": names})
        return
    print_table([[each.name, count(len(each.answers), "answer"), each.question] for each in EXERCISES.values()], "<><")
    print("\nBegin with: moreish exercise start backprop")


@exercise.command()
def start(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the exercise", show_default=False)],
    directory: Annotated[str, typer.Argument(metavar="DIR", help="Where the file is written")] = ".",
    json: JsonOption = False,
) -> None:
    """Write the file of an exercise; one that exists is never overwritten."""
    import moreish.exercises

    path = moreish.exercises.start(name, directory)
    if json:
        print_json({"exercise": name, "file": str(path)})
        return
    print(f"Fill in {path}, then: moreish exercise check {path}")


@exercise.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="With your answers", show_default=False)],
    solution: Annotated[
        str | None, typer.Option("--solution", metavar="NAME", help="Show the line that solves one answer")
    ] = None,
    seconds: Annotated[Any, number_option("--seconds", "After which the file is stopped")] = 60,
    json: JsonOption = False,
) -> None:
    """Carry out a file and mark its answers; ends with 1 while something is not right yet."""
    import moreish.exercises

    if solution is not None:
        line = moreish.exercises.solution(file, solution)
        if json:
            print_json({"name": solution, "solution": line})
        else:
            print(line)
        return
    if not isinstance(seconds, int | float):
        raise InputError(f"--seconds is {seconds}; expected a number of seconds, such as 60.")
    result = moreish.exercises.check(file, seconds)
    if json:
        print_json(_as_json(result))
    else:
        _show(result, file)
    if not result.is_solved:
        raise typer.Exit(EXIT_UNSOLVED)


def _as_json(result: "Result") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result) | {
        "marks": [asdict(mark) for mark in result.marks],
        "num_right": result.num_right,
        "is_solved": result.is_solved,
    }


def _show(result: "Result", file: str) -> None:
    lines = result.printed.splitlines()
    for line in lines[:_NUM_PRINTED_LINES]:
        print(f"  | {visible(line[:200])}")
    if len(lines) > _NUM_PRINTED_LINES:
        print(f"  | … and {count(len(lines) - _NUM_PRINTED_LINES, 'line')} more")
    for mark in result.marks:
        note = _FOLLOWS if mark.status == "follows" and not mark.mistake else mark.mistake
        print(f"{mark.name:20}  {_STATUS[mark.status]:7}  {note}".rstrip())
        if mark.hint:
            print(f"{'':20}  {'':7}  hint: {mark.hint}")
    print(f"\n{result.num_right} of {len(result.marks)} are right.")
    if result.trouble:
        print(result.trouble)
    if result.is_solved:
        return
    first = next((mark for mark in result.marks if mark.status in ("wrong", "missing")), None)
    if first and first.name.isidentifier():
        print(f"Stuck? moreish exercise check {file} --solution {first.name}")
