"""Models of several inputs or outputs: each input is exchanged, examples are whole examples, losses come apart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor.wirings import dense
from moreish.doctor.evidence import Reference
from moreish.doctor.probes.predictions import per_example_losses
from moreish.doctor.probes.reference import measure_reference
from moreish.doctor.subject import make_subject


class TwoTowers(nn.Module):
    """Users and items, 40 of each, and how much the one likes the other."""

    def __init__(self, way: str = "right") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.user, self.item, self.way = nn.Embedding(40, 8), nn.Embedding(40, 8), way

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        a, b = self.user(user), self.item(user if self.way == "one id" else item)
        return (a @ b.T).mean(1) if self.way == "all pairs" else (a * b).sum(1)


def liked(n: int = 256, seed: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    user, item = (torch.randint(40, (n,), generator=generator) for _ in range(2))
    return {"user": user, "item": item}, torch.cos(user * 0.7 + item * 1.3)


@pytest.mark.parametrize(
    ("way", "name"), [("right", None), ("one id", "context-unused"), ("all pairs", "examples-mixed")]
)
def test_every_input_is_exchanged(way: str, name: str | None) -> None:
    report = moreish.diagnose(TwoTowers(way), liked(), F.mse_loss)
    assert [item.name for item in report.findings if item.name in ("context-unused", "examples-mixed")] == (
        [name] if name else []
    ), str(report)
    if way == "one id":
        assert "Of the inputs, item reaches no output" in str(report)


def test_inputs_may_be_nested_and_masks_are_left_alone() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, pair: tuple[Tensor, Tensor], scale: Tensor) -> Tensor:
            x, mask = pair
            return self.head(x * mask) * scale[:, None]

    x = torch.randn(64, 4)
    inputs = {"pair": (x, torch.ones(64, 4, dtype=torch.bool)), "scale": torch.rand(64) + 0.5}
    report = moreish.diagnose(Masked(), (inputs, (x[:, 0] > 0).long()), F.cross_entropy)
    assert report.names == (), str(report)
    assert "context-unused" in [item.name for item in report.not_applicable]


@pytest.mark.parametrize("is_shuffled", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_minibatches_are_looked_up_by_all_of_their_inputs(is_shuffled: bool, noise: float) -> None:
    """Each user alone recurs with other targets by itself; with noise, each pair of user and item does."""
    inputs, targets = liked(2048)
    targets = targets + noise * torch.randn(2048, generator=torch.Generator().manual_seed(2))
    model = TwoTowers()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(1)
    with moreish.Doctor(model, optimizer, F.mse_loss, train=(inputs, targets)) as doctor:
        for _ in range(60):
            rows = torch.randint(2048, (32,), generator=generator)
            batch, y = {key: x[rows] for key, x in inputs.items()}, targets[rows]
            y = y[torch.randperm(32, generator=generator)] if is_shuffled else y
            optimizer.zero_grad()
            loss = F.mse_loss(model(**batch), y)
            loss.backward()
            optimizer.step()
            doctor.step(loss, batch, y)
    assert ("labels-mismatched" in doctor.report().names) == is_shuffled, str(doctor.report())


class Autoencoder(nn.Module):
    """Variational, without its noise: three outputs, of which the loss takes all."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mean, self.log_variance, self.out = nn.Linear(12, 8), nn.Linear(12, 8), nn.Linear(8, 12)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = self.mean(x)
        return self.out(mean), mean, self.log_variance(x)


def bound(outputs: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
    y, mean, log_variance = outputs
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
    return ((y - x).square().sum(1) + divergence).mean()


def test_losses_of_several_outputs_come_apart_by_example() -> None:
    x = torch.randn(64, 12, generator=torch.Generator().manual_seed(0))
    subject = make_subject(Autoencoder(), (x, x), bound)
    losses = per_example_losses(subject.forward(), subject)
    assert losses is not None
    assert losses.tolist() == pytest.approx([bound(subject.model(row), row).item() for row in x.split(1)], rel=1e-5)


def test_a_rate_too_low_for_a_loss_of_several_outputs_is_named() -> None:
    x = torch.randn(256, 12, generator=torch.Generator().manual_seed(0))
    model = Autoencoder()
    report = moreish.diagnose(model, (x, x), bound, torch.optim.AdamW(model.parameters(), 1e-6))
    assert report.names == ("rate-too-low",), str(report)


def test_zeros_and_ones_have_a_reference_of_their_own() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2048, 6, generator=generator)
    y = (x[:, :3] + 0.3 * torch.randn(2048, 3, generator=generator) > 0).float()
    rows = torch.arange(256)
    reference = measure_reference((x, y), rows)
    assert isinstance(reference, Reference)
    assert reference.loss == "binary cross entropy"
    marginal, losses = (sum(item) / len(item) for item in (reference.marginal, reference.losses))
    assert marginal == pytest.approx(0.693, abs=0.01)
    assert losses < 0.4 * marginal
    numbers = measure_reference((x, y), rows, "squared error")
    assert isinstance(numbers, Reference)
    assert numbers.loss == "squared error"


def test_users_and_items_have_a_reference_though_nothing_follows_them() -> None:
    inputs, _ = liked(2048)
    y = torch.cos(inputs["user"] * 0.7) + torch.sin(inputs["item"] * 1.3)
    reference = measure_reference((inputs, y), torch.arange(256))
    assert isinstance(reference, Reference)
    assert reference.kind == "a linear model of the symbols"
    assert sum(reference.losses) < 0.1 * sum(reference.marginal)


def test_words_in_any_order_have_a_reference() -> None:
    x = torch.randint(50, (2048, 40), generator=torch.Generator().manual_seed(0))
    y = ((x < 10).sum(1) > 8).long()
    reference = measure_reference((x, y), torch.arange(256))
    assert isinstance(reference, Reference)
    assert reference.kind == "a linear model of the symbols"
    assert sum(reference.losses) < 0.6 * sum(reference.marginal)


class Ratings(nn.Module):
    """Users and items in one tensor, (n, 2): forty of the one, nine of the other."""

    def __init__(self, is_blind: bool = False) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(40, 8), nn.Embedding(9, 8)
        self.head, self.scale = nn.Linear(8, 1), 0.0 if is_blind else 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.users(x[:, 0]) * self.items(x[:, 1]) * self.scale).flatten()


@pytest.mark.parametrize(("is_blind", "first"), [(False, None), (True, "output-ignores-input")])
def test_ids_are_exchanged_for_others_of_their_own_column(is_blind: bool, first: str | None) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.stack([torch.randint(40, (256,), generator=generator), torch.randint(9, (256,), generator=generator)], 1)
    y = torch.randint(2, (256,), generator=generator).float()
    torch.manual_seed(0)
    report = moreish.diagnose(Ratings(is_blind), (x, y), F.binary_cross_entropy_with_logits)
    assert next(iter(report.names), None) == first, str(report)
    assert {"output-ignores-input", "examples-mixed", "context-unused"} <= set(report.examined)


@pytest.mark.parametrize(("factor", "names"), [(1.0, ()), (0.0, ("output-ignores-input",))])
def test_an_input_that_fades_before_running_statistics_are_known_is_no_input_ignored(
    factor: float, names: tuple[str, ...]
) -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [nn.Linear(16, 16, bias=False) for _ in range(6)]
            for layer in layers:
                nn.init.normal_(layer.weight, std=0.01)  # as of weights that a norm is to scale
            parts = [part for layer in layers for part in (layer, nn.BatchNorm1d(16), nn.ReLU())]
            self.body, self.head = nn.Sequential(*parts), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(factor * x))

    torch.manual_seed(0)
    report = moreish.diagnose(Deep(), (torch.randn(128, 16), torch.randint(4, (128,))), F.cross_entropy)
    assert report.names[:1] == names, str(report)


class Embedded(nn.Module):
    """One network of three inputs; what it hands back, and which of the inputs it takes, is told from outside."""

    def __init__(self, hand_back: Callable[[Tensor, Tensor, Tensor], Any], order: tuple[int, int, int]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net, self.hand_back, self.order = dense(8), hand_back, order

    def forward(self, anchor: Tensor, near: Tensor, far: Tensor) -> Any:
        inputs = anchor, near, far
        return self.hand_back(*(self.net(inputs[number]) for number in self.order))


@dataclass
class Held:
    anchor: Tensor
    near: Tensor
    far: Tensor


def from_anchor(output: Any, targets: Tensor) -> Tensor:
    """A triplet loss, of outputs in any form."""
    named = vars(output) if isinstance(output, Held) else output
    parts = named.values() if isinstance(named, dict) else named
    anchor, near, far, *_ = (part for part in parts if part.ndim == 2)
    return F.triplet_margin_loss(anchor, near, far)


FORMS: list[Callable[[Tensor, Tensor, Tensor], Any]] = [
    lambda a, p, n: (a, p, n),
    lambda a, p, n: [a, p, n],
    lambda a, p, n: {"a": a, "p": p, "n": n},
    Held,
    lambda a, p, n: (a, p, n, F.triplet_margin_loss(a, p, n)),
    lambda a, p, n: (F.triplet_margin_loss(a, p, n)[None], a, p, n),
    lambda a, p, n: (a, p, n, a @ p.T),
    lambda a, p, n: (a, p, n, a.expand(2, *a.shape)),
]


def three_inputs(n: int = 64) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    anchor, near, far = (torch.randn(n, 5, generator=generator) for _ in range(3))
    return (anchor, near, far), torch.zeros(n)


@pytest.mark.parametrize("hand_back", FORMS)
@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ((0, 1, 2), None),
        ((0, 1, 1), "Of the inputs, far reaches no output"),
        ((1, 1, 2), "Of the inputs, anchor reaches no output"),
        ((1, 1, 1), "Of the inputs, anchor and far reach no output"),
    ],
)
def test_an_input_may_reach_any_of_the_outputs(
    hand_back: Callable[[Tensor, Tensor, Tensor], Any], order: tuple[int, int, int], sentence: str | None
) -> None:
    report = moreish.diagnose(Embedded(hand_back, order), three_inputs(), from_anchor)
    told = [str(item) for item in (*report.findings, *report.explained) if item.name == "context-unused"]
    assert len(told) == (sentence is not None), str(report)
    assert sentence is None or sentence in told[0]
    assert "examples-mixed" in report.examined
    assert "examples-mixed" not in report.names, str(report)


@pytest.mark.parametrize("place", range(3))
def test_examples_may_be_mixed_in_any_of_the_outputs(place: int) -> None:
    def hand_back(*embedded: Tensor) -> tuple[Tensor, ...]:
        return tuple(part.softmax(0) if number == place else part for number, part in enumerate(embedded))

    report = moreish.diagnose(Embedded(hand_back, (0, 1, 2)), three_inputs(), from_anchor)
    assert "examples-mixed" in report.names, str(report)


@pytest.mark.parametrize("n", [4, 64])
def test_states_of_all_layers_beside_the_outputs_mix_no_examples(n: int) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(5, n, 4, batch_first=True), nn.Linear(n, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            out, state = self.rnn(x)
            return self.head(out[:, -1]), state

    torch.manual_seed(0)
    batch = torch.randn(n, 7, 5), torch.randint(3, (n,))
    report = moreish.diagnose(Recurrent(), batch, lambda output, y: F.cross_entropy(output[0], y))
    assert report.names == (), str(report)
    assert "examples-mixed" in report.examined


def test_an_input_that_reaches_a_loss_alone_is_used() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(5, 3)

        def forward(self, x: Tensor, labels: Tensor, weights: Tensor) -> dict[str, Tensor]:
            logits = self.head(x)
            losses = F.cross_entropy(logits, labels, reduction="none")
            return {"logits": logits, "loss": (weights * losses).sum() / weights.sum()}

    torch.manual_seed(0)
    y = torch.randint(3, (64,))
    inputs = {"x": torch.randn(64, 5), "labels": y, "weights": torch.rand(64) + 0.5}
    report = moreish.diagnose(Weighted(), (inputs, y), lambda output, _: output["loss"])
    assert report.names == (), str(report)


def test_inputs_that_forward_takes_whole_are_called_by_their_place() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(5, 3)

        def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            return self.head(batch[1])

    (x, other, _), _ = three_inputs()
    report = moreish.diagnose(Whole(), ((x, other), torch.randint(3, (64,))), F.cross_entropy)
    assert "Of the inputs, inputs[0] reaches no output" in str(report)
