"""Carry out a setting: build, examine, train with the doctor looking on, and measure what was really learned."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from benchmarks.doctor.alterations import INITIAL, WIRING, parameters_of
from benchmarks.doctor.architectures import ARCHITECTURES
from benchmarks.doctor.corpora import corpus
from benchmarks.doctor.setting import Setting
from benchmarks.doctor.sources import NUM_VALIDATION
from torch import Tensor, nn

from moreish import MoreishError
from moreish.doctor import Doctor, Evidence, collect

WORST = 1e3
"""A final loss that is larger, or not a number, is counted as this."""


@dataclass(frozen=True)
class Outcome:
    """What became of a training.

    Attributes:
        loss: on validation as it should be: whole labels, unseen examples, evaluation mode, cross-entropy in
            nats (of running text at the last position, of answers yes or no their mean), or mean squared error.
        chance: what the best constant guess costs on the same examples.
        evidence: from before and during training; None where the doctor was not asked.
        error: what the doctor said where it refused.
    """

    loss: float
    chance: float = math.nan
    evidence: Evidence | None = None
    error: str | None = None


def _flat(out: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return out.reshape(-1, out.shape[-1]), targets.reshape(-1)


def _mean(out: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(out, targets) if targets.is_floating_point() else F.cross_entropy(*_flat(out, targets))


def _sum(out: Tensor, targets: Tensor) -> Tensor:
    if targets.is_floating_point():
        return F.mse_loss(out, targets, reduction="sum")
    return F.cross_entropy(*_flat(out, targets), reduction="sum")


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": _mean,
    "sum": _sum,
    "of softmax": lambda out, targets: _mean(out.softmax(-1), targets),
    "likelihood": lambda out, targets: F.nll_loss(*_flat(out, targets)),
    "smoothed": lambda out, targets: F.cross_entropy(*_flat(out, targets), label_smoothing=0.1),
    "huber": F.huber_loss,
    "huber, sum": lambda out, targets: F.huber_loss(out, targets, reduction="sum"),
    "yes or no": F.binary_cross_entropy_with_logits,
    "yes or no, sum": lambda out, targets: F.binary_cross_entropy_with_logits(out, targets, reduction="sum"),
    "yes or no, of sigmoid": lambda out, targets: F.binary_cross_entropy_with_logits(out.sigmoid(), targets),
}


OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (torch.optim.Adam, {"fused": True}),
    "amsgrad": (torch.optim.Adam, {"fused": True, "amsgrad": True}),
    "nadam": (torch.optim.NAdam, {}),
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adagrad": (torch.optim.Adagrad, {}),
}


@dataclass(frozen=True)
class Data:
    """Pairs (inputs, targets): as the loop gets them, and honest ones to measure on at the end."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    honest: tuple[Tensor, Tensor]


def make_data(setting: Setting) -> Data:
    source, layout = corpus(setting.corpus), ARCHITECTURES[setting.architecture].layout
    generator = torch.Generator().manual_seed(setting.seed)

    def draw(n: int, part: str, offset: int, seed: int) -> tuple[Tensor, Tensor]:
        return source.draw(layout, n, part, offset, 10 * setting.seed + seed)

    x, y = draw(setting.num_train, "train", setting.label_offset, 0)
    validation = draw(NUM_VALIDATION, "validation", setting.label_offset, 1)
    if setting.duplicates:
        num_distinct = max(round(len(x) * (1 - setting.duplicates)), 1)
        rows = torch.arange(len(x)) % num_distinct
        x, y = x[rows], y[rows]
    if setting.overlap:
        copied = round(setting.overlap * NUM_VALIDATION)
        validation = tuple(torch.cat((a[:copied], b[copied:])) for a, b in zip((x, y), validation, strict=True))
    if setting.mislabelled:
        y = _dealt_out(y, setting.mislabelled, generator)
        validation = (validation[0], _dealt_out(validation[1], setting.mislabelled, generator))
    if setting.ignored:
        y = torch.where(torch.rand(y.shape, generator=generator) < setting.ignored, -100, y)
    if setting.stretches:
        stretches = torch.arange(len(y)).chunk(setting.stretches)
        rows = torch.cat([rows[y[rows].reshape(len(rows), -1)[:, 0].argsort(stable=True)] for rows in stretches])
        x, y = x[rows], y[rows]
    if setting.broken:
        x = x.clone()
        x.view(len(x), -1)[torch.rand(len(x), generator=generator) < setting.broken, 0] = math.nan
    return Data((x, y), validation, draw(NUM_VALIDATION, "validation", 1, 2))


def _dealt_out(y: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Labels of so large a share of the examples exchanged among each other."""
    if not share:
        return y
    rows = torch.arange(len(y))
    chosen = torch.randperm(len(y), generator=generator)[: round(share * len(y))]
    rows[chosen] = chosen[torch.randperm(len(chosen), generator=generator)]
    return y[rows]


def make_model(setting: Setting, data: Data) -> nn.Module:
    torch.manual_seed(setting.seed)
    num_symbols = corpus(setting.corpus).num_symbols
    model = ARCHITECTURES[setting.architecture].build(num_symbols, **dict(setting.options))
    x, y = data.train[0][:256], data.train[1][:256]
    for name, amount in setting.initial:
        INITIAL[name](model, amount, x, y)
    for name, amount in setting.wiring:
        WIRING[name](model, amount)
    return model


def make_optimizer(setting: Setting, model: nn.Module) -> tuple[torch.optim.Optimizer, Any]:
    """The optimiser, and a scheduler where the rate is not constant."""
    special = {name: factor for name, factor in ((setting.resting, 0.0), (setting.fast, setting.fast_factor)) if name}
    left_out = set()
    if setting.left_out is not None:
        left_out = {id(p) for p in parameters_of(model, setting.left_out)}
    groups, taken = [], left_out
    for name, factor in special.items():
        chosen = [p for p in parameters_of(model, name) if id(p) not in taken]
        taken = taken | {id(p) for p in chosen}
        groups.append({"params": chosen, "lr": setting.learning_rate * factor})
    groups.append({"params": [p for p in model.parameters() if id(p) not in taken]})
    kind, given = OPTIMIZERS[setting.optimizer]
    optimizer = kind(groups, lr=setting.learning_rate, weight_decay=setting.weight_decay, **given)
    share = _SCHEDULES.get(setting.schedule)
    if share is None:
        return optimizer, None
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share(setting, step))


_SCHEDULES: dict[str, Callable[[Setting, int], float]] = {
    "warmup": lambda s, step: min(1.0, s.schedule_start + (1 - s.schedule_start) * step / (0.2 * s.steps)),
    "cosine": lambda s, step: 0.5 + 0.5 * math.cos(math.pi * min(step / s.steps, 1.0)),
    "restarts": lambda s, step: 0.5 + 0.5 * math.cos(math.pi * (step % 40) / 40),
}


def batches(setting: Setting, n: int) -> Iterator[Tensor]:
    """Rows of each minibatch, without end; a function of the seed alone."""
    generator = torch.Generator().manual_seed(setting.seed)
    while True:
        order = torch.arange(n) if setting.stretches else torch.randperm(n, generator=generator)
        for start in range(0, max(n - setting.batch, 0) + 1, setting.batch):
            yield order[start : start + setting.batch]


def run(setting: Setting, *, watched: bool = True) -> Outcome:
    """Train as the setting says.

    Args:
        watched: examine before, and look on during training.
    """
    data = make_data(setting)
    model = make_model(setting, data)
    optimizer, scheduler = make_optimizer(setting, model)
    loss_fn = LOSSES[setting.loss]
    chance = _chance(setting, data)
    if not watched:
        _train(setting, data, model, optimizer, scheduler, None)
        return Outcome(honest_loss(setting, model, data), chance)
    try:
        chosen = next(batches(setting.having(batch=setting.examined), len(data.train[0])))
        before = collect(model, (data.train[0][chosen], data.train[1][chosen]), loss_fn, optimizer)
        with Doctor(model, optimizer, loss_fn, data.train, data.validation) as doctor:
            _train(setting, data, model, optimizer, scheduler, doctor)
    except MoreishError as refusal:
        return Outcome(math.nan, chance, error=str(refusal))
    return Outcome(honest_loss(setting, model, data), chance, together(before, doctor.evidence()))


def _train(
    setting: Setting, data: Data, model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Any, doctor: Any
) -> None:
    loss_fn, rows = LOSSES[setting.loss], batches(setting, len(data.train[0]))
    generator = torch.Generator().manual_seed(setting.seed)
    usual = [group["lr"] for group in optimizer.param_groups]
    for step in range(setting.steps):
        if step % setting.evaluate_every == 0:
            model.train(not setting.is_evaluated_right)
            with torch.no_grad():
                model(data.validation[0][:64])
        model.train(setting.eval_from is None or step < setting.eval_from)
        if setting.strange_passes_every and step % setting.strange_passes_every == 0:
            with torch.no_grad():
                model(torch.zeros_like(data.validation[0][:64]))
        if setting.bursts != 1:
            for group, rate in zip(optimizer.param_groups, usual, strict=True):
                group["lr"] = rate * (setting.bursts if step % 100 == 99 else 1)
        if setting.clear_every and step % setting.clear_every == 0:
            optimizer.zero_grad()
        chosen = next(rows)
        for share in chosen.chunk(setting.accumulate):
            x, y = data.train[0][share], _dealt_out(data.train[1][share], setting.scrambled, generator)
            loss = loss_fn(model(x), y) / setting.accumulate
            loss.backward()
        if setting.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), setting.clip)
        optimizer.step()
        if scheduler is not None and setting.is_schedule_stepped:
            scheduler.step()
        if doctor is not None:
            doctor.step(loss, x, y)


@torch.no_grad()
def honest_loss(setting: Setting, model: nn.Module, data: Data) -> float:
    """What the trained network is worth, whatever it was told to minimise."""
    model.eval()
    torch.manual_seed(0)
    spec, (x, y) = ARCHITECTURES[setting.architecture], data.honest
    out = model(x)
    if spec.is_squared:
        loss = float(F.mse_loss(out, y))
    elif spec.is_yes_or_no:
        is_share = ("activate_output", "sigmoid") in setting.wiring
        loss = float(F.binary_cross_entropy_with_logits(out.logit(1e-6) if is_share else out, y))
    else:
        if ("activate_output", "softmax") in setting.wiring or ("activate_output", "sigmoid") in setting.wiring:
            out = (out.clamp_min(1e-9)).log()
        if spec.layout == "sequences":  # where no later input can help
            out, y = out[:, -1], y[:, -1]
        loss = float(_mean(out, y))
    return loss if loss < WORST else WORST


def _chance(setting: Setting, data: Data) -> float:
    """Entropy of the labels alone, nats, or their variance."""
    spec, y = ARCHITECTURES[setting.architecture], data.honest[1]
    if spec.is_squared:
        return float(y.var(correction=0))
    if spec.is_yes_or_no:
        return float(F.binary_cross_entropy(y.mean(0).expand_as(y), y))
    y = y[:, -1] if spec.layout == "sequences" else y.flatten()
    shares = torch.bincount(y).double() / len(y)
    return float(-(shares * shares.clamp_min(1e-300).log()).sum())


def together(before: Evidence, during: Evidence) -> Evidence:
    """One body of evidence from the examination and the training, so that one α is spent on both."""
    missing = {**before.missing, **during.missing}
    return replace(during, looks=before.looks + during.looks, data=during.data or before.data, missing=missing)
