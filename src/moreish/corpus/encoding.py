"""From text to one stream of ids, in two passes: the first finds what decides, the second writes every symbol.

Only a piece of the text is held at a time, and some bytes an item, so that memory stays below 3 times the file's bytes.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.cleaning import LINE_FEED, clean_lines
from moreish.corpus.fingerprints import fingerprint_items
from moreish.corpus.placement import Cuts, InFileOrder, InGivenOrder, Placement
from moreish.corpus.splits import Assignment, leave_undivided, split_distinct, split_published
from moreish.corpus.vocabulary import BOUNDARY_ID, Vocabulary, codes_of
from moreish.errors import FileError, InputError
from moreish.recipe import SplitName

Codes = NDArray[np.unsignedinteger[Any]]
Pieces = Callable[[], Iterator[str]]

_NUM_CODEPOINTS = 0x110000
_PIECES_KEPT = 32


@dataclass(frozen=True)
class Encoded:
    """The stream, its cuts and its vocabulary, as in `moreish.corpus.corpus.Corpus`; and what became of lines.

    Attributes:
        assignment: what became of the items; None for running text.
        num_blank_lines: that were dropped.
        num_trimmed_lines: that had space around them.
    """

    stream: Codes
    cuts: Cuts
    vocabulary: Vocabulary
    assignment: Assignment | None = None
    num_blank_lines: int = 0
    num_trimmed_lines: int = 0


def encode_text(pieces: Pieces, name: str, is_divided: bool) -> Encoded:
    """Running text as ids, cut in contiguous blocks of 80%, 10% and 10%; or all of it test.

    Args:
        pieces: gives the text from its beginning, each time it is called.
        name: of the file, for messages.

    Raises:
        InputError: there is nothing but white space.
        FileError: the file changed between the passes.
    """
    symbols = _Symbols()
    texts = _Replay(pieces)
    size, is_blank = 0, True
    for text in texts:
        symbols.add(codes_of(text))
        size += len(text)
        is_blank = is_blank and text.isspace()
    if is_blank:
        raise InputError(_empty_message(name, is_empty=size == 0))
    vocabulary = symbols.vocabulary(has_boundary=False, origin=name)
    ids_of = _Ids(vocabulary)
    stream = np.empty(size, vocabulary.dtype)
    filled = 0
    for text in texts:
        _check_unchanged(filled + len(text) <= size, name)
        stream[filled : filled + len(text)] = ids_of(codes_of(text))
        filled += len(text)
    _check_unchanged(filled == size, name)
    cuts = (0, int(0.8 * size), int(0.9 * size), size) if is_divided else (0, 0, 0, size)
    return Encoded(stream, cuts, vocabulary)


def encode_lines(pieces: Pieces, name: str, split: SplitName | None) -> Encoded:
    """A list as ids: a boundary, then each item and a boundary after it, in the order of the split.

    Args:
        pieces: gives the text from its beginning, each time it is called.
        name: of the file, for messages.
        split: how the items are divided; None makes all of them test.

    Raises:
        InputError: no items or too few, or an item that is too long.
        FileError: the file changed between the passes.
    """
    parts = _Replay(lambda: clean_lines(pieces(), name))
    symbols = _Symbols()
    # Arrays that grow in place: 8 and 2 bytes an item.
    fingerprints, lengths = array("Q"), array("H")
    num_parts = num_blank = num_trimmed = 0
    for codes, ends, blank, trimmed in parts:
        symbols.add(codes)
        starts = np.concatenate(([0], ends + 1))[:-1]
        fingerprints.frombytes(fingerprint_items(codes, starts, ends).tobytes())
        lengths.frombytes((ends - starts).astype(np.uint16).tobytes())
        num_parts, num_blank, num_trimmed = num_parts + 1, num_blank + blank, num_trimmed + trimmed
    if not lengths:
        raise InputError(_empty_message(name, is_empty=num_parts == 0))
    lengths_of = np.frombuffer(lengths, np.uint16)
    placement: Placement
    if split == "published":
        order, assignment = split_published(np.frombuffer(fingerprints, np.uint64), name)
        del fingerprints
        placement = InGivenOrder(order, assignment.num_items, lengths_of)
        del order
    else:
        divide = split_distinct if split == "distinct" else leave_undivided
        labels, assignment = divide(np.frombuffer(fingerprints, np.uint64), name)
        del fingerprints
        placement = InFileOrder(labels, lengths_of)

    vocabulary = symbols.vocabulary(has_boundary=True, origin=name)
    ids_of = _Ids(vocabulary)
    stream = np.empty(placement.cuts[3], vocabulary.dtype)
    stream[0] = BOUNDARY_ID
    num_items = 0
    for codes, ends, _, _ in parts:
        these = slice(num_items, num_items + len(ends))
        starts = np.concatenate(([0], ends + 1))[:-1]
        sizes = ends - starts
        _check_unchanged(np.array_equal(sizes, lengths_of[these]), name)
        of_symbols = np.repeat(placement.places(these, sizes) - starts, sizes + 1)
        of_symbols += np.arange(len(codes))
        stream[of_symbols] = ids_of(codes)
        num_items += len(ends)
    _check_unchanged(num_items == len(lengths), name)
    return Encoded(stream, placement.cuts, vocabulary, assignment, num_blank, num_trimmed)


Piece = TypeVar("Piece")


class _Replay(Generic[Piece]):
    """What is gone through twice. A few pieces are kept and not made again: short files are read once."""

    def __init__(self, make: Callable[[], Iterator[Piece]]) -> None:
        self._make = make
        self._kept: list[Piece] = []

    def __iter__(self) -> Iterator[Piece]:
        if self._kept:
            yield from self._kept
            return
        kept: list[Piece] = []
        is_short = True
        for piece in self._make():
            is_short = is_short and len(kept) < _PIECES_KEPT
            if is_short:
                kept.append(piece)
            else:
                kept.clear()
            yield piece
        self._kept = kept


class _Symbols:
    """The code points seen so far."""

    def __init__(self) -> None:
        self._ascii = b""
        self._is_present: NDArray[np.bool_] | None = None

    def add(self, codes: Codes) -> None:
        if codes.dtype == np.uint8:
            data = codes.tobytes()
            while data := data.translate(None, self._ascii):
                self._ascii += bytes(set(data[:1000]))
        else:
            if self._is_present is None:
                self._is_present = np.zeros(_NUM_CODEPOINTS, bool)
            self._is_present[codes] = True

    def vocabulary(self, has_boundary: bool, origin: str) -> Vocabulary:
        """All of them; where there is a boundary, the line feed is no symbol."""
        present = set(self._ascii)
        if self._is_present is not None:
            present.update(np.flatnonzero(self._is_present).tolist())
        if has_boundary:
            present.discard(LINE_FEED)
        return Vocabulary(tuple(map(chr, sorted(present))), has_boundary, origin)


class _Ids:
    """The ids of code points, all of which are known; a list's line feeds become boundaries."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._table = np.zeros(_NUM_CODEPOINTS, vocabulary.dtype)
        first = int(vocabulary.has_boundary)
        self._table[vocabulary.codepoints[first:]] = np.arange(first, vocabulary.vocab_size)
        self._ascii = self._table[:256].tobytes() if self._table.itemsize == 1 else None

    def __call__(self, codes: Codes) -> Codes:
        if codes.dtype == np.uint8 and self._ascii is not None:
            return np.frombuffer(codes.tobytes().translate(self._ascii), np.uint8)
        return self._table[codes]


def _check_unchanged(is_unchanged: bool, name: str) -> None:
    if not is_unchanged:
        raise FileError(f"{name} changed while it was read. Try again when it is complete.")


def _empty_message(name: str, is_empty: bool) -> str:
    found = "nothing" if is_empty else "nothing but white space"
    return f"{name} holds {found}; expected items, one a line, or running text (--as text)."
