"""Networks in which a fault shows itself in its own way, or only seems to: gates, recurrences, attention, norms."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from doctor.diagnosing import examined
from moreish.doctor import collect, judge


def test_equal_units_behind_gates_are_named() -> None:
    """The gates of an LSTM get different gradients, but those of its units are equal."""

    def equal() -> nn.Module:
        model = net.LSTM()
        for name, p in model.named_parameters():
            if not name.startswith("embedding"):
                nn.init.constant_(p, 0.0 if "bias" in name else 0.05)
        return model

    assert set(examined(equal, net.sequences(), net.sequence_loss).names) == {"symmetric-units"}


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_labels_of_windows_that_slide_over_a_text_tell_their_place(ahead: int) -> None:
    starts = torch.arange(400)
    inputs = net.TEXT[starts[:, None] + torch.arange(net.CONTEXT)]
    report = examined(net.MLP, (inputs, net.TEXT[starts + net.CONTEXT - 1 + ahead]), F.cross_entropy)
    assert report.names == (() if ahead == 1 else ("label-shifted",))


def test_a_loss_that_is_not_finite_later_does_not_explain_what_was_seen_before_training() -> None:
    torch.manual_seed(0)
    model = net.deep_relu(6.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    inputs, targets = net.windows()
    before = collect(model, (inputs, targets), F.cross_entropy, optimizer)
    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(4):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    during = doctor.evidence()
    report = judge(replace(during, looks=before.looks + during.looks))
    assert report.names[0] == "exploding"
    assert "not-finite" in {finding.name for finding in report.explained}


def test_a_layer_that_is_dead_all_over_is_named_and_half_dead_layers_together() -> None:
    def silenced(share: float) -> nn.Module:
        model = net.deep_relu(2**0.5)
        for module in [m for m in model.modules() if isinstance(m, nn.Linear)][:-1]:
            module.bias = nn.Parameter(torch.zeros(64))
            nn.init.constant_(module.bias[: round(64 * share)], -30.0)
        return model

    for share in (0.5, 1.0):
        report = examined(lambda share=share: silenced(share), net.windows(), F.cross_entropy)
        assert report.names[0] == "dead-relu", str(report)


def test_a_single_unit_behind_gates_is_not_taken_for_equal_ones() -> None:
    class Narrow(net.LSTM):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(16, 1, batch_first=True), nn.Linear(1, net.VOCABULARY)

    assert "symmetric-units" not in examined(Narrow, net.sequences(), net.sequence_loss).names


class Encoder(nn.Module):
    """PyTorch's own encoder layer, whose attention is one function to those who look on."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(net.VOCABULARY, 32), nn.Parameter(torch.randn(net.CONTEXT, 32) * 0.1)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(32, net.VOCABULARY)
        with torch.no_grad():
            self.layer.self_attn.in_proj_weight[:64].mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(x) + self.place).mean(1))


@pytest.mark.parametrize(("scale", "names"), [(1.0, ()), (20.0, ("attention-scale",))])
def test_attention_of_pytorchs_own_layers_is_seen(scale: float, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    assert moreish.diagnose(Encoder(scale), net.windows(256), F.cross_entropy).names == names


class Recurrent(nn.Module):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.embed, self.cell = nn.Embedding(net.VOCABULARY, 16), nn.RNN(16, 48, batch_first=True)
        self.head = nn.Linear(48, net.VOCABULARY)
        with torch.no_grad():
            self.cell.weight_ih_l0.mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(self.embed(x))[0][:, -1])


@pytest.mark.parametrize(("scale", "is_named"), [(1.0, False), (40.0, True)])
def test_a_recurrent_network_of_tanh_that_saturates_is_named(scale: float, is_named: bool) -> None:
    torch.manual_seed(0)
    report = moreish.diagnose(Recurrent(scale), net.windows(256), F.cross_entropy)
    assert ("saturated-tanh" in report.names) == is_named, str(report)
    assert is_named or report.names == ()


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_running_variances_that_are_off_either_way_read_as_a_factor(factor: float) -> None:
    model = net.CNN()
    with torch.no_grad():
        for _ in range(40):
            model(net.images()[0])
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                assert norm.running_var is not None
                norm.running_var *= factor
    report = moreish.diagnose(model, net.images(), F.cross_entropy)
    measured = report.findings[0].evidence
    assert report.names[0] == "batch-norm-statistics"
    assert "varian" in measured.what, str(report)
    assert measured.null == 1.0 < (measured.threshold or 0.0) < measured.value, str(report)
    assert abs(measured.value - 5) < 1, str(report)


class Difference(nn.Module):
    """A score of each of two inputs, and their difference: the last bias cancels."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.score(x[:, :6]) - self.score(x[:, 6:]))[:, 0]


def test_a_bias_that_cancels_is_minor_and_not_called_detached() -> None:
    torch.manual_seed(0)
    model, x = Difference(), torch.randn(256, 12)
    y = (x[:, 0] > x[:, 6]).float()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = moreish.diagnose(model, (x, y), F.binary_cross_entropy_with_logits, optimizer)
    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(60):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(x), y)
            loss.backward()
            optimizer.step()
            doctor.step(loss, x, y)
    assert before.names == ("no-gradient",)
    assert doctor.report().names == ("never-moves",)
    for finding in (*before.findings, *doctor.report().findings):
        assert finding.layer == "score.2.bias"
        assert finding.severity == "minor"
        assert "cancels" in finding.cause
        assert "detach" not in finding.remedy
