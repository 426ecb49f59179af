"""Which examples each step sees: drawn with replacement, from one seeded stream."""

import numpy as np
import torch
from numpy.typing import NDArray


class Minibatches:
    """Draws the positions of the symbols that the steps predict.

    Args:
        positions: in the id stream, to draw from.
        batch: B, examples a step.
        generator: the stream of random numbers.
    """

    def __init__(self, positions: range, batch: int, generator: torch.Generator) -> None:
        self._positions, self._batch, self._generator = positions, batch, generator

    def draw(self, num_steps: int) -> NDArray[np.int64]:
        """Those of the next k steps, (k, B); the same however many are drawn at once."""
        shape = (num_steps, self._batch)
        drawn = torch.randint(0, len(self._positions), shape, generator=self._generator)
        return drawn.numpy() + self._positions.start

    def state(self) -> NDArray[np.uint8]:
        """Where the stream stands."""
        return self._generator.get_state().numpy()

    def restore(self, state: NDArray[np.uint8]) -> None:
        """Put the stream back to where it stood."""
        self._generator.set_state(torch.from_numpy(state))
