"""A last operation that cannot give what the targets ask for is named; one that can is left in peace."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor.loops import named_at_the_first_look

NAME = "output-range"
G = torch.Generator().manual_seed(0)
X = torch.randn(256, 8, generator=G)
Y = (X[:, :3] * 1.5 + 0.1 * torch.randn(256, 3, generator=G)).contiguous()  # numbers around zero, beyond -1 and 1
LABELS = X[:, :3].argmax(1)
CHANCES = (X[:, :3] > 0.5).float()  # several of a row, or none
ONE_HOT = F.one_hot(LABELS, 3).float()


class Ends(nn.Module):
    """A network that ends as it is told."""

    def __init__(self, last: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.last = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3)), last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(x))


def seen(last: Callable[[Tensor], Tensor], targets: Tensor, loss_fn: Any) -> tuple[bool, bool]:
    """Whether diagnose, and Doctor at its first look, name it."""
    torch.manual_seed(0)
    model = Ends(last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    names = moreish.diagnose(model, (X, targets), loss_fn, optimizer).names
    return NAME in names, NAME in named_at_the_first_look(model, (X, targets), loss_fn, 0.01)


FAULTS: dict[str, tuple[Any, Tensor, Any]] = {
    "relu of numbers": (torch.relu, Y, F.mse_loss),
    "tanh of numbers": (torch.tanh, Y, F.mse_loss),
    "sigmoid of numbers": (torch.sigmoid, Y, F.l1_loss),
    "softplus of numbers": (F.softplus, Y, F.smooth_l1_loss),
    "gelu of numbers": (F.gelu, Y, F.mse_loss),
    "relu, reshaped": (lambda o: o.relu()[:, 0].unsqueeze(1), Y[:, :1], F.mse_loss),
    "tanh of prices": (torch.tanh, Y * 100 + 500, F.mse_loss),
    "clamp within the targets": (lambda o: o.clamp(0, 1), Y, F.mse_loss),
    "relu of logits": (torch.relu, LABELS, F.cross_entropy),
    "tanh of logits": (torch.tanh, LABELS, F.cross_entropy),
    "relu of logits of chances": (torch.relu, CHANCES, F.binary_cross_entropy_with_logits),
    "tanh of logits of chances": (torch.tanh, CHANCES, F.binary_cross_entropy_with_logits),
    "softmax of logits of chances": (lambda o: o.softmax(1), CHANCES, F.binary_cross_entropy_with_logits),
    "softmax of several labels": (lambda o: o.softmax(1), CHANCES, F.binary_cross_entropy),
    "softmax of numbers": (lambda o: o.softmax(-1), CHANCES, F.mse_loss),
}
HEALTHY: dict[str, tuple[Any, Tensor, Any]] = {
    "numbers": (lambda o: o, Y, F.mse_loss),
    "relu of numbers above zero": (torch.relu, Y.abs(), F.mse_loss),
    "relu of numbers hardly below zero": (torch.relu, Y.relu() + 0.05 * X[:, 3:6], F.mse_loss),
    "tanh of numbers from -1 to 1": (torch.tanh, Y.clamp(-1, 1), F.mse_loss),
    "tanh times a scale": (lambda o: 5 * o.tanh(), Y, F.mse_loss),
    "exp of numbers above zero": (torch.exp, Y.exp(), F.l1_loss),
    "sigmoid of zeros and ones": (torch.sigmoid, CHANCES, F.mse_loss),
    "leaky relu": (lambda o: F.leaky_relu(o, 0.2), Y, F.mse_loss),
    "clamp for safety": (lambda o: o.clamp(-10, 10), Y, F.mse_loss),
    "few targets beyond a clamp": (lambda o: o.clamp(-4, 4), Y, F.mse_loss),
    "logits": (lambda o: o, LABELS, F.cross_entropy),
    "logits with a soft cap": (lambda o: 30 * (o / 30).tanh(), LABELS, F.cross_entropy),
    "logits with a hard cap": (lambda o: o.clamp(-10, 10), LABELS, F.cross_entropy),
    "log-probabilities": (lambda o: o.log_softmax(1), LABELS, F.nll_loss),
    "leaky relu of logits": (F.leaky_relu, LABELS, F.cross_entropy),
    "logits of chances with a hard cap": (lambda o: o.clamp(-10, 10), CHANCES, F.binary_cross_entropy_with_logits),
    "sigmoid of chances": (torch.sigmoid, CHANCES, F.binary_cross_entropy),
    "softmax of one label": (lambda o: o.softmax(1), ONE_HOT, F.binary_cross_entropy),
    "softmax and squared errors": (lambda o: o.softmax(1), ONE_HOT, F.mse_loss),
    "errors without a scale": (torch.tanh, Y, lambda o, y: 1 - F.cosine_similarity(o, y).mean()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_last_operation_that_cannot_give_the_targets_is_named(name: str) -> None:
    assert seen(*FAULTS[name]) == (True, True)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_last_operation_that_can_give_them_is_not(name: str) -> None:
    assert seen(*HEALTHY[name]) == (False, False)


def test_a_second_sigmoid_keeps_its_name() -> None:
    report = moreish.diagnose(Ends(torch.sigmoid), (X, CHANCES), F.binary_cross_entropy_with_logits)
    assert "softmax-twice" in report.names
    assert NAME not in report.names


def test_the_cause_says_what_cannot_be_given() -> None:
    torch.manual_seed(0)
    finding = moreish.diagnose(Ends(torch.relu), (X, Y), F.mse_loss).findings[0]
    assert (finding.name, finding.severity) == (NAME, "critical")
    assert "relu gives 0 to infinity" in finding.cause
    assert finding.evidence.is_exact
