"""The public way to pictures: those that fit a run, as files."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from moreish.errors import FileError, InputError
from moreish.experiments.reproduction import RESULTS_FILE
from moreish.sharing.comparisons import draw_published
from moreish.sharing.gallery import PICTURES
from moreish.sharing.material import Material
from moreish.sharing.style import FORMATS, to_bytes
from moreish.storage import read_json, write_atomically
from moreish.training import Run
from moreish.training.run import is_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PUBLISHED = "published"
"""The one picture of a directory that `moreish reproduce` wrote."""


@dataclass(frozen=True)
class Plotted:
    """What was drawn.

    Attributes:
        drawn: the files of each picture, a PNG and an SVG.
        left_out: the pictures that do not fit the run, each with the reason.
    """

    drawn: dict[str, tuple[Path, ...]]
    left_out: dict[str, str]


def plot(
    run: str | os.PathLike[str],
    *,
    what: str | Iterable[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Plotted:
    """Draw pictures of a run, each as PNG and as SVG. The same run gives the same bytes.

    Args:
        run: a run, or a directory that `moreish reproduce` wrote.
        what: names of pictures (`moreish.sharing.PICTURES`); None for all that fit.
        out: directory of the files; None for `pictures` in the run.
        overwrite: whether pictures that are there may be replaced.

    Raises:
        InputError: a picture that there is not, or that was asked for and does not fit the run.
        RunError: not a run.
        FileError: a picture is there already, or cannot be written; or the file trained on is gone and was needed.
    """
    directory = Path(run)
    draw = _published(directory) if _is_reproduced(directory) else _of_run(directory)
    asked = _chosen(what, draw)
    place = directory / "pictures" if out is None else Path(out)
    refuse_to_overwrite(place, asked, overwrite)
    figures: dict[str, Figure] = {}
    left_out: dict[str, str] = {}
    for name in asked:
        try:
            figures[name] = draw[name]()
        except (InputError, FileError) as error:
            if what is not None:
                raise
            left_out[name] = str(error)
    if not figures:
        raise InputError(f"No picture fits {directory}: {next(iter(left_out.values()))}")
    drawn = {name: save_figure(figure, place / name) for name, figure in figures.items()}
    return Plotted(drawn, left_out)


def save_figure(figure: "Figure", stem: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write a figure as PNG and as SVG, each atomically; what is there is replaced, a directory that is not is made.

    Args:
        figure: any.
        stem: path without the ending.

    Returns:
        The two paths.

    Raises:
        FileError: they cannot be written.
    """
    paths = _files(Path(stem))
    _make(paths[0].parent)
    for path, file_format in zip(paths, FORMATS, strict=True):
        write_atomically(path, to_bytes(figure, file_format))
    return paths


def _files(stem: Path) -> tuple[Path, ...]:
    return tuple(stem.with_name(f"{stem.name}.{ending}") for ending in FORMATS)


def _is_reproduced(directory: Path) -> bool:
    path = directory / RESULTS_FILE
    return not is_run(directory) and path.is_file() and "experiments" in read_json(path)


def _published(directory: Path) -> "dict[str, Callable[[], Figure]]":
    return {PUBLISHED: lambda: draw_published(read_json(directory / RESULTS_FILE)["experiments"])}


def _of_run(directory: Path) -> "dict[str, Callable[[], Figure]]":
    material = Material(Run.open(directory))
    return {name: partial(picture.draw, material) for name, picture in PICTURES.items()}


def _chosen(what: str | Iterable[str] | None, known: Iterable[str]) -> list[str]:
    names = list(known)
    if what is None:
        return names
    asked = [what] if isinstance(what, str) else list(dict.fromkeys(what))
    for name in asked:
        if name not in names:
            raise InputError(f"what is {name!r}; expected one or more of {', '.join(names)}.")
    return asked


def refuse_to_overwrite(place: Path, names: Iterable[str], is_allowed: bool) -> None:
    """See that no picture is there already, unless it may be replaced.

    Raises:
        FileError: one is.
    """
    there = [path for name in names for path in _files(place / name) if path.exists()]
    if there and not is_allowed:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise FileError(
            f"{there[0]}{more} would be overwritten. Choose another directory, or allow it with --overwrite."
        )


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"Cannot make the directory {place}: {error.strerror or error}. Choose another.") from error
