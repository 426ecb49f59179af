"""Batch norms: how many values their statistics rest on, and how far the running ones are from those of the batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import BatchNorm, Stray
from moreish.doctor.subject import Subject

_MAX_CHANNELS = 64
_CONSTANT = 1e-12  # variance of a channel that says nothing of the running one


def batch_norms(model: nn.Module) -> dict[str, nn.Module]:
    """Modules that normalise by the batch: PyTorch's, and others with that name or running statistics."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        or "batchnorm" in type(module).__name__.lower()
        or (isinstance(getattr(module, "running_mean", None), Tensor) and not isinstance(module, nn.InstanceNorm1d))
    }


@torch.no_grad()
def measure_norms(subject: Subject) -> tuple[BatchNorm, ...]:
    """One pass in the mode of training, with the inputs of every batch norm looked at. Buffers change."""
    found: dict[str, BatchNorm] = {}
    with norms_noted(subject.model, found):
        if batch_norms(subject.model):
            subject.forward()
    return tuple(found.values())


@contextmanager
def norms_noted(model: nn.Module, found: dict[str, BatchNorm], *, training_only: bool = False) -> Iterator[None]:
    """The first pass through every batch norm inside is noted in `found`, by name.

    Args:
        training_only: passes without gradients do not count.
    """
    handles = [
        module.register_forward_pre_hook(_noter(name, found, training_only))
        for name, module in batch_norms(model).items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _noter(name: str, found: dict[str, BatchNorm], training_only: bool) -> Any:
    def note(module: Any, args: Any) -> None:
        if not args or not isinstance(args[0], Tensor) or name in found:
            return
        if training_only and not torch.is_grad_enabled():
            return
        rows = _rows(module, args[0])
        mean, variance = rows.mean(0), rows.var(0, correction=1 if len(rows) > 1 else 0)
        running_mean = getattr(module, "running_mean", None)
        running_var = getattr(module, "running_var", None)
        running_std = getattr(module, "running_std", None)
        if running_var is None and isinstance(running_std, Tensor):
            running_var = running_std**2
        distance, ratio = mean[:0], mean[:0]
        tracks = isinstance(running_mean, Tensor) and isinstance(running_var, Tensor)
        if (
            isinstance(running_mean, Tensor)
            and isinstance(running_var, Tensor)
            and running_mean.numel() == rows.shape[1]
        ):
            varies = variance > _CONSTANT
            distance = ((running_mean.float().view(-1) - mean).abs() / (variance + 1e-5).sqrt())[varies]
            ratio = (running_var.float().view(-1) / (variance + 1e-5))[varies]
        count = getattr(module, "num_batches_tracked", None)
        momentum = getattr(module, "momentum", None)
        found[name] = BatchNorm(
            name=name,
            rows=rows.shape[0],
            momentum=float(momentum) if isinstance(momentum, int | float) else None,
            num_updates=int(count) if isinstance(count, Tensor) else None,
            tracks=tracks,
            is_training=bool(module.training),
            mean_distance=tuple(distance[:_MAX_CHANNELS].tolist()),
            spread_ratio=tuple(ratio[:_MAX_CHANNELS].tolist()),
        )

    return note


def _rows(module: nn.Module, x: Tensor) -> Tensor:
    """What a norm takes its statistics from, (values of a channel, channels)."""
    x = x.detach().float()
    is_channels_first = isinstance(module, nn.modules.batchnorm._BatchNorm) and x.ndim > 2
    return (x.movedim(1, -1) if is_channels_first else x).reshape(-1, x.shape[1] if is_channels_first else x.shape[-1])


@contextmanager
def strays_noted(model: nn.Module, found: list[Stray]) -> Iterator[None]:
    """What batch norms learn from in passes that are no training, one entry a norm and pass."""

    def note(name: str, module: Any, args: Any) -> None:
        mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
        if isinstance(mean, Tensor) and isinstance(variance, Tensor) and args and isinstance(args[0], Tensor):
            rows = _rows(module, args[0])
            kept = variance.view(-1) + 1e-5
            distances = (rows.mean(0) - mean.view(-1)).abs() / kept.sqrt()
            spreads = (rows.var(0, correction=0) + 1e-5) / kept
            found.append(Stray(name, rows.shape[0], float(distances.median()), float(spreads.median())))

    handles = [module.register_forward_pre_hook(partial(note, name)) for name, module in batch_norms(model).items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
