"""Pictures of what changes while a network learns: losses, update-to-data ratios, and the search for a rate."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moreish.sharing.style import BLUE, PALE, SMALL_SIZE, VERMILLION, dress, legend, new_figure, series_style, threshold

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[np.floating[Any]]

USUAL_UPDATE = 1e-3
"""Update-to-data ratio that a healthy training has, roughly: lecture 3 of "Neural networks: zero to hero"."""

_MANY_POINTS = 5_000  # beyond which a line becomes pixels within the SVG
_PLACES = 200  # of a mean along a log axis


def draw_losses(
    losses: Numbers,
    evaluated_steps: Sequence[int] = (),
    validation_nll: Sequence[float] = (),
    vocab_size: int | None = None,
) -> "Figure":
    """The loss of every step, raw and smoothed, with validation; beside it the same on log axes.

    On log axes the first ten steps take as much room as those from 1,000 to 10,000, so that both ends can be read. The
    loss is smoothed there over a fifth of the way so far, on linear axes over a fiftieth of the training.

    Args:
        losses: minibatch NLL of every step, (n,), nats.
        evaluated_steps: after how many steps validation was measured, (m,).
        validation_nll: what it was, (m,), nats per character.
        vocab_size: V; the loss of a uniform guess, ln V, is drawn in. None leaves it out.
    """
    from matplotlib.ticker import MaxNLocator

    figure, panels = new_figure(12, 5, columns=2)
    steps = np.arange(len(losses))
    window = max(1, len(losses) // 50)
    smoothed = (
        (steps[: len(steps) - window + 1] + (window - 1) / 2, moving_mean(losses, window)),
        widening_mean(losses),
    )
    for axes, smooth in zip(panels, smoothed, strict=True):
        raw = axes.plot(steps, losses, color=PALE, linewidth=0.7, label="minibatch")[0]
        raw.set_rasterized(len(losses) > _MANY_POINTS)
        if window > 1:
            axes.plot(*smooth, color=BLUE, linewidth=2.2, label="minibatch, smoothed")
        if len(evaluated_steps):
            axes.plot(
                *(evaluated_steps, validation_nll),
                color=VERMILLION,
                linestyle=(0, (5, 2)),
                marker="o",
                markersize=4,
                label="validation",
            )
        if vocab_size is not None:
            threshold(axes, float(np.log(vocab_size)), f"uniform guess, ln {vocab_size:,} = {np.log(vocab_size):.2f}")
    dress(panels[0], "step", "NLL (nats per character)", "linear axes")
    dress(panels[1], "step", "NLL (nats per character)", "log axes: the beginning and the end")
    panels[0].xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    _log_axes_with_plain_numbers(panels[1], len(losses))
    legend(figure, panels, columns=4)
    return figure


def draw_update_ratios(
    steps: NDArray[np.integer[Any]], ratios: Mapping[str, Numbers], usual: float = USUAL_UPDATE
) -> "Figure":
    """Update-to-data ratio std(Δθ)/std(θ) of each parameter over time, on a log axis, with the usual value.

    Args:
        steps: that were measured, (n,).
        ratios: by parameter, (n,) each; what is not positive or not finite is left out.
        usual: where the line is drawn.
    """
    figure, (axes,) = new_figure(9, 6)
    for number, (name, values) in enumerate(ratios.items()):
        is_drawn = np.isfinite(values) & (values > 0)
        style = series_style(number, len(ratios))
        marker = "o" if is_drawn.sum() < 30 else None
        axes.plot(steps[is_drawn], values[is_drawn], label=name, linewidth=1.8, marker=marker, markersize=4, **style)
    threshold(
        axes, usual, f"{np.format_float_scientific(usual, trim='-', exp_digits=1)}: usual where learning goes well"
    )
    axes.set_yscale("log")
    dress(axes, "step", "update / data: std(Δθ) / std(θ), no unit")
    legend(figure, [axes])
    return figure


def draw_rate_search(rates: Numbers, losses: Numbers, smoothed: Numbers, suggestion: float | None) -> "Figure":
    """The loss over rates that rise geometrically, the valley in it, and the rate that is suggested.

    Args:
        rates: one a step, (n,).
        losses: minibatch NLL at each, (n,), nats.
        smoothed: likewise, (n,), nats.
        suggestion: rate; None where there was none.
    """
    figure, (axes,) = new_figure(8, 5)
    axes.plot(rates, losses, color=PALE, linewidth=0.8, label="minibatch")
    axes.plot(rates, smoothed, color=BLUE, linewidth=2.2, label="smoothed")
    lowest = int(np.nanargmin(smoothed))
    axes.plot(
        *([rates[lowest]], [smoothed[lowest]]),
        color=VERMILLION,
        marker="v",
        markersize=10,
        linestyle="none",
        label=f"the valley, {rates[lowest]:.2g}",
    )
    if suggestion is not None:
        threshold(axes, suggestion, f"suggested rate, {suggestion:.2g}", along="y")
    axes.set_xscale("log")
    finite = smoothed[np.isfinite(smoothed)]
    start, floor = float(finite[0]), float(min(finite.min(), np.nanmin(losses)))
    axes.set_ylim(floor - 0.05 * (start - floor), start + 0.4 * (start - floor))  # what explodes goes out above
    dress(axes, "learning rate (log axis, no unit)", "NLL (nats per character)")
    legend(figure, [axes], columns=4)
    return figure


def moving_mean(values: Numbers, window: int) -> NDArray[np.float64]:
    """Mean of every `window` neighbours: (n,) → (n − window + 1,)."""
    sums = np.cumsum(np.concatenate(([0.0], values.astype(np.float64))))
    return (sums[window:] - sums[:-window]) / window


def widening_mean(values: Numbers, share: float = 0.1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means around places that lie evenly on a log axis, of all that is at most a share of the way so far away.

    Args:
        values: (n,).
        share: 0.1 takes the values from 9/10 to 11/10 of the way to the place.

    Returns:
        where the middle of what was averaged lies, (m,), and the means, (m,); the first value stands for itself.
    """
    places = np.unique(np.geomspace(1, max(len(values), 1), _PLACES).round().astype(np.int64)) - 1
    reach = (share * places).astype(np.int64)
    starts, stops = places - reach, np.minimum(places + reach + 1, len(values))
    sums = np.cumsum(np.concatenate(([0.0], values.astype(np.float64))))
    return (starts + stops - 1) / 2, (sums[stops] - sums[starts]) / (stops - starts)


def _log_axes_with_plain_numbers(axes: Any, num_steps: int) -> None:
    """Log axes, but that of the steps begins at 0."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    axes.set_xscale("symlog", linthresh=1, linscale=0.3)
    axes.set_xlim(-0.1, max(num_steps, 2) * 1.2)
    axes.xaxis.set_major_locator(FixedLocator([0, *(10**power for power in range(13) if 10**power <= num_steps)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=SMALL_SIZE)
