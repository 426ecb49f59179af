"""The rule with which a recipe's rate is tried out takes the steps of torch.optim."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from moreish.doctor.trainings.rule import RuleOfRecipe
from moreish.models.mlp import MLP
from moreish.recipe import Recipe

RATE, DECAY = 0.02, 0.3


def decoupled(parameters: Any, **settings: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, RATE, betas=(0.9, 0.99), eps=1e-8, **settings)


@pytest.mark.parametrize(
    ("kind", "make", "decay"),
    [
        ("sgd", lambda groups, **settings: torch.optim.SGD(groups, RATE, **settings), DECAY),
        ("momentum", lambda groups, **settings: torch.optim.SGD(groups, RATE, momentum=0.9, **settings), 0.0),
        ("adamw", decoupled, DECAY),
    ],
)  # fmt: skip
def test_five_steps_equal_those_of_pytorch(kind: str, make: Callable[..., Any], decay: float) -> None:
    fields: dict[str, Any] = {"optimizer": kind, "learning_rate": RATE, "weight_decay": decay}
    recipe = Recipe(context=2, embedding=3, hidden=(5,), norm="layer", **fields)
    ours, theirs = (MLP(recipe, 7, torch.Generator().manual_seed(1)).double() for _ in range(2))
    rule = RuleOfRecipe(recipe, ours)
    decayed = [p for name, p in theirs.named_parameters() if name.endswith(("linear.weight", "embedding.weight"))]
    others = [p for p in theirs.parameters() if all(p is not item for item in decayed)]
    optimizer = make([{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}])
    inputs = torch.randint(7, (20, 2), generator=torch.Generator().manual_seed(2))
    targets = torch.randint(7, (20,), generator=torch.Generator().manual_seed(3))
    for _ in range(5):
        for module, step in ((ours, rule.step), (theirs, optimizer.step)):
            module.zero_grad()
            nn.functional.cross_entropy(module(inputs), targets).backward()
            step()
    for mine, yours in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-10, atol=1e-12)
