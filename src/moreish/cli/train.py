"""`moreish train`: from a file to a run, its figures and its first items."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from moreish.cli.options import JsonOption, number_option, with_recipe
from moreish.cli.printing import print_json, say
from moreish.cli.results import show_run

if TYPE_CHECKING:
    from moreish.cli.progress import Progress

EXIT_INTERRUPTED = 130


@with_recipe()
def train(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A text file, a data set by name, or - [names]")
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="RUN", help="Directory of the run [runs/NAME-N]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out")] = False,
    origin: Annotated[
        str | None, typer.Option("--recipe", metavar="RUN|FILE.toml", help="Repeat a run, or take fields from a file")
    ] = None,
    statistics_every: Annotated[
        Any, number_option("--statistics-every", "Steps from one that is measured to the next, 0 for none [100]")
    ] = None,
    json: JsonOption = False,
    **changes: Any,
) -> None:
    """Train on a file, or on the bundled names.

    Shows what the model reached, what it makes, and what to do next.

    What stands in [brackets] holds where an option is left out and --recipe does not say otherwise.
    """
    from moreish import train as train_model
    from moreish.cli.progress import progress

    with progress() as follower:
        try:
            run = train_model(
                file,
                out=out,
                resume=resume,
                recipe=origin,
                observers=[follower],
                statistics_every=statistics_every,
                **changes,
            )
        except KeyboardInterrupt:
            follower.close()
            _end_interrupted(follower, out)
    results = run.results
    if results is None:
        _end_interrupted(follower, out)
    if not follower.has_begun:
        say(f"The training in {run.path} is finished; here are its results. To train longer, train a new run.")
    if json:
        print_json(results)
    else:
        show_run(run, results)


def _end_interrupted(follower: "Progress", out: str | None) -> NoReturn:
    run = follower.run or _run_in(out)
    if run is None:
        say("Interrupted before the training began; nothing was saved.")
    else:
        ended = follower.ended
        what = f"Interrupted after step {ended.step:,}; everything is saved." if ended else "Interrupted."
        say(f"{what} To go on:\n  moreish train --out {shlex.quote(str(run))} --resume")
    raise typer.Exit(EXIT_INTERRUPTED)


def _run_in(out: str | None) -> Path | None:
    """The run that stands in the directory that was asked for, if it came so far."""
    from moreish.training.run import is_run

    return Path(out) if out is not None and is_run(Path(out)) else None
