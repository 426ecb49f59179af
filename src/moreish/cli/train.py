"""`moreish train`: from a file to a run, its figures and its first items."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from moreish.cli.findings import Told, show_attempts, tell
from moreish.cli.options import JsonOption, number_option, with_recipe
from moreish.cli.printing import print_json, say
from moreish.cli.results import show_run
from moreish.cli.status import Status
from moreish.errors import InputError
from moreish.storage import write_json

if TYPE_CHECKING:
    from moreish.cli.progress import Progress
    from moreish.doctor.trainings import Diagnosis
    from moreish.training import Run

EXIT_INTERRUPTED = 130
PROOFS_FILE = "proofs.json"
LOOKING_ON = "The doctor, and statistics"


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
    doctor: Annotated[
        str,
        typer.Option(
            metavar="off|watch|prove",
            help="Say what is wrong with the training; and try remedies after",
            rich_help_panel=LOOKING_ON,
        ),
    ] = "watch",
    statistics_every: Annotated[
        Any,
        number_option(
            "--statistics-every", "Steps from one that is measured to the next, 0 for none [100]", panel=LOOKING_ON
        ),
    ] = None,
    json: JsonOption = False,
    **changes: Any,
) -> None:
    """Train on a file, or on the bundled names.

    Shows what the model reached, what it makes, and what to do next.

    What stands in [brackets] holds where an option is left out and --recipe does not say otherwise.
    """
    if doctor not in ("off", "watch", "prove"):
        raise InputError(f"--doctor is {doctor!r}; expected off, watch or prove.")
    from moreish import train as train_model
    from moreish.cli.progress import progress
    from moreish.doctor.trainings import TrainingDoctor, report_of

    observing = None if doctor == "off" else TrainingDoctor(tell)
    with progress() as follower:
        try:
            run = train_model(
                file,
                out=out,
                resume=resume,
                recipe=origin,
                observers=[follower] if observing is None else [follower, observing],
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
    if observing is not None and observing.failure is not None:
        say(f"note: The doctor could not look on to the end ({observing.failure}). The training is as it would be.")
    diagnosis = _prove(run) if doctor == "prove" and not run.recipe.is_counted else None
    report = None if observing is None else observing.report or report_of(run)
    if json:
        doctors = {} if report is None else {"findings": report.to_dict()["findings"]}
        print_json(results | doctors | ({} if diagnosis is None else {"proofs": diagnosis.to_dict()["attempts"]}))
    else:
        show_run(run, results, report)
        if diagnosis is not None:
            show_attempts(diagnosis)


def _prove(run: "Run") -> "Diagnosis":
    """Try the remedies of what was found, and keep with the run what came of it."""
    from moreish.doctor.trainings import diagnose_training

    with Status() as status:
        diagnosis = diagnose_training(run, with_proof=True, progress=Told(status).take)
    write_json(run.path / PROOFS_FILE, diagnosis.to_dict())
    return diagnosis


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
