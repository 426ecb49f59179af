"""Ids stand for symbols and back; the boundary is a symbol of its own; unknown characters are named."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.corpus.vocabulary import BOUNDARY_CODEPOINT, Vocabulary
from moreish.errors import InputError, ModelFileError

characters = st.characters(exclude_categories=("Cs",))


@given(st.text(characters, min_size=1), st.booleans())
def test_decode_undoes_encode(text: str, has_boundary: bool) -> None:
    vocabulary = Vocabulary(tuple(sorted(set(text))), has_boundary)
    ids = vocabulary.encode(text)
    first = int(has_boundary)
    by_hand = {symbol: number for number, symbol in enumerate(sorted(set(text)), start=first)}
    assert ids.tolist() == [by_hand[character] for character in text]
    assert vocabulary.decode(ids) == text
    assert vocabulary.vocab_size == len(set(text)) + first
    assert np.iinfo(vocabulary.dtype).max >= vocabulary.vocab_size - 1


@given(st.text(characters), st.booleans())
def test_a_vocabulary_survives_json(text: str, has_boundary: bool) -> None:
    vocabulary = Vocabulary(tuple(sorted(set(text))), has_boundary, "a file.txt")
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary


def test_the_boundary_is_not_a_full_stop() -> None:
    vocabulary = Vocabulary((".", "a"), has_boundary=True)
    assert vocabulary.encode("a.").tolist() == [2, 1]
    assert vocabulary.decode([0, 2, 1, 0]) == "a."
    assert vocabulary.show([0, 2, 1, 0]) == ".a.."
    assert vocabulary.codepoints.tolist() == [BOUNDARY_CODEPOINT, ord("."), ord("a")]


def test_the_smallest_type_holds_the_ids() -> None:
    def dtype(vocab_size: int) -> type:
        return Vocabulary(tuple(map(chr, range(0x4E00, 0x4E00 + vocab_size))), has_boundary=False).dtype.type

    assert (dtype(1), dtype(256), dtype(257)) == (np.uint8, np.uint8, np.uint16)


def test_an_unknown_character_is_named_with_its_place() -> None:
    vocabulary = Vocabulary(tuple("acdry"), has_boundary=True, origin="names.txt")
    with pytest.raises(InputError) as caught:
        vocabulary.encode("d’arcy")
    message = str(caught.value)
    assert "'’' at position 2 of “d’arcy” is not in the vocabulary (5 characters, built from names.txt)" in message
    assert "\n" not in message
    with pytest.raises(InputError, match="of the prefix “x”"):
        vocabulary.encode("x", where="the prefix")


def test_a_long_text_is_shortened_around_the_unknown_character() -> None:
    with pytest.raises(InputError) as caught:
        Vocabulary(("a",), has_boundary=False).encode("a" * 500 + "é\n" + "a" * 500)
    assert "position 501" in str(caught.value)
    assert "é" in str(caught.value)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_no_symbols_know_no_character() -> None:
    with pytest.raises(InputError, match="0 characters"):
        Vocabulary((), has_boundary=True).encode("a")


@pytest.mark.parametrize(
    "content", [{}, {"symbols": "ba", "has_boundary": True}, {"symbols": "aa", "has_boundary": True}]
)
def test_a_damaged_vocabulary_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        Vocabulary.from_dict(content)
