"""A layer of few numbers that everything passes is named where it loses something; others are left in peace."""

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor import networks as net
from doctor.loops import watched
from moreish.doctor.probes.capacity import find_narrow, measure_narrow
from moreish.doctor.subject import make_subject


def numbers(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three waves in three directions: one number tells one of them."""
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    return x, torch.sin(x[:, :3])


def line(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """One number is enough."""
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    along = x.sum(1) + 0.5 * torch.randn(n, generator=torch.Generator().manual_seed(seed + 1))
    return x, (along[:, None] > torch.tensor([-2.0, 0.0, 2.0])).sum(1)


def layered(*sizes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Recurrent(nn.Module):
    def __init__(self, hidden: int, kind: type[nn.RNNBase] = nn.GRU) -> None:
        super().__init__()
        self.embed = nn.Embedding(27, 16)
        self.rnn, self.head = kind(16, hidden, batch_first=True), nn.Linear(hidden, 27)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(x))[0])


class Gated(nn.Module):
    """Squeeze and excitation: two numbers scale what passes beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.squeeze, self.excite = nn.Linear(6, 32), nn.Linear(32, 2), nn.Linear(2, 32)
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x).tanh()
        return self.head(x * self.excite(self.squeeze(x).relu()).sigmoid())


def narrow_in(model: nn.Module, batch: Any, loss_fn: Any = F.mse_loss) -> str | None:
    model.eval()
    return find_narrow(make_subject(model, batch, loss_fn))


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_a_narrow_layer_is_found_in_whatever_form(kind: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    assert narrow_in(layered(6, 2, 32, 3), numbers(64)) == "0"
    assert narrow_in(layered(6, 32, 2, 3), numbers(64)) == "2"
    assert narrow_in(Recurrent(3, kind), net.sequences(64), net.sequence_loss) == "rnn"


@pytest.mark.parametrize(
    ("model", "batch", "loss_fn"),
    [
        (layered(6, 32, 3), numbers(64), F.mse_loss),
        (layered(6, 32, 1), (torch.randn(64, 6), torch.randn(64, 1)), F.mse_loss),  # the output itself
        (layered(6, 2, 6), (torch.randn(64, 6), torch.randn(64, 6)), F.mse_loss),  # an autoencoder is meant to be
        (Gated(), numbers(64), F.mse_loss),  # what passes goes around it
        (net.MLP(hidden=32), net.windows(64), F.cross_entropy),
        (net.CNN(), net.images(64), F.cross_entropy),
        (net.GPT(), net.sequences(64), net.sequence_loss),
        (Recurrent(32), net.sequences(64), net.sequence_loss),
    ],
)
def test_what_is_wide_or_meant_to_be_narrow_is_not(model: nn.Module, batch: Any, loss_fn: Any) -> None:
    assert narrow_in(model, batch, loss_fn) is None


def test_a_layer_that_withholds_two_of_three_numbers_is_named_with_what_it_costs() -> None:
    network = (lambda: layered(6, 1, 32, 3), numbers, F.mse_loss)
    report = watched(network, 220, train=numbers(2048, 901), validation=numbers(512, 902))
    finding = next(item for item in report.findings if item.name == "underfitting")
    assert finding.layer == "0"
    assert finding.evidence.details == {"numbers that come in": 6, "numbers handed on": 1}
    assert finding.evidence.null < 0.5 * finding.evidence.value
    assert "one number of 0" in finding.cause
    assert "Make 0 wider" in finding.remedy


def test_a_recurrence_of_one_number_is_named() -> None:
    network = (lambda: Recurrent(1), net.sequences, net.sequence_loss)
    pairs = {"train": net.sequences(4096, 901), "validation": net.sequences(256, 902)}
    report = watched(network, 420, lambda p: torch.optim.AdamW(p, 1e-2), **pairs)
    assert ("underfitting", "rnn") in [(item.name, item.layer) for item in report.findings], str(report)


def test_a_narrow_layer_that_is_wide_enough_is_left_in_peace() -> None:
    network = (lambda: layered(6, 1, 32, 4), line, F.cross_entropy)
    report = watched(network, 420, train=line(2048, 901), validation=line(512, 902))
    assert "underfitting" not in report.names, str(report)


def test_padding_at_the_last_place_is_left_out() -> None:
    torch.manual_seed(0)
    inputs, targets = net.sequences(512)
    targets = targets.clone()
    targets[::2, -1] = -100

    def loss_fn(outputs: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(outputs.flatten(0, 1), labels.flatten())

    subject = make_subject(Recurrent(2).eval(), (inputs, targets), loss_fn)
    narrow = measure_narrow(subject, "rnn")
    assert narrow is not None
    assert len(narrow.without) == 256
