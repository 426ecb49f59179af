"""How many examples may recur by themselves, by all of their inputs together.

Were the places of an input independent, it would be known from how often each value stands at each place. Symbols are a
language, whose phrases recur at any length; there, what recurs in half of the places tells how much to expect. So are
numbers that are all whole (codes, counts, one-hot, masks), and such as have under 40 nats.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moreish.doctor.structures import are_targets, first_tensor, tensors

MAX_EXAMPLES = 200_000
_SPREAD = 40.0  # nats of an input from which two of a million examples would not agree by chance
_MAX_PLACES = 256
_MAX_ROWS = 2048


@dataclass(frozen=True)
class Repeats:
    """What is to be expected of inputs.

    Attributes:
        spread: nats of an example, were its places independent: sum of the entropies of single places.
        by_chance: the share of examples that may stand there twice, at the most.
    """

    spread: float
    by_chance: float


def measure_repeats(inputs: Any, targets: Any, found: float) -> Repeats:
    """What to expect beside the share of examples that was found to recur, `found`."""
    first, *more = of_examples(inputs)
    parts = [first, *(x for x in more if not are_targets(x, targets))]
    parts = [x.detach().reshape(len(x), -1) for x in parts]
    spread, spread_of_numbers, collision = 0.0, 0.0, 1.0
    for part in parts:
        rows = part[:: -(-len(part) // _MAX_ROWS)].cpu()
        entropy, agreement = _spread(rows)
        spread, collision = spread + entropy, collision * agreement
        if rows.is_floating_point() and not bool((rows == rows.round()).all()):
            spread_of_numbers += entropy
    # Half of a picture may be blank in all of them, so that of long numbers halves are not asked.
    by_half = _repeats_of_halves(parts) - found if spread_of_numbers < _SPREAD else 0.0
    return Repeats(spread, min(1.0, max((len(first) - 1) * collision, by_half, 0.0)))


def of_examples(inputs: Any) -> list[Tensor]:
    """Every tensor of the inputs that has an axis of examples."""
    n = len(first_tensor(inputs))
    return [item for item in tensors(inputs) if item.ndim and len(item) == n]


def as_bytes(rows: Tensor) -> list[bytes]:
    """Each row, byte for byte."""
    content = rows.detach().cpu().reshape(len(rows), -1).contiguous().view(torch.uint8)  # bfloat16 has no other form
    return [row.tobytes() for row in content.numpy()]


def joined_bytes(parts: Sequence[Tensor], most: int) -> list[bytes]:
    """Each of the first examples, of several tensors."""
    return [b"".join(rows) for rows in zip(*(as_bytes(x[:most]) for x in parts), strict=True)]


def _spread(rows: Tensor) -> tuple[float, float]:
    """Entropy of an example whose places were independent, nats, and the chance that two agree; over some places."""
    places = torch.unique(torch.linspace(0, rows.shape[1] - 1, min(rows.shape[1], _MAX_PLACES)).long())
    entropy, collision = 0.0, 1.0
    for place in places.tolist():
        shares = torch.unique(rows[:, place], return_counts=True)[1].double() / len(rows)
        entropy -= float((shares * shares.log()).sum())
        collision *= float(shares.square().sum())
    return entropy, collision


def _repeats_of_halves(parts: list[Tensor]) -> float:
    """Share of examples of whose halves there is another: first places of each tensor, and first of single columns."""
    columns = [x for x in parts if x.shape[1] == 1]
    halves = [x[:, : x.shape[1] // 2] for x in parts if x.shape[1] > 1] + columns[: len(columns) // 2]
    if not halves:
        return 1.0
    counts = Counter(joined_bytes(halves, MAX_EXAMPLES))
    return sum(count for count in counts.values() if count > 1) / max(counts.total(), 1)
