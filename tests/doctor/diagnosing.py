"""A network diagnosed as strangers do it, from one seed."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import moreish
from moreish.doctor import Report


def examined(make: Callable[[], nn.Module], batch: Any, loss: Any, learning_rate: float | None = 1e-3) -> Report:
    torch.manual_seed(1)
    model = make()
    optimizer = None if learning_rate is None else torch.optim.AdamW(model.parameters(), learning_rate)
    return moreish.diagnose(model, batch, loss, optimizer)
