"""An untrained network of numbers may be as wrong as a constant is, or some times as much; not 25 times."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from moreish.doctor import Report


def waves(n: int = 256, scale: float = 1.0, mean: float = 0.0) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(0))
    return x, mean + scale * torch.sin(x.sum(1, keepdim=True))


def regressor(gain: float = 1.0, hidden: int = 64) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(gain)
    return model


def diagnosed(model: nn.Module, batch: Any, loss_fn: Any = F.mse_loss) -> Report:
    return moreish.diagnose(model, batch, loss_fn)


@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_weights_ten_times_too_large_are_named(mean: float) -> None:
    report = diagnosed(regressor(10.0), waves(mean=mean))
    assert report.names == ("initial-loss",), str(report)
    finding = report.findings[0]
    assert finding.severity == "major"
    assert finding.evidence.value > 100 * finding.evidence.null
    assert "output" in finding.remedy
    assert ("nn.init.constant_" in finding.remedy) == (mean != 0.0)


@pytest.mark.parametrize(
    "batch", [waves(), waves(scale=0.2), waves(mean=100.0), waves(mean=-3.0), waves(32), waves(scale=50.0)]
)
def test_untrained_networks_are_left_in_peace(batch: Any) -> None:
    """Also where the targets are far from zero: a bias finds their mean in some steps."""
    report = diagnosed(regressor(), batch)
    assert report.names == ()
    assert "initial-loss" in report.examined


def test_a_network_without_any_prior_scale_is_left_in_peace() -> None:
    """Outputs as large as the targets, and independent of them: twice the loss of a constant."""
    for gain in (1.0, 3**0.5):
        model = nn.Linear(6, 1, bias=False)
        nn.init.normal_(model.weight, std=gain / 12**0.5)
        assert diagnosed(model, waves()).names == ()


def test_another_loss_is_not_judged_by_its_squares() -> None:
    report = diagnosed(regressor(10.0), waves(), F.l1_loss)
    assert "initial-loss" in {item.name for item in report.not_examined}


@pytest.mark.parametrize(("gain", "names"), [(1.0, ()), (40.0, ("initial-loss",))])
def test_answers_of_yes_and_no_begin_near_ln_2(gain: float, names: tuple[str, ...]) -> None:
    x, _ = waves()
    model = regressor()
    with torch.no_grad():
        model[4].weight.mul_(gain)  # type: ignore[index, union-attr]
    report = diagnosed(model, (x, (x.sum(1, keepdim=True) > 0).float()), F.binary_cross_entropy_with_logits)
    assert report.names == names, str(report)
    assert "initial-loss" in report.examined
