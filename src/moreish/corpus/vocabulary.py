"""The vocabulary: which symbols there are, and the ids that stand for them."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moreish.errors import InputError, ModelFileError

BOUNDARY_ID = 0
BOUNDARY_CODEPOINT = 0xFFFFFFFF
BOUNDARY_SHOWN_AS = "."

_SHOWN_LENGTH = 40


def codes_of(text: str) -> NDArray[np.uint8] | NDArray[np.uint32]:
    """The code points of a text, (n,): one byte each where all are ASCII, which is four times less to go through."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def smallest_dtype(count: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds the ids 0 … count − 1."""
    return np.min_scalar_type(max(count - 1, 0))


@dataclass(frozen=True)
class Vocabulary:
    """Single code points in ascending order, and the boundary where the corpus is a list.

    The boundary is a symbol of its own with id 0; it is only shown as ".", so a literal "." is another symbol.

    Attributes:
        symbols: the code points, ascending, without the boundary. They count from 1 with a boundary, else from 0.
        has_boundary: whether id 0 is the boundary between the items of a list.
        origin: name of the file that the vocabulary was built from, for messages.
    """

    symbols: tuple[str, ...]
    has_boundary: bool
    origin: str = ""

    @property
    def vocab_size(self) -> int:
        """Symbols, boundary included."""
        return len(self.symbols) + self.has_boundary

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The smallest unsigned type that holds every id."""
        return smallest_dtype(self.vocab_size)

    @cached_property
    def codepoints(self) -> NDArray[np.uint32]:
        """The code point of every id, (V,); the boundary's is 0xFFFFFFFF."""
        boundary = [BOUNDARY_CODEPOINT] if self.has_boundary else []
        return np.array(boundary + [ord(symbol) for symbol in self.symbols], dtype=np.uint32)

    def encode(self, text: str, where: str = "text") -> NDArray[np.int64]:
        """The ids of a text, (n,), without boundaries. The caller normalises the text as the corpus was.

        Raises:
            InputError: a character that is not in the vocabulary; `where` says which text it stands in.
        """
        places, is_known = self._places(text)
        if not is_known.all():
            raise InputError(self._unknown_message(text, int(np.argmin(is_known)), where))
        return places.astype(np.int64) + self.has_boundary

    def unknown_in(self, text: str) -> tuple[str, ...]:
        """The distinct characters of a text that are not in the vocabulary, in the order in which it has them."""
        _, is_known = self._places(text)
        return tuple(dict.fromkeys(text[place] for place in np.flatnonzero(~is_known)))

    def decode(self, ids: ArrayLike) -> str:
        """The text of ids (n,), boundaries dropped."""
        codes = self.codepoints[np.asarray(ids, dtype=np.int64)]
        return _text_of(codes[codes != BOUNDARY_CODEPOINT])

    def show(self, ids: ArrayLike) -> str:
        """The text of ids (n,), the boundary shown as "."; for people, since a literal "." looks the same."""
        codes = self.codepoints[np.asarray(ids, dtype=np.int64)]
        return _text_of(np.where(codes == BOUNDARY_CODEPOINT, np.uint32(ord(BOUNDARY_SHOWN_AS)), codes))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"symbols": "".join(self.symbols), "has_boundary": self.has_boundary, "origin": self.origin}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "Vocabulary":
        """The vocabulary that `to_dict` described.

        Raises:
            ModelFileError: it is not one.
        """
        symbols, has_boundary = content.get("symbols"), content.get("has_boundary")
        is_whole = isinstance(symbols, str) and list(symbols) == sorted(set(symbols)) and isinstance(has_boundary, bool)
        if not is_whole:
            raise ModelFileError(
                "The vocabulary is damaged: expected distinct symbols in ascending order. Use an undamaged copy."
            )
        return Vocabulary(tuple(content["symbols"]), content["has_boundary"], str(content.get("origin", "")))

    def _places(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Where each character stands among the symbols, and whether it does, (n,) each."""
        codes = codes_of(text).astype(np.uint32)
        known = self.codepoints[int(self.has_boundary) :]
        places = np.searchsorted(known, codes)
        is_known = np.take(known, places, mode="clip") == codes if len(known) else np.zeros(len(codes), bool)
        return places, is_known

    def _unknown_message(self, text: str, place: int, where: str) -> str:
        label = "" if where == "text" else f"{where} "
        origin = f", built from {self.origin}" if self.origin else ""
        return (
            f"Character {text[place]!r} at position {place + 1} of {label}“{shorten(text, place)}” is not in the "
            f"vocabulary ({len(self.symbols)} characters{origin}). Leave it out, or train with a file that contains it."
        )


def shorten(text: str, place: int = 0) -> str:
    """At most 40 characters of a text around `place`, in one line and with control characters escaped, for messages."""
    first = max(0, min(place - _SHOWN_LENGTH // 2, len(text) - _SHOWN_LENGTH))
    part = text[first : first + _SHOWN_LENGTH]
    before, after = "…" if first else "", "…" if first + _SHOWN_LENGTH < len(text) else ""
    line = " ".join(part.splitlines())
    return before + "".join(repr(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cs") else c for c in line) + after


def _text_of(codes: NDArray[np.uint32]) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
