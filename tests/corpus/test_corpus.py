"""From a file to a stream: what is kept, dropped, said and refused, and the figures of the notebooks' list."""

import dataclasses
import gzip
import hashlib
import io
import os
import random
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import moreish.corpus.reading
from moreish.corpus import SPLITS, Corpus, contexts, describe, fingerprint_texts, read_corpus, show_windows
from moreish.errors import FileError, InputError, MoreishError
from moreish.recipe import Recipe

LINES = Recipe(context=3)
PUBLISHED = Recipe(context=3, split="published")
TEXT = Recipe(context=3, kind="text")

awkward = st.text(st.sampled_from("\n\n\r \t.abé́漢😀\u3000\u2028"), min_size=1, max_size=80)


def corpus_of(directory: Path, content: str | bytes, recipe: Recipe = LINES, name: str = "list.txt") -> Corpus:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_corpus(path, recipe)


def items_of(corpus: Corpus) -> list[str]:
    return [item for split in SPLITS for item in corpus.items(split)]


def naive_items(text: str) -> list[str]:
    """What a person would write: lines, stripped, the blank ones left out."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return [line.strip() for line in text.split("\n") if line.strip()]


def naive_dataset(words: list[str], context: int) -> tuple[list[list[str]], list[str]]:
    """The notebooks' loop, with "" for the boundary."""
    examples, targets = [], []
    for word in words:
        window = [""] * context
        for symbol in [*word, ""]:
            examples.append(window)
            targets.append(symbol)
            window = [*window[1:], symbol]
    return examples, targets


def windows_of(corpus: Corpus, split: str, context: int) -> tuple[list[list[str]], list[str]]:
    symbols = np.array([corpus.vocabulary.decode([number]) for number in range(corpus.vocabulary.vocab_size)], object)
    positions = np.array(corpus.predicted(split, context), np.int64)  # pyright: ignore[reportArgumentType]
    seen = contexts(corpus.stream, positions, context, corpus.has_boundary)
    return symbols[seen].tolist(), symbols[corpus.stream[positions]].tolist()


@pytest.mark.parametrize("chunk_bytes", [1, 5, 1 << 15])
@given(text=awkward)
def test_lines_are_cleaned_as_a_person_would(
    tmp_path_factory: pytest.TempPathFactory, chunk_bytes: int, text: str
) -> None:
    expected = naive_items(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moreish.corpus.reading, "CHUNK_BYTES", chunk_bytes)
        try:
            corpus = corpus_of(tmp_path_factory.mktemp("lines"), text)
        except InputError:
            assert len(set(expected)) < 3
            return
    assert sorted(items_of(corpus)) == sorted(expected)
    lines = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    summary = corpus.summary
    assert summary.num_blank_lines == sum(not line.strip() for line in lines)
    assert summary.num_trimmed_lines == sum(line != line.strip() != "" for line in lines)
    assert (summary.num_items, summary.num_distinct) == (len(expected), len(set(expected)))
    assert summary.num_characters == sum(map(len, expected))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 15])
@given(text=awkward)
def test_running_text_is_kept_as_it_is(tmp_path_factory: pytest.TempPathFactory, chunk_bytes: int, text: str) -> None:
    expected = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moreish.corpus.reading, "CHUNK_BYTES", chunk_bytes)
        try:
            corpus = corpus_of(tmp_path_factory.mktemp("text"), text, TEXT)
        except InputError:
            assert not expected.strip()
            return
    assert corpus.vocabulary.decode(corpus.stream) == expected
    assert corpus.vocabulary.symbols == tuple(sorted(set(expected)))
    assert corpus.cuts == (0, int(0.8 * len(expected)), int(0.9 * len(expected)), len(expected))


@given(
    words=st.lists(st.text("ab.é漢", min_size=1, max_size=6), min_size=10, max_size=40).filter(
        lambda x: len(set(x)) > 2
    ),
    context=st.integers(1, 8),
)
def test_windows_equal_the_notebooks_loop(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], context: int
) -> None:
    corpus = corpus_of(tmp_path_factory.mktemp("windows"), "\n".join(words), PUBLISHED)
    random.Random(42).shuffle(words)
    first, second = int(0.8 * len(words)), int(0.9 * len(words))
    for split, part in zip(SPLITS, (words[:first], words[first:second], words[second:]), strict=True):
        assert windows_of(corpus, split, context) == naive_dataset(part, context)


def test_the_notebooks_list_gives_the_notebooks_windows(names_file: Path) -> None:
    corpus = read_corpus(names_file, PUBLISHED)
    assert [len(corpus.predicted(split, 3)) for split in SPLITS] == [182_625, 22_655, 22_866]
    words = names_file.read_text().splitlines()
    random.Random(42).shuffle(words)
    id_of = {symbol: number for number, symbol in enumerate(sorted(set("".join(words))), start=1)} | {"": 0}
    first, second = int(0.8 * len(words)), int(0.9 * len(words))
    for split, part in zip(SPLITS, (words[:first], words[first:second], words[second:]), strict=True):
        examples, targets = naive_dataset(part, 3)
        positions = np.array(corpus.predicted(split, 3))
        seen = contexts(corpus.stream, positions, 3, has_boundary=True)
        assert seen.tolist() == [[id_of[symbol] for symbol in window] for window in examples]
        assert corpus.stream[positions].tolist() == [id_of[symbol] for symbol in targets]


def test_the_notebooks_list_has_the_published_figures(names_file: Path) -> None:
    corpus = read_corpus(names_file, PUBLISHED)
    summary = corpus.summary
    assert (summary.num_items, summary.num_distinct, corpus.vocabulary.vocab_size) == (32_033, 29_494, 27)
    assert corpus.source.sha256 == hashlib.sha256(names_file.read_bytes()).hexdigest()
    assert len(summary.notes) == 1
    assert summary.notes[0].startswith(
        "13.2% of the validation lines and 11.8% of the test lines also stand in training"
    )
    distinct = read_corpus(names_file, LINES).summary
    assert distinct.leaks == {"validation": 0, "test": 0}
    assert distinct.notes == ("2,539 lines are copies of others; no line stands in two splits.",)


def test_the_splits_of_a_list_keep_file_order_and_share_no_item(names_file: Path) -> None:
    corpus = read_corpus(names_file, LINES)
    number_of = {}
    for number, name in enumerate(names_file.read_text().splitlines()):
        number_of.setdefault(name, number)
    parts = [list(corpus.items(split)) for split in SPLITS]
    assert [len(part) for part in parts] == list(corpus.summary.num_items_of.values())
    assert [len(set(part)) for part in parts] == [23_595, 2_949, 2_950]
    assert len(set().union(*parts)) == 29_494
    for part in parts:
        firsts = [number_of[name] for name in dict.fromkeys(part)]
        assert firsts == sorted(firsts)


def test_fingerprints_of_the_splits_are_those_of_their_items(tmp_path: Path) -> None:
    words = [*"abcdefghijklmnopqrst", "é", "漢字", "a", "b"]
    corpus = corpus_of(tmp_path, "\n".join(words))
    train = set(corpus.items("train"))
    assert corpus.trained_items.tolist() == sorted(set(fingerprint_texts(list(train)).tolist()))
    assert corpus.held_out_items.tolist() == sorted(set(fingerprint_texts(list(set(words) - train)).tolist()))
    text = corpus_of(tmp_path, "some text", TEXT)
    assert (len(text.trained_items), len(text.held_out_items)) == (0, 0)


def test_the_boundary_opens_and_closes_every_item(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "a.\nb\ncc\n")
    assert corpus.vocabulary.symbols == (".", "a", "b", "c")
    assert corpus.stream[0] == 0
    assert [corpus.stream[cut - 1] for cut in corpus.cuts] == [0, 0, 0, 0]
    assert sorted(corpus.vocabulary.show(corpus.stream)[1:]) == sorted("a..b.cc.")


@pytest.mark.parametrize("num_symbols", [255, 256, 70_000])
def test_ids_have_the_smallest_type(tmp_path: Path, num_symbols: int) -> None:
    # Ideographs and Hangul syllables, which have no other normal form.
    symbols = [*map(chr, [*range(0x4E00, 0xA000), *range(0xAC00, 0xD7A4), *range(0x20000, 0x2A6E0)])][:num_symbols]
    for recipe, joined in ((TEXT, "".join(symbols)), (LINES, "\n".join(symbols))):
        corpus = corpus_of(tmp_path, joined, recipe)
        assert corpus.vocabulary.symbols == tuple(symbols)
        assert np.iinfo(corpus.stream.dtype).max + 1 >= corpus.vocabulary.vocab_size
        assert corpus.stream.max() == corpus.vocabulary.vocab_size - 1
        back = corpus.vocabulary.decode(corpus.stream)
        assert sorted(back) == sorted(symbols)


# --- What a file may be ---------------------------------------------------------------------------------------------


def test_a_list_is_the_same_in_every_wrapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["Zürich", "São Paulo", "東京", "Oslo", "Kraków"]
    plain = "\n".join(words)
    expected = corpus_of(tmp_path, plain)
    table = "rank,city\n" + "".join(f"{rank},{word}\n" for rank, word in enumerate(words))
    by_name = dataclasses.replace(LINES, column="city")
    variants = [
        corpus_of(tmp_path, gzip.compress(plain.encode()), name="cities.txt.gz"),
        corpus_of(tmp_path, "\ufeff" + plain.replace("\n", "\r\n")),
        corpus_of(tmp_path, plain.encode("utf-16"), dataclasses.replace(LINES, encoding="utf-16")),
        corpus_of(tmp_path, table, by_name, "cities.csv"),
        corpus_of(tmp_path, table.replace(",", "\t"), by_name, "cities.tsv"),
        corpus_of(tmp_path, gzip.compress(table.encode()), by_name, "cities.csv.gz"),
        corpus_of(tmp_path, unicodedata.normalize("NFD", plain)),
    ]

    class Stdin:
        buffer = io.BytesIO(plain.encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    variants.append(read_corpus("-", LINES))
    assert variants[-1].source.name == "standard input"
    assert Path(variants[-1].source.path).read_bytes() == plain.encode()
    for variant in variants:
        assert np.array_equal(variant.stream, expected.stream)
        assert variant.vocabulary.symbols == expected.vocabulary.symbols


def test_a_pipe_is_read_as_standard_input_is(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"anna\nbob\ncarl\n")
    os.close(writing)
    if not Path(f"/dev/fd/{reading}").exists():
        pytest.skip("no /dev/fd on this system")
    corpus = read_corpus(f"/dev/fd/{reading}", LINES)
    os.close(reading)
    assert corpus.source.name == f"/dev/fd/{reading}"
    assert sorted(items_of(corpus)) == ["anna", "bob", "carl"]


def test_the_source_says_what_was_read(tmp_path: Path) -> None:
    content = gzip.compress(b"anna\nbob\ncarl\n")
    source = corpus_of(tmp_path, content, name="names.gz").source
    assert source.name == "names.gz"
    assert source.path == str(tmp_path / "names.gz")
    assert (source.sha256, source.num_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (source.encoding, source.column) == ("utf-8", None)
    assert read_corpus(tmp_path / "names.gz", LINES, name="mine").vocabulary.origin == "mine"


def test_without_a_file_the_bundled_names_are_read() -> None:
    corpus = read_corpus(None, LINES)
    assert corpus.source.name == "names"
    assert corpus.vocabulary.symbols == tuple("abcdefghijklmnopqrstuvwxyz")
    assert read_corpus("names", LINES).source == corpus.source


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


# --- What is measured of it -----------------------------------------------------------------------------------------


def test_blocks_of_a_list_are_its_items(names_file: Path) -> None:
    corpus = read_corpus(names_file, LINES)
    blocks = corpus.blocks("validation", 3)
    assert not blocks.is_sample
    assert (blocks.starts[0], blocks.stops[-1]) == (corpus.cuts[1], corpus.cuts[2])
    assert np.array_equal(blocks.starts[1:], blocks.stops[:-1])
    assert [*corpus.items("validation")] == [
        corpus.vocabulary.decode(corpus.stream[start:stop])
        for start, stop in zip(blocks.starts, blocks.stops, strict=True)
    ]


def test_blocks_of_text_have_a_thousand_symbols(shakespeare_file: Path) -> None:
    corpus = read_corpus(shakespeare_file, TEXT)
    blocks = corpus.blocks("test", 8)
    assert (blocks.starts[0], blocks.stops[-1]) == (corpus.cuts[2] + 8, corpus.cuts[3])
    assert np.array_equal(blocks.starts[1:], blocks.stops[:-1])
    assert set((blocks.stops - blocks.starts)[:-1].tolist()) == {1000}
    assert corpus.vocabulary.vocab_size == 65


@pytest.mark.parametrize("kind", ["lines", "text"])
def test_a_sample_is_fixed_and_spread_and_within_the_limit(names_file: Path, kind: str) -> None:
    corpus = read_corpus(names_file, LINES if kind == "lines" else TEXT)
    whole, sample, again = (corpus.blocks("train", 3, limit) for limit in (10**9, 50_000, 50_000))
    assert sample.is_sample
    assert np.array_equal(sample.starts, again.starts)
    assert 40_000 < int((sample.stops - sample.starts).sum()) <= 50_000
    spans = set(zip(whole.starts.tolist(), whole.stops.tolist(), strict=True))
    chosen = list(zip(sample.starts.tolist(), sample.stops.tolist(), strict=True))
    assert set(chosen) <= spans
    assert chosen == sorted(set(chosen))
    middle = (whole.starts[0] + whole.stops[-1]) / 2
    assert 0.3 < np.mean(sample.starts < middle) < 0.7


def test_the_opening_of_text_ends_in_a_line_break(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "ab\ncdef\n" + "x" * 100, TEXT)
    assert corpus.vocabulary.decode(corpus.opening(3)) == "ab\n"
    assert corpus.vocabulary.decode(corpus.opening(4)) == "def\n"
    assert corpus.vocabulary.decode(corpus.opening(9)) == "ab\ncdef\nx"
    late = corpus_of(tmp_path, "x" * 5000 + "yz\n" + "x" * 5000, TEXT)
    assert late.vocabulary.decode(late.opening(3)) == "yz\n"
    assert corpus_of(tmp_path, "anna\nbob\ncarl").opening(3).tolist() == [0, 0, 0]


# --- What `moreish data` shows --------------------------------------------------------------------------------------


def test_the_first_windows_are_shown_with_the_boundary_as_a_full_stop(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "emma\nbob\ncarl")
    item = next(corpus.items("train"))
    assert show_windows(corpus, 3) == [f"... → {item[0]}", f"..{item[0]} → {item[1]}", f".{item[:2]} → {item[2]}"]
    assert show_windows(corpus_of(tmp_path, "ab\n" * 20, TEXT), 1) == ["ab↵ → a"]
    assert show_windows(corpus_of(tmp_path, "a b " * 20, TEXT), 2) == ["a␣b → ␣", "␣b␣ → a"]


def test_a_description_is_plain_data_with_the_figures(names_file: Path) -> None:
    import json

    description = describe(read_corpus(names_file, PUBLISHED))
    assert json.loads(json.dumps(description)) == description
    words = names_file.read_text().splitlines()
    lengths = sorted(map(len, words))
    assert description["items"] == 32_033
    assert description["duplicates"] == 32_033 - 29_494
    assert description["characters"] == sum(lengths)
    assert description["vocabulary"]["counts"][0] == "".join(words).count("a")
    assert description["length_quantiles"] == {"0": 2, "0.05": 4, "0.5": lengths[16_016], "0.95": 9, "1": 15}
    assert description["splits"]["train"] == {"items": 25_626, "characters": 182_625 - 25_626}
    assert description["windows"][0].startswith("... → ")
