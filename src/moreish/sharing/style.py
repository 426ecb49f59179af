"""The house style of all pictures: palette, sizes, named thresholds, and how a picture becomes bytes.

Figures are made without pyplot, so that nothing is shared between threads and no window system is asked for. At half
size (a page that is 640 points wide) every letter is still at least 10 pixels high.
"""

import io
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Okabe & Ito 2008, "Color universal design": told apart with every kind of colour vision. Its yellow is too pale here.
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
INK, PALE = "#222222", "#9A9A9A"
SERIES = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)
DEPTHS = "viridis"  # rises evenly in brightness, with every kind of colour vision

LABEL_SIZE, SMALL_SIZE, SMALLEST_SIZE = 13, 11, 10
DOTS_PER_INCH = 160

# Line patterns beside colours, so that lines are told apart in grey too.
_PATTERNS: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.2)), (0, (6, 2, 1.5, 2)))

FORMATS: tuple[Literal["png", "svg"], ...] = ("png", "svg")

# Matplotlib reads the salt of an SVG's identifiers from its global settings; it is set for the time of writing alone.
_WRITING = threading.Lock()


def new_figure(
    width: float = 8, height: float = 4.8, rows: int = 1, columns: int = 1, **grid: Any
) -> "tuple[Figure, list[Axes]]":
    """An empty figure and its axes, row by row.

    Args:
        width: inches.
        height: inches.
        rows: of axes.
        columns: of axes.
        **grid: passed on to `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)  # inches
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    return figure, list(axes.flat)


def dress(axes: "Axes", x: str, y: str, title: str = "", grid: Literal["both", "x", "y"] | None = "both") -> None:
    """Label axes and make everything on them large enough; names that hold a "$" are not taken for formulas."""
    axes.set_xlabel(x, fontsize=LABEL_SIZE, color=INK, parse_math=False)
    axes.set_ylabel(y, fontsize=LABEL_SIZE, color=INK, parse_math=False)
    if title:
        axes.set_title(title, fontsize=LABEL_SIZE, color=INK, loc="left", parse_math=False)
    axes.tick_params(labelsize=SMALL_SIZE, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    if grid is not None:
        axes.grid(True, axis=grid, color="#E3E3E3", linewidth=0.8)
        axes.set_axisbelow(True)


def threshold(axes: "Axes", value: float, name: str, along: Literal["x", "y"] = "x") -> "Line2D":
    """Draw a threshold across the axes and name it in the legend.

    Args:
        value: where.
        name: what it says; "" for one that another names already.
        along: "x" draws it level, "y" upright.
    """
    draw = axes.axhline if along == "x" else axes.axvline
    line = draw(value, color=INK, linestyle=(0, (4, 3)), linewidth=1.3, zorder=3)
    line.set_label(name or "_nameless")
    return line


def series_style(number: int, count: int) -> dict[str, Any]:
    """Colour and pattern of one of several lines."""
    return {"color": series_color(number, count), "linestyle": _PATTERNS[number % len(_PATTERNS)]}


def series_color(number: int, count: int) -> Any:
    """Colour of one of several things; many of them, which have an order, go from dark to light."""
    if count <= len(SERIES):
        return SERIES[number]
    from matplotlib import colormaps

    return colormaps[DEPTHS](0.9 * number / (count - 1))


def legend(figure: "Figure", axes: "Sequence[Axes]", columns: int = 3) -> None:
    """One legend below all axes, where it hides nothing; a name stands in it once."""
    named: dict[str, Any] = {}
    for each in axes:
        for handle, name in zip(*each.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    made = figure.legend(
        list(named.values()),
        list(named),
        loc="outside lower center",
        ncols=min(columns, len(named)),
        fontsize=SMALL_SIZE,
        frameon=False,
        labelcolor=INK,
        handlelength=2.6,
    )
    for text in made.get_texts():
        text.set_parse_math(False)


def shown(symbol: str) -> str:
    """A character so that it can be seen: a blank or line break by its sign, what the font lacks by its number."""
    signs = {" ": "␣", "\n": "↵", "\t": "⇥"}
    if symbol in signs:
        return signs[symbol]
    return symbol if symbol.isprintable() and ord(symbol) in _characters_of_font() else f"{ord(symbol):X}"


def lay_out(figure: "Figure") -> None:
    """Give everything on a figure its place; from then on it stays there."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def to_bytes(figure: "Figure", file_format: Literal["png", "svg"]) -> bytes:
    """The picture as a file; the same figure gives the same bytes, whenever it is written.

    Its layout is made once and kept: made again, it would move by a hair.
    """
    import matplotlib as mpl

    nothing = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[file_format]
    lay_out(figure)
    content = io.BytesIO()
    with _WRITING, mpl.rc_context({"svg.hashsalt": "moreish"}):
        figure.savefig(content, format=file_format, metadata=nothing)
    return content.getvalue()


def _characters_of_font() -> "frozenset[int]":
    from matplotlib import font_manager

    if not _CHARACTERS:
        font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
        _CHARACTERS.append(frozenset(font.get_charmap()))
    return _CHARACTERS[0]


_CHARACTERS: "list[frozenset[int]]" = []
