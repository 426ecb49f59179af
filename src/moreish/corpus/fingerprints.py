"""64-bit fingerprints of items, by which copies are found without holding any text.

The fingerprint of an item with code points c_0 … c_{n−1} is

    mix(n · G + Σ_i mix(c_i + 1) · (mix(i + 2²³) | 1))   modulo 2⁶⁴,   G = 0x9E3779B97F4A7C15

where mix(v) is the v-th number of SplitMix64 with seed 0. Every symbol and every place has a factor that looks random,
so anagrams differ; among ten million distinct items the chance of any two agreeing is about 3 in a million.

Source of mix: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", figure 14.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST_PLACE = 1 << 23
_BLOCK = 1 << 16
_RANGE_BITS = 5


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The v-th numbers of SplitMix64 with seed 0: a bijection of 64-bit words that mixes every bit into every bit."""
    mixed = values * _GOLDEN
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def symbol_values(codepoints: NDArray[np.unsignedinteger]) -> NDArray[np.uint64]:
    """The factor of each code point, of the same shape."""
    return mix(codepoints.astype(np.uint64) + np.uint64(1))


_ASCII_VALUES = symbol_values(np.arange(128, dtype=np.uint8))


def fingerprint_items(
    codepoints: NDArray[np.unsignedinteger], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Fingerprints of the items codepoints[start:stop], (n,).

    Args:
        codepoints: of all items and whatever stands between them, (m,); one byte each where all are ASCII.
        starts: where the items begin, (n,), ascending.
        stops: where they end, (n,), before the next begins; an item may be empty.
    """
    values = _ASCII_VALUES.take(codepoints) if codepoints.dtype == np.uint8 else symbol_values(codepoints)
    return fingerprint_values(values, starts, stops)


def fingerprint_values(
    values: NDArray[np.uint64], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Like `fingerprint_items`, given `symbol_values` of every code point: a short table serves a long stream."""
    if not len(starts):
        return np.empty(0, np.uint64)
    first, last = int(starts[0]), int(stops[-1])
    # What stands between two items takes part in the products and the running sum, not in the differences.
    spans = np.diff(starts, append=last)
    factors = mix(np.arange(_FIRST_PLACE, _FIRST_PLACE + int(spans.max()), dtype=np.uint64)) | np.uint64(1)
    places = np.repeat(starts, spans)
    np.subtract(np.arange(first, last), places, out=places)
    terms = factors.take(places)
    terms *= values[first:last]
    sums = np.zeros(len(terms) + 1, np.uint64)
    np.cumsum(terms, out=sums[1:])
    of_items = sums[stops - first] - sums[starts - first]
    return mix(of_items + (stops - starts).astype(np.uint64) * _GOLDEN)


def fingerprint_texts(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Fingerprints of texts, (n,); equal to `fingerprint_items` of the same code points. The caller normalises them."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    stops = np.cumsum([len(text) for text in texts], dtype=np.int64)
    starts = np.concatenate(([0], stops[:-1])).astype(np.int64) if len(texts) else stops
    return fingerprint_items(codes, starts, stops)


def by_range(fingerprints: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Which fingerprints fall in each range of values, the ranges ascending; together they are all.

    Copies fall in one range, so that a long list can be compared with itself in small parts.
    """
    if len(fingerprints) <= _BLOCK:
        yield np.arange(len(fingerprints))
        return
    for head in range(1 << _RANGE_BITS):
        places = [
            np.flatnonzero(fingerprints[first : first + _BLOCK] >> np.uint64(64 - _RANGE_BITS) == head) + first
            for first in range(0, len(fingerprints), _BLOCK)
        ]
        yield np.concatenate(places)


def sort_distinct(fingerprints: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sort in place, and return the distinct values ascending; the input's memory becomes the result's."""
    fingerprints.sort()
    kept = 0
    for first in range(0, len(fingerprints), _BLOCK):
        block = fingerprints[first : first + _BLOCK]
        is_new = np.append(True, block[1:] != block[:-1])
        is_new[0] = not kept or block[0] != fingerprints[kept - 1]
        distinct = block[is_new]
        fingerprints[kept : kept + len(distinct)] = distinct
        kept += len(distinct)
    fingerprints.resize(kept, refcheck=False)
    return fingerprints
