"""One activation module may serve several layers, as in residual blocks: each layer is looked at by itself."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from moreish.doctor.probes.trace import tracing


class Bottleneck(nn.Module):
    """As in ResNet-50: one ReLU behind layers of 8, 8 and 32 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(32, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv3, self.bn3 = nn.Conv2d(8, 32, 1, bias=False), nn.BatchNorm2d(32)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        out += x
        return self.relu(out)


def residual() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), Bottleneck(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)
    )


def test_layers_that_share_an_activation_are_sites_of_their_own() -> None:
    model = residual()
    with tracing(model, 8) as trace:
        for _ in range(2):  # a second pass meets the same sites again
            model(torch.randn(8, 1, 6, 6))
    sites = {site.name: (site.num_units, site.num_calls) for site in trace.sites() if site.op == "relu"}
    assert sites == {"1.relu: relu": (8, 2), "1.relu: relu (2)": (8, 2), "1.relu: relu (3)": (32, 2)}


@pytest.mark.parametrize("norm", ["bn1", "bn2"])
def test_units_that_died_behind_a_shared_activation_are_named(norm: str) -> None:
    model = residual()
    nn.init.constant_(model[1].get_submodule(norm).bias, -20.0)
    images = torch.randn(64, 1, 6, 6), torch.randint(10, (64,))
    report = moreish.diagnose(model, images, F.cross_entropy)
    assert "dead-relu" in report.names


def test_steps_through_time_stay_one_site() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.tanh = nn.Linear(6, 6), nn.Tanh()

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(5):
                x = self.tanh(self.cell(x))
            return x

    with tracing(loop := Loop(), 8) as trace:
        loop(torch.randn(8, 6))
    assert [(site.name, site.num_calls) for site in trace.sites()] == [("cell: linear", 5), ("tanh: tanh", 5)]


def test_a_residual_network_is_healthy() -> None:
    assert moreish.diagnose(residual(), net.images(), F.cross_entropy).names == ()
