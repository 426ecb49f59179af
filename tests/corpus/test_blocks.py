"""What is measured of a corpus: blocks, samples, openings; and what `moreish data` shows of it."""

from pathlib import Path

import numpy as np
import pytest

from corpus.lists import LINES, PUBLISHED, TEXT, corpus_of
from moreish.corpus import describe, read_corpus, show_windows

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


def test_a_sample_of_items_longer_than_the_limit_is_one_of_them(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "\n".join(letter * 500 for letter in "abcdefghijklmnopqrstuvwxyz"))
    blocks = corpus.blocks("train", 3, limit=100)
    assert (blocks.stops - blocks.starts).tolist() == [501]
    assert blocks.is_sample


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
