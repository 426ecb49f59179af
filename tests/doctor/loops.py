"""Training loops as strangers write them, watched: every fault of a loop is one argument."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

import moreish
from doctor import networks as net
from moreish.doctor import Evidence, Report, judge

Batches = Callable[[int, int], tuple[Tensor, Tensor]]


def watched(
    name: str | tuple[Any, Any, Any],
    steps: int = 120,
    optimise: Any = lambda p: torch.optim.AdamW(p, 1e-3),
    batches: Batches | None = None,
    batch: int = 32,
    clip: float | None = None,
    each_step: Any = None,
    scheduled: Any = None,
    device: str = "cpu",
    **given: Any,
) -> Report:
    """Train a network with a doctor in the loop, and return its report, which is the same from written evidence."""
    make, draw, loss_fn = net.HEALTHY[name] if isinstance(name, str) else name
    torch.manual_seed(1)
    model: nn.Module = make().to(device)
    optimizer = optimise(model.parameters())
    scheduler = scheduled(optimizer) if scheduled else None
    if given:
        given["loss_fn"] = loss_fn
    with moreish.Doctor(model, optimizer, **given) as doctor:
        for step in range(steps):
            inputs, targets = batches(batch, step) if batches else draw(batch, seed=step)
            optimizer.zero_grad()
            loss = loss_fn(model(inputs.to(device)), targets.to(device))
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            doctor.step(loss, inputs, targets)
            if each_step is not None:
                each_step(step, model, optimizer, scheduler)
    report = doctor.report()
    assert judge(Evidence.from_json(doctor.evidence().to_json())) == report
    return report


def sgd(rate: float) -> Any:
    return lambda parameters: torch.optim.SGD(parameters, rate)


def named_at_the_first_look(
    model: nn.Module, batch: tuple[Tensor, Tensor], loss_fn: Any, rate: float
) -> tuple[str, ...]:
    """What a doctor names in three steps on one batch, which it was given as `train`."""
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with moreish.Doctor(model, optimizer, loss_fn, train=batch) as doctor:
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_fn(model(batch[0]), batch[1])
            loss.backward()
            optimizer.step()
            doctor.step(loss, *batch)
    return doctor.report().names


def scaled_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    loss_fn: Any,
    batches: Iterable[tuple[Tensor, Tensor]],
    dtype: torch.dtype,
    clip: float | None = None,
    doctor: moreish.Doctor | None = None,
) -> int:
    """A loop in half precision, as PyTorch's documents write it; how many steps the scaler skipped."""
    num_skipped = 0
    for inputs, targets in batches:
        optimizer.zero_grad()
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets)
        scaler.scale(loss).backward()
        if clip is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        num_skipped += scaler.get_scale() < before
        if doctor is not None:
            doctor.step(loss, inputs, targets)
    return num_skipped
