"""`moreish score`: how probable a model finds given texts."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from moreish.cli.options import JsonOption, ModelArgument
from moreish.cli.printing import print_json, print_table, visible
from moreish.errors import InputError


def score(
    model: ModelArgument,
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="What is scored [the lines of standard input]", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say how probable texts are to a model.

    Shows the NLL of each, and per character; the lower, the more the model would make such.
    """
    texts = texts or _lines_of_standard_input()
    from moreish import load

    scored = load(model).score(texts)
    if json:
        print_json({"items": [asdict(item) for item in scored]})
        return
    rows = [["NLL (nats)", "per character", "text", ""]]
    for item in scored:
        mark = "(in the file)" if item.in_training_file else ""
        rows.append([f"{item.nll_nats:.4f}", f"{item.nll_per_character:.4f}", visible(item.text), mark])
    print_table(rows, ">><<")


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
