"""A label that stands among the numbers of its own input is named, and what only looks like it is left in peace."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from moreish.doctor import Report
from moreish.doctor.probes.columns import label_columns


def numbers(n: int = 128, width: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


X = numbers()
FORCE = X.sum(1, keepdim=True).tanh() + 0.1 * numbers(128, 1, 1)
CLASSES = torch.randint(4, (128,), generator=torch.Generator().manual_seed(2))
HALVES = torch.randint(2, (128,), generator=torch.Generator().manual_seed(3))

SOME = (torch.rand(128, generator=torch.Generator().manual_seed(4)) < 0.1).long()
STARS = torch.where(CLASSES == 1, HALVES + 1.0, 5.0)
ONE = (torch.arange(128) == 7).long()


def beside(*columns: Tensor) -> Tensor:
    return torch.cat((X[:, :4], *(c.reshape(128, -1).float() for c in columns), X[:, 4:]), 1)


LEAKS = {
    "equal": (beside(FORCE), FORCE, "equal to", ("4",)),
    "in other units": (beside(2.54 * FORCE - 3), FORCE, "an affine function of", ("4",)),
    "two targets": (beside(FORCE, X[:, :1] ** 2), torch.cat((X[:, :1] ** 2, FORCE), 1), "equal to", ("5", "4")),
    "class number": (beside(CLASSES), CLASSES, "equal to", ("4",)),
    "one-hot": (beside(F.one_hot(CLASSES)), CLASSES, "the one-hot code of", ("4", "5", "6", "7")),
    "one-hot but for the first": (beside(F.one_hot(CLASSES)[:, 1:]), CLASSES, "the one-hot code of", ("4", "5", "6")),
    "the other of two": (beside(1 - HALVES), HALVES, "the one-hot code of", ("4",)),
    "class number in other units": (beside(CLASSES / 5), CLASSES, "an affine function of", ("4",)),
    "class number, turned round": (beside(7 - 2 * CLASSES), CLASSES, "an affine function of", ("4",)),
    "class number, standardised": (
        beside((CLASSES - CLASSES.float().mean()) / CLASSES.float().std()),
        CLASSES,
        "an affine function of",
        ("4",),
    ),
    "one of two, in other units": (beside(2 * HALVES - 0.5), HALVES, "an affine function of", ("4",)),
    "yes or no": (beside(HALVES), HALVES.float(), "equal to", ("4",)),
    "yes or no, in other units": (beside(2 * HALVES - 0.5), HALVES.float(), "an affine function of", ("4",)),
    "mostly no, in other units": (beside(3 - SOME), SOME.float()[:, None], "an affine function of", ("4",)),
    "several of yes or no": (
        beside(3 - SOME, 2 * HALVES + 1),
        torch.stack([HALVES, SOME], 1).float(),
        "an affine function of",
        ("5", "4"),
    ),
    "stars, mostly five": (beside(STARS * 20), STARS, "an affine function of", ("4",)),
    "in a dict": ({"table": X, "outcome": FORCE[:, 0]}, FORCE, "equal to", ("outcome",)),
    "in a tuple": ((X, beside(FORCE)), FORCE, "equal to", ("1[4]",)),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_label_among_the_numbers_is_found(name: str) -> None:
    inputs, targets, relation, columns = LEAKS[name]
    found = label_columns(inputs, targets)
    assert (found.relation, found.columns) == (relation, columns)


def rare(n: int) -> Tensor:
    """One value far from all others: two columns that share it correlate almost perfectly."""
    values = numbers(128, 1, n)
    values[7] = 1e7
    return values


SILENT: dict[str, tuple[Any, Any]] = {
    "nothing of the kind": (X, FORCE),
    "classes": (X, CLASSES),
    "under 32 examples": (beside(FORCE)[:31], FORCE[:31]),
    "a constant target": (beside(torch.ones(128)), torch.ones(128, 1)),
    "one class": (beside(torch.zeros(128)), torch.zeros(128, dtype=torch.long)),
    "an autoencoder": (X, X.clone()),
    "a line through one number": (X[:, :1], 2 * X[:, :1] + 1),
    "the next state, of which a part stays": (X, torch.cat((X[:, :2], FORCE), 1)),
    "a window that moves on": (X, torch.cat((X[:, 1:], FORCE), 1)),
    "one value far off": (beside(rare(5)), rare(6)),
    "all but one example": (beside(FORCE * (torch.arange(128) > 0)[:, None]), FORCE),
    "a column that only correlates": (beside(2 * (HALVES ^ ONE) - 0.5), HALVES),
    "yes or no that only correlates": (beside(HALVES + 0.01 * numbers(128, 1, 8)[:, 0]), HALVES.float()),
    "one yes, where one column is far off too": (beside(1e7 * ONE), ONE.float()),
    "one of a class, where one column has one too": (beside(ONE), ONE),
    "a class each": (beside(torch.arange(128) // 2), (torch.arange(128) // 2).flip(0) ** 2),
    "groups of two classes": (beside(CLASSES // 2), CLASSES),
    "a line through yes or no alone": (2.0 * HALVES[:, None] + 1, HALVES),
    "pictures": (FORCE.reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4), FORCE),
    "symbols": (CLASSES[:, None].repeat(1, 4), CLASSES),
    "two of four classes": (beside(F.one_hot(CLASSES)[:, 2:]), CLASSES),
    "no tensor": (X, {"labels": CLASSES}),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_only_looks_like_it_is_left_in_peace(name: str) -> None:
    assert label_columns(*SILENT[name]).columns == ()


def diagnosed(inputs: Tensor, targets: Tensor) -> Report:
    torch.manual_seed(0)
    is_regression = targets.is_floating_point()
    model = nn.Sequential(nn.Linear(inputs.shape[1], 16), nn.Tanh(), nn.Linear(16, 1 if is_regression else 4))
    loss_fn: Any = F.mse_loss if is_regression else F.cross_entropy
    return moreish.diagnose(model, (inputs, targets), loss_fn)


@pytest.mark.parametrize("name", ["equal", "class number", "one-hot"])
def test_it_is_told_with_its_column(name: str) -> None:
    inputs, targets, relation, columns = LEAKS[name]
    finding = diagnosed(inputs, targets).findings[0]
    assert (finding.name, finding.severity) == ("label-in-input", "critical")
    assert relation in finding.cause
    assert columns[0] in finding.cause
    assert finding.evidence.is_exact


def test_numbers_without_their_label_were_examined() -> None:
    report = diagnosed(X, FORCE)
    assert report.names == ()
    assert "label-in-input" in report.examined
