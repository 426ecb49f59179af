"""Every usual form of what is handed in is understood: several inputs, several optimisers, compiled models."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from moreish.doctor import Report
from moreish.doctor.evidence import Reference
from moreish.doctor.probes.reference import measure_reference

X, Y = net.images(64)
WIDE = X.flatten(1)


class Whole(nn.Module):
    """Takes a dict, or a pair, as it is."""

    def __init__(self, *keys: Any) -> None:
        super().__init__()
        self.keys = keys
        self.out = nn.Linear(288, 6)

    def forward(self, batch: Any) -> Tensor:
        return self.out(torch.cat([batch[key] for key in self.keys], 1))


class Apart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(288, 6)

    def forward(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        assert b is not None
        return self.out(torch.cat((a, b), 1))


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (Whole("a", "b"), {"a": WIDE, "b": WIDE.flip(1)}),
        (Whole("a b", "b"), {"a b": WIDE, "b": WIDE.flip(1)}),
        (Whole(0, 1), (WIDE, WIDE.flip(1))),
        (Apart(), {"a": WIDE, "b": WIDE.flip(1)}),
        (Apart(), (WIDE, WIDE.flip(1))),
        (Apart(), [WIDE, WIDE.flip(1)]),
    ],
)
def test_dicts_and_tuples_are_unpacked_where_forward_takes_them_so_and_else_passed_whole(
    model: nn.Module, inputs: Any
) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    report = moreish.diagnose(model, (inputs, Y), F.cross_entropy, optimizer)
    assert report.names == ()
    assert "output-ignores-input" in report.examined
    with moreish.Doctor(model, optimizer, F.cross_entropy, train=(inputs, Y)) as doctor:
        for _ in range(3):
            optimizer.zero_grad()
            output = model(inputs) if isinstance(model, Whole) else model(WIDE, WIDE.flip(1))
            loss = F.cross_entropy(output, Y)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, Y)
    assert doctor.report().names == ()


class Choosy(Apart):
    def forward(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        raise TypeError("a is of the wrong kind")


def test_an_error_inside_forward_is_told_with_the_call_and_decides_nothing() -> None:
    with pytest.raises(moreish.MoreishError, match=r"TypeError in forward, called as model\(\*inputs\).*wrong kind"):
        moreish.diagnose(Choosy(), ((WIDE, WIDE), Y), F.cross_entropy)


class TwoParts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(144, 32), nn.Linear(32, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).tanh())


@pytest.mark.parametrize("number", [1, 2])
def test_several_optimisers_hold_their_parameters_together(number: int) -> None:
    model = TwoParts()
    parts = [torch.optim.SGD(part.parameters(), 0.1) for part in (model.body, model.head)][:number]
    report = moreish.diagnose(model, (WIDE, Y), F.cross_entropy, parts)
    missing = {finding.layer for finding in report.findings if finding.name == "not-in-optimizer"}
    assert missing == (set() if number == 2 else {"head.weight", "head.bias"})
    unseen = {item.name: item.why for item in report.not_examined}
    if number == 2:
        assert "one optimizer" in unseen["rate-too-high"]


@pytest.mark.parametrize(
    ("optimizer", "line"),
    [
        (torch.optim.SGD, r"optimizer is the class SGD; .*SGD\(model.parameters\(\), lr=…\)"),
        ([], "optimizer is an empty list"),
        ([torch.optim.SGD], "optimizer is the class SGD"),
        ("sgd", "optimizer is a str; expected a torch.optim.Optimizer"),
    ],
)
def test_what_is_no_optimiser_is_refused_in_one_line(optimizer: Any, line: str) -> None:
    with pytest.raises(moreish.MoreishError, match=line):
        moreish.diagnose(TwoParts(), (WIDE, Y), F.cross_entropy, optimizer)
    if optimizer:
        with pytest.raises(moreish.MoreishError, match="optimizer is "):
            moreish.Doctor(TwoParts(), optimizer)


def test_a_doctor_watches_one_optimiser_and_says_what_to_do_with_two() -> None:
    model = TwoParts()
    optimizers = [torch.optim.SGD(part.parameters(), 0.1) for part in (model.body, model.head)]
    with pytest.raises(moreish.MoreishError, match=r"2 optimizers; .*: Doctor\(part, optimizer of that part\)"):
        moreish.Doctor(model, optimizers)  # type: ignore[arg-type]


def compiled(model: nn.Module, graphs: list[Any]) -> Any:
    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    return torch.compile(model, backend=backend)


def examined(model: nn.Module) -> Report:
    return moreish.diagnose(model, (X, Y), F.cross_entropy, torch.optim.SGD(model.parameters(), 0.01))


def test_a_compiled_model_is_examined_like_the_one_it_was_made_of_and_nothing_is_compiled_for_it() -> None:
    torch.manual_seed(0)
    model, graphs = net.CNN(bias=True), []
    plain = examined(model)
    assert plain.names
    assert examined(compiled(model, graphs)) == plain
    model.net[9] = compiled(model.net[9], graphs)  # a part of it, whose parameters have another name
    assert examined(model).names == plain.names
    assert graphs == []


def test_a_compiled_model_is_watched_and_nothing_is_compiled_for_it() -> None:
    results, counts = [], []
    for is_watched in (False, True):
        torch.compiler.reset()
        torch.manual_seed(0)
        plain, graphs = net.CNN(bias=True), []
        model = compiled(plain, graphs)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        doctor = moreish.Doctor(model, optimizer, F.cross_entropy, train=(X, Y), validation=net.images(64, seed=1))
        with doctor:
            for _ in range(4):
                loss = F.cross_entropy(model(X), Y)
                loss.backward()  # not cleared
                optimizer.step()
                if is_watched:
                    doctor.step(loss, X, Y)
        results.append([p.detach().clone() for p in plain.parameters()])
        counts.append(len(graphs))
    assert counts[0] == counts[1] > 0
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    report = doctor.report()
    assert report.names[0] == "gradients-not-cleared"
    assert "compiled" in {item.name: item.why for item in report.not_examined}["vanishing"]


class Variational(nn.Module):
    """An encoder, a draw around what it says, a decoder."""

    def __init__(self, draw: Callable[[Tensor, Tensor], Tensor], dropout: float = 0.0) -> None:
        super().__init__()
        self.encode, self.decode, self.draw, self.dropout = nn.Linear(144, 16), nn.Linear(8, 144), draw, dropout

    def forward(self, x: Tensor) -> Tensor:
        mean, log_std = self.encode(x).chunk(2, -1)
        return F.dropout(self.decode(self.draw(mean, log_std.exp())), self.dropout)


DRAWS: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda mean, std: mean + std * torch.randn_like(mean),
    lambda mean, std: mean + std * mean.new_empty(mean.shape).normal_(),
    lambda mean, std: torch.distributions.Normal(mean, std).rsample(),
]


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize(("dropout", "names"), [(0.0, ()), (0.3, ("dropout-in-evaluation",))])
def test_a_network_that_samples_by_design_is_told_from_dropout(
    draw: Callable[[Tensor, Tensor], Tensor], dropout: float, names: tuple[str, ...]
) -> None:
    torch.manual_seed(0)
    report = moreish.diagnose(Variational(draw, dropout), (WIDE, WIDE), F.mse_loss)
    assert report.names == names, str(report)
    assert ("dropout-in-evaluation" in report.examined) == bool(names)


class OwnLoss(nn.Module):
    """Hands back the loss beside the logits, as many a language model does; moves the targets itself, or not."""

    def __init__(self, is_moved_inside: bool) -> None:
        super().__init__()
        self.net, self.is_moved_inside = net.GPT(), is_moved_inside

    def forward(self, ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(ids)
        asked, told = (logits[:, :-1], labels[:, 1:]) if self.is_moved_inside else (logits, labels)
        return logits, net.sequence_loss(asked, told)


@pytest.mark.parametrize(("is_moved_inside", "is_computed_inside"), [(False, False), (False, True), (True, True)])
def test_a_model_may_be_handed_the_targets_and_compute_its_own_loss(
    is_moved_inside: bool, is_computed_inside: bool
) -> None:
    torch.manual_seed(0)
    x, y = net.sequences(256)
    y = x if is_moved_inside else y
    model = OwnLoss(is_moved_inside)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)

    def loss_fn(output: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        return output[1] if is_computed_inside else net.sequence_loss(output[0], targets)

    batch = {"ids": x[:64], "labels": y[:64]}, y[:64]
    report = moreish.diagnose(model, batch, loss_fn, optimizer)
    assert report.names == (), str(report)
    with moreish.Doctor(model, optimizer, loss_fn, train=({"ids": x, "labels": y}, y)) as doctor:
        for step in range(60):
            rows = torch.arange(4 * step, 4 * step + 8) % len(x)
            loss = loss_fn(model(x[rows], y[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            doctor.step(loss, {"ids": x[rows], "labels": y[rows]}, y[rows])
    assert doctor.report(report).names == (), str(doctor.report(report))


def test_targets_among_the_inputs_are_no_input_of_the_simple_model() -> None:
    generator = torch.Generator().manual_seed(0)
    ids, labels = torch.randint(9, (512, 4), generator=generator), torch.randint(4, (512,), generator=generator)
    told = measure_reference(({"ids": ids, "labels": labels}, labels), torch.arange(256))
    assert isinstance(told, Reference)
    assert sum(told.losses) > 0.9 * sum(told.marginal)


class Packed(nn.Module):
    """Reads texts of several lengths, padded with zeros, and tells their kind by what it remembers at their ends."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(20, 16), nn.RNN(16, 32, batch_first=True), nn.Linear(32, 4)
        nn.init.normal_(self.rnn.get_parameter("weight_hh_l0"), std=spread)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        embedded = self.embed(ids)
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.rnn(packed)[1][-1])


@pytest.mark.parametrize(("spread", "names"), [(0.15, ()), (0.02, ("rnn-forgets",))])
@pytest.mark.parametrize("shortest", [3, 12])
def test_memory_is_measured_from_the_end_of_each_text(spread: float, names: tuple[str, ...], shortest: int) -> None:
    torch.manual_seed(0)
    lengths = torch.randint(shortest, 17, (256,))
    ids = torch.randint(1, 20, (256, 16)).masked_fill(torch.arange(16) >= lengths[:, None], 0)
    report = moreish.diagnose(Packed(spread), ((ids, lengths), torch.randint(4, (256,))), F.cross_entropy)
    assert report.names == names, str(report)
    assert "rnn-forgets" in report.examined


class TwoHeads(nn.Module):
    """Classes and a number from one body."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.label, self.size = nn.Linear(144, 32), nn.Linear(32, 6), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x).relu()
        return self.label(h), self.size(h).flatten()


@pytest.mark.parametrize("keys", [(0, 1), ("label", "size")])
@pytest.mark.parametrize(("is_cut", "names"), [(False, ()), (True, ("no-gradient",))])
def test_targets_may_be_a_tuple_or_a_dict(keys: Any, is_cut: bool, names: tuple[str, ...]) -> None:
    def loss_fn(output: tuple[Tensor, Tensor], targets: Any) -> Tensor:
        size = output[1].detach() if is_cut else output[1]
        return F.cross_entropy(output[0], targets[keys[0]]) + F.mse_loss(size, targets[keys[1]])

    torch.manual_seed(0)
    model = TwoHeads()
    targets = {"label": Y, "size": WIDE[:, 0]} if "label" in keys else (Y, WIDE[:, 0])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    report = moreish.diagnose(model, (WIDE, targets), loss_fn, optimizer)
    assert set(report.names) == set(names), str(report)
    assert "initial-loss" not in report.examined
    with moreish.Doctor(model, optimizer, loss_fn, train=(WIDE, targets)) as doctor:
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_fn(model(WIDE), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, WIDE, targets)
    assert set(doctor.report().names) <= {"never-moves"}
