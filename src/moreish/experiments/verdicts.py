"""What a measurement says about a published figure.

- "exact": every printed digit (or the whole text) came out.
- "within 5e-4": an exact figure that came out but for the order in which float32 sums are taken.
- "agrees": the mean over the seeds lies within the figure's band, or within three times the spread over the seeds.
- "differs": anything else, whatever the reason.
- "shown": there is nothing to compare with.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from moreish.experiments.experiment import Experiment, Figure, Measurement, Value

WITHIN = 5e-4
"""How far another engine than autograd may be from an exact figure, in the figure's unit."""

SPREADS = 3

# From the best to the worst: a row is as good as its worst figure.
_ORDER = ("exact", "within 5e-4", "agrees", "differs", "failed")


@dataclass(frozen=True)
class Compared:
    """One figure, published and measured.

    Attributes:
        name: of the figure.
        published: as printed; None where nothing was.
        band: of a "near" figure; None for others.
        values: one a seed.
        mean: over the seeds, elementwise; None for texts.
        spread: sample standard deviation over the seeds; None for texts and single seeds.
        verdict: see the module.
        verdicts: of the numbers of a row, one each.
    """

    name: str
    published: str | None
    band: float | None
    values: tuple[Value, ...]
    mean: float | list[float] | None
    spread: float | list[float] | None
    verdict: str
    verdicts: tuple[str, ...] = ()


def compare(experiment: Experiment, measurements: Sequence[Measurement]) -> list[Compared]:
    """Every figure of an experiment: first what was published, in its order, then what else was measured."""
    named = {name: tuple(m.values[name] for m in measurements) for name in measurements[0].values}
    compared = [judge(figure, named.pop(figure.name)) for figure in experiment.published]
    shown = [Compared(name, None, None, values, *_mean_and_spread(values), "shown") for name, values in named.items()]
    return compared + shown


def judge(figure: Figure, values: Sequence[Value]) -> Compared:
    """Compare one figure with its values, one a seed."""
    mean, spread = _mean_and_spread(values)
    verdicts: tuple[str, ...] = ()
    if isinstance(mean, float) and (spread is None or isinstance(spread, float)):
        verdict = _of_number(figure, figure.printed, mean, spread)
    elif isinstance(mean, list):
        printed = figure.printed.split()
        spreads = spread if isinstance(spread, list) else [None] * len(mean)
        if len(printed) != len(mean):
            verdict = "differs"
        else:
            verdicts = tuple(_of_number(figure, *each) for each in zip(printed, mean, spreads, strict=True))
            verdict = worst(verdicts)
    else:
        verdict = "exact" if all(value == figure.printed for value in values) else "differs"
    band = figure.band if figure.kind == "near" else None
    return Compared(figure.name, figure.printed, band, tuple(values), mean, spread, verdict, verdicts)


def postponed(figure: Figure) -> Compared:
    """A figure of an experiment that comes later."""
    return Compared(figure.name, figure.printed, figure.band or None, (), None, None, "later")


def worst(verdicts: Sequence[str]) -> str:
    """The verdict of a row from those of its figures; "shown" where none of them was compared."""
    compared = [verdict for verdict in verdicts if verdict != "shown"]
    return max(compared, key=_ORDER.index, default="shown")


def has_digits(value: float, printed: str) -> bool:
    """Whether a value, rounded to as many digits as were printed, is what was printed."""
    digits = Decimal(printed)
    return math.isfinite(value) and Decimal(repr(value)).quantize(digits) == digits


def _of_number(figure: Figure, printed: str, mean: float, spread: float | None) -> str:
    if not math.isfinite(mean):
        return "differs"
    difference = abs(mean - float(printed))
    if figure.kind == "near":
        return "agrees" if difference <= max(figure.band, SPREADS * (spread or 0.0)) else "differs"
    if has_digits(mean, printed):
        return "exact"
    return "within 5e-4" if difference <= WITHIN else "differs"


def _mean_and_spread(values: Sequence[Value]) -> tuple[float | list[float] | None, float | list[float] | None]:
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) == len(values):
        return statistics.fmean(numbers), _spread(numbers)
    rows = [value for value in values if isinstance(value, list)]
    if len(rows) < len(values) or len({len(row) for row in rows}) > 1:
        return None, None
    columns = list(zip(*rows, strict=True))
    spreads = [spread for column in columns if (spread := _spread(column)) is not None]
    return [statistics.fmean(column) for column in columns], spreads or None


def _spread(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan
