"""Which learning rate to take: where the loss lies lowest while the rate rises geometrically, one step at each.

The idea is the range test of Smith 2017, arXiv:1506.01186, section 3.3, who reads two bounds off the curve by eye. The
rule here is that of makemore lecture 2 and of the notebook that repeats it, "look for a stable min value in this
chart", made precise. *Stable*: each loss is averaged with its neighbours on both sides, with weights that fall by e
every quarter of a decade. An average over the past alone, as fastai's `lr_find` takes it, lags behind, and finds its
lowest point after the best rate; this one also sees what comes: a rate just before the explosion does not look good.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

WIDTH = 0.25
"""Decades of the rate over which a neighbour's weight falls by e."""

DIVERGED = 4.0
"""Times its lowest value that the running average of the loss reaches when a search stops, as in fastai's `lr_find`."""

_NOISES = 5.0  # standard errors of the first average: chance, which has many places to fall at, stays below


class Divergence:
    """Says when a search has gone too far: the running average of the loss is `DIVERGED` times its lowest.

    Args:
        width: steps over which a weight falls by e.
    """

    def __init__(self, width: float) -> None:
        self._share = np.exp(-1 / width)
        self._sum = self._weight = 0.0
        self._lowest = np.inf

    def is_reached(self, loss: float) -> bool:
        """Take note of the next loss."""
        self._sum = self._share * self._sum + loss
        self._weight = self._share * self._weight + 1
        mean = self._sum / self._weight
        self._lowest = min(self._lowest, mean)
        return mean > DIVERGED * self._lowest


def smooth(losses: Numbers, width: float) -> Numbers:
    """Each loss averaged with its neighbours at distance d, weighted with exp(−d / width): (n,) → (n,)."""

    def sums(values: Numbers) -> Numbers:
        before, after = _running(values, share), _running(values[::-1], share)[::-1]
        return before + after - values

    share = float(np.exp(-1 / width))
    return sums(losses) / sums(np.ones_like(losses))


def suggest(rates: Numbers, losses: Numbers, smoothed: Numbers, width: float, is_diverged: bool) -> tuple[int, str]:
    """The number of the rate in the valley, or why there is none.

    Args:
        rates: rising geometrically, (n,).
        losses: minibatch NLL at each, (n,), nats.
        smoothed: `smooth(losses, width)`.
        width: steps over which a weight falls by e.
        is_diverged: whether the search ended because the loss exploded.

    Returns:
        Where the loss lies lowest, and "" where that is a valley; else one sentence that says why it is none.
    """
    lowest = int(smoothed.argmin())
    noise = float(np.std((losses - smoothed)[: lowest + 1])) / np.sqrt(2 * width)
    if smoothed[0] - smoothed[lowest] <= _NOISES * noise and lowest < len(rates) - width:
        why = f"the loss does not fall below what it is at {rates[0]:.2g}, the lowest rate. Search other rates."
    elif not is_diverged and lowest >= len(rates) - width:
        why = f"the loss still falls at {rates[-1]:.2g}, the highest rate. Search higher ones."
    else:
        why = ""
    return lowest, why


def _running(values: Numbers, share: float) -> Numbers:
    """Of every number, the sum of it and of `share` times the sum before it."""
    sums = np.empty_like(values)
    total = 0.0
    for index, value in enumerate(values):
        total = share * total + value
        sums[index] = total
    return sums
