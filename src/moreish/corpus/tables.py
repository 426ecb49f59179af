"""One column of a .csv or .tsv file, as lines."""

import csv
from collections.abc import Iterator
from itertools import chain

from moreish.errors import InputError

_SEPARATORS = ",;\t"
_FIELDS_A_PIECE = 4096
_LONGEST_ROW = 1 << 20


def column_pieces(pieces: Iterator[str], name: str, column: str | None) -> Iterator[str]:
    """The fields of a column, each with a line feed after it, in pieces of text.

    The separator is a comma, a semicolon or a tab, whichever the first row has most of. A column given by its name
    needs a first row with the names, which is not an item. A number counts columns from 1, and then the first row is an
    item like the others (a number that is a column's name is taken for the name). A field that a row lacks is blank; a
    line break inside a quoted field becomes a space.

    Args:
        pieces: the text of the table.
        name: of the file, for messages.
        column: name, or number from 1; None is an error that lists the columns.

    Raises:
        InputError: no such column, or a row that cannot be read.
    """
    lines = _lines(pieces, name)
    first = next(lines, "")
    rows = csv.reader(chain([first], lines), delimiter=max(_SEPARATORS, key=first.count))
    fields: list[str] = []
    try:
        header = next(rows, [])
        place, is_item = _place(header, name, column)
        for row in chain([header] if is_item else [], rows):
            fields.append(row[place].replace("\n", " ") if place < len(row) else "")
            if len(fields) == _FIELDS_A_PIECE:
                yield "\n".join(fields) + "\n"
                fields.clear()
    except csv.Error as error:
        raise InputError(
            f"{name}: the row that ends in line {rows.line_num:,} cannot be read ({error}). "
            "See whether a quotation mark before it is never closed."
        ) from error
    if fields:
        yield "\n".join(fields) + "\n"


def _place(header: list[str], name: str, column: str | None) -> tuple[int, bool]:
    """Which field of a row is meant, and whether the first row is an item too."""
    names = [field.strip() for field in header]
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    if column is None:
        raise InputError(f"{name} is a table with the columns {listed}. Say which one holds the items: --column NAME.")
    if column in names:
        return names.index(column), False
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return int(column) - 1, True
    raise InputError(f"{name} has no column {column!r}; it has {listed}. Give one of these, or a number from 1.")


def _lines(pieces: Iterator[str], name: str) -> Iterator[str]:
    pending = ""
    for piece in pieces:
        *whole, pending = (pending + piece).split("\n")
        for line in whole:
            yield line + "\n"
        if len(pending) > _LONGEST_ROW:
            raise InputError(
                f"{name} has a line of more than {_LONGEST_ROW:,} characters; expected a table of short rows."
            )
    if pending:
        yield pending
