"""Models of several inputs: each is exchanged, and examples are whole examples."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish


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
def test_minibatches_are_looked_up_by_all_of_their_inputs(is_shuffled: bool) -> None:
    """Each user alone recurs with other targets by itself."""
    inputs, targets = liked(2048)
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
