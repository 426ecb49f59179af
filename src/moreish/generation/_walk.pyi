"""native/walk.cpp; `walk.py` is its only caller."""

from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class Memory:
    def __init__(self, vocab_size: int, context: int, most_rows: int, has_sums_without_boundary: bool) -> None: ...
    def learn(
        self,
        log_probabilities: NDArray[np.float64],
        sums: NDArray[np.float64],
        sums_without_boundary: NDArray[np.float64],
    ) -> None: ...

@final
class Walk:
    def __init__(
        self,
        *,
        memory: Memory,
        seed: int,
        numbers: NDArray[np.int64],
        seen: NDArray[np.int64],
        start: int,
        limit: int,
        min_length: int,
        nll: float,
        has_boundary: bool,
    ) -> None: ...
    def advance(self) -> NDArray[np.int64] | None:
        """Contexts to be learnt before it goes on, (m, T), m = 0 where it was only long enough; None at the end."""
    def results(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]: ...
