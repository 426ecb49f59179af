"""Whether the label stands among the numbers of its own input: in one column, in other units, or one-hot.

Looked for in tables, not in pictures or sequences. What every example confirms to the last digit is no chance, where
there are more ways to deal the labels out among the examples than a million for each column.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MIN_EXAMPLES = 32
MAX_EXAMPLES = 4096
MAX_COLUMNS = 4096
MAX_TARGETS = 64
_MIN_WAYS = 1e6  # to deal out the labels, for each column
_EXACT = 1e-5  # of the spread of the target: rounding of single precision, and no noise


@dataclass(frozen=True)
class LabelColumns:
    """Columns that hold the label.

    Attributes:
        num_columns: columns with more than one value that were looked at.
        columns: their names: the index, after the name or the place of the tensor where there are several.
        relation: "equal to", "an affine function of" or "the one-hot code of"; "" without any.
    """

    num_columns: int = 0
    columns: tuple[str, ...] = ()
    relation: str = ""


def label_columns(inputs: Any, targets: Any) -> LabelColumns:
    """Columns of a table of numbers that give away the targets: classes (n,), or numbers (n,) or (n, K)."""
    if not isinstance(targets, Tensor) or targets.ndim not in (1, 2) or len(targets) < MIN_EXAMPLES:
        return LabelColumns()
    n = len(targets)
    tables = [(name, table) for name, table in _tables(inputs, "") if len(table) == n]
    rows = torch.linspace(0, n - 1, min(n, MAX_EXAMPLES)).long()
    names = [name if table.ndim == 1 else _joined(name, place) for name, table in tables for place in _places(table)]
    if not names or len(names) > MAX_COLUMNS:
        return LabelColumns()
    x = torch.cat(
        [table.detach()[rows.to(table.device)].cpu().reshape(len(rows), -1).double() for _, table in tables], 1
    )
    y = targets.detach()[rows.to(targets.device)].cpu().reshape(len(rows), -1)
    varies = (x != x[:1]).any(0) & torch.isfinite(x).all(0)
    x, names = x[:, varies], [name for name, is_kept in zip(names, varies.tolist(), strict=True) if is_kept]
    if not targets.is_floating_point():
        found, relation = _of_classes(x, y[:, 0]) if y.shape[1] == 1 else ([], "")
    elif any(table.shape == targets.shape and torch.equal(table, targets.to(table)) for _, table in tables):
        found, relation = [], ""  # an autoencoder: what comes in is to come out
    else:
        found, relation = _of_numbers(x, y.double())
    return LabelColumns(len(names), tuple(names[place] for place in found), relation if found else "")


def _tables(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Tensors of numbers with one row an example, and what they are called."""
    if isinstance(value, Tensor):
        if value.is_floating_point() and value.ndim in (1, 2):
            yield name, value
    elif isinstance(value, Mapping | tuple | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from _tables(item, f"{name}.{key}" if name else str(key))


def _places(table: Tensor) -> range:
    return range(1 if table.ndim == 1 else table.shape[1])


def _joined(name: str, place: int) -> str:
    return f"{name}[{place}]" if name else str(place)


def _of_classes(x: Tensor, y: Tensor) -> tuple[list[int], str]:
    """A column of numbers of classes, in whatever units; or columns of ones and zeros for each class, but for one."""
    classes, y_index, counts = torch.unique(y, return_inverse=True, return_counts=True)
    if len(classes) < 2 or not _are_many_ways(y[:, None], x.shape[1]):
        return [], ""
    as_numbers = y.double()
    equal = _which(_equals(x, as_numbers))
    if equal:
        return equal[:1], "equal to"
    places = _which(((x == 0) | (x == 1)).all(0))
    ones = torch.zeros(len(classes), len(places), dtype=torch.float64).index_add_(0, y_index, x[:, places])
    is_code = (ones == counts[:, None]) & (ones.sum(0) == counts[:, None])  # one for all of a class, and nothing else
    known = _which(is_code.any(1))
    if len(known) >= len(classes) - 1:
        return [places[int(is_code[one].int().argmax())] for one in known], "the one-hot code of"
    # A line through one number is a lesson.
    return (_which(_is_affine(x, as_numbers))[:1], "an affine function of") if x.shape[1] > 1 else ([], "")


def _of_numbers(x: Tensor, y: Tensor) -> tuple[list[int], str]:
    """For every target that varies, a column; among others, since a line through one number is a lesson."""
    y = y[:, (y != y[:1]).any(0)]
    if not 0 < y.shape[1] <= MAX_TARGETS or x.shape[1] < 2 or not bool(torch.isfinite(y).all()):
        return [], ""
    if not _are_many_ways(y, x.shape[1]):
        return [], ""
    for relation, is_so in (("equal to", _equals), ("an affine function of", _is_affine)):
        found = [_which(is_so(x, target)) for target in y.T]
        if all(found):
            return list(dict.fromkeys(places[0] for places in found)), relation
    return [], ""


def _are_many_ways(y: Tensor, num_columns: int) -> bool:
    """Whether the labels of each target could hardly stand in one of so many columns by chance."""
    needed = math.log(_MIN_WAYS * max(num_columns, 1))
    counts = [torch.unique(column, return_counts=True)[1].double() for column in y.T]
    return all(math.lgamma(len(y) + 1) - float(torch.lgamma(count + 1).sum()) > needed for count in counts)


def _equals(x: Tensor, target: Tensor) -> Tensor:
    return (x == target[:, None]).all(0)


def _is_affine(x: Tensor, target: Tensor) -> Tensor:
    """Columns through which a straight line leads to the target without a rest, (E,).

    The rest is compared with the median distance from the median, which one value far off does not move; of yes and no,
    of which most are the same, with that of the others.
    """
    distances = (target - target.median()).abs()
    spread = distances.median() or distances[distances > 0].median()
    centred, wanted = x - x.mean(0), target - target.mean()
    slope = (centred * wanted[:, None]).sum(0) / centred.square().sum(0)
    return (wanted[:, None] - slope * centred).abs().amax(0) <= _EXACT * spread


def _which(mask: Tensor) -> list[int]:
    return torch.nonzero(mask)[:, 0].tolist()
