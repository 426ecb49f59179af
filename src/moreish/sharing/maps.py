"""Pictures as maps: saturated units, the embedding, and the table of bigrams."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moreish.errors import ShapeError
from moreish.measures import SATURATION_THRESHOLD
from moreish.sharing.style import (
    BLUE,
    INK,
    LABEL_SIZE,
    SMALL_SIZE,
    SMALLEST_SIZE,
    VERMILLION,
    dress,
    legend,
    new_figure,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[np.floating[Any]]

_MOST_SYMBOLS = 40
_MOST_MOVED = 300
_MOST_PUSHES = 500
_SHARE_OF_AXES = 0.8  # of the width of a map, about, lies between the outermost symbols


def draw_saturation_map(
    activations: Numbers, activation: str = "tanh", threshold: float = SATURATION_THRESHOLD
) -> "Figure":
    """Black and white: which units pass hardly any gradient at which examples; those at every example are marked.

    White is |tanh| above the threshold, of ReLU an output of 0. A column that is white throughout is a unit that learns
    from none of these examples: dead, as far as they tell.

    Args:
        activations: of one layer, (B, H).
        activation: "tanh" or "relu".
        threshold: of |tanh|.
    """
    from matplotlib.patches import Patch

    is_off = activations <= 0 if activation == "relu" else np.abs(activations) > threshold
    criterion = "output 0 (no gradient)" if activation == "relu" else f"|tanh| > {threshold:g} (saturated)"
    num_examples, num_units = is_off.shape
    dead = np.flatnonzero(is_off.all(axis=0))
    figure, (axes,) = new_figure(11, 5.6)
    axes.imshow(is_off, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.scatter(dead, np.full(len(dead), -0.5), s=70, marker="v", color=VERMILLION, clip_on=False, zorder=4)
    dress(
        axes,
        f"unit (1 of {num_units:,} a column)",
        f"example (1 of {num_examples:,} a row)",
        f"{is_off.mean():.1%} white; {len(dead)} of {num_units} units dead (white at every example)\n",
        grid=None,
    )
    axes.spines[:].set_visible(True)  # white has an edge
    figure.legend(
        handles=[
            Patch(facecolor="white", edgecolor=INK, label=criterion),
            Patch(facecolor="black", edgecolor=INK, label="learns from the example"),
            axes.scatter([], [], s=70, marker="v", color=VERMILLION, label="dead unit"),
        ],
        loc="outside lower center",
        ncols=3,
        fontsize=SMALL_SIZE,
        frameon=False,
    )
    return figure


def draw_embedding_map(embedding: Numbers, symbols: Sequence[str], highlighted: str = "") -> "Figure":
    """Every symbol at the place that its embedding gives it; more than two dimensions by their principal components.

    Where symbols would cover each other they are moved apart, and a line leads to the dot that is their place.

    Args:
        embedding: (V, E), E at least 2.
        symbols: V texts, the boundary as ".".
        highlighted: symbols to be drawn in another colour, such as the vowels.

    Raises:
        ShapeError: fewer than two dimensions, or another number of symbols.

    Source: principal components: Jolliffe 2002, "Principal component analysis", section 1.1.
    """
    if embedding.ndim != 2 or embedding.shape[1] < 2 or len(symbols) != len(embedding):
        raise ShapeError(
            f"The embedding has shape {embedding.shape}; expected ({len(symbols)}, 2 or more), a row for every symbol."
        )
    x_name, y_name = "first dimension (no unit)", "second dimension (no unit)"
    places = embedding
    if embedding.shape[1] > 2:
        places, shares = principal_components(embedding)
        x_name = f"first principal component ({shares[0]:.0%} of variance)"
        y_name = f"second principal component ({shares[1]:.0%} of variance)"
    is_crowded = len(symbols) > _MOST_SYMBOLS
    width, diameter = (12, 16) if is_crowded else (9, 20)  # inches; points
    figure, (axes,) = new_figure(width, width)
    dress(axes, x_name, y_name)
    axes.scatter(*places.T, s=9, color=INK, zorder=2)
    share = diameter / (_SHARE_OF_AXES * 72 * width)
    if len(symbols) > _MOST_MOVED:
        named = with_room(places, share)
        dress(axes, x_name, y_name, f"{len(named):,} of {len(symbols):,} symbols are named, where there is room")
        symbols, places = [symbols[number] for number in named], places[named]
    moved = keep_apart(places, share)
    axes.plot(*np.stack((places, moved), axis=1).T, color=INK, linewidth=0.8, zorder=1)
    is_high = np.array([symbol in highlighted for symbol in symbols])
    for group, color, name in ((~is_high, BLUE, "symbol"), (is_high, VERMILLION, f"{' '.join(highlighted)}")):
        if group.any():
            axes.scatter(
                *moved[group].T, s=diameter**2, color=color, label=name, linewidths=1, edgecolors="white", zorder=3
            )
    for symbol, (x, y) in zip(symbols, moved, strict=True):
        text = shown(symbol)
        size = (SMALLEST_SIZE if is_crowded else LABEL_SIZE) if len(text) == 1 else 6
        axes.annotate(
            text, (x, y), ha="center", va="center", color="white", fontsize=size, weight="bold", parse_math=False
        )
    axes.margins(0.04)
    if is_high.any():
        legend(figure, [axes])
    return figure


def keep_apart(places: Numbers, diameter: float) -> NDArray[np.float64]:
    """Discs at places (n, 2), moved as little as it takes that none covers another.

    Args:
        places: (n, 2).
        diameter: of a disc, as a share of the extent of the places along each axis.

    Two discs that touch push each other away by half of what they overlap, again and again.
    """
    moved, low, extent = _in_unit_square(places)
    moved += 1e-6 * np.random.default_rng(0).standard_normal(moved.shape)  # a direction for discs at one place
    for _ in range(_MOST_PUSHES):
        apart = moved[:, None] - moved[None]  # (n, n, 2)
        distance = np.maximum(np.linalg.norm(apart, axis=2), 1e-12)
        overlap = np.maximum(diameter - distance, 0)
        np.fill_diagonal(overlap, 0)
        if overlap.max(initial=0) < 0.02 * diameter:
            break
        moved += (apart * (0.55 * overlap / distance)[:, :, None]).sum(axis=1)
    return moved * extent + low


def with_room(places: Numbers, diameter: float) -> list[int]:
    """Which of many discs (n, 2) are drawn so that none covers another: each in turn, if there is room for it."""
    scaled, _, _ = _in_unit_square(places)
    chosen: list[int] = []
    for number, place in enumerate(scaled):
        if not chosen or np.linalg.norm(scaled[chosen] - place, axis=1).min() >= diameter:
            chosen.append(number)
    return chosen


def _in_unit_square(places: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Places (n, 2) from 0 to 1 along each axis, and what brings them back: where they begin, how far they reach."""
    low = places.min(axis=0).astype(np.float64)
    extent = np.maximum(np.ptp(places, axis=0), 1e-12).astype(np.float64)
    return (places - low) / extent, low, extent


def draw_bigram_table(counts: NDArray[np.integer[Any]], symbols: Sequence[str]) -> "Figure":
    """How often each symbol follows each other one: a heat map on a log scale, with the counts in its cells.

    Of more than 40 symbols the 40 most frequent are drawn, without counts.

    Args:
        counts: (V, V), of the pairs (row, then column).
        symbols: V texts, the boundary as ".".

    Raises:
        ShapeError: the counts are not a square of as many rows as there are symbols.
    """
    from matplotlib.colors import LogNorm

    if counts.shape != (len(symbols), len(symbols)):
        raise ShapeError(f"The counts have shape {counts.shape}; expected a square of {len(symbols)} symbols.")
    title = f"{int(counts.sum()):,} pairs"
    if len(symbols) > _MOST_SYMBOLS:
        kept = np.sort(np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")[:_MOST_SYMBOLS])
        title += f"; the {_MOST_SYMBOLS} most frequent of {len(symbols)} symbols"
        counts, symbols = counts[np.ix_(kept, kept)], [symbols[int(index)] for index in kept]
        title += f", {int(counts.sum()):,} pairs"
        has_numbers = False
    else:
        has_numbers = len(symbols) <= 30
    figure, (axes,) = new_figure(12, 11.6)
    top = max(int(counts.max()), 2)
    drawn = np.ma.masked_equal(counts, 0)
    image = axes.imshow(drawn, cmap="YlGnBu", norm=LogNorm(1, top), interpolation="nearest")
    names = [shown(symbol) for symbol in symbols]
    for ticks in (axes.set_xticks, axes.set_yticks):
        ticks(np.arange(len(names)), names)
    dress(axes, "following symbol", "symbol", title, grid=None)
    if has_numbers:
        _write_counts(axes, counts, top)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.01)
    bar.set_label("count (pairs, log scale); white: never", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=SMALL_SIZE)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
    return figure


def principal_components(points: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first two principal components of n points (n, E) → (n, 2), and the share of variance of each, (2,).

    The sign of a component is such that its largest coefficient is positive.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    _, spreads, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    return centred @ directions[:2].T, spreads[:2] ** 2 / max(float((spreads**2).sum()), 1e-300)


def _write_counts(axes: Any, counts: NDArray[np.integer[Any]], top: int) -> None:
    dark = np.sqrt(top)  # the middle of a log scale from 1
    for row, column in np.argwhere(counts):
        count = int(counts[row, column])
        text = f"{count}" if count < 1000 else f"{count / 1000:.1f}k" if count < 99_950 else f"{count // 1000}k"
        color = "white" if count > dark else INK
        cell = axes.text(column, row, text, ha="center", va="center", fontsize=SMALLEST_SIZE - 1.5, color=color)
        cell.set_in_layout(False)  # it lies within its cell; asking each for its size takes as long as all the rest
