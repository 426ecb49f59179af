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


def draw_losses(
    losses: Numbers,
    evaluated_steps: Sequence[int] = (),
    validation_nll: Sequence[float] = (),
    vocab_size: int | None = None,
) -> "Figure":
    """The loss of every step, raw and smoothed, with validation; beside it the same on a log axis.

    Args:
        losses: minibatch NLL of every step, (n,), nats.
        evaluated_steps: after how many steps validation was measured, (m,).
        validation_nll: what it was, (m,), nats per character.
        vocab_size: V; the loss of a uniform guess, ln V, is drawn in. None leaves it out.
    """
    figure, panels = new_figure(11, 5, columns=2)
    steps = np.arange(len(losses))
    window = max(1, len(losses) // 50)
    for axes in panels:
        raw = axes.plot(steps, losses, color=PALE, linewidth=0.7, label="minibatch")[0]
        raw.set_rasterized(len(losses) > _MANY_POINTS)
        if window > 1:
            smooth = moving_mean(losses, window)
            centres = steps[: len(smooth)] + (window - 1) / 2
            axes.plot(centres, smooth, color=BLUE, linewidth=2.2, label=f"minibatch, mean of {window:,} steps")
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
    dress(panels[0], "step", "NLL (nats per character)", "linear axis")
    dress(panels[1], "step", "NLL (nats per character)", "log axis")
    _log_axis_with_plain_numbers(panels[1])
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


def _log_axis_with_plain_numbers(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=SMALL_SIZE)
