"""Units and layers that no longer learn, or have decided before they did; and those that only look like it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor.loops import watched
from moreish.doctor import Evidence, judge
from moreish.doctor.evidence import BatchNorm, Look, Reference, Site


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


def pulses(n: int = 256, seed: int = 0) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 2, 16, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0, 8] > 0).long()


@pytest.mark.parametrize(("bias", "names"), [(0.0, ()), (-20.0, ("dead-relu",))])
def test_dead_channels_of_a_one_dimensional_convolution_are_named(bias: float, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(12)
    model = nn.Sequential(nn.Conv1d(2, 12, 3, bias=False), norm, nn.ReLU(), nn.Flatten(), nn.Linear(12 * 14, 2))
    with torch.no_grad():
        norm.bias[:8] = bias
    report = moreish.diagnose(model, pulses(), F.cross_entropy)
    assert report.names[:1] == names, str(report)
    if names:
        assert report.findings[0].evidence.details["units"] == 12


def half_dead() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 3))
    with torch.no_grad():
        model[0].get_parameter("bias")[:30] -= 1.5
    return model


def few(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator), torch.randint(3, (n,), generator=generator)


def test_inputs_that_are_too_few_to_tell_a_dead_unit_are_said_to_be_those_of_the_batch_or_a_minibatch() -> None:
    before = moreish.diagnose(half_dead(), few(20), F.cross_entropy)
    watching = watched((half_dead, few, F.cross_entropy), 4, batch=20)
    for report, where in ((before, "the batch that was handed in"), (watching, "the minibatch at step 2")):
        why = next(item.why for item in report.not_examined if item.name == "dead-relu")
        assert why.startswith(f"20 different inputs of {where} cannot tell")


class Experts(nn.Module):
    """Four layers, and a gate that weighs them."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.experts, self.gate = nn.ModuleList(nn.Linear(8, 16) for _ in range(4)), nn.Linear(8, 4)
        self.head = nn.Linear(16, 3)
        with torch.no_grad():
            self.gate.weight.mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.gate(x).softmax(-1)
        return self.head((torch.stack([expert(x).relu() for expert in self.experts], -1) * shares[:, None]).sum(-1))


@pytest.mark.parametrize(("scale", "names"), [(1.0, ()), (20.0, ("saturated-tanh",))])
def test_a_gate_that_has_decided_before_it_learned_is_named(scale: float, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(256, 8, generator=torch.Generator().manual_seed(1))
    report = moreish.diagnose(Experts(scale), (x, x[:, :3].argmax(1)), F.cross_entropy)
    assert report.names == names, str(report)


@pytest.mark.parametrize(("scale", "names"), [(1.0, ()), (1e-3, ("vanishing",))])
def test_three_layers_are_a_trend_where_each_change_is_large(scale: float, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)]
    with torch.no_grad():
        for layer in layers[2:5:2]:
            layer.weight.mul_(scale)  # type: ignore[union-attr]
            layer.bias.zero_()  # type: ignore[union-attr]
    x = torch.randn(256, 8, generator=torch.Generator().manual_seed(1))
    report = moreish.diagnose(nn.Sequential(*layers), (x, x[:, :3].argmax(1)), F.cross_entropy)
    assert report.names[:1] == names, str(report)


@pytest.mark.parametrize(("steps", "names"), [((2, 50), ()), ((50, 100), ("batch-norm-statistics",))])
def test_running_statistics_of_the_first_steps_do_not_confirm_those_of_later_ones(
    steps: tuple[int, int], names: tuple[str, ...]
) -> None:
    """Both looks see a variance that is three times what it should be; the first, before there was any other."""
    seen = [BatchNorm("norm", 256, 0.1, step, True, True, (0.01,) * 32, (3.0,) * 32) for step in steps]
    looks = [Look(step, norms=(norm,)) for step, norm in zip(steps, seen, strict=True)]
    assert judge(Evidence(tuple(looks))).names == names
