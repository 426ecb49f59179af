"""What all commands share in showing things: standard error for remarks, tables, JSON."""

import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any


def say(line: str) -> None:
    """A remark on standard error, where it disturbs no one who reads the output."""
    print(line, file=sys.stderr, flush=True)


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on standard output; infinity and NaN, which JSON does not have, become null."""
    print(json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False))


def print_table(rows: Iterable[Sequence[str]], alignment: str) -> None:
    """Print cells in columns.

    Args:
        rows: cells; the first row is usually the headings.
        alignment: one of "<" and ">" for each column.
    """
    rows = list(rows)
    widths = [max((display_width(row[column]) for row in rows), default=0) for column in range(len(alignment))]
    for row in rows:
        cells = (pad(cell, width, side) for cell, width, side in zip(row, widths, alignment, strict=True))
        print("  ".join(cells).rstrip())


def pad(text: str, width: int, alignment: str = "<") -> str:
    """The text with spaces after (or, with ">", before) it up to a display width."""
    spaces = " " * (width - display_width(text))
    return text + spaces if alignment == "<" else spaces + text


def display_width(text: str) -> int:
    """Columns that a terminal takes for a text: two for wide characters (Japanese, emoji), none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def visible(text: str) -> str:
    """The text with control characters escaped, so that none of them moves a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in ("Cc", "Cs") else character for character in text
    )


def count(number: int, noun: str) -> str:
    """ "1 item", "2,000 items"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Rounded for people: "1.5 s", "12 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
