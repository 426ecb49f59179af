"""`moreish find-rate`: one step at each of many learning rates, and where the loss lies lowest."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moreish.cli.options import JsonOption, number_option, with_recipe
from moreish.cli.printing import print_json, print_table
from moreish.cli.status import Status
from moreish.cli.train import EXIT_INTERRUPTED
from moreish.errors import FileError

if TYPE_CHECKING:
    from moreish import RateSearch
    from moreish.training.rate_search import Tried

PICTURE = "rate-search"

_SHARE_BETWEEN_LINES = 0.25
_NEEDLESS = (
    *("steps", "minutes", "learning_rate", "schedule", "warmup", "decay_at", "decay_factor", "final_share"),
    *("eval_every", "patience", "keep", "order", "smoothing"),
)


@with_recipe(*_NEEDLESS)
def find_rate(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A text file, a data set by name, or - [names]")
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--recipe", metavar="RUN|FILE.toml", help="Of a run, or with fields from a file")
    ] = None,
    lowest: Annotated[Any, number_option("--lowest", "Rate to begin with [0.0001]")] = None,
    highest: Annotated[Any, number_option("--highest", "Rate to end with, if the loss does not explode [10]")] = None,
    num_rates: Annotated[Any, number_option("--num-rates", "How many, one step each [1000]")] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="DIR", help=f"Draw the valley there, as {PICTURE}.png and .svg")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are there")] = False,
    json: JsonOption = False,
    **changes: Any,
) -> None:
    """Search the learning rate for a network that is not trained yet.

    One step at each of many rates, from low to high: the loss falls, reaches a valley, and explodes.

    What stands in [brackets] holds where an option is left out and --recipe does not say otherwise.
    """
    import moreish
    from moreish.sharing.plotting import refuse_to_overwrite

    limits = {"lowest": lowest, "highest": highest, "num_rates": num_rates}
    if plot is not None and Path(plot).exists() and not Path(plot).is_dir():
        raise FileError(f"{plot} is a file; expected a directory for the pictures. Choose another --plot.")
    if plot is not None:
        refuse_to_overwrite(Path(plot), [PICTURE], overwrite)
    with Status() as status:
        found = moreish.find_rate(
            file,
            recipe=origin,
            report=_Report(status).take,
            **{name: value for name, value in limits.items() if value is not None},
            **changes,
        )
    pictures = [] if plot is None else _draw(found, Path(plot))
    if json:
        print_json(_to_json(found, pictures))
    else:
        _show(found, pictures, _command(file, origin))
    if found.ended == "interrupted":
        raise typer.Exit(EXIT_INTERRUPTED)


class _Report:
    """Says where the search stands; few times where the lines stay."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._said_at = 0.0

    def take(self, tried: "Tried") -> None:
        share = tried.num_done / tried.num_rates
        if self._status.moves or share >= self._said_at + _SHARE_BETWEEN_LINES:
            self._said_at = share
            line = (
                f"{tried.num_done:,} of {tried.num_rates:,} rates: at {tried.rate:.2g} NLL minibatch {tried.loss:.3f}"
            )
            self._status.show(line)


def _draw(found: "RateSearch", directory: Path) -> list[str]:
    from moreish.sharing import draw_rate_search, save_figure

    figure = draw_rate_search(found.rates, found.losses, found.smoothed, found.suggestion)
    return [str(path) for path in save_figure(figure, directory / PICTURE)]


def _command(file: str | None, origin: str | None) -> str:
    words = ["moreish", "train", *([file] if file else []), *(["--recipe", origin] if origin else [])]
    return shlex.join(words)


def _show(found: "RateSearch", pictures: list[str], command: str) -> None:
    first, last = found.rates[0], found.rates[-1]
    ends = {"finished": "", "diverged": ", where the loss exploded", "interrupted": ", where it was interrupted"}
    lowest = int(found.smoothed.argmin())
    rate, where = f"none found: {found.why_none}", "at the lowest"
    if found.suggestion is not None:
        rate, where = f"{found.suggestion:.2g}", "in the valley"
    rows = [
        ["learning rate", rate],
        ["NLL, smoothed", f"{found.smoothed[0]:.3f} at {first:.2g}, {found.smoothed[lowest]:.3f} {where}"],
        ["rates tried", f"{len(found.rates):,}, from {first:.2g} to {last:.2g}{ends[found.ended]}"],
    ]
    if pictures:
        rows.append(["picture", ", ".join(pictures)])
    print_table(rows, "<<")
    if found.suggestion is not None:
        print("\nThere the loss, averaged with its neighbours, lies lowest. With the same options:")
        print(f"  {command} --learning-rate {found.suggestion:.2g}")


def _to_json(found: "RateSearch", pictures: list[str]) -> dict[str, Any]:
    arrays = {name: getattr(found, name).tolist() for name in ("rates", "losses", "smoothed")}
    facts = {name: getattr(found, name) for name in ("suggestion", "why_none", "ended")}
    return {**facts, "pictures": pictures, **arrays}
