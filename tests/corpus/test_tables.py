"""One column of a table, by name or number, whatever the separator."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.corpus.tables import Column
from moreish.errors import InputError


def read(text: str, name: str | None, chunk: int = 1 << 15) -> tuple[list[str], tuple[str, ...]]:
    """The fields of a column, and the notes after the second pass."""
    chosen = Column("table.csv", name)

    def fields() -> list[str]:
        texts = (text[first : first + chunk] for first in range(0, len(text), chunk))
        return "".join(chosen.pieces(texts)).split("\n")[:-1]

    once, again = fields(), fields()
    assert once == again
    return again, chosen.notes


def column(text: str, name: str | None, chunk: int = 1 << 15) -> list[str]:
    return read(text, name, chunk)[0]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_column_by_name_and_by_number(separator: str, chunk: int) -> None:
    text = "year,name, count\n2015,emma,20435\n2015,olivia,19669\n".replace(",", separator)
    assert column(text, "name", chunk) == ["emma", "olivia"]
    assert column(text, "count", chunk) == ["20435", "19669"]
    assert column(text, "2", chunk) == ["name", "emma", "olivia"]


def test_a_number_of_a_column_is_a_position_and_a_larger_one_may_be_a_name() -> None:
    assert column("7,1\n2,4\n", "1") == ["7", "2"]
    assert column("2,1\na,b\n", "1") == ["2", "a"]
    assert column("name,2015\nemma,20435\n", "2015") == ["20435"]


def test_a_first_row_that_is_an_item_is_told() -> None:
    note = "The first row is taken as an item (“Product Name”); if it is a heading, pass --column with its name."
    text = "No,Product Name\n1,soap\n2,brush\n"
    assert read(text, "2") == (["Product Name", "soap", "brush"], (note,))
    assert read(text, "Product Name") == (["soap", "brush"], ())
    assert len(read("x" * 5000 + "\n", "1")[1][0]) < 150


def test_control_characters_of_a_heading_are_escaped() -> None:
    assert "(“\\x1b[31mname”)" in read("\x1b[31mname,year\nemma,2015\n", "1")[1][0]
    with pytest.raises(InputError, match=r"columns \\x1b\[31mname, year"):
        column("\x1b[31mname,year\nemma,2015\n", None)


def test_the_only_column_needs_no_name() -> None:
    fields, notes = read("\nname\nemma\nolivia\n", None)
    assert fields == ["name", "emma", "olivia"]
    assert notes[0].startswith("The first row is taken as an item (“name”)")
    assert column('"Frankfurt, Main"\nBonn\n', None) == ["Frankfurt, Main", "Bonn"]
    assert read("name\nemma\n", "name") == (["emma"], ())
    assert read("", None) == ([], ())


def test_of_two_columns_with_one_name_the_first_is_taken_and_told() -> None:
    fields, notes = read("name,year,name\nemma,2015,olivia\n", "name")
    assert fields == ["emma"]
    assert notes == ("2 columns are named “name”; the first is taken. Pass --column with a number for another.",)


def test_quoted_fields_may_hold_separators_quotes_and_line_breaks() -> None:
    assert column('place,land\n"Frankfurt, Main",d\n"a ""b""",d\n"two\nlines",d', "place") == [
        "Frankfurt, Main",
        'a "b"',
        "two lines",
    ]


def test_rows_that_are_too_short_have_a_blank_field() -> None:
    fields, notes = read("a,b\n1,2\n3\n\n5,6\n", "b")
    assert fields == ["2", "", "", "6"]
    assert notes == ("1 row ends before the column: a blank line each.",)
    assert read("a,b\n1\n2\n", "b")[1] == ("2 rows end before the column: a blank line each.",)
    assert read("a,b\n1\n2\n", "a")[1] == ()


def test_rows_that_are_too_long_are_told() -> None:
    fields, notes = read("name\nAda, Lovelace\nBob\n", "name")
    assert fields == ["Ada", "Bob"]
    assert notes == ("1 row has more fields than the first; a field that holds the separator needs quotation marks.",)


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
