"""Where in the stream each item is written, piece after piece of the file."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Cuts = tuple[int, int, int, int]

_BLOCK = 1 << 16


class Placement(Protocol):
    """Gives the next items of the file their places.

    Attributes:
        cuts: where each split begins, and where the last one ends; the first is 1, after the opening boundary.
    """

    cuts: Cuts

    def places(self, items: slice, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the symbols of these items begin, (n,); asked for piece after piece.

        Args:
            items: which items of the file.
            lengths: of these, without boundaries, (n,).
        """
        ...


class InFileOrder:
    """Within its split an item keeps the order of the file."""

    def __init__(self, labels: NDArray[np.uint8], lengths: NDArray[np.uint16]) -> None:
        """Take the split of each item, and its length, (n,) each."""
        self._labels = labels
        sizes = [0, 0, 0]
        for first in range(0, len(labels), _BLOCK):
            for label in range(3):
                chosen = lengths[first : first + _BLOCK][labels[first : first + _BLOCK] == label]
                sizes[label] += int(chosen.sum(dtype=np.int64)) + len(chosen)
        train, validation, test = sizes
        self.cuts: Cuts = (1, 1 + train, 1 + train + validation, 1 + train + validation + test)
        self._next = list(self.cuts)

    def places(self, items: slice, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        places = np.empty(len(lengths), np.int64)
        labels = self._labels[items]
        for label in range(3):
            chosen = np.flatnonzero(labels == label)
            sizes = lengths.take(chosen) + 1
            stops = self._next[label] + np.cumsum(sizes)
            places[chosen] = stops - sizes
            self._next[label] += int(sizes.sum())
        return places


class InGivenOrder:
    """The items stand in an order that was drawn."""

    def __init__(
        self,
        order: NDArray[np.unsignedinteger[Any]],
        num_items_of: tuple[int, int, int],
        lengths: NDArray[np.uint16],
    ) -> None:
        """Take item numbers in the order of the stream, (n,), how many each split has, and the items' lengths, (n,)."""
        size = 1 + int(lengths.sum(dtype=np.int64)) + len(lengths)
        self._places: NDArray[np.integer[Any]] = np.empty(len(order), np.uint32 if size <= 1 << 32 else np.int64)
        cuts = [1]
        first = 0
        for num_items in num_items_of:
            stop, place = first + num_items, cuts[-1]
            for block in range(first, stop, _BLOCK):
                items = order[block : min(block + _BLOCK, stop)]
                stops = place + np.cumsum(lengths[items] + np.int64(1))
                self._places[items] = np.append(place, stops[:-1])
                place = int(stops[-1])
            first = stop
            cuts.append(place)
        self.cuts: Cuts = (cuts[0], cuts[1], cuts[2], cuts[3])

    def places(self, items: slice, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._places[items].astype(np.int64)
