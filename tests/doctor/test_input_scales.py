"""Columns beside which a first layer sees no others are named; data that are scaled, or made so, are left in peace."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish

NAME = "inputs-unscaled"
G = torch.Generator().manual_seed(0)
X = torch.randn(256, 10, generator=G)
LABELS = X[:, :3].argmax(1)


def scaled(**factors: float) -> Tensor:
    x = X.clone()
    for column, factor in factors.items():
        x[:, int(column[1:])] *= factor
    return x


def network(*first: nn.Module, width: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*first, nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 3))


class Beside(nn.Module):
    """Numbers go into the layer beside the embedding of a symbol; each has its own."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols, self.numbers, self.out = nn.Embedding(5, 8), nn.Linear(10, 8), nn.Linear(8, 3)

    def forward(self, symbol: Tensor, numbers: Tensor) -> Tensor:
        return self.out(torch.tanh(self.symbols(symbol) + self.numbers(numbers)))


def found(model: nn.Module, inputs: Any) -> Any:
    report = moreish.diagnose(model, (inputs, LABELS), F.cross_entropy)
    return next((item for item in (*report.findings, *report.explained) if item.name == NAME), None)


FAULTS = {
    "one column": (scaled(_4=1000.0), [4], "major"),
    "one column, not by much": (scaled(_4=200.0), [4], "minor"),
    "two columns": (scaled(_4=1e4, _7=1e4), [4, 7], "major"),
    "a year": (torch.cat([X[:, :9], 2010 + 5 * X[:, 9:]], 1), [9], "major"),
    "an amount": (torch.cat([(2 * X[:, :1] + 9).exp(), X[:, 1:]], 1), [0], "major"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_columns_that_drown_the_others_are_named_as_the_cause(name: str) -> None:
    inputs, columns, severity = FAULTS[name]
    report = moreish.diagnose(network(), (inputs, LABELS), F.cross_entropy)
    assert report.names == (NAME,)
    finding = report.findings[0]
    assert (finding.severity, finding.layer) == (severity, "0")
    assert f"column{'s' * (len(columns) > 1)} {', '.join(map(str, columns))} " in finding.cause


def test_doctor_names_them_at_its_first_look() -> None:
    for inputs, names in ((scaled(_4=1000.0), (NAME,)), (X, ())):
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        with moreish.Doctor(model, optimizer, F.cross_entropy, train=(inputs, LABELS)) as doctor:
            for _ in range(3):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(inputs), LABELS)
                loss.backward()
                optimizer.step()
                doctor.step(loss, inputs, LABELS)
        assert doctor.report().names == names


def test_several_inputs_are_looked_at_where_they_come_in() -> None:
    symbols = torch.randint(5, (256,), generator=G)
    assert found(Beside(), (symbols, scaled(_2=1000.0))).layer == "numbers"
    assert found(Beside(), (symbols, X)) is None


ONE_HOT = F.one_hot(torch.randint(200, (256,), generator=G), 200).float()
HEALTHY = {
    "standardised": (network(), X),
    "all alike, and large": (network(), X * 1000),
    "some ten times as large": (network(), scaled(_4=10.0)),
    "a norm first": (network(nn.BatchNorm1d(10)), scaled(_4=1000.0)),
    "a norm without weights first": (network(nn.BatchNorm1d(10, affine=False)), scaled(_4=1000.0)),
    "one-hot columns": (network(width=200), ONE_HOT),
    "numbers beside one-hot columns": (network(width=203), torch.cat([ONE_HOT, 10 * X[:, :3]], 1)),
    "pixels, most of them dark": (network(width=144), (torch.randn(256, 144, generator=G) - 2.5).relu()),
    "infinity, which is named by itself": (network(), X.index_fill(1, torch.tensor([3]), torch.inf)),
    "zero columns": (network(), scaled(**{f"_{i}": 0.0 for i in range(7)})),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_scaled_data_are_left_in_peace(name: str) -> None:
    assert found(*HEALTHY[name]) is None


def test_weights_that_make_up_for_it_or_are_no_numbers_are_left_in_peace() -> None:
    model = network()
    with torch.no_grad():
        model[0].weight[:, 4] /= 1000  # type: ignore[index]
    assert found(model, scaled(_4=1000.0)) is None
    nn.init.constant_(model[0].weight, torch.nan)  # type: ignore[index]
    assert found(model, X) is None
