"""What the graph of a pass tells: layers that nobody registered, losses without a gradient, derivatives that break."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from moreish.doctor import Evidence, Report, judge

X, Y = net.images(128)
X = X.flatten(1)


class Network(nn.Module):
    """One registered layer, and others in every place where PyTorch does not see them."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.first, self.last = nn.Linear(144, 32), nn.Linear(32, 6)
        self.listed = [nn.Linear(32, 32)] if where == "list" else []
        self.named = {"W": (torch.randn(32, 32) / 32**0.5).requires_grad_()} if where == "dict" else {}

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).tanh()
        for layer in self.listed:
            h = layer(h)
        if self.named:
            h = h @ self.named["W"]
        if self.where == "forward":
            h = nn.Linear(32, 32)(h)
        if self.where == "physics":  # a derivative by the input, as networks for differential equations take it
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self.first(x).tanh().sum(), x, create_graph=True)
            h = h + slope[:, :32]
        return self.last(h.tanh())


SHAPES = {"list": [[32, 32], [32]], "dict": [[32, 32]], "forward": [[32, 32], [32]]}


def unregistered(report: Report) -> list[Any]:
    items = [item.evidence.details.get("shapes") for item in report.findings if item.name == "not-in-optimizer"]
    return [sorted(shapes, reverse=True) for shapes in items if shapes]


@pytest.mark.parametrize("has_optimizer", [True, False])
@pytest.mark.parametrize("where", SHAPES)
def test_layers_that_are_not_registered_are_named(where: str, has_optimizer: bool) -> None:
    torch.manual_seed(0)
    model = Network(where)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3) if has_optimizer else None
    report = moreish.diagnose(model, (X, Y), F.cross_entropy, optimizer)
    assert unregistered(report) == [SHAPES[where]], str(report)
    assert "(32, 32)" in report.findings[0].cause
    assert all(leaf.grad is None for layer in model.listed for leaf in layer.parameters())
    assert all(leaf.grad is None for leaf in model.named.values())


def test_they_are_told_apart_from_parameters_that_the_optimiser_does_not_hold() -> None:
    model = Network("list")
    optimizer = torch.optim.Adam(model.first.parameters(), 1e-3)
    text = str(moreish.diagnose(model, (X, Y), F.cross_entropy, optimizer))
    assert "1. not-in-optimizer (major)\n   Used in the forward pass, but not registered: 2 tensors of shape" in text
    assert "2. not-in-optimizer (major, at last.bias, last.weight)" in text


@pytest.mark.parametrize("where", SHAPES)
def test_they_are_named_in_the_loop_too(where: str) -> None:
    assert unregistered(watched(Network(where), is_held=False)) == [SHAPES[where]]
    if where != "forward":
        assert unregistered(watched(Network(where), is_held=True)) == []


def watched(model: Network, is_held: bool) -> Report:
    strangers = [*model.named.values(), *(p for layer in model.listed for p in layer.parameters())]
    optimizer = torch.optim.Adam([*model.parameters(), *(strangers if is_held else [])], 1e-3)
    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(X), Y)
            loss.backward()
            optimizer.step()
            doctor.step(loss, X, Y)
    evidence = doctor.evidence()
    assert judge(Evidence.from_json(evidence.to_json())) == judge(evidence)
    return doctor.report()


@pytest.mark.parametrize("where", ["list", "dict"])
def test_what_the_optimiser_holds_directly_is_left_in_peace_and_as_it_was(where: str) -> None:
    model = Network(where)
    strangers = [*model.named.values(), *(p for layer in model.listed for p in layer.parameters())]
    optimizer = torch.optim.Adam([*model.parameters(), *strangers], 1e-3)
    before = [p.detach().clone() for p in strangers]
    assert moreish.diagnose(model, (X, Y), F.cross_entropy, optimizer).names == ()
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, strangers, strict=True))


class Functional(nn.Module):
    """Gets its weights handed in with the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor, W: Tensor) -> Tensor:
        return x @ W + self.bias


def test_inputs_other_networks_in_the_loss_and_derivatives_by_the_input_are_left_in_peace() -> None:
    torch.manual_seed(0)
    W = (torch.randn(144, 6) / 12).requires_grad_()
    functional = Functional()
    optimizer = torch.optim.SGD([*functional.parameters(), W], 0.01)
    assert moreish.diagnose(functional, ((X, W), Y), F.cross_entropy, optimizer).names == ()
    assert W.grad is None
    model, critic = Network("nowhere"), nn.Linear(6, 6)
    for examined in (model, Network("physics")):
        report = moreish.diagnose(
            examined, (X, Y), lambda out, y: F.cross_entropy(critic(out), y), torch.optim.Adam(examined.parameters())
        )
        assert unregistered(report) == []
    assert critic.weight.grad is None
    assert unregistered(watched(Network("physics"), is_held=False)) == []


def test_each_part_of_a_network_can_be_watched_by_itself() -> None:
    """What is behind the inputs belongs to the part before; inputs may be trained themselves."""
    torch.manual_seed(0)
    body, head = nn.Linear(144, 32), nn.Linear(32, 6)
    codes = X.clone().requires_grad_()
    optimizers = [torch.optim.SGD(part.parameters(), 0.1) for part in (body, head)]
    with moreish.Doctor(body, optimizers[0]) as first, moreish.Doctor(head, optimizers[1]) as last:
        for _ in range(3):
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = F.cross_entropy(head(body(codes).tanh()), Y)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            for doctor in (first, last):
                doctor.step(loss)
    for doctor in (first, last):
        assert doctor.report().names == ()
        assert "not-in-optimizer" in doctor.report().examined


class Detached(net.MLP):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


def test_a_detached_loss_is_told_once_as_what_it_is() -> None:
    model = Detached(depth=12)
    report = moreish.diagnose(model, net.windows(), F.cross_entropy, torch.optim.Adam(model.parameters()))
    assert set(report.names) == {"no-gradient"}
    assert len(report.names) == 27
    text = str(report)
    assert text.startswith("1. no-gradient (critical, at ")
    assert "1 finding in" in text
    assert "and 23 more" in text.replace("\n   ", " ")
    unseen = {item.name: item.why for item in report.not_examined}
    assert unseen["rate-too-high"] == "the loss depends on nothing that requires a gradient"


class Rooted(nn.Module):
    """Distances between units, and so of each to itself, where the root has no derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(144, 32), nn.Linear(32, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.last((h[:, :, None] - h[:, None, :]).square().sqrt().mean(2))


def test_a_gradient_that_is_not_finite_is_named_with_the_operation_whose_derivative_made_it() -> None:
    model = Rooted()
    report = moreish.diagnose(model, (X, Y), F.cross_entropy, torch.optim.Adam(model.parameters()))
    assert report.names == ("not-finite",), str(report)
    finding = report.findings[0]
    assert finding.layer == "first.weight"
    assert "the derivative of sqrt" in finding.cause


def test_inputs_that_are_no_numbers_say_nothing_of_dropout_or_of_what_arrives() -> None:
    inputs = X.clone()
    inputs[3, 2] = float("nan")
    model = nn.Sequential(nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 6))
    report = moreish.diagnose(model, (inputs, Y), F.cross_entropy, torch.optim.Adam(model.parameters()))
    assert report.names == ("not-finite",), str(report)
    assert "dropout-in-evaluation" not in {item.name for item in report.explained}
    assert "inputs" in report.findings[0].cause


class Tied(nn.Module):
    """One weight embeds and speaks."""

    def __init__(self, is_cut_off: bool) -> None:
        super().__init__()
        self.embed, self.body = nn.Embedding(net.VOCABULARY, 16), nn.LSTM(16, 16, batch_first=True)
        self.head = nn.Linear(16, net.VOCABULARY)
        self.head.weight = self.embed.weight
        nn.init.normal_(self.head.weight, std=0.1)
        self.is_cut_off = is_cut_off

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        return self.head(self.body(h.detach() if self.is_cut_off else h)[0])


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_an_embedding_that_gets_a_gradient_as_the_output_layer_alone_is_named(is_cut_off: bool) -> None:
    torch.manual_seed(0)
    report = moreish.diagnose(Tied(is_cut_off), net.sequences(), net.sequence_loss)
    assert [(finding.name, finding.layer) for finding in report.findings] == [
        ("no-gradient", "embed.weight")
    ] * is_cut_off, str(report)
