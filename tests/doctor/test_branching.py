"""When a training is branched from: where it has stalled, is pulled, or is thrown about, and never for nothing."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from doctor import networks as net
from doctor.loops import sgd, watched
from moreish.doctor.branching import HIGHER, LOWER, MODERATE, has_stalled, largest_move, what_to_try
from moreish.doctor.evidence import Branch, Look, Rates, Update
from moreish.doctor.probes.rates import MAX_MEASURED, minibatches
from moreish.doctor.subject import make_subject

FALLING = [3.0 * 0.99**step for step in range(400)]
RESTING = [2.0] * 400
WINDOWS: dict[str, Any] = {"train": net.windows(4096, seed=901), "validation": net.windows(1024, seed=902)}


def moving(*steps: float, decay: float = 0.0) -> tuple[Update, ...]:
    return tuple(Update(f"p{number}", moved, True, 1.0, decay=decay) for number, moved in enumerate(steps))


TRIED = Rates(0.1, 16, (Branch(1.0, (1.0,), (1.0,), True, 1.0), Branch(30.0, (1.0,), (1.0,), True, 1.0)))
SHORT = moving(0.002, 0.002)


def looked(*looks: tuple[Update, ...], first: int = 400) -> list[Look]:
    return [Look(first * 2**number, updates=updates) for number, updates in enumerate(looks)]


@pytest.mark.parametrize(
    ("losses", "looks", "expected"),
    [
        (FALLING, looked(moving(0.01, 0.02)), None),
        (RESTING, looked(moving(0.01, 0.02)), (LOWER, ())),
        (RESTING, looked(moving(1e-5, 2e-5)), (HIGHER, ())),
        (RESTING, [Look(400)], ((*LOWER, *HIGHER), ())),
        (FALLING, looked(moving(0.1, 0.5, 0.9), moving(0.01)), (LOWER, ())),
        (FALLING, looked(moving(0.01, 0.02, 0.9)), None),  # one parameter of many
        (FALLING, looked(moving(0.01, decay=0.5)), ((), (0.0,))),
        (FALLING, looked(moving(0.01, decay=0.5), moving(0.01, decay=0.1)), None),
        (FALLING, looked(SHORT), (MODERATE, ())),
        (RESTING, looked(SHORT), ((*LOWER, *HIGHER), ())),
        (FALLING, [Look(2, train_losses=(2.0,)), Look(200, updates=SHORT, train_losses=(1.99,))], (HIGHER, ())),
        (FALLING, looked(moving(0.5, decay=0.5)), (LOWER, (0.0,))),  # either may be at fault
        (FALLING, [Look(2, updates=moving(0.5, 0.5)), *looked(SHORT)], ((*LOWER, *MODERATE), ())),  # began tiny
        (FALLING, looked(moving(0.01, 0.01), SHORT), None),  # the rate has come down
        (FALLING, looked(SHORT, first=100), None),  # it may be warming up
        (FALLING, [Look(200, updates=SHORT, rates=TRIED), Look(400, updates=SHORT)], None),  # once is enough
        (RESTING, [*(Look(n, rates=TRIED) for n in (100, 200, 400)), Look(800, updates=SHORT)], None),
    ],
)
def test_branches_are_asked_for_by_what_was_seen(losses: Any, looks: Any, expected: Any) -> None:
    assert what_to_try(losses, looks) == expected


def test_a_loss_has_stalled_where_it_fell_by_less_than_a_fiftieth() -> None:
    assert has_stalled(RESTING)
    assert not has_stalled(FALLING)
    assert has_stalled([2.0] * 100 + [1.97] * 100)
    assert not has_stalled([2.0] * 100 + [1.9] * 100)


def test_minibatches_of_a_branch_are_drawn_from_what_is_not_measured() -> None:
    inputs, targets = torch.arange(4000.0)[:, None], torch.arange(4000.0)[:, None]
    subject = make_subject(torch.nn.Linear(1, 1), (inputs, targets), F.mse_loss)
    batches, measured = minibatches(subject, 16, 32)
    drawn = {float(x) for batch in batches for x in batch.inputs[:, 0]}
    assert len(batches) == 16
    assert all(len(batch.inputs) == 32 for batch in batches)
    assert all(torch.equal(batch.inputs, batch.targets) for batch in batches)
    assert measured.num_examples == MAX_MEASURED
    assert not drawn & {float(x) for x in measured.inputs[:, 0]}
    assert len(drawn) > 400


def test_a_rate_that_replaces_the_parameters_is_named_though_the_loss_falls() -> None:
    optimise = lambda parameters: torch.optim.AdamW(parameters, 0.1)  # noqa: E731
    sequences = {"train": net.sequences(1024, seed=901), "validation": net.sequences(256, seed=902)}
    assert watched("lstm", 420, optimise, **sequences).names[:1] == ("rate-too-high",)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_high_rate_that_gets_on_is_left_in_peace(rate: float) -> None:
    assert watched("mlp", 420, sgd(rate), **WINDOWS).names == ()


@pytest.mark.parametrize(("size", "expected"), [(0.0, 0.5), (1.0, 0.5), (100.0, 0.01)])
def test_parameters_that_began_as_zeros_are_not_thrown_about(size: float, expected: float) -> None:
    """Two small ones that move far beside themselves, and a large one that hardly does; of no size nothing is known."""
    small = [Update(name, 0.5, True, 1.0, size=0.1 * min(size, 1.0)) for name in ("a", "b")]
    large = Update("c", 1e-4 if size > 1 else 0.5, True, 1.0, size=size)
    move = largest_move([(*small, large)])
    assert move == pytest.approx(expected, rel=0.5)
