"""Networks, batches and losses in which it matters which output is trained on which target."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor import networks as net
from doctor.diagnosing import examined
from moreish.doctor import Report

Case = tuple[Callable[[], nn.Module], Callable[[], tuple[Any, Any]], Callable[[Any, Any], Tensor]]


def numbers(n: int = 128, zero: bool = False) -> tuple[Tensor, Tensor]:
    """Inputs (n, 5) and a number that follows from them, (n,)."""
    inputs = torch.randn(n, 5, generator=torch.Generator().manual_seed(0))
    return inputs, inputs[:, 0] - 0.5 * inputs[:, 1]


def yes_or_no(n: int = 128) -> tuple[Tensor, Tensor]:
    inputs, values = numbers(n)
    return inputs, (values > 0).float()


def kinds(n: int = 128) -> tuple[Tensor, Tensor]:
    inputs, values = numbers(n)
    return inputs, (values > -0.5).long() + (values > 0.5).long()


def dense(num_outputs: int, *last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, num_outputs), *last)


def zeroed(model: nn.Sequential) -> nn.Module:
    for p in model[-1].parameters():
        nn.init.zeros_(p)
    return model


def segments(n: int = 64) -> tuple[Tensor, Tensor]:
    """Pictures (n, 1, 12, 12) and one of three classes for each pixel."""
    pictures = torch.randn(n, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    return pictures, (pictures[:, 0] > -0.5).long() + (pictures[:, 0] > 0.5).long()


class ClassesFirst(nn.Module):
    """A tagger that returns (examples, classes, places), as convolutions do and F.cross_entropy takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(net.VOCABULARY, 16)
        self.conv = nn.Conv1d(16, net.VOCABULARY, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(self.embedding(x).transpose(1, 2), (2, 0)))


class PlacesFirst(nn.Module):
    """An LSTM that takes and returns places before examples, behind an embedding that has examples first."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(net.VOCABULARY, 16), nn.LSTM(16, 32)
        self.head = nn.Linear(32, net.VOCABULARY)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(x.T))[0])


class Squeezed(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).squeeze(-1)


def own_inputs() -> tuple[Tensor, Tensor]:
    """Targets that are the inputs, which the loss moves by one: as Hugging Face has it."""
    inputs, _ = net.sequences()
    return inputs, inputs.clone()


def moved_by_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())


def wrong_slice(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), targets[:, :-1].flatten())


def in_other_order(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.transpose(0, 1).reshape(-1, net.VOCABULARY), targets.flatten())


def between(model: nn.Sequential) -> nn.Module:
    """Logits that all lie between 0 and 1."""
    for p in model[-1].parameters():
        nn.init.constant_(p, 0.5) if p.ndim == 1 else nn.init.normal_(p, std=0.01)
    return Squeezed(model)


def diagnosed(case: Case) -> Report:
    make, batch, loss_fn = case
    return examined(make, batch(), loss_fn)
