"""Pictures that set things beside each other: layers by depth, gradients by parameter, published and measured."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moreish.experiments import Figure as PublishedFigure
from moreish.experiments import experiments
from moreish.experiments.verdicts import SPREADS, WITHIN
from moreish.sharing.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SMALL_SIZE,
    VERMILLION,
    dress,
    legend,
    new_figure,
    series_style,
    threshold,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[np.floating[Any]]

_VERDICTS = {
    "exact": (BLUE, "o"),
    "within 5e-4": (GREEN, "s"),
    "agrees": (ORANGE, "D"),
    "differs": (VERMILLION, "X"),
}


def draw_spread_by_depth(
    spreads: Mapping[str, Numbers], layers: Sequence[str], gradient_spreads: Mapping[str, Numbers] | None = None
) -> "Figure":
    """The spread of activations from layer to layer, one line for each step or network; beside it the gradients'.

    Args:
        spreads: std of the activations by step or network, (L,) each.
        layers: L names, in the order of the forward pass.
        gradient_spreads: std of the gradients likewise, (L,) each, nats per unit of activation; None for none.
    """
    kinds: list[tuple[Mapping[str, Numbers], str]] = [(spreads, "std of activations (no unit)")]
    if gradient_spreads is not None:
        kinds.append((gradient_spreads, "std of gradients (nats per unit)"))
    figure, panels = new_figure(6 * len(kinds) + 1, 5, columns=len(kinds))
    depth = np.arange(len(layers))
    for axes, (measured, what) in zip(panels, kinds, strict=True):
        for number, (name, values) in enumerate(measured.items()):
            style = series_style(number, len(measured))
            axes.plot(depth, values, marker="o", markersize=6, linewidth=2, label=name, **style)
        axes.set_xticks(depth, layers)
        if len(layers) > 4:
            axes.tick_params(axis="x", rotation=35)
        dress(axes, "layer, from the input to the output", what)
    panels[0].set_ylim(0, 1.1 * max(float(np.max(values)) for values in spreads.values()) or 1.0)
    if len(kinds) > 1 and all((np.asarray(values) > 0).all() for values in kinds[1][0].values()):
        panels[1].set_yscale("log")
    legend(figure, panels, columns=4)
    return figure


def draw_parameter_gradients(gradient_stds: Mapping[str, float]) -> "Figure":
    """The spread of the gradient of every parameter, and which parameters receive none.

    Args:
        gradient_stds: by parameter, nats per unit of the parameter; 0 where there is no gradient.
    """
    names = list(gradient_stds)[::-1]
    values = np.array([gradient_stds[name] for name in names])
    figure, (axes,) = new_figure(9, 1.9 + 0.36 * len(names))
    places = np.arange(len(names))
    receives = values > 0
    if receives.any():
        axes.set_xscale("log")
        axes.set_xlim(float(values[receives].min()) / 4, float(values.max()) * 2)
        axes.scatter(values[receives], places[receives], color=BLUE, s=90, label="receives a gradient", zorder=3)
    if not receives.all():  # at the left edge: a log axis has no 0
        axes.scatter(
            *(np.zeros((~receives).sum()), places[~receives]),
            transform=axes.get_yaxis_transform(),
            marker="X",
            s=90,
            color=VERMILLION,
            clip_on=False,
            zorder=4,
            label="receives none: exactly 0",
        )
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    dress(axes, "std of the gradient (nats per unit of the parameter, log axis)", "parameter")
    legend(figure, [axes])
    return figure


def draw_published(results: Sequence[Mapping[str, Any]]) -> "Figure":
    """What was measured again beside what was published, one row an experiment, one mark a figure.

    The axis is measured − published, in units of what is allowed: half of the last printed digit or 5e-4 for figures
    that must come out exactly, for others the figure's band or three times the spread over seeds. Texts, which have no
    distance, and experiments that were not measured are named at the side.

    Args:
        results: "experiments" of the file that `moreish reproduce` writes.
    """
    from matplotlib.ticker import StrMethodFormatter

    rows = list(results)[::-1]
    figure, (axes,) = new_figure(10.5, 2.2 + 0.34 * len(rows))
    marks: dict[str, tuple[list[float], list[int]]] = {verdict: ([], []) for verdict in _VERDICTS}
    for place, row in enumerate(rows):
        for compared in row["figures"]:
            measured = distances(row["id"], compared)
            verdicts = compared["verdicts"] or [compared["verdict"]] * len(measured)
            for distance, verdict in zip(measured, verdicts, strict=False):  # a text has a verdict and no distance
                if distance is not None:
                    marks[verdict][0].append(distance)
                    marks[verdict][1].append(place)
        axes.text(
            1.01,
            place,
            row["verdict"],
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL_SIZE,
            color=INK,
        )
    for verdict, (xs, ys) in marks.items():
        color, marker = _VERDICTS[verdict]
        if xs:
            axes.scatter(xs, ys, color=color, marker=marker, s=55, alpha=0.75, linewidths=0, label=verdict, zorder=3)
    axes.axvspan(-1, 1, color="#EFEFEF", zorder=0, linewidth=0)
    threshold(axes, -1, "as far as is allowed", along="y")
    threshold(axes, 1, "", along="y")
    axes.set_xscale("symlog", linthresh=2, linscale=2)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))  # not 2 × 10⁰
    reach = max([2.0, *(1.3 * abs(x) for xs, _ in marks.values() for x in xs)])
    axes.set_xlim(-reach, reach)
    axes.set_yticks(np.arange(len(rows)), [row["id"] for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    dress(axes, "(measured − published) / what is allowed (no unit)", "experiment")
    legend(figure, [axes], columns=5)
    return figure


def distances(experiment: str, compared: Mapping[str, Any]) -> list[float | None]:
    """How far each number of a figure lies from what was published, 1 where it is just allowed; None if not finite.

    Empty for texts, and for figures that this version does not know.
    """
    known = experiments().get(experiment)
    figure = next((each for each in known.published if each.name == compared["name"]), None) if known else None
    published, mean, spread = compared["published"], compared["mean"], compared["spread"]
    if figure is None or published is None or mean is None:
        return []
    printed = published.split()
    means = mean if isinstance(mean, list) else [mean]
    spreads = spread if isinstance(spread, list) else [spread] * len(means)
    if len(printed) != len(means):
        return []
    limits = [_allowed(figure, *each) for each in zip(printed, spreads, strict=True)]
    return [
        None if value is None else (value - float(text)) / limit
        for value, text, limit in zip(means, printed, limits, strict=True)
    ]


def _allowed(figure: PublishedFigure, printed: str, spread: float | None) -> float:
    """The greatest distance at which a number still counts as reproduced: see `moreish.experiments.verdicts`."""
    if figure.kind == "near":
        return max(figure.band, SPREADS * (spread or 0.0))
    digits = len(printed.partition("e")[0].partition(".")[2])
    last = 10.0 ** (int(printed.partition("e")[2] or 0) - digits)
    return max(WITHIN, last / 2)
