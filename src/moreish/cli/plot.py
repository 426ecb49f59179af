"""`moreish plot`: pictures of a run, as files."""

from typing import TYPE_CHECKING, Annotated

import typer

from moreish.cli.options import JsonOption
from moreish.cli.printing import print_json, print_table, say
from moreish.errors import InputError

if TYPE_CHECKING:
    from moreish.sharing import Plotted


def plot(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run, or a directory that moreish reproduce wrote; none lists the pictures",
            show_default=False,
        ),
    ] = None,
    what: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME,...", help="Pictures [all that fit the run]", show_default=False),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where they go [RUN/pictures]", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are there")] = False,
    json: JsonOption = False,
) -> None:
    """Draw what a training shows, each picture as PNG and as SVG.

    Alone, it lists the pictures.
    """
    if run is None:
        if what is not None or out is not None or overwrite:
            raise InputError("--what, --out and --overwrite are for a run. Give its directory.")
        _list(json)
        return
    from moreish.sharing import plot as draw

    plotted = draw(run, what=None if what is None else what.split(","), out=out, overwrite=overwrite)
    if json:
        files = {name: [str(path) for path in paths] for name, paths in plotted.drawn.items()}
        print_json({"run": run, "drawn": files, "left_out": plotted.left_out})
        return
    _show(plotted)


def _show(plotted: "Plotted") -> None:
    width = max(map(len, plotted.drawn))
    for name, (first, *others) in plotted.drawn.items():
        print(f"{name.ljust(width)}  {first}" + "".join(f", {path.suffix}" for path in others))
    for name, reason in plotted.left_out.items():
        say(f"not {name}: {reason}")


def _list(is_json: bool) -> None:
    from moreish.sharing import PICTURES
    from moreish.sharing.plotting import PUBLISHED

    known = {name: picture.what for name, picture in PICTURES.items()}
    known[PUBLISHED] = "published figures and measured ones (of a directory that moreish reproduce wrote)"
    if is_json:
        print_json({"pictures": known})
        return
    print_table([["picture", "what it shows"], *([name, text] for name, text in known.items())], "<<")
    print("\nBegin with: moreish plot RUN, or: moreish plot RUN --what losses,updates")
