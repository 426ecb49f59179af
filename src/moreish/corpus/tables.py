"""One column of a .csv or .tsv file, as lines."""

import csv
from collections.abc import Iterator
from itertools import chain

from moreish.corpus.vocabulary import shorten
from moreish.errors import InputError

_SEPARATORS = ",;\t"
_FIELDS_A_PIECE = 4096
_LONGEST_ROW = 1 << 20


class Column:
    """The column of a table that holds the items, and what a pass through it found.

    The separator is a comma, a semicolon or a tab, whichever the first row has most of. A number from 1 to the number
    of columns is always a position, and then the first row is an item like the others; anything else is a name in the
    first row, which is then no item. A table of one column needs neither.

    Args:
        name: of the file, for messages.
        column: name, or number from 1; None takes the only column.
    """

    def __init__(self, name: str, column: str | None) -> None:
        self._name = name
        self._column = column
        self._about_header: list[str] = []
        self._num_short = self._num_long = 0

    def pieces(self, texts: Iterator[str]) -> Iterator[str]:
        """The fields of the column, each with a line feed after it, in pieces of text.

        A field that a row lacks is blank; a line break inside a quoted field becomes a space.

        Args:
            texts: the text of the table, from its beginning.

        Raises:
            InputError: no such column, none given of several, or a row that cannot be read.
        """
        self._num_short = self._num_long = 0
        lines = _lines(texts, self._name)
        first = next((line for line in lines if line != "\n"), "")
        rows = csv.reader(chain([first], lines), delimiter=max(_SEPARATORS, key=first.count))
        fields: list[str] = []
        try:
            header = next(rows, [])
            place, is_item = self._place(header)
            for row in chain([header] if is_item else [], rows):
                fields.append(row[place].replace("\n", " ") if place < len(row) else "")
                self._num_short += 0 < len(row) <= place
                self._num_long += len(row) > len(header)
                if len(fields) == _FIELDS_A_PIECE:
                    yield "\n".join(fields) + "\n"
                    fields.clear()
        except csv.Error as error:
            raise InputError(
                f"{self._name}: the row that ends in line {rows.line_num:,} cannot be read ({error}). "
                "See whether a quotation mark before it is never closed."
            ) from error
        if fields:
            yield "\n".join(fields) + "\n"

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of the last pass, in sentences."""
        notes = list(self._about_header)
        if self._num_short:
            rows = "1 row ends" if self._num_short == 1 else f"{self._num_short:,} rows end"
            notes.append(f"{rows} before the column: a blank line each.")
        if self._num_long:
            rows = "1 row has" if self._num_long == 1 else f"{self._num_long:,} rows have"
            notes.append(f"{rows} more fields than the first; a field that holds the separator needs quotation marks.")
        return tuple(notes)

    def _place(self, header: list[str]) -> tuple[int, bool]:
        """Which field of a row is meant, and whether the first row is an item too."""
        self._about_header = []
        names = [field.strip() for field in header]
        listed = ", ".join(map(shorten, names[:20])) + (", …" if len(names) > 20 else "")
        if not names:
            return 0, False
        column = "1" if self._column is None and len(names) == 1 else self._column
        if column is None:
            raise InputError(
                f"{self._name} is a table with the columns {listed}. Say which one holds the items: --column NAME."
            )
        if column.isdecimal() and 1 <= int(column) <= len(names):
            place = int(column) - 1
            first = shorten(names[place])
            self._about_header.append(
                f"The first row is taken as an item (“{first}”); if it is a heading, pass --column with its name."
            )
            return place, True
        if column not in names:
            raise InputError(
                f"{self._name} has no column {column!r}; it has {listed}. Give one of these, or a number from 1."
            )
        if names.count(column) > 1:
            self._about_header.append(
                f"{names.count(column)} columns are named “{shorten(column)}”; the first is taken. "
                "Pass --column with a number for another."
            )
        return names.index(column), False


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
