"""Training in half precision on a GPU: autocast, and losses that a GradScaler scales up."""

from typing import Any

import pytest
import torch

import moreish
from doctor import networks as net
from doctor.loops import scaled_steps
from gpu.trainings import NETWORKS, on_gpu, state

OPTIMISERS: dict[str, Any] = {
    "SGD": lambda p: torch.optim.SGD(p, 0.05),
    "SGD, fused": lambda p: torch.optim.SGD(p, 0.05, fused=True),
    "AdamW": lambda p: torch.optim.AdamW(p, 1e-3),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, 1e-3, fused=True),
}


def trained(
    name: str,
    optimise: Any,
    dtype: torch.dtype,
    is_watched: bool,
    scale: float | None = None,
    clip: float | None = None,
) -> tuple[dict[str, Any], Any, int]:
    """State, doctor, and how many steps the scaler skipped."""
    make, draw, loss_fn = NETWORKS[name]
    torch.manual_seed(1)
    model = make().cuda()
    optimizer = optimise(model.parameters())
    scaler = torch.amp.GradScaler("cuda", init_scale=scale or 1.0, growth_interval=40, enabled=scale is not None)
    doctor = moreish.Doctor(model, optimizer, loss_fn, draw(512, seed=900), draw(128, seed=901))
    batches = (on_gpu(draw(32, seed=step)) for step in range(210))
    with doctor if is_watched else torch.enable_grad():
        num_skipped = scaled_steps(
            model, optimizer, scaler, loss_fn, batches, dtype, clip, doctor if is_watched else None
        )
    return state(model, optimizer), doctor, num_skipped


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt", "lstm, dropout"])
def test_autocast_is_watched_bit_for_bit_and_healthy(name: str) -> None:
    plain, seen = (trained(name, OPTIMISERS["AdamW"], torch.bfloat16, watch) for watch in (False, True))
    for part, content in plain[0].items():
        assert seen[0][part] == content, part
    assert seen[1].report().names == (), str(seen[1].report())


@pytest.mark.parametrize("clip", [None, 5.0])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_scaled_gradients_are_taken_for_what_they_are(optimiser: str, clip: float | None) -> None:
    plain, seen = (
        trained("mlp", OPTIMISERS[optimiser], torch.float16, watch, 2.0**26, clip) for watch in (False, True)
    )
    assert plain[2] == seen[2] > 3
    for part, content in plain[0].items():
        assert seen[0][part] == content, part
    report, looks = seen[1].report(), seen[1].evidence().looks
    assert report.names == (), str(report)
    assert {"gradients-not-cleared", "never-moves"} <= set(report.examined), str(report)
    scales = [update.scale for look in looks for update in look.updates or () if update.scale is not None]
    assert len(scales) >= 3
    assert min(scales) > 0.5
    assert all(update.is_moved for look in looks for update in look.updates or ())


@pytest.mark.parametrize("name", ["mlp", "gpt", "cnn"])
def test_a_network_of_half_precision_is_examined(name: str) -> None:
    make, draw, loss_fn = net.HEALTHY[name]
    torch.manual_seed(1)
    model = make().cuda().bfloat16()
    inputs, targets = draw()
    batch = (inputs.bfloat16() if inputs.is_floating_point() else inputs, targets)
    report = moreish.diagnose(model, batch, loss_fn, torch.optim.AdamW(model.parameters(), 1e-3))
    assert report.names == (), str(report)


def test_clipping_that_binds_is_named_though_losses_are_scaled() -> None:
    _, doctor, _ = trained("mlp", OPTIMISERS["SGD"], torch.float16, True, 2.0**16, clip=0.01)
    evidence = doctor.evidence()
    scales = [update.scale for look in evidence.looks for update in look.updates or () if update.scale is not None]
    assert 0 < max(scales) < 0.25
    assert "clipping-binds" in doctor.report().names, str(doctor.report())
