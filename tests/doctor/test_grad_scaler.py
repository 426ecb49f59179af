"""Losses that a GradScaler scales up: gradients arrive larger than they are used, and some steps are skipped."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import moreish
from doctor import networks as net
from doctor.loops import scaled_steps

OPTIMISERS: dict[str, Any] = {
    "SGD": lambda p: torch.optim.SGD(p, 0.05),
    "SGD, fused": lambda p: torch.optim.SGD(p, 0.05, fused=True),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, 1e-3, fused=True),
}


def trained(
    optimise: Any, scale: float, clip: float | None = None, is_watched: bool = True
) -> tuple[net.MLP, moreish.Doctor, int]:
    """210 steps in float16 with scales that grow until gradients overflow; and how many steps were skipped."""
    torch.manual_seed(1)
    model = net.MLP()
    optimizer = optimise(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=40)
    doctor = moreish.Doctor(model, optimizer, F.cross_entropy, net.windows(256, seed=900), net.windows(64, seed=901))
    batches = (net.windows(32, seed=step) for step in range(210))
    with doctor if is_watched else torch.enable_grad():
        num_skipped = scaled_steps(
            model, optimizer, scaler, F.cross_entropy, batches, torch.float16, clip, doctor if is_watched else None
        )
    return model, doctor, num_skipped


@pytest.mark.parametrize("clip", [None, 5.0])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_scales_and_skipped_steps_are_no_faults(name: str, clip: float | None) -> None:
    plain, _, _ = trained(OPTIMISERS[name], 2.0**26, clip, is_watched=False)
    model, doctor, num_skipped = trained(OPTIMISERS[name], 2.0**26, clip)
    assert num_skipped > 3
    for a, b in zip(plain.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)
    report = doctor.report()
    assert report.names == (), str(report)
    assert {"gradients-not-cleared", "never-moves"} <= set(report.examined)
    updates = [update for look in doctor.evidence().looks for update in look.updates or ()]
    assert all(update.is_moved for update in updates)
    assert min(update.scale for update in updates if update.scale is not None) > 0.5


@pytest.mark.parametrize(("clip", "is_named"), [(None, False), (0.01, True)])
def test_scales_that_grow_are_told_from_clipping(clip: float | None, is_named: bool) -> None:
    _, doctor, _ = trained(OPTIMISERS["SGD"], 2.0**8, clip)
    assert ("clipping-binds" in doctor.report().names) is is_named, str(doctor.report())


def test_a_gradient_that_overflowed_and_is_skipped_is_no_loss_of_numbers() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(8):
            x = torch.randn(32, 4)
            optimizer.zero_grad()
            loss = F.mse_loss(model(100 * x), x.repeat(1, 2))
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            doctor.step(loss, x)
    assert scaler.get_scale() < 2.0**127
    assert "not-finite" not in doctor.report().names
