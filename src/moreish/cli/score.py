"""`moreish score`: how probable a model finds given texts."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moreish.cli.options import JsonOption, ModelArgument
from moreish.cli.printing import print_json, print_table, visible
from moreish.errors import InputError, ScoringError

if TYPE_CHECKING:
    from moreish.generation import Scored


def score(
    model: ModelArgument,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="What is scored [the lines of standard input]", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say how probable texts are to a model.

    Shows the NLL of each, and per character; the lower, the more the model would make such. A text with characters that
    the model does not know is left without figures, and the command ends with 2.
    """
    from moreish import load

    loaded = load(model)  # a wrong name is said before anybody types lines
    texts = texts or _lines_of_standard_input()
    shortfall = None
    try:
        items: list[Scored | None] = [*loaded.score(texts)]
        problems = [""] * len(items)
    except ScoringError as error:
        items, problems, shortfall = error.items, error.problems, error
    rows = [_row(*each) for each in zip(texts, items, problems, strict=True)]
    if json:
        print_json({"items": rows})
    elif any(items):
        _show(rows)
    if shortfall:
        raise shortfall


def _row(text: str, item: "Scored | None", problem: str) -> dict[str, Any]:
    """What is known of a text; the figures of one that could not be scored are null."""
    from moreish.generation import Scored

    if item is not None:
        return asdict(item) | {"problem": None}
    return dict.fromkeys(field.name for field in fields(Scored)) | {"text": text, "problem": problem}


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    cells = [["NLL (nats)", "per character", "text", ""]]
    for row in rows:
        if row["problem"]:
            figures, mark = ["-", "-"], f"(not scored: {row['problem']})"
        else:
            figures = [f"{row['nll_nats']:.4f}", f"{row['nll_per_character']:.4f}"]
            mark = "(in the file)" if row["in_training_file"] else ""
        cells.append([*figures, visible(row["text"]), mark])
    print_table(cells, ">><<")


def _lines_of_standard_input() -> list[str]:
    if sys.stdin.isatty():
        raise InputError("There is no text to score. Give texts as arguments, or lines on standard input.")
    try:
        lines = [line.strip() for line in sys.stdin.buffer.read().decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(
            f"Standard input is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}. "
            "Convert it first (iconv -t UTF-8)."
        ) from error
    texts = [line for line in lines if line]
    if not texts:
        raise InputError("Standard input holds no text to score. Give one text a line, or texts as arguments.")
    return texts
