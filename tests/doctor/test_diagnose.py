"""`diagnose` names each planted fault first, and is silent on the healthy twins."""

import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from doctor.diagnosing import examined
from moreish.doctor import Evidence, collect, judge


@pytest.mark.parametrize("name", net.HEALTHY)
def test_healthy_networks_are_left_in_peace(name: str) -> None:
    make, batch, loss = net.HEALTHY[name]
    report = examined(make, batch(), loss)
    assert report.names == ()
    assert len(report.examined) >= 12


def sparse(module: nn.Module) -> nn.Module:
    """ReLU that answers one input in fifty, each unit others: sparse, not dead."""
    nn.init.normal_(module[3].weight, std=3**0.5 / 8)  # pre-activations of standard deviation 1
    nn.init.constant_(module[3].bias, -2.0)
    return module


def relu_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Embedding(net.VOCABULARY, 16), nn.Flatten(), nn.Linear(128, 64), nn.Linear(64, 64), nn.ReLU(),
        nn.Linear(64, net.VOCABULARY),
    )  # fmt: skip


def recurrent(cell: Any) -> nn.Module:
    model = net.LSTM()
    model.lstm = cell(16, 32, batch_first=True)
    return model


HARD_HEALTHY: dict[str, tuple[Any, Any, Any]] = {
    "sparse ReLU": (lambda: sparse(relu_network()), lambda: net.windows(512), F.cross_entropy),
    "a batch of four": (lambda: net.MLP(), lambda: net.windows(4), F.cross_entropy),
    "two classes": (
        lambda: nn.Sequential(nn.Embedding(2, 4), nn.Flatten(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2)),
        lambda: (torch.randint(2, (128, 8), generator=torch.Generator().manual_seed(0)), torch.arange(128) % 2),
        F.cross_entropy,
    ),
    "strong dropout": (
        lambda: nn.Sequential(nn.Embedding(27, 16), nn.Flatten(), nn.Dropout(0.8), nn.Linear(128, 64), nn.ReLU(),
                              nn.Dropout(0.8), nn.Linear(64, 27)),
        net.windows, F.cross_entropy,
    ),
    "an RNN of one layer over 40 positions": (
        lambda: recurrent(nn.RNN), lambda: net.sequences(64, 40), net.sequence_loss,
    ),
    "a GRU over 40 positions": (lambda: recurrent(nn.GRU), lambda: net.sequences(64, 40), net.sequence_loss),
    "log-probabilities and nll_loss": (
        lambda: nn.Sequential(net.MLP(), nn.LogSoftmax(-1)), net.windows, F.nll_loss,
    ),
    "regression": (
        lambda: nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1)),
        lambda: (torch.randn(128, 5, generator=torch.Generator().manual_seed(0)), torch.ones(128, 1)),
        F.mse_loss,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD_HEALTHY)
def test_hard_healthy_cases_are_silent(name: str) -> None:
    make, batch, loss = HARD_HEALTHY[name]
    assert examined(make, batch(), loss).names == ()


def constant(module: nn.Module, value: float) -> nn.Module:
    for p in module.parameters():
        nn.init.constant_(p, value)
    return module


class Averaged(nn.Module):
    """A network that sees its last characters only."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(net.VOCABULARY, 16), nn.Linear(16, net.VOCABULARY)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.embedding(x)[:, -1])


class Mixed(net.GPT):
    """The axes of examples and positions exchanged with a view."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.tokens(x)
        B, T, E = h.shape
        h = h.view(T, B, E).transpose(0, 1)
        return self.head(self.norm(h))


class AlwaysDropping(net.MLP):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(super().forward(x), 0.2)


class Detached(net.LSTM):
    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(self.embedding(x).detach())
        return self.head(h)


class NotANumber(net.MLP):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.log(torch.tanh(self.b_out - 1))


def dead() -> nn.Module:
    model = relu_network()
    nn.init.constant_(model[3].bias[:40], -30.0)
    return model


def all_dead() -> nn.Module:
    """No unit ever answers, so that what comes out is the same for all inputs; what comes in is not."""
    model = relu_network()
    nn.init.constant_(model[3].bias, -30.0)
    return model


def copied(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0], batch[0][..., -1].clone() if batch[1].ndim == 1 else batch[0].clone()


def forgetful(cell: str) -> nn.Module:
    """Gates or weights that hold on to nothing."""
    model = net.LSTM()
    if cell == "lstm":
        with torch.no_grad():
            model.lstm.bias_ih_l0[32:64] -= 5.0
        return model
    model.lstm = getattr(nn, cell)(16, 32, batch_first=True)
    with torch.no_grad():
        model.lstm.weight_hh_l0.mul_(0.2)
        if cell == "GRU":
            model.lstm.bias_ih_l0[32:64] -= 5.0
    return model


def doubled(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0].repeat(2, 1, 1, 1), batch[1].repeat(2)


def two_ahead() -> tuple[Tensor, Tensor]:
    x, y = net.sequences(context=net.CONTEXT + 1)
    return x[:, :-1].contiguous(), y[:, 1:].contiguous()


FAULTS: dict[str, list[tuple[str, Any, Any, Any]]] = {
    "initial-loss": [
        ("mlp", lambda: net.MLP(output_scale=16.0), net.windows, F.cross_entropy),
        ("gpt", lambda: scaled_head(net.GPT()), net.sequences, net.sequence_loss),
    ],
    "symmetric-units": [
        ("mlp", lambda: constant(net.MLP(), 0.0), net.windows, F.cross_entropy),
        ("lstm", lambda: constant(net.LSTM(), 0.1), net.sequences, net.sequence_loss),
        ("cnn", lambda: constant(net.CNN(), 0.1), net.images, F.cross_entropy),
    ],
    "saturated-tanh": [("mlp", lambda: net.MLP(gain=5.0), net.windows, F.cross_entropy)],
    "dead-relu": [
        ("relu", dead, lambda: net.windows(1000), F.cross_entropy),
        ("all", all_dead, lambda: net.windows(1000), F.cross_entropy),
    ],
    "vanishing": [("mlp", lambda: net.MLP(depth=8, gain=0.4), net.windows, F.cross_entropy)],
    "exploding": [("linear", lambda: net.deep_relu(3.0), net.windows, F.cross_entropy)],
    "bias-before-norm": [("cnn", lambda: net.CNN(bias=True), net.images, F.cross_entropy)],
    "batch-norm-momentum": [("cnn", lambda: net.CNN(momentum=0.0), net.images, F.cross_entropy)],
    "softmax-twice": [
        ("mlp", lambda: nn.Sequential(net.MLP(), nn.Softmax(-1)), net.windows, F.cross_entropy),
        ("loss", lambda: net.MLP(), net.windows, lambda out, y: F.cross_entropy(out.softmax(-1), y)),
        ("logits near zero", lambda: net.MLP(output_scale=1e-4), net.windows,
         lambda out, y: F.cross_entropy(out.softmax(-1), y)),
    ],
    "likelihood-of-logits": [("mlp", lambda: net.MLP(), net.windows, F.nll_loss)],
    "loss-summed": [("mlp", lambda: net.MLP(), net.windows, lambda out, y: F.cross_entropy(out, y, reduction="sum"))],
    "no-gradient": [("lstm", lambda: Detached(), net.sequences, net.sequence_loss)],
    "not-finite": [("mlp", lambda: NotANumber(), net.windows, F.cross_entropy)],
    "future-leak": [("gpt", lambda: net.GPT(causal=False), net.sequences, net.sequence_loss)],
    "examples-mixed": [
        ("gpt", lambda: Mixed(), net.sequences, net.sequence_loss),
        ("lstm", lambda: net.LSTM(batch_first=False), net.sequences, net.sequence_loss),
    ],
    "context-unused": [("mlp", lambda: Averaged(), net.windows, F.cross_entropy)],
    "dropout-in-evaluation": [("mlp", lambda: AlwaysDropping(), net.windows, F.cross_entropy)],
    "label-in-input": [
        ("mlp", lambda: net.MLP(), lambda: copied(net.windows()), F.cross_entropy),
        ("gpt", lambda: net.GPT(), lambda: copied(net.sequences()), net.sequence_loss),
    ],
    "label-shifted": [("gpt", lambda: net.GPT(), two_ahead, net.sequence_loss)],
    "rnn-forgets": [
        ("lstm", lambda: forgetful("lstm"), net.sequences, net.sequence_loss),
        ("rnn", lambda: forgetful("RNN"), net.sequences, net.sequence_loss),
        ("gru", lambda: forgetful("GRU"), net.sequences, net.sequence_loss),
    ],
    "duplicates": [("cnn", lambda: net.CNN(), lambda: doubled(net.images(64)), F.cross_entropy)],
    "attention-scale": [("gpt", lambda: sharp(net.GPT(scaled=False)), net.sequences, net.sequence_loss)],
}  # fmt: skip


def scaled_head(model: net.GPT) -> net.GPT:
    nn.init.normal_(model.head.weight, std=1.0)
    return model


def sharp(model: net.GPT) -> net.GPT:
    for block in model.blocks:
        nn.init.normal_(block.attention.qkv.weight, std=32**-0.5)
    return model


@pytest.mark.parametrize(
    ("fault", "case"), [(fault, case) for fault, cases in FAULTS.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) else value[0],
)  # fmt: skip
def test_the_planted_fault_is_named_first(fault: str, case: Any) -> None:
    _, make, batch, loss = case
    report = examined(make, batch(), loss)
    assert report.names[:1] == (fault,), str(report)


def test_a_rate_far_too_high_or_low_is_named() -> None:
    assert examined(net.MLP, net.windows(), F.cross_entropy, 1.0).names[0] == "rate-too-high"
    assert examined(net.GPT, net.sequences(), net.sequence_loss, 1e-6).names == ("rate-too-low",)
    assert examined(net.CNN, net.images(), F.cross_entropy, 1e-5).names == ("rate-too-low",)


def test_a_parameter_that_the_optimiser_does_not_hold_is_named() -> None:
    model = net.GPT()
    report = moreish.diagnose(
        model, net.sequences(), net.sequence_loss, torch.optim.AdamW(model.blocks.parameters(), 1e-3)
    )
    assert report.names[0] == "not-in-optimizer"
    assert {finding.layer for finding in report.findings if finding.name == "not-in-optimizer"} >= {"head.weight"}


def test_a_batch_of_one_for_batch_norm_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 8), Permissive(8), nn.Tanh(), nn.Linear(8, 3))
    report = moreish.diagnose(model, (torch.ones(1, 4), torch.tensor([1])), F.cross_entropy)
    assert report.names[0] == "batch-norm-of-one"


class Permissive(nn.BatchNorm1d):
    """PyTorch refuses a batch of one; a batch norm written by hand does not."""

    def forward(self, input: Tensor) -> Tensor:
        return (input - input.mean(0)) / (input.var(0, unbiased=False) + 1e-5).sqrt() * self.weight + self.bias


def test_running_statistics_of_other_data_are_named() -> None:
    model = net.CNN()
    with torch.no_grad():
        for _ in range(40):
            model(net.images()[0] * 4 + 3)
    report = moreish.diagnose(model, net.images(), F.cross_entropy)
    assert report.names[0] == "batch-norm-statistics"
    for finding in report.findings:  # of the mean or of the variance, up or down: what is wrong is larger
        measured = finding.evidence
        assert measured.null < (measured.threshold or 0.0) < measured.value, str(report)
    with torch.no_grad():
        for _ in range(40):
            model(net.images()[0])
    assert moreish.diagnose(model, net.images(), F.cross_entropy).names == ()


def test_evidence_can_be_written_down_and_judged_later() -> None:
    model = net.MLP(output_scale=16.0)
    evidence = collect(model, net.windows(), F.cross_entropy)
    again = Evidence.from_json(evidence.to_json())
    assert judge(again) == judge(evidence)


def test_what_could_not_be_examined_is_said_and_not_called_healthy() -> None:
    report = examined(net.MLP, net.windows(), lambda out, y: F.cross_entropy(out, y) + 0.1, None)
    unseen = {item.name: item.why for item in report.not_examined}
    assert {"rate-too-high", "not-in-optimizer", "initial-loss", "loss-summed"} <= set(unseen)
    assert not set(unseen) & set(report.examined)


def test_a_report_reads_well_everywhere() -> None:
    report = examined(lambda: net.MLP(output_scale=6.0), net.windows(), F.cross_entropy)
    assert str(report).startswith("1. initial-loss (major)\n")
    assert max(map(len, str(report).splitlines())) <= 100
    content = json.loads(report.to_json())
    assert {"name", "severity", "layer", "step", "evidence", "cause", "remedy", "source"} <= set(content["findings"][0])
    assert "initial-loss" in report._repr_html_()
