"""What the labels alone, and the simplest model of the inputs, reach on the same examples: what a network has to beat.

Symbols are counted, label given the last symbol (given the symbol at the same place where every place has a label);
numbers get a linear model. Both are fitted on one half of the examples and measured on the other, in turn.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.evidence import Reference
from moreish.doctor.subject import first_tensor

MAX_EXAMPLES = 4096
_MAX_FEATURES = 4096
_SMOOTHING = 5.0  # counts of the labels alone that stand behind those of each symbol
_DECAY = 1e-2


def measure_reference(pair: Any, rows: Tensor) -> Reference | str:
    """Losses of both on the examples `rows` of a pair (inputs, targets); or why there are none."""
    x, targets = first_tensor(pair[0]), pair[1]
    if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.numel() % len(x):
        return "the targets are not classes"
    kept = torch.unique(torch.cat([rows, torch.linspace(0, len(x) - 1, min(len(x), MAX_EXAMPLES)).long()]))
    rows, n = torch.searchsorted(kept, rows), len(kept)
    if len(rows) < 32:
        return f"{len(rows)} training examples; it takes 32"
    x, y = x[kept].detach().cpu(), targets.reshape(len(x), -1)[kept].detach().cpu().long()
    if int(y.min()) < 0:
        return "some targets are negative"
    if x.is_floating_point():
        if y.shape[1] > 1:
            return "the inputs are numbers, and there are several targets for each example"
        features = x.reshape(n, -1).float()
        if features.shape[1] > _MAX_FEATURES:
            return f"{features.shape[1]:,} numbers an example are too many for a linear model"
        marginal, losses = _crossed(features, y, rows, _linear)
        return Reference("a linear model", _numbers(marginal), _numbers(losses), n // 2)
    symbols = x.reshape(n, -1).long()
    if y.shape[1] != symbols.shape[1]:
        symbols = symbols[:, -1:]
    if y.shape[1] != symbols.shape[1] or int(symbols.min()) < 0:
        return "inputs and targets do not belong together place by place"
    marginal, losses = _crossed(symbols, y, rows, _counted)
    return Reference("counts of labels given one symbol", _numbers(marginal), _numbers(losses), n // 2)


def _crossed(x: Tensor, y: Tensor, rows: Tensor, fit: Any) -> tuple[Tensor, Tensor]:
    """Mean losses of the examples `rows`, each by what was fitted without its half, (n,) and (n,)."""
    num_classes = int(y.max()) + 1
    marginal, losses = torch.zeros(len(rows)), torch.zeros(len(rows))
    for half in (0, 1):
        others = torch.arange(1 - half, len(y), 2)
        mine = rows % 2 == half
        counts = torch.bincount(y[others].flatten(), minlength=num_classes).float() + 0.5
        logs = (counts / counts.sum()).log()
        marginal[mine] = -logs[y[rows[mine]]].mean(1)
        losses[mine] = fit(x[others], y[others], x[rows[mine]], y[rows[mine]], logs)
    return marginal, losses


def _counted(x: Tensor, y: Tensor, new: Tensor, labels: Tensor, logs: Tensor) -> Tensor:
    num_symbols, num_classes = int(max(x.max(), new.max())) + 1, len(logs)
    if num_symbols * num_classes > 1 << 24:
        return -logs[labels].mean(1)
    pairs = torch.bincount((x * num_classes + y).flatten(), minlength=num_symbols * num_classes)
    counts = pairs.reshape(num_symbols, num_classes).float() + _SMOOTHING * logs.exp()
    return -(counts / counts.sum(1, keepdim=True)).log()[new, labels].mean(1)


def _linear(x: Tensor, y: Tensor, new: Tensor, labels: Tensor, logs: Tensor) -> Tensor:
    mean, spread = x.mean(0), x.std(0).clamp_min(1e-6)
    x, new = (x - mean) / spread, (new - mean) / spread
    with torch.enable_grad():
        weight = torch.zeros(x.shape[1], len(logs), requires_grad=True)
        bias = logs.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=25, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(x @ weight + bias, y[:, 0]) + _DECAY * weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
    with torch.no_grad():
        return F.cross_entropy(new @ weight + bias, labels[:, 0], reduction="none")


def _numbers(losses: Tensor) -> tuple[float, ...]:
    return tuple(losses.double().tolist())
