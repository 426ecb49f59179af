"""What the labels alone, and a simple model of the inputs, reach on the same examples: what a network has to beat.

Symbols are counted: the label given the last two symbols, backed off to one and to none (deleted interpolation, Jelinek
& Mercer 1980). Numbers get a linear model of themselves and of random features. Both are fitted on one half of the
examples and measured on the other, in turn.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.evidence import Reference
from moreish.doctor.probes import simple
from moreish.doctor.subject import first_tensor

MAX_EXAMPLES = 4096
_MAX_NUMBERS = 4096  # of one example
_ORDER = 2
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 1e9)  # counts that the shorter history is worth


def measure_reference(pair: Any, rows: Tensor) -> Reference | str:
    """Losses of both on the examples `rows` of a pair (inputs, targets); or why there are none."""
    x, targets = first_tensor(pair[0]), pair[1]
    if not isinstance(targets, Tensor) or targets.numel() % len(x) or not targets.numel():
        return "the targets are neither classes nor numbers"
    kept = torch.unique(torch.cat([rows, torch.linspace(0, len(x) - 1, min(len(x), MAX_EXAMPLES)).long()]))
    rows, n = torch.searchsorted(kept, rows), len(kept)
    if len(rows) < 32:
        return f"{len(rows)} training examples; it takes 32"
    x, y = x[kept].detach().cpu(), targets.reshape(len(x), -1)[kept].detach().cpu()
    if targets.is_floating_point():
        return _of_numbers(x, y.float(), rows)
    y = y.long()
    if int(y.min()) < 0:
        return "some targets are negative"
    if x.is_floating_point():
        if y.shape[1] > 1:
            return "the inputs are numbers, and there are several targets for each example"
        features = x.reshape(n, -1).float()
        if features.shape[1] > _MAX_NUMBERS:
            return f"{features.shape[1]:,} numbers an example are too many for a linear model"
        marginal, losses = _crossed(features, y, rows, _frequencies, _classified)
        return Reference("a linear model of random features", _numbers(marginal), _numbers(losses), n // 2)
    symbols = x.reshape(n, -1).long()
    if y.shape[1] not in (1, symbols.shape[1]) or int(symbols.min()) < 0:
        return "inputs and targets do not belong together place by place"
    marginal, losses = _crossed(_histories(symbols, y.shape[1]), y, rows, _frequencies, _counted)
    return Reference(f"counting what follows {_ORDER} symbols", _numbers(marginal), _numbers(losses), n // 2)


def _of_numbers(x: Tensor, y: Tensor, rows: Tensor) -> Reference | str:
    if not x.is_floating_point():
        return "the inputs are symbols and the targets numbers"
    features = x.reshape(len(x), -1).float()
    if features.shape[1] > _MAX_NUMBERS:
        return f"{features.shape[1]:,} numbers an example are too many for a linear model"
    if not bool(torch.isfinite(features).all()) or not bool(torch.isfinite(y).all()):
        return "some inputs or targets are not finite"
    marginal, losses = _crossed(features, y, rows, _mean, _regressed)
    kind = "a linear model of random features"
    return Reference(kind, _numbers(marginal), _numbers(losses), len(x) // 2, is_squared_error=True)


def _crossed(x: Tensor, y: Tensor, rows: Tensor, simplest: Any, fitted: Any) -> tuple[Tensor, Tensor]:
    """Losses of the examples `rows`, each by what was fitted without its half, (n,) and (n,)."""
    marginal, losses = torch.zeros(len(rows)), torch.zeros(len(rows))
    for half in (0, 1):
        others = torch.arange(1 - half, len(y), 2)
        mine = rows % 2 == half
        if not bool(mine.any()):
            continue
        marginal[mine] = simplest(y[others], y[rows[mine]]).float()
        losses[mine] = fitted(x[others], y[others], x[rows[mine]], y[rows[mine]]).float()
    return marginal, losses


def _frequencies(y: Tensor, labels: Tensor) -> Tensor:
    return -_shares(y, labels).log()[labels].mean(1)


def _shares(y: Tensor, labels: Tensor) -> Tensor:
    """Frequency of each label, (V,), half a count added."""
    counts = torch.bincount(y.flatten(), minlength=int(torch.maximum(y.max(), labels.max())) + 1).double() + 0.5
    return counts / counts.sum()


def _mean(y: Tensor, targets: Tensor) -> Tensor:
    return (targets - y.mean(0)).square().mean(1)


def _histories(symbols: Tensor, num_places: int) -> Tensor:
    """The last 1, 2, … symbols before each target as one number each, (n, P, order)."""
    base, known = int(symbols.max()) + 2, torch.zeros_like(symbols)
    histories = []
    for distance in range(min(_ORDER, symbols.shape[1])):
        moved = torch.zeros_like(symbols)  # 0 stands for what is before the first place
        moved[:, distance:] = symbols[:, : symbols.shape[1] - distance] + 1
        known = known * base + moved
        histories.append(known[:, -num_places:])
    return torch.stack(histories, 2)


def _counted(x: Tensor, y: Tensor, new: Tensor, labels: Tensor) -> Tensor:
    """Counts given each history, mixed with the shorter one; how strongly is chosen with each example left out."""
    shares = _shares(y, labels)
    own, chances = shares[y.flatten()], shares[labels.flatten()]
    for order in range(x.shape[2]):
        seen, asked = x[..., order].flatten(), new[..., order].flatten()
        _, ids = torch.unique(torch.cat((seen, asked)), return_inverse=True)
        totals = torch.bincount(ids[: len(seen)], minlength=int(ids.max()) + 1).double()
        _, pairs = torch.unique(
            ids * len(shares) + torch.cat((y.flatten(), labels.flatten())), return_inverse=True
        )  # history and label
        counts = torch.bincount(pairs[: len(seen)], minlength=int(pairs.max()) + 1).double()
        total, count = totals[ids], counts[pairs]
        without = count[: len(seen)] - 1, total[: len(seen)] - 1
        strength = max(
            _STRENGTHS, key=lambda k: float(((without[0] + k * own) / (without[1] + k)).clamp_min(1e-300).log().mean())
        )
        own = (without[0] + strength * own) / (without[1] + strength)
        chances = (count[len(seen) :] + strength * chances) / (total[len(seen) :] + strength)
    return -chances.log().reshape(labels.shape).mean(1)


def _classified(x: Tensor, y: Tensor, new: Tensor, labels: Tensor) -> Tensor:
    logs = _shares(y, labels).log().float()
    return F.cross_entropy(logs + simple.classified(x, y[:, 0], logs)(new), labels[:, 0], reduction="none")


def _regressed(x: Tensor, y: Tensor, new: Tensor, targets: Tensor) -> Tensor:
    return (simple.regressed(x, y)(new) - targets).square().mean(1)


def _numbers(losses: Tensor) -> tuple[float, ...]:
    return tuple(losses.double().tolist())
