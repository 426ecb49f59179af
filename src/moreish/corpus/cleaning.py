"""The lines of a list, cleaned without a loop over them: surrounding space and blank lines dropped, and counted."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.vocabulary import codes_of, shorten
from moreish.errors import InputError

LONGEST_ITEM = 10_000
LINE_FEED = 10

_LAST_SPACE = 0x3000
_SPACE, _LINE_END = 1, 2
_CLASSES = np.array([_SPACE if chr(code).isspace() else 0 for code in range(_LAST_SPACE + 1)] + [0], np.uint8)
_CLASSES[LINE_FEED] = _LINE_END
_ASCII_CLASSES = _CLASSES[:256].tobytes()


class Items(NamedTuple):
    """Some items of a list.

    Attributes:
        codes: their code points, each item with a line feed after it, (m,); one byte each where all are ASCII.
        ends: where the line feeds stand, (n,).
        num_blank: blank lines that were dropped.
        num_trimmed: lines that had space around them.
    """

    codes: NDArray[np.unsignedinteger[Any]]
    ends: NDArray[np.int64]
    num_blank: int
    num_trimmed: int


def clean_lines(pieces: Iterator[str], name: str) -> Iterator[Items]:
    """The items of a list, a piece of the text at a time.

    Args:
        pieces: the text, line ends made "\\n", cut anywhere.
        name: of the file, for messages.

    Raises:
        InputError: an item longer than 10,000 characters; nothing beyond it is read.
    """
    num_lines = 0
    pending = ""
    piece = next(pieces, "")
    while piece:
        upcoming = next(pieces, "")
        text = pending + piece
        if not upcoming and not text.endswith("\n"):
            text += "\n"
        whole, line_feed, pending = text.rpartition("\n")
        if line_feed:
            items = _cleaned(whole + line_feed, name, num_lines)
            num_lines += len(items.ends) + items.num_blank
            yield items
        if len(pending) > LONGEST_ITEM and len(pending.strip()) > LONGEST_ITEM:
            raise InputError(_long_message(pending, name, num_lines + 1))
        piece = upcoming


def _cleaned(text: str, name: str, num_lines: int) -> Items:
    """Every run of white space with a line feed in it becomes one line feed; that drops all there is to drop."""
    codes = codes_of(text)
    classes = _classes_of(codes)
    is_space, is_end = classes > 0, classes == _LINE_END
    num_blank = num_trimmed = 0
    if is_space[0] or (is_end[1:] & is_space[:-1]).any() or (is_end[:-1] & is_space[1:]).any():
        codes, num_blank, num_trimmed = _collapse(codes, is_space, is_end)
        is_end = codes == LINE_FEED
    ends = np.flatnonzero(is_end)
    if np.diff(ends, prepend=-1).max(initial=0) > LONGEST_ITEM + 1:
        lines = text.split("\n")
        number = next(number for number, line in enumerate(lines) if len(line.strip()) > LONGEST_ITEM)
        raise InputError(_long_message(lines[number], name, num_lines + number + 1))
    return Items(codes, ends, num_blank, num_trimmed)


def _classes_of(codes: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint8]:
    if codes.dtype == np.uint8:
        return np.frombuffer(codes.tobytes().translate(_ASCII_CLASSES), np.uint8)
    return _CLASSES[np.minimum(codes, _LAST_SPACE + 1)]


def _collapse(
    codes: NDArray[np.unsignedinteger[Any]], is_space: NDArray[np.bool_], is_end: NDArray[np.bool_]
) -> tuple[NDArray[np.unsignedinteger[Any]], int, int]:
    """The codes with such runs collapsed, and how many lines were blank and trimmed."""
    # A line feed before the first line makes every item stand between two runs; the last run is that of the last line.
    codes = np.concatenate((np.array([LINE_FEED], codes.dtype), codes))
    is_space = np.concatenate(([True], is_space))
    is_end = np.concatenate(([True], is_end))
    changes = np.flatnonzero(np.diff(is_space, prepend=False, append=False))
    starts, stops = changes[::2], changes[1::2]
    num_ends = np.add.reduceat(is_end, starts, dtype=np.int64)
    starts, stops = starts[num_ends > 0], stops[num_ends > 0]

    num_items = len(starts) - 1
    num_blank = int(is_end.sum()) - 1 - num_items
    is_trimmed = ~is_end[stops[:-1] - 1] | ~is_end[starts[1:]]

    depth = np.zeros(len(codes) + 1, np.int8)
    depth[starts] = 1
    depth[stops] = -1
    is_kept = np.cumsum(depth[:-1], dtype=np.int8) == 0
    is_kept[starts] = True
    codes[starts] = LINE_FEED
    return codes[is_kept][1:], num_blank, int(is_trimmed.sum())


def _long_message(line: str, name: str, number: int) -> str:
    return (
        f"Line {number:,} of {name} (“{shorten(line)}”) has more than {LONGEST_ITEM:,} characters; expected items of "
        "at most that many, one a line. If the file is running text, pass --as text."
    )
