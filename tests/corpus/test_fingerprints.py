"""Fingerprints follow their formula, agree on both routes, and tell items apart."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moreish.corpus.fingerprints import by_range, fingerprint_items, fingerprint_texts, sort_distinct

characters = st.characters(exclude_categories=("Cs",))
MASK = 2**64 - 1


def mix(value: int) -> int:
    """SplitMix64 with Python's whole numbers."""
    value = value * 0x9E3779B97F4A7C15 & MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def by_the_formula(text: str) -> int:
    total = sum(mix(ord(character) + 1) * (mix(place + 2**23) | 1) for place, character in enumerate(text))
    return mix(total + len(text) * 0x9E3779B97F4A7C15 & MASK)


def test_mix_is_splitmix64() -> None:
    # The first outputs of SplitMix64 with seed 0, as published with its reference implementation.
    assert [mix(1), mix(2), mix(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@given(st.lists(st.text(characters)))
def test_texts_have_the_fingerprints_of_the_formula(texts: list[str]) -> None:
    assert fingerprint_texts(texts).tolist() == [by_the_formula(text) for text in texts]


@given(st.lists(st.text(characters), min_size=1), st.text(characters, max_size=5))
def test_what_stands_between_items_changes_nothing(texts: list[str], between: str) -> None:
    joined = between + between.join(text for text in texts) + between
    lengths = np.array([len(text) for text in texts])
    starts = np.cumsum(lengths + len(between)) - lengths
    codes = np.array([ord(character) for character in joined], np.uint32)
    assert fingerprint_items(codes, starts, starts + lengths).tolist() == fingerprint_texts(texts).tolist()


def test_bytes_of_ascii_give_the_same_as_code_points() -> None:
    codes = np.frombuffer(b"anna\nbob\n", np.uint8)
    starts, stops = np.array([0, 5]), np.array([4, 8])
    expected = fingerprint_texts(["anna", "bob"]).tolist()
    assert fingerprint_items(codes, starts, stops).tolist() == expected
    assert fingerprint_items(codes.astype(np.uint32), starts, stops).tolist() == expected


def test_all_words_of_three_letters_and_fewer_differ() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz. é"
    words = ["".join(word) for length in range(4) for word in itertools.product(letters, repeat=length)]
    assert len(np.unique(fingerprint_texts(words))) == len(words)


def test_no_items_have_no_fingerprints() -> None:
    assert fingerprint_texts([]).tolist() == []


@given(st.lists(st.integers(0, 40)), st.integers(1, 7))
def test_sort_distinct_is_the_sorted_set(values: list[int], scale: int) -> None:
    assert sort_distinct(np.array(values, np.uint64) * np.uint64(scale)).tolist() == sorted({v * scale for v in values})


def test_long_lists_are_sorted_and_compared_in_parts() -> None:
    values = np.random.default_rng(0).integers(0, 2**64, 150_000, dtype=np.uint64)
    values[100_000:] = values[:50_000]
    parts = list(by_range(values))
    assert len(parts) > 1
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(values)))
    ranges = [values[part] for part in parts]
    assert all(before.max() < after.min() for before, after in itertools.pairwise(ranges))
    assert sort_distinct(values.copy()).tolist() == sorted(set(values.tolist()))
