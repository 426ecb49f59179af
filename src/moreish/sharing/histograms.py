"""Pictures of how numbers are distributed: activations and gradients by layer, tanh, and the spread of x @ W."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moreish.measures import SATURATION_THRESHOLD, saturation
from moreish.sharing.style import BLUE, SMALL_SIZE, VERMILLION, dress, legend, new_figure, series_color, threshold

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[np.floating[Any]]

_BINS = 60


def draw_activation_histograms(
    activations: Mapping[str, Numbers], activation: str = "tanh", threshold_of_saturation: float = SATURATION_THRESHOLD
) -> "Figure":
    """How the activations of each layer are distributed, with mean, spread and saturation.

    Args:
        activations: by layer, of any shape.
        activation: "tanh", "relu" or "gelu". Of tanh the saturation is told and its threshold drawn in; of ReLU the
            zeros are told and not drawn.
        threshold_of_saturation: a unit counts as saturated where |tanh| is above it.
    """
    figure, (axes,) = new_figure(9, 5.6)
    is_tanh, is_relu = activation == "tanh", activation == "relu"
    largest = max(float(np.abs(values).max()) for values in activations.values()) or 1.0
    limits = (-1.0, 1.0) if is_tanh else (0.0 if is_relu else -0.2, min(largest, 8.0))
    for number, (name, values) in enumerate(activations.items()):
        told = f"{name}: mean {_signed(values.mean())}, std {values.std():.2f}"
        if is_tanh:
            told += f", {saturation(values, threshold_of_saturation):.1%} saturated"
        elif is_relu:
            told += f", {(values == 0).mean():.0%} zero"
        drawn = values[values != 0] if is_relu else values.ravel()
        _outline(
            axes,
            drawn,
            limits,
            share=len(drawn) / values.size,
            label=told,
            color=series_color(number, len(activations)),
        )
    if is_tanh:
        threshold(axes, threshold_of_saturation, f"saturated: |tanh| > {threshold_of_saturation:g}", along="y")
        threshold(axes, -threshold_of_saturation, "", along="y")
    what = "above 0 " if is_relu else ""
    dress(axes, f"activation {what}({activation}, no unit)", "density (per unit of activation)")
    axes.set_ylim(bottom=0)
    legend(figure, [axes], columns=1 if len(activations) < 4 else 2)
    return figure


def draw_gradient_histograms(gradients: Mapping[str, Numbers]) -> "Figure":
    """How the gradients with respect to what each layer passes on are distributed; the density on a log axis.

    Args:
        gradients: by layer, of any shape, nats per unit of activation.
    """
    figure, (axes,) = new_figure(9, 5.6)
    widest = max(float(np.abs(values).max()) for values in gradients.values())
    reach = min(widest, 6 * max(float(values.std()) for values in gradients.values())) or 1.0
    for number, (name, values) in enumerate(gradients.items()):
        told = f"{name}: std {values.std():.1e}" if values.any() else f"{name}: every gradient is 0"
        inside = values[np.abs(values) <= reach]
        _outline(
            axes,
            inside,
            (-reach, reach),
            share=len(inside) / values.size,
            label=told,
            color=series_color(number, len(gradients)),
        )
    threshold(axes, 0.0, "no gradient", along="y")
    axes.set_yscale("log")
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3), useMathText=True)
    axes.xaxis.get_offset_text().set_fontsize(SMALL_SIZE)
    dress(axes, "gradient of the loss (nats per unit of activation)", "density (log axis)")
    legend(figure, [axes], columns=2)
    return figure


def draw_tanh(threshold_of_saturation: float = SATURATION_THRESHOLD) -> "Figure":
    """tanh and its derivative, and where it saturates."""
    figure, (axes,) = new_figure(8, 5)
    x = np.linspace(-5, 5, 1001)
    y = np.tanh(x)
    axes.plot(x, y, color=BLUE, linewidth=2.4, label="tanh(x)")
    axes.plot(x, 1 - y**2, color=VERMILLION, linewidth=2.4, linestyle=(0, (6, 2)), label="its derivative, 1 − tanh²(x)")
    edge = float(np.arctanh(threshold_of_saturation))
    slope = 1 - threshold_of_saturation**2
    name = f"saturated: |tanh| > {threshold_of_saturation:g}, slope < {slope:.2g}"
    threshold(axes, edge, name, along="y")
    threshold(axes, -edge, "", along="y")
    for low, high in ((-5, -edge), (edge, 5)):
        axes.axvspan(low, high, color="#EFEFEF", zorder=0, linewidth=0)
    axes.set_xlim(-5, 5)
    dress(axes, "pre-activation x (no unit)", "value, slope (no unit)")
    legend(figure, [axes], columns=2)
    return figure


def draw_spreads(arrays: Mapping[str, Numbers], units: str = "no unit") -> "Figure":
    """Several arrays side by side on one scale, each with its mean and spread: such as x, an embedding, and x @ W.

    Args:
        arrays: by name, of any shape.
        units: of their values.
    """
    figure, panels = new_figure(3.9 * len(arrays), 4.6, columns=len(arrays), sharex=True)
    reach = max(4 * float(values.std()) + abs(float(values.mean())) for values in arrays.values()) or 1.0
    for axes, (name, values) in zip(panels, arrays.items(), strict=True):
        inside = values[np.abs(values) <= reach]
        _outline(axes, inside, (-reach, reach), share=len(inside) / values.size, color=BLUE, fill=True)
        mean, std = float(values.mean()), float(values.std())
        threshold(axes, mean - std, "one std on either side of the mean", along="y")
        threshold(axes, mean + std, "", along="y")
        dress(axes, f"value ({units})", "density", f"{name}\nmean {_signed(mean)}, std {std:.2f}")
        axes.set_ylim(bottom=0)
    legend(figure, panels)
    return figure


def _signed(value: float) -> str:
    """Two digits and a sign, but none before a 0.00."""
    return f"{value:+.2f}".replace("-", "−") if round(value, 2) else "0.00"


def _outline(axes: Any, values: Numbers, limits: tuple[float, float], share: float, **style: Any) -> None:
    """The outline of a histogram whose area is `share`."""
    counts, edges = np.histogram(values, bins=_BINS, range=limits)
    density = counts / max(counts.sum(), 1) / np.diff(edges) * share
    style = {"linewidth": 2.0, **style}
    axes.stairs(density, edges, **style)
