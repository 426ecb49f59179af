"""The door to the compiled kernels (native/module.cpp). `native.py` is the only caller, and checks what it passes.

`Kernels` and `Rule` (native/kernels_module.cpp), the kernels one by one, are for their tests and benchmark alone.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

def levels() -> list[str]:
    """The instruction sets that this build and this processor have, fastest first."""

@final
class Parameter:
    """A parameter, (rows, columns) or (columns,), and what the optimiser keeps of it; all are written to."""

    def __init__(
        self,
        value: NDArray[np.float32],
        first: NDArray[np.float32] | None,
        second: NDArray[np.float32] | None,
        decays: bool,
    ) -> None: ...

@final
class Layer:
    def __init__(
        self,
        *,
        joined: int,
        norm: str,
        activation: str,
        weight: Parameter,
        bias: Parameter | None,
        gamma: Parameter | None,
        beta: Parameter | None,
        running_mean: NDArray[np.float32] | None,
        running_spread: NDArray[np.float32] | None,
    ) -> None: ...

@final
class Network:
    def __init__(
        self,
        *,
        level: str | None,
        stream: NDArray[np.unsignedinteger[Any]],
        has_boundary: bool,
        vocab_size: int,
        context: int,
        embedding: Parameter | None,
        layers: Sequence[Layer],
        norm_correction: float,
        norm_epsilon: float,
        norm_momentum: float,
        keeps_std: bool,
        dropout_seed: int,
        dropout: float,
        rule: str,
        momentum: float,
        beta1: float,
        beta2: float,
        weight_decay: float,
        clip: float,
    ) -> None: ...
    def run(
        self,
        positions: NDArray[np.int64],
        rates: NDArray[np.float64],
        first_step: int,
        num_done: int,
        every: int,
        saturation_threshold: float,
        numbers: NDArray[np.float32],
        is_dead: NDArray[np.uint8],
    ) -> tuple[NDArray[np.float32], float | None]:
        """The losses of the steps carried out, and the one that was not finite, if any.

        Args:
            every: steps whose number is a multiple of it are measured; 0 for none.
            numbers: receives a row for each: 7 of each layer, 4 of each parameter, as native/network.h names them.
            is_dead: likewise, one of each unit of each layer.
        """
