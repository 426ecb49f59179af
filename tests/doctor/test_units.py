"""Attention on one position is a fault of a network that does not learn, and the point of one that aligns."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor.loops import watched
from moreish.doctor import Evidence, judge
from moreish.doctor.evidence import Look, Reference, Site


def one_hot_attention(loss: float) -> Evidence:
    site = Site("body: softmax", "softmax", "softmax", None, 1, 8, 256, 0, (1.0,), relative_entropy=(0.001,) * 16)
    losses = tuple(loss + 0.1 * (number % 3) for number in range(64))
    looks = tuple(Look(step, sites=(site,), train_losses=losses) for step in (50, 100, 200))
    return Evidence(looks, reference=Reference("counting", (3.0,) * 64, (2.0,) * 64, 1024))


@pytest.mark.parametrize(("loss", "names"), [(2.5, ("attention-collapse",)), (0.5, ())])
def test_attention_on_one_position_is_named_where_the_network_is_behind_a_simple_model(
    loss: float, names: tuple[str, ...]
) -> None:
    assert judge(one_hot_attention(loss)).names == names


class Blind(nn.Module):
    """A batch norm sees constants: their variance is zero, whatever the running one is."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.head = nn.Linear(6, 32), nn.BatchNorm1d(32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.enter(0 * x)).relu())


def rows(n: int, seed: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def test_channels_that_are_constant_say_nothing_of_running_statistics() -> None:
    report = watched((Blind, rows, F.cross_entropy), 220, train=rows(1024, 901))
    assert "batch-norm-statistics" not in report.names, str(report)
