"""One graph whose nodes are the examples: mixing them is meant, none is taken without the others, training goes on."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from moreish.doctor.probes.nodes import links
from moreish.doctor.subject import make_subject


def graph(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Links (n, n), an index of them (2, E), features (n, 5) and kinds (n,): those of a kind are linked more often."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(3, (n,), generator=generator)
    chance = torch.where(y[:, None] == y, 12.0 / n, 3.0 / n)
    linked = (torch.rand(n, n, generator=generator) < chance).float().triu(1)
    linked = linked + linked.T
    x = torch.randn(n, 5, generator=generator) + F.pad(F.one_hot(y, 3), (0, 2))
    return linked, linked.nonzero().T.contiguous(), x, y


def summed(links: Tensor, x: Tensor) -> Tensor:
    """Means over the neighbours, by a matrix of links or an index of them."""
    if links.shape[0] == 2:
        counts = torch.ones(len(x)).index_add(0, links[1], torch.ones(links.shape[1]))
        return x.index_add(0, links[1], x[links[0]]) / counts[:, None]
    links = links.to_dense() if links.is_sparse else links
    return (links @ x + x) / (links.sum(1, keepdim=True) + 1)


class Graphs(nn.Module):
    """Two convolutions over a graph."""

    def __init__(self, held: Any = None, in_buffer: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.held = nn.Linear(5, 16), nn.Linear(16, 3), None
        if in_buffer and held is not None:
            self.register_buffer("adjacency", held)
        else:
            self.held = held

    def convolved(self, x: Tensor, links: Tensor) -> Tensor:
        return self.last(summed(links, F.relu(self.first(summed(links, x)))))


class AdjacencyFirst(Graphs):
    def forward(self, adj: Tensor, x: Tensor) -> Tensor:
        return self.convolved(x, adj)


class EdgesSecond(Graphs):
    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.convolved(x, edge_index)


class Held(Graphs):
    def forward(self, x: Tensor) -> Tensor:
        return self.convolved(x, self.get_buffer("adjacency") if self.held is None else self.held["links"])


Case = Callable[[Tensor, Tensor, Tensor], tuple[nn.Module, Any]]
CASES: dict[str, tuple[Case, str]] = {
    "adjacency handed in": (lambda a, e, x: (AdjacencyFirst(), (a, x)), "adj"),
    "edges handed in": (lambda a, e, x: (EdgesSecond(), (x, e)), "edge_index"),
    "edges by name": (lambda a, e, x: (EdgesSecond(), {"x": x, "edge_index": e}), "edge_index"),
    "sparse adjacency": (lambda a, e, x: (EdgesSecond(), (x, a.to_sparse())), "edge_index"),
    "sparse adjacency first": (lambda a, e, x: (AdjacencyFirst(), (a.to_sparse(), x)), "adj"),
    "adjacency in a buffer": (lambda a, e, x: (Held(a), x), "adjacency"),
    "edges in a buffer": (lambda a, e, x: (Held(e), x), "adjacency"),
    "edges in a dict": (lambda a, e, x: (Held({"links": e}, in_buffer=False), x), "held.links"),
}


def trained(model: nn.Module, inputs: Any, targets: Tensor, loss_fn: Any, steps: int, **given: Any) -> moreish.Doctor:
    """A loop over all nodes at once, watched."""
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with moreish.Doctor(model, optimizer, loss_fn, train=(inputs, targets), **given) as doctor:
        for _ in range(steps):
            optimizer.zero_grad()
            args = inputs if isinstance(inputs, tuple) else () if isinstance(inputs, dict) else (inputs,)
            loss = loss_fn(model(*args, **(inputs if isinstance(inputs, dict) else {})), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    return doctor


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n", [120, 300])
def test_nodes_may_depend_on_their_neighbours(name: str, n: int) -> None:
    make, linking = CASES[name]
    adjacency, edges, x, y = graph(n)
    model, inputs = make(adjacency, edges, x)
    targets = y.masked_fill(torch.arange(n) % 2 == 1, -100)
    loss_fn = nn.CrossEntropyLoss(ignore_index=-100)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    before = moreish.diagnose(model, (inputs, targets), loss_fn, optimizer)
    assert before.names == (), str(before)
    reasons = {item.name: item.why for item in (*before.not_applicable, *before.not_examined)}
    assert f"nodes of one graph ({linking}, (" in reasons["examples-mixed"]
    assert f"all of them together only ({linking}, (" in reasons["rate-too-low"]
    report = trained(model, inputs, targets, loss_fn, 60, validation=(inputs, y)).report(before)
    assert report.names == (), str(report)
    assert {"initial-loss", "overfitting"} <= set(report.examined), str(report)


@pytest.mark.parametrize("name", ["edges handed in", "edges in a dict"])
def test_an_index_of_edges_is_never_used_with_some_of_the_nodes(name: str) -> None:
    """It would point beyond them, which ends the process on a GPU."""
    _, edges, x, y = graph(300)
    model, inputs = CASES[name][0](edges, edges, x)
    sizes = set[int]()
    model.register_forward_pre_hook(lambda _, args: sizes.add(len(args[0])))
    moreish.diagnose(model, (inputs, y), F.cross_entropy, torch.optim.Adam(model.parameters(), 1e-5))
    model.register_forward_pre_hook(lambda _, args: sizes.add(len(args[0])))
    trained(model, inputs, y, F.cross_entropy, 120)
    assert sizes == {300}


class Mixed(nn.Module):
    """As wide as there are examples, so that its weights, a mask, and pairs of columns are square in them, or near."""

    def __init__(self, n: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(n, n), nn.Linear(n, 3)
        self.register_buffer("mask", torch.ones(n, n).tril())
        self.pairs = torch.triu_indices(n // 2, n // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).tanh()).softmax(0)


def test_squares_of_another_meaning_make_no_graph() -> None:
    torch.manual_seed(0)
    batch = torch.randn(64, 64), torch.randint(3, (64,))
    assert links(make_subject(Mixed(64), batch, F.cross_entropy)) is None
    report = moreish.diagnose(Mixed(64), batch, F.cross_entropy)
    assert "examples-mixed" in report.names, str(report)


class OfOneSize(nn.Module):
    """Runs on the number of examples that it was made for, and no other."""

    def __init__(self, n: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shift, self.net = nn.Parameter(torch.zeros(n, 5)), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x + self.shift)


def test_a_network_of_one_number_of_examples_trains_on_and_what_cannot_be_examined_is_told() -> None:
    _, _, x, y = graph(300)
    model = OfOneSize(300)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    before = moreish.diagnose(model, (x, y), F.cross_entropy, optimizer)
    assert "raised RuntimeError" in {item.name: item.why for item in before.not_examined}["rate-too-low"]
    report = trained(model, x, y, F.cross_entropy, 4).report()
    assert "all of them together only" in {item.name: item.why for item in report.not_examined}["rate-too-low"]
    assert "loss-summed" in report.examined


def test_examples_that_the_network_takes_in_no_number_are_refused_before_it_trains() -> None:
    _, _, x, y = graph(300)
    model = OfOneSize(200)
    doctor = moreish.Doctor(model, torch.optim.Adam(model.parameters(), 0.01), F.cross_entropy, train=(x, y))
    with pytest.raises(moreish.MoreishError, match=r"OfOneSize raised RuntimeError in forward .*\(256, 5\)"), doctor:
        pass
