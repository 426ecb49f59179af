"""Losses that couple examples, places or classes on purpose are left in peace, and examined all the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor import networks as net
from doctor.wirings import (
    Case,
    ClassesFirst,
    PlacesFirst,
    Squeezed,
    between,
    dense,
    diagnosed,
    kinds,
    moved_by_loss,
    numbers,
    own_inputs,
    segments,
    wrong_slice,
    yes_or_no,
)


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


@pytest.mark.parametrize("name", HEALTHY)
def test_a_loss_that_couples_on_purpose_is_left_in_peace(name: str) -> None:
    report = diagnosed(HEALTHY[name])
    assert report.names == (), str(report)


def test_zeros_and_ones_are_examined() -> None:
    assert {"softmax-twice", "loss-summed"} <= set(diagnosed(HEALTHY["logits and bce"]).examined)
    assert "softmax-twice" in {item.name for item in diagnosed(HEALTHY["squeezed in the loss"]).not_applicable}


def test_a_loss_that_takes_probabilities_only_is_not_accused() -> None:
    def one_hot(p: Tensor, labels: Tensor) -> Tensor:
        return F.binary_cross_entropy(p, F.one_hot(labels, 3).float())  # raises below 0 and above 1

    report = diagnosed((lambda: dense(3, nn.Sigmoid()), kinds, one_hot))
    assert not {"softmax-twice", "examples-mixed", "loss-summed"} & set(report.names)
