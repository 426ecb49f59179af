"""What PyTorch's GradScaler, for training in half precision, does to a step: losses scaled up, gradients back down."""

import sys

from torch.amp import GradScaler
from torch.optim import Optimizer


def is_skipped(optimizer: Optimizer) -> bool:
    """Whether the step that begins will change nothing, since a gradient overflowed.

    Only fused optimisers begin such steps: they divide gradients themselves. Others are not called at all.
    """
    overflow = getattr(optimizer, "found_inf", None)
    return overflow is not None and bool(overflow)


def divided_by(optimizer: Optimizer) -> float:
    """What gradients were divided by between their arrival and the step that begins: the scale of a GradScaler, or 1.

    The scaler is looked for on the stack, where it calls the optimiser: nothing refers to it from there.
    """
    if getattr(optimizer, "grad_scale", None) is not None:
        return 1.0  # not yet: the optimiser will
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code is GradScaler.step.__code__:
            scaler = frame.f_locals["self"]
            return scaler.get_scale() if scaler.is_enabled() else 1.0
        frame = frame.f_back
    return 1.0
