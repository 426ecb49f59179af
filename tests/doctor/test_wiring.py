"""How a loss is called: faults in which outputs it trains on which targets are named first."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from doctor.loops import watched
from doctor.wirings import (
    Case,
    ClassesFirst,
    PlacesFirst,
    Squeezed,
    dense,
    diagnosed,
    in_other_order,
    kinds,
    moved_by_loss,
    numbers,
    own_inputs,
    segments,
    wrong_slice,
    yes_or_no,
    zeroed,
)
from moreish.doctor import collect
from moreish.doctor.evidence import Wiring

pytestmark = pytest.mark.filterwarnings("ignore:Using a target size")  # what PyTorch says of some of the faults

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


@pytest.mark.parametrize("name", FAULTS)
def test_a_loss_that_is_called_wrongly_is_named_first(name: str) -> None:
    fault, case = FAULTS[name]
    report = diagnosed(case)
    assert report.names[:1] == (fault,), str(report)


def test_a_broadcast_is_told_with_its_shapes() -> None:
    finding = diagnosed(FAULTS["mse of (n, 1) and (n)"][1]).findings[0]
    assert "(128, 1)" in finding.cause
    assert "(128,)" in finding.cause


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
