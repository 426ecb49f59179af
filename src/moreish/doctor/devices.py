"""What is on which device: examples go to where the model is, as a loop moves its minibatches."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


def beside(model: nn.Module, value: Any) -> Any:
    """Tensors in a structure, moved to the device of the model; as they are where one of them is there already.

    What lies on two devices was put there on purpose: lengths of sequences, say, which stay on the processor.
    """
    device = next(model.parameters()).device
    devices = set(_devices(value))
    return value if not devices or device in devices else _moved(value, device)


def making_tensors_on(device: torch.device) -> AbstractContextManager[Any]:
    """Inside, what is made without a device is made there: the doctor's tensors on the processor, whatever
    `torch.set_default_device` says, and those of the model and its loss where it says."""
    return nullcontext() if torch.get_default_device() == device else device


def _devices(value: Any) -> list[torch.device]:
    if isinstance(value, Tensor):
        return [value.device]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    return [device for item in items for device in _devices(item)]


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: _moved(item, device) for key, item in value.items()}
    if isinstance(value, tuple | list):
        parts = [_moved(item, device) for item in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
