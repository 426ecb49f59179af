"""Windows: what a model sees before each symbol that it predicts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.vocabulary import BOUNDARY_ID
from moreish.errors import ShapeError

_BLOCK = 1 << 16


def contexts(
    stream: NDArray[np.unsignedinteger[Any]], positions: NDArray[np.int64], context: int, has_boundary: bool
) -> NDArray[np.int64]:
    """The ids before each position, (n, T), oldest first.

    In a list a context never reaches into the item before: there and before it everything is boundary (0).

    Args:
        stream: ids; a list's begins with a boundary.
        positions: of the predicted symbols, (n,).
        context: T.
        has_boundary: whether the stream is a list.

    Raises:
        ShapeError: a position of running text with fewer than T symbols before it.
    """
    seen = np.empty((len(positions), context), np.int64)
    if not has_boundary:
        if len(positions) and int(positions.min()) < context:
            raise ShapeError(
                f"Position {int(positions.min())} has fewer than {context} symbols before it. "
                "Take positions from Corpus.predicted."
            )
        for back in range(1, context + 1):
            seen[:, context - back] = stream[positions - back]
        return seen
    is_inside = np.ones(len(positions), bool)
    for back in range(1, context + 1):
        ids = stream[np.maximum(positions - back, 0)]
        is_inside &= ids != BOUNDARY_ID
        seen[:, context - back] = ids * is_inside
    return seen


def item_spans(
    stream: NDArray[np.unsignedinteger[Any]], first: int, last: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Where the items of a list lie between two positions, in pieces of some 65,536 symbols.

    Args:
        stream: ids of a list.
        first: where an item begins.
        last: where one has ended, after its boundary.

    Yields:
        starts and stops, (n,) each: an item is stream[start:stop], its closing boundary included.
    """
    while first < last:
        size = _BLOCK
        while True:
            block = stream[first : min(first + size, last)]
            stops = np.flatnonzero(block == BOUNDARY_ID) + (first + 1)
            if len(stops):
                break
            size *= 2
        yield np.concatenate(([first], stops[:-1])), stops
        first = int(stops[-1])
