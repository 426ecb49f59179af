"""One column of a table, by name or number, whatever the separator."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.corpus.tables import column_pieces
from moreish.errors import InputError


def column(text: str, name: str | None, chunk: int = 1 << 15) -> list[str]:
    pieces = (text[first : first + chunk] for first in range(0, len(text), chunk))
    return "".join(column_pieces(pieces, "table.csv", name)).split("\n")[:-1]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_column_by_name_and_by_number(separator: str, chunk: int) -> None:
    text = "year,name, count\n2015,emma,20435\n2015,olivia,19669\n".replace(",", separator)
    assert column(text, "name", chunk) == ["emma", "olivia"]
    assert column(text, "count", chunk) == ["20435", "19669"]
    assert column(text, "2", chunk) == ["name", "emma", "olivia"]


def test_a_number_that_is_a_name_is_a_name() -> None:
    assert column("2,1\na,b\n", "1") == ["b"]


def test_quoted_fields_may_hold_separators_quotes_and_line_breaks() -> None:
    assert column('place,land\n"Frankfurt, Main",d\n"a ""b""",d\n"two\nlines",d', "place") == [
        "Frankfurt, Main",
        'a "b"',
        "two lines",
    ]


def test_rows_that_are_too_short_have_a_blank_field() -> None:
    assert column("a,b\n1,2\n3\n\n5,6\n", "b") == ["2", "", "", "6"]


@given(st.lists(st.tuples(st.text("ab,\"; '"), st.text("ab,;\"'")), min_size=1), st.integers(1, 9))
def test_what_the_csv_module_wrote_is_read_back(rows: list[tuple[str, str]], chunk: int) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([("first", "second"), *rows])
    assert column(file.getvalue(), "second", chunk) == [second for _, second in rows]


def test_a_column_that_is_missing_or_unknown_is_told_with_those_there_are() -> None:
    text = "year,name\n2015,emma\n"
    with pytest.raises(InputError, match="has no column 'nam'; it has year, name"):
        column(text, "nam")
    for number in ("0", "3", "-1"):
        with pytest.raises(InputError, match="year, name"):
            column(text, number)
    with pytest.raises(InputError, match=r"columns year, name\. Say which one holds the items: --column"):
        column(text, None)


def test_a_quotation_mark_that_is_never_closed_is_told() -> None:
    text = "name,year\n" + '"emma,2015\n' + "olivia,2015\n" * 20_000
    with pytest.raises(InputError, match="quotation mark") as caught:
        column(text, "name")
    assert "\n" not in str(caught.value)


def test_a_table_without_rows_is_refused_early() -> None:
    with pytest.raises(InputError, match="more than 1,048,576 characters"):
        column("x" * 3_000_000, "1")
