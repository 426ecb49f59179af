"""Joining what stands at neighbouring positions of the context: all of them (flat), or two by two (pairs)."""

from collections.abc import Callable
from typing import NamedTuple

from moreish.backprop.arrays import Floats, check_shape
from moreish.errors import ShapeError

Shape = tuple[int, ...]


def flat_forward(x: Floats) -> tuple[Floats, Shape]:
    """(B, T, E) → (B, T·E)."""
    return x.reshape(len(x), -1), x.shape


def flat_backward(dout: Floats, cache: Shape) -> Floats:
    """(B, T·E) → (B, T, E): every number goes back to where it came from.

    Raises:
        ShapeError: `dout` does not have the shape of the joined contexts.
    """
    B, T, E = cache
    check_shape("dout", dout.shape, (B, T * E), "the joined contexts")
    return dout.reshape(cache)


def pairs_forward(x: Floats) -> tuple[Floats, Shape]:
    """(B, T, E) → (B, T/2, 2E): positions 0 and 1 are joined, 2 and 3, and so on.

    Raises:
        ShapeError: T is odd.

    Source: van den Oord et al. 2016, "WaveNet", arXiv:1609.03499, figure 3; as in makemore lecture 5.
    """
    B, T, E = x.shape
    if T % 2:
        raise ShapeError(
            f"x has shape {x.shape}; an odd number of positions ({T}) cannot be joined in pairs. Use a power of 2."
        )
    return x.reshape(B, T // 2, 2 * E), x.shape


def pairs_backward(dout: Floats, cache: Shape) -> Floats:
    """(B, T/2, 2E) → (B, T, E).

    Raises:
        ShapeError: `dout` does not have the shape of the joined pairs.
    """
    B, T, E = cache
    check_shape("dout", dout.shape, (B, T // 2, 2 * E), "the joined pairs")
    return dout.reshape(cache)


class JoiningPair(NamedTuple):
    """forward(x) → (joined, cache); backward(djoined, cache) → dx."""

    forward: Callable[[Floats], tuple[Floats, Shape]]
    backward: Callable[[Floats, Shape], Floats]


JOININGS: dict[str, JoiningPair] = {
    "flat": JoiningPair(flat_forward, flat_backward),
    "pairs": JoiningPair(pairs_forward, pairs_backward),
}
