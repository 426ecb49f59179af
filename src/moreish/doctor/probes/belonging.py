"""Whether targets belong to their inputs: how the guesses of a simple model correlate with targets it has not seen.

Guesses are those of a ridge regression of ranks, or of indicators of classes. Unlike losses, a correlation is bounded,
does not mind how sure a model is, and falls as the share of the targets that belong to their inputs. In validation
each half is guessed from the other as they stand, so that neighbours in time do not tell, and without copies. In
training every second example is, or all are guessed from validation: the better of both counts.

Source: Saunders, Gammerman & Vovk 1998 (ridge regression in dual variables); Spearman 1904 (correlation of ranks).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.doctor.evidence import Belonging
from moreish.doctor.probes import simple
from moreish.doctor.structures import are_targets, first_tensor, tensors

MIN_EXAMPLES = 128
_MAX_HERE, _MAX_THERE = 2048, 1024
_MAX_NUMBERS = 4096  # of one example
_MAX_TARGETS = 64
_MAX_CLASSES = 256
_PENALTY = 1.0  # of the squares of the weights, beside the mean squared error
_NUM_GROUPS = 64

_Fold = tuple[Tensor, Tensor]
"""The rows that a model is fitted on, and those that it is asked of."""


def measure_belonging(train: Any, validation: Any) -> Belonging | str:
    """How well targets can be guessed in two pairs (inputs, targets); or why that cannot be said."""
    (x_here, y_here), (x_there, y_there) = _examples(train, _MAX_HERE), _examples(validation, _MAX_THERE)
    if [x.shape[1:] for x in (*x_here, y_here)] != [x.shape[1:] for x in (*x_there, y_there)]:
        return "examples of train and of validation have other forms"
    if sum(x.shape[1] for x in x_here) > _MAX_NUMBERS:
        return "the inputs are too many numbers for a simple model"
    rows = _without_copies(x_there)
    rows = rows[torch.linspace(0, len(rows) - 1, min(len(rows), len(y_here))).long()]
    if len(rows) < MIN_EXAMPLES:
        return f"{len(rows)} different examples in train or validation; it takes {MIN_EXAMPLES}"
    x = _features([torch.cat((a, b[rows])) for a, b in zip(x_here, x_there, strict=True)])
    y = _wanted(torch.cat((y_here, y_there[rows])))
    if isinstance(x, str) or isinstance(y, str):
        return x if isinstance(x, str) else str(y)
    here, there = torch.arange(len(y_here)), torch.arange(len(y_here), len(y))
    spreads = [float(y[some].var(0).sum()) for some in (here, there)]
    if not spreads[1]:
        return "all targets of validation are the same"
    first, second = there.tensor_split(2)
    told_there = _correlated([(first, second), (second, first)], x, y)
    told_here = max(
        (_correlated(folds, x, y) for folds in (_alternating(here), [(there, here)])),
        key=lambda products: float(products.mean()),
    )
    is_there = (torch.arange(len(y)) >= len(here)).double()[:, None]
    some = torch.arange(0, len(y), 2)
    apart = _correlated(_alternating(some), x, is_there - is_there.mean())
    return Belonging(
        _of_groups(told_there),
        _of_groups(told_here),
        len(there),
        len(here),
        float(apart.mean()),
        spreads[0] / spreads[1],
    )


def _examples(pair: Any, most: int) -> tuple[list[Tensor], Tensor]:
    """An even choice of the examples: every input but the targets themselves, each (n, D), and the targets, (n, K)."""
    inputs, targets = pair
    n = len(first_tensor(inputs))
    rows = torch.linspace(0, n - 1, min(n, most)).long()
    first, *more = [x for x in tensors(inputs) if x.ndim and len(x) == n]
    chosen = [
        item.detach()[rows.to(item.device)].cpu().reshape(len(rows), -1)
        for item in (first, *(x for x in more if not are_targets(x, targets)))
    ]
    if not isinstance(targets, Tensor) or not targets.ndim or len(targets) != n:
        return chosen, torch.zeros(len(rows), 0)
    return chosen, targets.detach()[rows.to(targets.device)].cpu().reshape(len(rows), -1)


def _without_copies(inputs: list[Tensor]) -> Tensor:
    """The first rows with each input, in their order."""
    all_same = torch.stack([torch.unique(x, dim=0, return_inverse=True)[1] for x in inputs], 1)
    _, ids = torch.unique(all_same, dim=0, return_inverse=True)
    firsts = torch.full((len(ids),), len(ids)).scatter_reduce_(0, ids, torch.arange(len(ids)), "amin")
    return firsts[firsts < len(ids)].sort()[0]


def _features(inputs: list[Tensor]) -> Tensor | str:
    """Numbers and random features of them, symbols by their places and in any order; standardised, (n, D)."""
    numbers = [x.float() for x in inputs if x.is_floating_point()]
    parts = [part for x in inputs if not x.is_floating_point() for part in _indicators(x.long())]
    if numbers:
        together = torch.cat(numbers, 1)
        if not bool(torch.isfinite(together).all()):
            return "some inputs are not finite"
        parts.append(simple.Features(together, simple.NUM_FEATURES)(together))
    if not parts:
        return "the inputs are too many symbols for a simple model"
    x = torch.cat(parts, 1)
    return (x - x.mean(0)) / x.std(0).clamp_min(1e-6)


def _indicators(symbols: Tensor) -> list[Tensor]:
    in_any_order = simple.in_any_order(symbols) if symbols.shape[1] > 1 else None
    return [x for x in (simple.by_place(symbols), in_any_order) if x is not None]


def _wanted(targets: Tensor) -> Tensor | str:
    """Classes as indicators, numbers as ranks, each column of mean 0, (n, K)."""
    num_targets = targets.shape[1]
    if not 0 < num_targets <= _MAX_TARGETS:
        return "the targets are not a few numbers, or one class, for each example"
    if targets.is_floating_point() or targets.dtype == torch.bool:
        if not bool(torch.isfinite(targets).all()):
            return "some targets are not finite"
        ranks = torch.stack([_ranks(column) for column in targets.T], 1)
        return (ranks - ranks.mean(0)) / ranks.std(0).clamp_min(1e-6)
    classes, ids = torch.unique(targets, return_inverse=True)
    if num_targets > 1 or len(classes) > _MAX_CLASSES:
        return f"the targets are {num_targets} of {len(classes):,} classes for each example"
    indicators = F.one_hot(ids[:, 0], len(classes)).double()
    return indicators - indicators.mean(0)


def _ranks(values: Tensor) -> Tensor:
    """As shares of n; those that are equal share theirs."""
    _, ids, counts = torch.unique(values, return_inverse=True, return_counts=True)
    return ((counts.cumsum(0) - counts / 2) / len(values))[ids].double()


def _alternating(rows: Tensor) -> list[_Fold]:
    return [(rows[1::2], rows[::2]), (rows[::2], rows[1::2])]


def _correlated(folds: list[_Fold], x: Tensor, y: Tensor) -> Tensor:
    """Products whose mean is the correlation of guesses and targets, over all columns together, (n,)."""
    guesses, targets = [], []
    for fitted, asked in folds:
        known = x[fitted]
        ridge = _PENALTY * len(known) * torch.eye(len(known))
        factor = torch.linalg.cholesky(known @ known.T + ridge)
        weight = torch.cholesky_solve((y[fitted] - y[fitted].mean(0)).to(known), factor)
        guess = (x[asked] @ (known.T @ weight)).double()
        guesses.append(guess - guess.mean(0))
        targets.append(y[asked] - y[asked].mean(0))
    u, v = torch.cat(guesses), torch.cat(targets)
    size = (u.square().sum(1).mean() * v.square().sum(1).mean()).sqrt()
    return (u * v).sum(1) / size.clamp_min(1e-12)


def _of_groups(products: Tensor) -> tuple[float, ...]:
    return tuple(float(group.mean()) for group in products.tensor_split(_NUM_GROUPS))
