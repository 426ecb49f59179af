"""What is said of a file, and what is refused."""

import dataclasses
import gzip
import os
from pathlib import Path

import pytest

from corpus.lists import LINES, PUBLISHED, TEXT, corpus_of, items_of
from moreish.corpus import read_corpus
from moreish.errors import FileError, InputError, MoreishError
from moreish.recipe import Recipe

# --- What is said ---------------------------------------------------------------------------------------------------


def test_what_was_dropped_is_said(tmp_path: Path) -> None:
    notes = corpus_of(tmp_path, " anna\n\nbob \n\n\ncarl\ndora\t\n").summary.notes
    assert notes[:2] == ("3 blank lines were dropped.", "The space around 3 lines was dropped.")


def test_symbols_that_never_occur_in_training_are_said(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "ab" * 40 + "c" * 10 + "ccccdddddd", TEXT)
    assert corpus.summary.unseen_symbols == ("c", "d")
    assert corpus.summary.num_unseen == {"validation": 10, "test": 10}
    assert "2 symbols never occur in training (c d), but 10 times in validation" in corpus.summary.notes[0]


def test_splits_of_few_items_are_told(tmp_path: Path) -> None:
    def rough(count: int, recipe: Recipe = LINES) -> list[str]:
        notes = corpus_of(tmp_path, "\n".join(map(str, range(count))), recipe).summary.notes
        return [note for note in notes if "rough" in note]

    assert rough(45, PUBLISHED) == ["Validation and test hold 4 and 5 items: their figures are rough."]
    assert rough(299, PUBLISHED) == []
    assert len(rough(290)) == 1
    assert rough(300) == []
    assert rough(45, TEXT) == []
    undivided = read_corpus(tmp_path / "list.txt", LINES, is_divided=False)
    assert not any("rough" in note for note in undivided.summary.notes)


def test_what_a_table_has_is_told_first(tmp_path: Path) -> None:
    table = "Product Name\n" + "".join(f"soap {number}\n" for number in range(10_000)) + "\n"
    summary = corpus_of(tmp_path, table, name="products.csv").summary
    assert summary.num_items == 10_001
    assert summary.notes[0].startswith("The first row is taken as an item (“Product Name”)")
    assert summary.notes[1] == "1 blank line was dropped."


def test_a_list_that_looks_like_running_text_is_told(tmp_path: Path) -> None:
    notes = corpus_of(tmp_path, "\n".join(f"{number} " + "word " * 20 for number in range(20))).summary.notes
    assert "--as text" in notes[0]


# --- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "recipe", "expected"),
    [
        ("", LINES, "holds nothing"),
        ("", TEXT, "holds nothing"),
        ("\ufeff", LINES, "holds nothing"),
        (gzip.compress(b""), LINES, "holds nothing"),
        ("\n \r\n\t\n", LINES, "nothing but white space"),
        ("\n \r\n\t\n", TEXT, "nothing but white space"),
        ("anna\n", LINES, "1 distinct item; expected at least 3"),
        ("anna\nbob\nanna", LINES, "2 distinct items"),
        ("anna\nbob\n" + "x" * 1_000_000, LINES, "Line 3 of list.txt"),
        ("anna\n\nbob\n" + "x" * 10_001 + "\ncarl", LINES, "Line 4 of list.txt"),
        ("anna\nbob\ncarl\n\0", LINES, "not a text file"),
        ("anna\nbob\nren\xe9".encode("latin-1"), LINES, "byte 0xe9 at offset 12"),
        ("anna\nbob\ncarl", dataclasses.replace(LINES, encoding="utf7000"), "'utf7000' is not an encoding"),
        (gzip.compress(b"anna\nbob\ncarl")[:-9], LINES, "damaged .gz"),
        ("anna;1\nbob;2", dataclasses.replace(LINES, column="name"), "it has anna, 1"),
    ],
)
def test_bad_input_is_refused_in_one_line(tmp_path: Path, content: str | bytes, recipe: Recipe, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        corpus_of(tmp_path, content, recipe)
    assert expected in str(caught.value)
    assert "list.txt" in str(caught.value) or "encoding" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_items_of_ten_thousand_characters_are_taken(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, f"anna\nbob\n  {'x' * 10_000}  \n")
    assert max(map(len, items_of(corpus))) == 10_000


def test_nothing_is_read_beyond_a_line_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Line 1 "):
        corpus_of(tmp_path, b"x" * 100_000 + b"\n\xff\xff\0")


def test_no_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    for file in (tmp_path / "gone.txt", tmp_path):
        with pytest.raises(MoreishError) as caught:
            read_corpus(file, LINES)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("anna\nbob\ncarl\n")
    path.chmod(0)
    with pytest.raises(FileError, match="Permission denied"):
        read_corpus(path, LINES)


def test_a_table_needs_a_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="columns name, year"):
        corpus_of(tmp_path, "name,year\nanna,1\n", name="names.csv")


def test_a_context_longer_than_the_text_is_refused(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "x" * 100, TEXT)
    assert corpus.predicted("train", 79) == range(79, 80)
    assert corpus.predicted("validation", 9) == range(89, 90)
    with pytest.raises(InputError, match="10 characters in its validation split, too few for a context of 10"):
        corpus.predicted("validation", 10)
