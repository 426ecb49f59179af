"""What the labels alone, and a simple model of the inputs, reach on the same examples: what a network has to beat.

Symbols before the next one are counted: the label given the last two, backed off to one and to none (deleted
interpolation, Jelinek & Mercer 1980). Where that tells nothing, as of words in a review or of users and items, symbols
are taken by their places, or all together. Numbers get a linear model of themselves and of random features. All are
fitted on one half of the examples and measured on the other, in turn.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.evidence import Reference
from moreish.doctor.probes import simple
from moreish.doctor.structures import are_targets, first_tensor, tensors

MAX_EXAMPLES = 4096
_MAX_NUMBERS = 4096  # of one example
_ORDER = 2
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 1e9)  # counts that the shorter history is worth
_LEAST = 0.1  # that a model must tell, nats or share of a loss of numbers, or else others are tried
_FITS = ((simple.NUM_FEATURES, simple.PENALTY), (simple.NUM_FEATURES, 0.1), (0, simple.PENALTY))


def measure_reference(pair: Any, rows: Tensor, formula: str = "") -> Reference | str:
    """Losses of both on the examples `rows` of a pair (inputs, targets); or why there are none.

    Args:
        formula: what the loss is known to compute: zeros and ones may be meant as numbers.
    """
    n, targets = len(first_tensor(pair[0])), pair[1]
    if not isinstance(targets, Tensor) or targets.numel() % n or not targets.numel():
        return "the targets are neither classes nor numbers"
    kept = torch.unique(torch.cat([rows, torch.linspace(0, n - 1, min(n, MAX_EXAMPLES)).long()]))
    rows = torch.searchsorted(kept, rows)
    if len(rows) < 32:
        return f"{len(rows)} training examples; it takes 32"
    first, *more = [x for x in tensors(pair[0]) if x.ndim and len(x) == n]
    told = [first, *(x for x in more if not are_targets(x, targets))]
    inputs = [x[kept].detach().cpu().reshape(len(kept), -1) for x in told]
    y = targets.reshape(n, -1)[kept].detach().cpu()
    if targets.is_floating_point() or targets.dtype == torch.bool:
        return _of_numbers(inputs, y.float(), rows, formula)
    y = y.long()
    if int(y.min()) < 0:
        return "some targets are negative"
    if any(x.is_floating_point() for x in inputs):
        if y.shape[1] > 1:
            return "the inputs are numbers, and there are several targets for each example"
        return _of_features(inputs, y, rows, "cross entropy")
    symbols = inputs[0].long()
    if y.shape[1] not in (1, symbols.shape[1]) or int(symbols.min()) < 0:
        return "inputs and targets do not belong together place by place"
    marginal, losses = _crossed(_histories(symbols, y.shape[1]), y, rows, _frequencies, _counted)
    counting = Reference(f"counting what follows {_ORDER} symbols", _numbers(marginal), _numbers(losses), len(y) // 2)
    if y.shape[1] > 1 or float((marginal - losses).mean()) > _LEAST:
        return counting
    other = _of_features(inputs, y, rows, "cross entropy")
    return counting if isinstance(other, str) or sum(other.losses) > sum(counting.losses) else other


def _of_numbers(inputs: list[Tensor], y: Tensor, rows: Tensor, formula: str) -> Reference | str:
    if not bool(torch.isfinite(y).all()):
        return "some targets are not finite"
    is_binary = formula != "squared error" and bool(((y == 0) | (y == 1)).all())
    return _of_features(inputs, y, rows, "binary cross entropy" if is_binary else "squared error")


def _of_features(inputs: list[Tensor], y: Tensor, rows: Tensor, loss: str) -> Reference | str:
    """A linear model of all inputs: numbers as they are and their random features, symbols as indicators."""
    numbers = [x.float() for x in inputs if x.is_floating_point()]
    symbols = [_indicators(x.long()) for x in inputs if not x.is_floating_point()]
    features = torch.cat([*numbers, *(x for x in symbols if x is not None)] or [torch.zeros(len(y), 0)], 1)
    if not 0 < features.shape[1] <= _MAX_NUMBERS:
        return f"{features.shape[1]:,} numbers an example are none, or too many, for a linear model"
    if not bool(torch.isfinite(features).all()):
        return "some inputs are not finite"
    alone = {"squared error": _mean, "binary cross entropy": _chances, "cross entropy": _frequencies}[loss]
    best = None
    for count, penalty in _FITS if numbers else ((0, simple.PENALTY),):
        marginal, losses = _crossed(features, y, rows, alone, _fit(loss, count, penalty))
        kind = "a linear model of random features" if count else "a linear model"
        found = Reference(kind, _numbers(marginal), _numbers(losses), len(y) // 2, loss)
        best = found if best is None or sum(found.losses) < sum(best.losses) else best
        if float((marginal - losses).mean()) > _LEAST * best.unit:
            break  # it tells something: others are tried where it does not
    assert best is not None
    return best if numbers else replace(best, kind="a linear model of the symbols")


def _fit(loss: str, count: int, penalty: float) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """A model of features for this loss: fitted on (features, targets), measured on others, (n,)."""

    def fitted(x: Tensor, y: Tensor, new: Tensor, targets: Tensor) -> Tensor:
        if loss == "squared error":
            return (simple.regressed(x, y, None, count, penalty)(new) - targets).square().mean(1)
        if loss == "binary cross entropy":
            known = _log_odds(y)
            logits = known + simple.logistic(x, y, known, count, penalty)(new)
            return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)
        logs = _shares(y, targets).log().float()
        logits = logs + simple.logistic(x, y[:, 0], logs, count, penalty)(new)
        return F.cross_entropy(logits, targets[:, 0], reduction="none")

    return fitted


def _indicators(symbols: Tensor) -> Tensor | None:
    """Which symbol stands at each place; of many places and symbols, how often each occurs."""
    placed = simple.by_place(symbols)
    return simple.in_any_order(symbols) if placed is None else placed


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


def _log_odds(y: Tensor) -> Tensor:
    """Of ones, (K,), half a count added to both."""
    return torch.log((y.sum(0) + 0.5) / ((1 - y).sum(0) + 0.5))


def _chances(y: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(_log_odds(y).expand_as(targets), targets, reduction="none").mean(1)


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


def _numbers(losses: Tensor) -> tuple[float, ...]:
    return tuple(losses.double().tolist())
