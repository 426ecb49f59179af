"""From a file to a stream: what is kept, and the figures of the notebooks' list."""

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
from corpus.lists import LINES, PUBLISHED, TEXT, corpus_of, items_of
from moreish.corpus import SPLITS, Corpus, contexts, fingerprint_texts, read_corpus
from moreish.errors import InputError

awkward = st.text(st.sampled_from("\n\n\r \t.abé́漢😀\u3000\u2028"), min_size=1, max_size=80)


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
