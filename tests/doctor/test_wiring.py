"""How a loss is called: faults in which outputs it trains on which targets are named, legitimate twins are not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from doctor.loops import watched
from moreish.doctor import collect
from moreish.doctor.evidence import Wiring

pytestmark = pytest.mark.filterwarnings("ignore:Using a target size")  # what PyTorch says of some of the faults

Case = tuple[Callable[[], nn.Module], Callable[[], tuple[Any, Any]], Callable[[Any, Any], Tensor]]


def numbers(n: int = 128, zero: bool = False) -> tuple[Tensor, Tensor]:
    """Inputs (n, 5) and a number that follows from them, (n,)."""
    inputs = torch.randn(n, 5, generator=torch.Generator().manual_seed(0))
    return inputs, inputs[:, 0] - 0.5 * inputs[:, 1]


def yes_or_no(n: int = 128) -> tuple[Tensor, Tensor]:
    inputs, values = numbers(n)
    return inputs, (values > 0).float()


def kinds(n: int = 128) -> tuple[Tensor, Tensor]:
    inputs, values = numbers(n)
    return inputs, (values > -0.5).long() + (values > 0.5).long()


def dense(num_outputs: int, *last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, num_outputs), *last)


def zeroed(model: nn.Sequential) -> nn.Module:
    for p in model[-1].parameters():
        nn.init.zeros_(p)
    return model


def segments(n: int = 64) -> tuple[Tensor, Tensor]:
    """Pictures (n, 1, 12, 12) and one of three classes for each pixel."""
    pictures = torch.randn(n, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    return pictures, (pictures[:, 0] > -0.5).long() + (pictures[:, 0] > 0.5).long()


class ClassesFirst(nn.Module):
    """A tagger that returns (examples, classes, places), as convolutions do and F.cross_entropy takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(net.VOCABULARY, 16)
        self.conv = nn.Conv1d(16, net.VOCABULARY, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(self.embedding(x).transpose(1, 2), (2, 0)))


class PlacesFirst(nn.Module):
    """An LSTM that takes and returns places before examples, behind an embedding that has examples first."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(net.VOCABULARY, 16), nn.LSTM(16, 32)
        self.head = nn.Linear(32, net.VOCABULARY)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(x.T))[0])


class Squeezed(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).squeeze(-1)


def own_inputs() -> tuple[Tensor, Tensor]:
    """Targets that are the inputs, which the loss moves by one: as Hugging Face has it."""
    inputs, _ = net.sequences()
    return inputs, inputs.clone()


def moved_by_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())


def wrong_slice(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), targets[:, :-1].flatten())


def in_other_order(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.transpose(0, 1).reshape(-1, net.VOCABULARY), targets.flatten())


FAULTS: dict[str, tuple[str, Case]] = {
    "mse of (n, 1) and (n)": ("examples-mixed", (lambda: dense(1), numbers, F.mse_loss)),
    "mse of (n, 1) and (n), zero head": ("examples-mixed", (lambda: zeroed(dense(1)), numbers, F.mse_loss)),
    "l1 of (n, 1) and (n)": ("examples-mixed", (lambda: dense(1), numbers, F.l1_loss)),
    "huber of (n, 1) and (n)": ("examples-mixed", (lambda: dense(1), numbers, F.smooth_l1_loss)),
    "mse of (n) and (n, 1)": (
        "examples-mixed",
        (lambda: Squeezed(dense(1)), lambda: (numbers()[0], numbers()[1][:, None]), F.mse_loss),
    ),
    "bce over pairs": (
        "examples-mixed",
        (lambda: dense(1), yes_or_no,
         lambda p, t: F.binary_cross_entropy_with_logits(p.expand(-1, len(t)), t.expand(len(t), -1))),
    ),
    "bce by hand of (n, 1) and (n)": (
        "examples-mixed",
        (lambda: dense(1, nn.Sigmoid()), yes_or_no, lambda p, t: -(t * p.log() + (1 - t) * (1 - p).log()).mean()),
    ),
    "transposed and reshaped": ("examples-mixed", (lambda: net.GPT(), net.sequences, in_other_order)),
    "targets transposed": (
        "examples-mixed",
        (lambda: net.LSTM(), net.sequences, lambda o, y: F.cross_entropy(o.flatten(0, 1), y.T.flatten())),
    ),
    "classes first, viewed": (
        "examples-mixed",
        (ClassesFirst, net.sequences, lambda o, y: F.cross_entropy(o.reshape(-1, net.VOCABULARY), y.flatten())),
    ),
    "classes last, viewed": (
        "examples-mixed",
        (lambda: net.GPT(), net.sequences, lambda o, y: F.cross_entropy(o.reshape(len(o), net.VOCABULARY, -1), y)),
    ),
    "places first, flattened as they are": (
        "examples-mixed",
        (PlacesFirst, net.sequences, lambda o, y: F.cross_entropy(o.reshape(-1, net.VOCABULARY), y.flatten())),
    ),
    "pictures, viewed": (
        "examples-mixed",
        (lambda: nn.Conv2d(1, 3, 3, padding=1), segments, lambda o, y: F.cross_entropy(o.reshape(-1, 3), y.flatten())),
    ),
    "(n, 1, k) beside (n, k)": (
        "examples-mixed",
        (lambda: nn.Sequential(nn.Linear(5, 4), nn.Unflatten(1, (1, 4))), lambda: (numbers()[0], numbers()[0][:, 1:]),
         F.mse_loss),
    ),
    "four examples": ("examples-mixed", (lambda: dense(1), lambda: numbers(4), F.mse_loss)),
    "double precision": (
        "examples-mixed",
        (lambda: dense(1).double(), lambda: (numbers()[0].double(), numbers()[1].double()), F.mse_loss),
    ),
    "wrong slice": ("label-in-input", (lambda: net.GPT(), net.sequences, wrong_slice)),
    "own inputs, not moved": ("label-in-input", (lambda: net.GPT(), own_inputs, net.sequence_loss)),
    "moved twice": ("label-shifted", (lambda: net.GPT(), net.sequences, moved_by_loss)),
    "moved by the loss, no mask": ("future-leak", (lambda: net.GPT(causal=False), own_inputs, moved_by_loss)),
    "sigmoid twice": (
        "softmax-twice", (lambda: Squeezed(dense(1, nn.Sigmoid())), yes_or_no, F.binary_cross_entropy_with_logits),
    ),
    "sigmoid twice, module": (
        "softmax-twice", (lambda: Squeezed(dense(1, nn.Sigmoid())), yes_or_no, nn.BCEWithLogitsLoss()),
    ),
    "sigmoid twice, shapes mended": (
        "softmax-twice",
        (lambda: dense(1, nn.Sigmoid()), yes_or_no,
         lambda p, t: F.binary_cross_entropy_with_logits(p[:, 0], t)),
    ),
    "sigmoid twice, in the loss": (
        "softmax-twice",
        (lambda: Squeezed(dense(1)), yes_or_no,
         lambda p, t: F.binary_cross_entropy_with_logits(p.sigmoid(), t)),
    ),
    "sigmoid before cross entropy": ("softmax-twice", (lambda: dense(3, nn.Sigmoid()), kinds, F.cross_entropy)),
    "sigmoid before cross entropy, in the loss": (
        "softmax-twice", (lambda: dense(3), kinds, lambda o, y: F.cross_entropy(o.sigmoid(), y)),
    ),
    "sigmoid twice, weighted": (
        "softmax-twice",
        (lambda: Squeezed(dense(1, nn.Sigmoid())), yes_or_no, nn.BCEWithLogitsLoss(pos_weight=torch.tensor(5.0))),
    ),
    "softmax twice, weighted": (
        "softmax-twice",
        (lambda: dense(3, nn.Softmax(-1)), kinds, nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]))),
    ),
    "sigmoid before cross entropy, weighted": (
        "softmax-twice",
        (lambda: dense(3, nn.Sigmoid()), kinds, nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]))),
    ),
    "softmax over examples": ("examples-mixed", (lambda: dense(3, nn.Softmax(0)), kinds, F.cross_entropy)),
    "log-softmax over examples": ("examples-mixed", (lambda: dense(3, nn.LogSoftmax(0)), kinds, F.nll_loss)),
    "log-softmax over examples, in the loss": (
        "examples-mixed", (lambda: dense(3), kinds, lambda o, y: F.nll_loss(F.log_softmax(o, 0), y)),
    ),
    "softmax over examples, in the loss": (
        "examples-mixed", (lambda: dense(3), kinds, lambda o, y: F.cross_entropy(o.softmax(0), y)),
    ),
    "log-softmax over places, in the loss": (
        "softmax-axis",
        (lambda: net.GPT(), net.sequences,
         lambda o, y: F.nll_loss(F.log_softmax(o, 1).flatten(0, 1), y.flatten())),
    ),
    "log-softmax over places": (
        "softmax-axis", (lambda: nn.Sequential(net.GPT(), nn.LogSoftmax(1)), net.sequences,
                         lambda o, y: F.nll_loss(o.flatten(0, 1), y.flatten())),
    ),
    "softmax over places": (
        "softmax-axis", (lambda: nn.Sequential(net.GPT(), nn.Softmax(1)), net.sequences, net.sequence_loss),
    ),
    "bce summed": (
        "loss-summed",
        (lambda: Squeezed(dense(1)), yes_or_no,
         lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction="sum")),
    ),
    "bce of probabilities summed": (
        "loss-summed",
        (lambda: Squeezed(dense(1, nn.Sigmoid())), yes_or_no,
         lambda p, t: F.binary_cross_entropy(p, t, reduction="sum")),
    ),
    "absolute error summed": (
        "loss-summed", (lambda: Squeezed(dense(1)), numbers, lambda p, t: F.l1_loss(p, t, reduction="sum")),
    ),
}  # fmt: skip


def contrastive(embedded: Tensor, labels: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020)."""
    z = F.normalize(embedded, dim=1)
    logits = (z @ z.T / 0.5).masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
    same = (labels[:, None] == labels[None]) & ~torch.eye(len(z), dtype=torch.bool)
    return -((logits.log_softmax(1) * same).sum(1) / same.sum(1).clamp_min(1)).mean()


def batch_hard(embedded: Tensor, labels: Tensor) -> Tensor:
    """Triplets of the farthest of the same and the nearest of another class (Hermans et al. 2017)."""
    distances = torch.cdist(embedded, embedded)
    same = labels[:, None] == labels[None]
    farthest = distances.masked_fill(~same, -1e9).amax(1)
    nearest = distances.masked_fill(same, 1e9).amin(1)
    return F.relu(farthest - nearest + 1).mean()


def pairs_in_order(scores: Tensor, targets: Tensor) -> Tensor:
    """A smooth AUC: every positive above every negative."""
    scores = scores.reshape(-1)
    above = scores[targets > 0.5][:, None] - scores[targets <= 0.5][None]
    return F.softplus(-above).mean()


def every_pair(scores: Tensor, targets: Tensor) -> Tensor:
    """RankNet over all pairs, by broadcasting on purpose."""
    return F.softplus(-(scores - scores.T) * torch.sign(targets[:, None] - targets[None])).mean()


def decorrelated(outputs: Tensor, targets: Tensor) -> Tensor:
    """One minus the correlation over the batch."""
    a, b = outputs.reshape(-1) - outputs.mean(), targets - targets.mean()
    return 1 - (a * b).sum() / (a.norm() * b.norm())


def mixed_up(logits: Tensor, labels: Tensor) -> Tensor:
    order = torch.arange(len(labels)).flip(0)
    return 0.7 * F.cross_entropy(logits, labels) + 0.3 * F.cross_entropy(logits, labels[order])


def dice(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    return 1 - 2 * (p * targets).sum() / (p.sum() + targets.sum())


def focal(logits: Tensor, labels: Tensor) -> Tensor:
    losses = F.cross_entropy(logits, labels, reduction="none")
    return ((1 - (-losses).exp()) ** 2 * losses).mean()


def mean_discrepancy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of kernels, between outputs and targets: broadcasting on purpose."""
    return torch.exp(-((outputs - outputs.T) ** 2)).mean() - 2 * torch.exp(-((outputs - targets) ** 2)).mean()


def standardised(outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets by the mean and spread of the batch."""
    return F.mse_loss(outputs[:, 0], (targets - targets.mean()) / targets.std(correction=0).clamp_min(1e-6))


def proportional_hazards(risks: Tensor, times: Tensor) -> Tensor:
    """Cox's partial likelihood."""
    at_risk = (times[None] >= times[:, None]).float().log()
    return -(risks[:, 0] - (risks[:, 0] + at_risk).logsumexp(1)).mean()


def skip_gram(logits: Tensor, symbols: Tensor) -> Tensor:
    """Every place predicts its neighbours, none itself."""
    losses = [moved_by_loss(logits, symbols), wrong_slice(logits, symbols)]
    losses.append(F.cross_entropy(logits[:, 2:].flatten(0, 1), symbols[:, :-2].flatten()))
    return torch.stack(losses).mean()


def smoothed_over_time(logits: Tensor, labels: Tensor) -> Tensor:
    spread = F.one_hot(labels, net.VOCABULARY).float()
    target = spread.clone()
    target[:, 1:] += spread[:, :-1]
    target[:, :-1] += spread[:, 1:]
    return F.cross_entropy(logits.transpose(1, 2), (target / target.sum(-1, keepdim=True)).transpose(1, 2))


def ignored(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    targets = batch[1].clone()
    targets[:, ::3] = -100
    return batch[0], targets


WEIGHTS = torch.linspace(0.2, 3.0, net.VOCABULARY)

HEALTHY: dict[str, Case] = {
    "contrastive": (lambda: dense(8), kinds, contrastive),
    "batch-hard triplets": (lambda: dense(8), kinds, batch_hard),
    "auc": (lambda: dense(1), yes_or_no, pairs_in_order),
    "ranking by all pairs": (lambda: dense(1), numbers, every_pair),
    "correlation": (lambda: dense(1), numbers, decorrelated),
    "mean of the batch": (lambda: dense(1), numbers, lambda o, t: (o.mean() - t.mean()).square()),
    "kernels": (lambda: dense(1), numbers, mean_discrepancy),
    "proportional hazards": (lambda: dense(1), numbers, proportional_hazards),
    "in order of size": (
        lambda: dense(1), numbers, lambda o, t: (o[:, 0].sort()[0] - t.sort()[0]).abs().mean(),
    ),
    "targets standardised in the batch": (
        lambda: dense(1), numbers, standardised,
    ),
    "places first": (PlacesFirst, net.sequences, lambda o, y: net.sequence_loss(o.transpose(0, 1), y)),
    "pictures": (lambda: nn.Conv2d(1, 3, 3, padding=1), segments, F.cross_entropy),
    "root mean square": (lambda: Squeezed(dense(1)), numbers, lambda o, t: F.mse_loss(o, t).sqrt()),
    "norm": (lambda: dense(1), numbers, lambda o, t: (o[:, 0] - t).norm()),
    "share of variance": (
        lambda: dense(1), numbers, lambda o, t: (o[:, 0] - t).square().sum() / (t - t.mean()).square().sum(),
    ),
    "class weights": (
        lambda: net.MLP(), net.windows, nn.CrossEntropyLoss(weight=WEIGHTS),
    ),
    "class weights in sequences": (
        lambda: net.GPT(), net.sequences, lambda o, y: F.cross_entropy(o.transpose(1, 2), y, weight=WEIGHTS),
    ),
    "one symbol ignored": (
        lambda: net.LSTM(), net.sequences, lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten(), ignore_index=3),
    ),
    "places ignored": (lambda: net.LSTM(), lambda: ignored(net.sequences()), net.sequence_loss),
    "label smoothing": (
        lambda: net.GPT(), net.sequences,
        lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten(), label_smoothing=0.1),
    ),
    "skip-grams": (lambda: nn.Sequential(nn.Embedding(27, 16), nn.Linear(16, 27)), own_inputs, skip_gram),
    "targets smoothed over time": (lambda: net.LSTM(), net.sequences, smoothed_over_time),
    "examples in the order of time": (
        lambda: Squeezed(dense(1)), numbers, lambda o, t: F.mse_loss(o[:-1], t[1:]),
    ),
    "mixed up": (lambda: dense(3), kinds, mixed_up),
    "dice": (lambda: Squeezed(dense(1)), yes_or_no, dice),
    "classes first": (ClassesFirst, net.sequences, F.cross_entropy),
    "classes first, flattened well": (
        ClassesFirst, net.sequences, lambda o, y: F.cross_entropy(o.transpose(1, 2).flatten(0, 1), y.flatten()),
    ),
    "last place alone": (
        lambda: net.GPT(), net.windows, lambda o, y: F.cross_entropy(o[:, -1], y),
    ),
    "moved by the loss": (lambda: net.GPT(), own_inputs, moved_by_loss),
    "squeezed in the loss": (lambda: dense(1), numbers, lambda o, t: F.mse_loss(o.squeeze(-1), t)),
    "flattened in the loss": (lambda: dense(1), numbers, lambda o, t: F.l1_loss(o.flatten(), t)),
    "one number for all targets": (lambda: dense(1), lambda: (numbers()[0], torch.ones(128, 1)), F.l1_loss),
    "logits and bce": (lambda: Squeezed(dense(1)), yes_or_no, F.binary_cross_entropy_with_logits),
    "logits between 0 and 1 and bce": (
        lambda: between(dense(1)), yes_or_no, F.binary_cross_entropy_with_logits,
    ),
    "logits and weighted bce": (
        lambda: between(dense(1)), yes_or_no, nn.BCEWithLogitsLoss(pos_weight=torch.tensor(5.0)),
    ),
    "sigmoid and weighted bce": (
        lambda: Squeezed(dense(1, nn.Sigmoid())), yes_or_no,
        lambda p, t: F.binary_cross_entropy(p, t, weight=1 + 4 * t),
    ),
    "softmax and weighted likelihood": (
        lambda: dense(3, nn.Softmax(-1)), kinds,
        lambda p, y: F.nll_loss(p.log(), y, weight=torch.tensor([1.0, 2.0, 5.0])),
    ),
    "focal": (lambda: dense(3), kinds, focal),
    "sigmoid and bce": (lambda: Squeezed(dense(1, nn.Sigmoid())), yes_or_no, F.binary_cross_entropy),
    "sigmoid and squared error": (lambda: Squeezed(dense(1, nn.Sigmoid())), yes_or_no, F.mse_loss),
    "an autoencoder": (
        lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 5)), lambda: (numbers()[0], numbers()[0]),
        F.mse_loss,
    ),
    "rates and their likelihood": (
        lambda: Squeezed(dense(1, nn.Softplus())), lambda: (numbers()[0], numbers()[1].exp().round()),
        lambda o, t: F.poisson_nll_loss(o, t, log_input=False),
    ),
}  # fmt: skip


def between(model: nn.Sequential) -> nn.Module:
    """Logits that all lie between 0 and 1."""
    for p in model[-1].parameters():
        nn.init.constant_(p, 0.5) if p.ndim == 1 else nn.init.normal_(p, std=0.01)
    return Squeezed(model)


def examined(case: Case) -> Any:
    make, batch, loss_fn = case
    torch.manual_seed(1)
    model = make()
    return moreish.diagnose(model, batch(), loss_fn, torch.optim.AdamW(model.parameters(), 1e-3))


@pytest.mark.parametrize("name", FAULTS)
def test_a_loss_that_is_called_wrongly_is_named_first(name: str) -> None:
    fault, case = FAULTS[name]
    report = examined(case)
    assert report.names[:1] == (fault,), str(report)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_loss_that_couples_on_purpose_is_left_in_peace(name: str) -> None:
    report = examined(HEALTHY[name])
    assert report.names == (), str(report)


def test_a_broadcast_is_told_with_its_shapes() -> None:
    finding = examined(FAULTS["mse of (n, 1) and (n)"][1]).findings[0]
    assert "(128, 1)" in finding.cause
    assert "(128,)" in finding.cause


def test_zeros_and_ones_are_examined() -> None:
    assert {"softmax-twice", "loss-summed"} <= set(examined(HEALTHY["logits and bce"]).examined)
    assert "softmax-twice" in {item.name for item in examined(HEALTHY["squeezed in the loss"]).not_applicable}


def test_a_loss_that_takes_probabilities_only_is_not_accused() -> None:
    def one_hot(p: Tensor, labels: Tensor) -> Tensor:
        return F.binary_cross_entropy(p, F.one_hot(labels, 3).float())  # raises below 0 and above 1

    report = examined((lambda: dense(3, nn.Sigmoid()), kinds, one_hot))
    assert not {"softmax-twice", "examples-mixed", "loss-summed"} & set(report.names)


def wiring_of(case: Case) -> Wiring:
    make, batch, loss_fn = case
    torch.manual_seed(1)
    wiring = collect(make(), batch(), loss_fn).looks[0].wiring
    assert wiring is not None
    return wiring


@pytest.mark.parametrize(("loss_fn", "offset"), [(net.sequence_loss, 0), (moved_by_loss, -1), (wrong_slice, 1)])
def test_the_place_that_a_target_trains_is_found(loss_fn: Any, offset: int) -> None:
    wiring = wiring_of((lambda: net.GPT(), net.sequences, loss_fn))
    assert wiring.offset == offset
    assert (wiring.own, wiring.others, wiring.num_scattered) == (1.0, 0.0, 0)


def test_as_many_places_as_classes_are_no_fault() -> None:
    context = net.VOCABULARY
    wiring = wiring_of((lambda: net.LSTM(), lambda: net.sequences(16, context), net.sequence_loss))
    assert (wiring.offset, wiring.at_place) == (0, 1.0)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("mse of (n, 1) and (n)", "examples-mixed"), ("sigmoid twice", "softmax-twice"),
     ("wrong slice", "label-in-input"), ("log-softmax over places, in the loss", "softmax-axis")],
)  # fmt: skip
def test_the_loop_sees_it_too(name: str, fault: str) -> None:
    make, batch, loss_fn = FAULTS[name][1]
    inputs, targets = batch()

    def batches(n: int, step: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(inputs), (n,), generator=torch.Generator().manual_seed(step))
        return inputs[rows], targets[rows]

    report = watched((make, None, loss_fn), 8, batches=batches, train=(inputs, targets))
    assert report.names[:1] == (fault,), str(report)


def test_what_a_loss_broadcasts_inside_is_named() -> None:
    """Outputs and targets have one shape; the slices that it takes of them do not."""
    torch.manual_seed(0)
    x = torch.randn(64, 5, 3)
    batch = x, x.cumsum(1).sum(2, keepdim=True)
    broadcast = moreish.diagnose(
        nn.Linear(3, 1), batch, lambda outputs, targets: F.mse_loss(outputs[:, -1], targets[:, -1, 0])
    )
    assert broadcast.names[0] == "examples-mixed", str(broadcast)
    assert "broadcast inside loss_fn" in broadcast.findings[0].cause
    right = moreish.diagnose(
        nn.Linear(3, 1), batch, lambda outputs, targets: F.mse_loss(outputs[:, -1], targets[:, -1])
    )
    assert "examples-mixed" not in right.names, str(right)
