"""Embedding: one row of a table for every character; and one-hot rows, which have nothing to learn."""

import numpy as np
from numpy.typing import DTypeLike

from moreish.backprop.arrays import Floats, Ids, check_shape

EmbeddingCache = tuple[Ids, tuple[int, ...]]


def embedding_forward(C: Floats, ids: Ids) -> tuple[Floats, EmbeddingCache]:
    """emb[b, t] = C[ids[b, t]].

    Args:
        C: table, (V, E).
        ids: 0 … V−1, any shape (B, T).

    Returns:
        emb (B, T, E), and what `embedding_backward` needs.
    """
    return C.take(ids, axis=0), (ids, C.shape)


def embedding_backward(demb: Floats, cache: EmbeddingCache) -> Floats:
    """dC[v] = Σ demb[b, t] over all places where ids[b, t] = v: a character that occurs twice receives both.

    `np.bincount` sums in float64. For (B, T, E) = (128, 8, 24) it takes 50 µs at V = 27 and 130 µs at V = 5,000;
    `np.add.at` takes 280 and 460 µs, the product with a one-hot matrix 41 µs and 9 ms (NumPy 2.4, one core).

    Args:
        demb: (B, T, E).
        cache: what `embedding_forward` kept.

    Returns:
        dC (V, E); zero in the rows of characters that do not occur.

    Raises:
        ShapeError: `demb` does not have the shape of the output.
    """
    ids, (V, E) = cache
    check_shape("demb", demb.shape, (*ids.shape, E), "the embedded characters")
    places = np.arange(V * E).reshape(V, E).take(ids, axis=0)  # (B, T, E): where in the flat table each number was
    dC = np.bincount(places.reshape(-1), weights=demb.reshape(-1), minlength=V * E)
    return dC.reshape(V, E).astype(demb.dtype, copy=False)


def one_hot(ids: Ids, vocab_size: int, dtype: DTypeLike = np.float32) -> Floats:
    """Rows of zeros with a single one at the character: (B, T) → (B, T, V). Ids have no gradient, so no backward."""
    return np.eye(vocab_size, dtype=dtype)[ids]
