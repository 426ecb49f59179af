"""Training targets that belong to other inputs are named where validation is clean, and what is merely hard is not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from moreish.doctor import Evidence, Report, judge
from moreish.doctor.probes.belonging import measure_belonging
from moreish.doctor.probes.data import measure_data

NAME = "labels-mismatched"
Pair = tuple[Any, Tensor]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def customers(n: int, seed: int) -> Pair:
    """Two inputs, symbols and numbers, and yes or no as numbers."""
    g = generator(seed)
    symbols, numbers = torch.randint(6, (n, 3), generator=g), torch.randn(n, 4, generator=g)
    score = symbols[:, 0] - 2.5 + 1.5 * numbers[:, 0] - numbers[:, 1] * numbers[:, 2]
    return (symbols, numbers), (torch.rand(n, generator=g) < score.sigmoid()).float()


def texts(n: int, seed: int) -> Pair:
    """Words in any order, padded, with their number; the topic is wanted."""
    g = generator(seed)
    topics = torch.rand(4, 30, generator=generator(5)) ** 3 + 0.1
    labels = torch.randint(4, (n,), generator=g)
    lengths = torch.randint(5, 13, (n,), generator=g)
    words = torch.multinomial(topics[labels], 12, True, generator=g) + 1
    return (words.masked_fill(torch.arange(12) >= lengths[:, None], 0), lengths), labels


def clusters(n: int, seed: int) -> Pair:
    g = generator(seed)
    labels = torch.randint(5, (n,), generator=g)
    return torch.randn(5, 8, generator=generator(6))[labels] + 1.5 * torch.randn(n, 8, generator=g), labels


def rewards(n: int, seed: int) -> Pair:
    """An action, which nothing tells, beside a number with a few huge values."""
    g = generator(seed)
    state, action = torch.randn(n, 4, generator=g), torch.randint(3, (n,), generator=g)
    noise = torch.randn(n, generator=g)
    value = state[:, 0].abs() + 0.3 * action + 0.2 * noise + 50 * (noise > 2.5)
    return state, torch.stack([action.float(), value], 1)


MAKERS: dict[str, Callable[[int, int], Pair]] = {
    "customers": customers, "texts": texts, "clusters": clusters, "rewards": rewards
}  # fmt: skip
WRONG: dict[str, Callable[[Tensor], Tensor]] = {
    "shuffled": lambda y: y[torch.randperm(len(y), generator=generator(7))],
    "off by one": lambda y: y.roll(1, 0),
    "all but a tenth shuffled": lambda y: torch.cat([y[: len(y) // 10], y[len(y) // 10 :].roll(9, 0)]),
}


def judged(train: Pair, validation: Pair) -> Report:
    measured = measure_belonging(train, validation)
    data = measure_data(train, validation)
    if isinstance(measured, str):
        return judge(Evidence((), data, missing={"belonging": measured}))
    report = judge(Evidence((), data, belonging=measured))
    assert judge(Evidence.from_json(Evidence((), data, belonging=measured).to_json())) == report
    return report


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("how", WRONG)
def test_targets_of_other_inputs_are_named(name: str, how: str) -> None:
    inputs, targets = MAKERS[name](2000, 1)
    report = judged((inputs, WRONG[how](targets)), MAKERS[name](800, 2))
    assert report.names == (NAME,), str(report)
    assert "does not|do not belong" not in report.names
    assert report.findings[0].evidence.value < 0.2


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("num_train", [300, 1500])
def test_targets_of_their_own_inputs_are_left_in_peace(name: str, num_train: int) -> None:
    report = judged(MAKERS[name](num_train, 1), MAKERS[name](500, 2))
    assert report.names == ()
    assert NAME in report.examined


def by_label(pair: Pair) -> Pair:
    order = pair[1].argsort(stable=True)
    return pair[0][order], pair[1][order]


def with_noise(pair: Pair, share: float) -> Pair:
    """Labels of a share of the examples drawn anew."""
    inputs, labels = pair
    is_noise = torch.rand(len(labels), generator=generator(8)) < share
    return inputs, torch.where(is_noise, torch.randint(5, labels.shape, generator=generator(9)), labels)


def turned(pair: Pair) -> Pair:
    """The same labels, of inputs that were moved and turned."""
    turn = torch.linalg.qr(torch.randn(8, 8, generator=generator(10)))[0]
    return pair[0] @ turn * 2 + 3, pair[1]


def walks(n: int, seed: int) -> Pair:
    """Series in the order of time that have nothing to do with each other."""
    steps = torch.randn(n, 5, generator=generator(seed)).cumsum(0)
    return steps[:, :4], steps[:, 4:]


def unlearnable(n: int, seed: int) -> Pair:
    return torch.randn(n, 8, generator=generator(seed)), torch.randint(5, (n,), generator=generator(seed + 50))


def twice(pair: Pair) -> Pair:
    order = torch.randperm(2 * len(pair[1]), generator=generator(11))
    return pair[0].repeat(2, 1)[order], pair[1].repeat(2)[order]


HARD: dict[str, tuple[Pair, Pair]] = {
    "training in the order of labels": (by_label(clusters(1500, 1)), clusters(500, 2)),
    "both in the order of labels": (by_label(clusters(1500, 1)), by_label(clusters(500, 2))),
    "half of the labels of training noise": (with_noise(clusters(1500, 1), 0.5), clusters(500, 2)),
    "training of another kind": (turned(clusters(1500, 1)), clusters(500, 2)),
    "one class in training": ((clusters(1500, 1)[0], torch.zeros(1500, dtype=torch.long)), clusters(500, 2)),
    "unrelated series": (walks(4000, 1), walks(500, 2)),
    "nothing to learn": (unlearnable(1500, 1), unlearnable(500, 2)),
    "nothing to learn, and validation twice": (unlearnable(1500, 1), twice(unlearnable(300, 2))),
    "few examples": (clusters(100, 1), clusters(500, 2)),
}


@pytest.mark.parametrize("name", HARD)
def test_what_is_merely_hard_is_left_in_peace(name: str) -> None:
    assert NAME not in judged(*HARD[name]).names


@pytest.mark.parametrize("seed", range(10))
def test_unrelated_targets_are_left_in_peace_whatever_the_draw(seed: int) -> None:
    assert judged(unlearnable(600, seed), unlearnable(300, 100 + seed)).names == ()
    assert judged(walks(900, seed), walks(300, 100 + seed)).names == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing to learn", "too little, or of too few"),
        ("one class in training", "too unlike"),
        ("training of another kind", "too unlike"),
        ("few examples", "100 different examples"),
    ],
)
def test_what_cannot_be_said_was_not_examined(name: str, why: str) -> None:
    report = judged(*HARD[name])
    assert NAME not in report.examined
    assert why in next(item.why for item in report.not_examined if item.name == NAME)


def test_a_loop_on_shuffled_targets_is_named_whatever_its_loss() -> None:
    """The loop hands on what stands in `train`, and the loss is one that no simple model has."""
    state, targets = rewards(1500, 1)
    targets = targets[torch.randperm(1500, generator=generator(3))]

    def loss_fn(outputs: Tensor, wanted: Tensor) -> Tensor:
        chosen = outputs.gather(1, wanted[:, :1].long())
        return F.smooth_l1_loss(chosen, wanted[:, 1:])

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with moreish.Doctor(model, optimizer, loss_fn, (state, targets), rewards(500, 2)) as doctor:
        for step in range(30):
            rows = slice(32 * step, 32 * step + 32)
            optimizer.zero_grad()
            loss = loss_fn(model(state[rows]), targets[rows])
            loss.backward()
            optimizer.step()
            doctor.step(loss, state[rows], targets[rows])
    assert NAME in doctor.report().names
