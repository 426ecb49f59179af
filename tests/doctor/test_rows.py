"""Cross entropy of rows of targets: rows that are no distributions are named, distributions are left in peace."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor.loops import named_at_the_first_look

NAME = "targets-no-distribution"
G = torch.Generator().manual_seed(0)
X = torch.randn(200, 8, generator=G)
SEVERAL = (X[:, :5] > 0.3).float()
ONE_HOT = F.one_hot(X[:, :5].argmax(1), 5).float()
SHARES = X[:, :5].softmax(1)
WEIGHTS = 0.5 + torch.rand(200, 1, generator=G)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5))


def of_largest(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets.argmax(1))


@pytest.mark.parametrize(
    ("targets", "loss_fn"),
    [
        (SEVERAL, F.cross_entropy),
        (SEVERAL, of_largest),
        (X[:, :5].clone(), F.cross_entropy),
        (SEVERAL, nn.CrossEntropyLoss(reduction="sum")),
    ],
)
def test_rows_of_several_labels_are_named(targets: Tensor, loss_fn: Any) -> None:
    assert NAME in moreish.diagnose(network(), (X, targets), loss_fn).names
    assert NAME in named_at_the_first_look(network(), (X, targets), loss_fn, 1e-3)


@pytest.mark.parametrize(
    ("targets", "loss_fn"),
    [
        (ONE_HOT, F.cross_entropy),
        (SHARES, F.cross_entropy),
        (0.9 * ONE_HOT + 0.02, F.cross_entropy),
        (ONE_HOT * WEIGHTS, F.cross_entropy),
        (ONE_HOT * (WEIGHTS > 0.7), F.cross_entropy),
        (X @ X.T[:, :5], of_largest),
        (SEVERAL / SEVERAL.sum(1, keepdim=True).clamp_min(1), F.cross_entropy),
        (SEVERAL, F.binary_cross_entropy_with_logits),
        (SEVERAL, F.mse_loss),
    ],
)
def test_distributions_weights_and_other_losses_are_not(targets: Tensor, loss_fn: Any) -> None:
    assert moreish.diagnose(network(), (X, targets), loss_fn).names == ()


def test_counts_that_come_in_and_are_to_come_out_are_not() -> None:
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 5))
    assert moreish.diagnose(model, (SEVERAL, SEVERAL.clone()), F.cross_entropy).names == ()


def test_a_sum_and_a_second_softmax_are_seen_for_rows_too() -> None:
    summed = moreish.diagnose(network(), (X, ONE_HOT), nn.CrossEntropyLoss(reduction="sum"))
    assert summed.names == ("loss-summed",)
    assert summed.findings[0].evidence.value == 200
    twice = moreish.diagnose(nn.Sequential(network(), nn.Softmax(1)), (X, SHARES), F.cross_entropy)
    assert "softmax-twice" in twice.names
