"""Cross entropy whose targets are rows of numbers, and whether these are distributions."""

from typing import Any

import torch
from torch import Tensor

OF_ROWS = "cross entropy of rows"
OF_LARGEST = "cross entropy of the largest"
_EXACT = 1e-3


def row_losses(outputs: Tensor, targets: Tensor) -> list[tuple[str, Tensor]]:
    """What cross entropies of rows give, along the second axis, where PyTorch has the classes; numbers come in."""
    if outputs.shape != targets.shape or outputs.ndim < 2:
        return []
    logs = outputs.log_softmax(1)
    largest = logs.gather(1, targets.argmax(1, keepdim=True))
    return [(OF_ROWS, -(targets * logs).sum(1)), (OF_LARGEST, -largest)]


def rows_off(formula: str, inputs: list[Tensor], targets: Any) -> tuple[float, float]:
    """Share of the rows with several entries, and another sum than one; and what those add up to.

    Rows of one entry, or none, are weighted or left out. Inputs that are to come out again are counts.
    """
    is_read_whole = formula == OF_ROWS or (formula == OF_LARGEST and bool(((targets == 0) | (targets == 1)).all()))
    same_shape = [item for item in inputs if item.shape == targets.shape] if is_read_whole else []
    if not is_read_whole or any(torch.equal(item.to(targets), targets) for item in same_shape):
        return 0.0, 1.0
    sums = targets.sum(1)
    is_off = ((targets != 0).sum(1) > 1) & ((sums - 1).abs() > _EXACT)
    return (float(is_off.float().mean()), float(sums[is_off].float().mean())) if bool(is_off.any()) else (0.0, 1.0)
