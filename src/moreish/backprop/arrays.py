"""The array types of the gradients, and the check of shapes that every backward pass begins with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.errors import ShapeError

# float32 in training, float64 in proofs: every function here answers in the dtype that it is given.
Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.integer[Any]]


def check_shape(name: str, got: tuple[int, ...], expected: tuple[int, ...], of_what: str) -> None:
    """Raise `ShapeError` unless the shapes are equal."""
    if got != expected:
        raise ShapeError(
            f"{name} has shape {got}; expected {expected}, the shape of {of_what}. Pass the gradient of it."
        )


def sum_to_shape(dout: Floats, shape: tuple[int, ...]) -> Floats:
    """Gradient of an array that was broadcast: sum over every axis along which it was repeated.

    One value that was used n times receives n gradients, and they add up.
    """
    num_new = dout.ndim - len(shape)
    repeated = [axis for axis, size in enumerate(shape, start=num_new) if size == 1]
    return dout.sum(axis=(*range(num_new), *repeated)).reshape(shape)
