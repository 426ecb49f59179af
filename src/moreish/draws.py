"""Random streams: one for each purpose, so that none shifts another.

Everything here is a pure function of a seed and a position (counter-based), so that the order in which numbers are
asked for, the batch size and the language of the implementation change nothing. Source of Philox: Salmon, Moraes, Dror
& Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3 and table 2.
"""

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF
_NUM_ROUNDS = 10


def seed_for(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose ("initialisation", "batches", ...), independent of every other purpose's.

    It is the head of SHA-256 over "seed/purpose"; 63 bits, so that it fits every library's signed integer.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def philox(counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], seed: int) -> NDArray[np.uint32]:
    """Philox 4x32-10: four 32-bit words for every counter.

    Args:
        counter: four 32-bit words, each a number or an array; they broadcast to a common shape (...).
        seed: 64 bits, the key.

    Returns:
        (..., 4) uint32.
    """
    words = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) & _LOW for word in counter))
    return np.stack(_philox_rounds(tuple(words), seed), axis=-1).astype(np.uint32)


def _philox_rounds(counter: tuple[Any, ...], seed: int) -> tuple[Any, ...]:
    """The four words of one counter in Python's integers, or of many in arrays of uint64."""
    c0, c1, c2, c3 = counter
    key0, key1 = seed & _LOW, (seed >> 32) & _LOW
    for _ in range(_NUM_ROUNDS):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (product1 >> 32) ^ c1 ^ key0, product1 & _LOW, (product0 >> 32) ^ c3 ^ key1, product0 & _LOW
        key0, key1 = (key0 + _WEYL[0]) & _LOW, (key1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


def item_uniforms(seed: int, items: NDArray[np.int64], block: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) for characters 4·block … 4·block+3 of each generated item.

    Args:
        seed: of the generation.
        items: item numbers, (n,).
        block: which four characters.

    Returns:
        (n, 4): column j drives character 4·block+j. A number depends on seed, item and character alone.
    """
    low = items.astype(np.uint64)
    words = philox((block, low & _LOW, low >> 32, 0), seed)
    return words.astype(np.float64) * 2.0**-32


def dropout_mask(seed: int, step: int, layer: int, shape: tuple[int, ...], rate: float) -> NDArray[np.float32]:
    """What dropout multiplies an activation with: 0 with probability `rate`, else 1/(1 − rate).

    A function of (seed, step, layer, position in the array): Philox makes one 32-bit key of the first three, and
    murmur3's finaliser mixes it with the position, which costs a fraction of a Philox block an element.

    Source: Srivastava et al. 2014, "Dropout"; inverted scaling as in Goodfellow et al. 2016, section 7.12.
    """
    key = _philox_rounds((step & _LOW, step >> 32, layer, 1), seed)[0]
    mixed = np.arange(math.prod(shape), dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(key)
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    is_kept = mixed >= np.uint32(min(int(rate * 2**32), 2**32 - 1))
    return np.multiply(is_kept, np.float32(1 / (1 - rate)), dtype=np.float32).reshape(shape)
