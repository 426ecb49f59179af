"""The table of published and measured figures as lines of text."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from moreish.experiments.experiment import Value
from moreish.experiments.verdicts import Compared

if TYPE_CHECKING:
    from moreish.experiments.reproduction import Row

_WIDTH = 110
_LONGEST_TEXT = 48
_GOOD = {"agrees": "agree", "exact": "to the digit"}


def table(rows: Sequence["Row"]) -> list[str]:
    """One line for each figure, the first of an experiment with its id and verdict; below, what should be known."""
    lines: list[tuple[str, ...]] = [("id", "what", "published", "measured", "kind", "verdict")]
    for row in rows:
        experiment = row.experiment
        lines.append((experiment.id, shorten(experiment.what), "", "", experiment.kind, row.verdict))
        lines += [("", f"  {f.name}", *shown(f), "", f.verdict) for f in row.figures]
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    legend = "±: published, the band in which a mean agrees; measured, the standard deviation over the seeds."
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return [*text, "", legend, *remarks(rows)]


def remarks(rows: Sequence["Row"]) -> list[str]:
    """What a reader should know of a row, and why it differs, failed or was left out; once where many share it."""
    concerned: dict[str, list[str]] = {}
    for row in rows:
        for remark in filter(None, (row.experiment.note, row.why)):
            concerned.setdefault(remark, []).append(row.experiment.id)
    lines: list[str] = []
    for remark, ids in concerned.items():
        lines += textwrap.wrap(f"{', '.join(ids)}: {remark}", _WIDTH, subsequent_indent="  ")
    return lines


def shown(figure: Compared) -> tuple[str, str]:
    """What was published and what was measured, each short enough for a line."""
    published, mean, spread = figure.published, figure.mean, figure.spread
    if not figure.values:
        return published or "", ""
    if isinstance(mean, float):
        measured = number(mean, published)
        if spread:
            measured += f" ± {spread:.2g}"
        return published_with_band(figure), measured
    if isinstance(mean, list):
        if published is None:
            return "", shorten(" ".join(number(value) for value in mean))
        printed = published.split()
        if len(printed) <= 5:
            return published, " ".join(number(*pair) for pair in zip(mean, printed, strict=False))
        good = "exact" if figure.band is None else "agrees"
        num_good = figure.verdicts.count(good)
        furthest = max(abs(value - float(text)) for value, text in zip(mean, printed, strict=False))
        return (
            f"{len(printed)} numbers: {' '.join(printed[:2])} …",
            f"{num_good} of {len(printed)} {_GOOD[good]}, the furthest {furthest:.1g} away",
        )
    return shorten(published or ""), shorten(" | ".join(dict.fromkeys(map(_text, figure.values))))


def published_with_band(figure: Compared) -> str:
    """What was printed, and how far from it the mean may lie where three times the spread is less."""
    return f"{figure.published} ± {figure.band:g}" if figure.band else figure.published or ""


def number(value: float, published: str | None = None) -> str:
    """With as many digits as were published, else four that count."""
    if published is None:
        return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
    mantissa, _, exponent = published.partition("e")
    if "." not in mantissa and not value.is_integer():
        return f"{value:.3g}"
    digits = len(mantissa.partition(".")[2])
    return f"{value:.{digits}e}" if exponent else f"{value:.{digits}f}"


def _text(value: Value) -> str:
    return number(float(value)) if isinstance(value, int | float) else str(value)


def shorten(text: str) -> str:
    """The text, cut where it is too long for a column."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 2]} …"
