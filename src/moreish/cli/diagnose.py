"""`moreish diagnose`: what is wrong with a training, and which remedies were shown to help."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moreish.cli.findings import Told, show_attempts, typed
from moreish.cli.options import JsonOption, number_option, with_recipe
from moreish.cli.printing import print_json, say
from moreish.cli.status import Status
from moreish.cli.train import EXIT_INTERRUPTED
from moreish.errors import FileError, InputError

if TYPE_CHECKING:
    from moreish.doctor.trainings import Diagnosis
    from moreish.recipe import Recipe


@with_recipe()
def diagnose(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE|RUN", help="A text file, a data set by name, -, or a run [names]"),
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--recipe", metavar="RUN|FILE.toml", help="Of a run, or with fields from a file")
    ] = None,
    prove: Annotated[
        bool, typer.Option("--prove", help="Try the remedies in short trainings, and take those that help")
    ] = False,
    proof_steps: Annotated[
        Any, number_option("--proof-steps", "Of the first such trainings; longer ones follow if they show nothing")
    ] = None,
    save: Annotated[
        str | None, typer.Option(metavar="FILE.toml", help="Write the recipe with the remedies that help")
    ] = None,
    json: JsonOption = False,
    **changes: Any,
) -> None:
    """Say what is wrong with a training, and prove what helps.

    Of a FILE, the network is examined that moreish train would begin with. Of a RUN, what was seen while it trained is
    judged too.

    What stands in [brackets] holds where an option is left out and --recipe does not say otherwise.
    """
    if save is not None and not prove:
        raise InputError("--save writes what was proved. Add --prove.")
    if proof_steps is not None and not prove:
        raise InputError("--proof-steps is about proofs. Add --prove.")
    if save is not None and Path(save).exists():
        raise FileError(f"{save} exists already. Choose another file for --save.")
    if save is not None and not Path(save).absolute().parent.is_dir():
        raise FileError(f"{Path(save).absolute().parent} is no directory. Choose another file for --save.")
    if proof_steps is not None and not (isinstance(proof_steps, int) and proof_steps > 0):
        raise InputError(f"--proof-steps is {proof_steps!r}; expected a whole number of at least 1.")
    from moreish.doctor.trainings import diagnose_training

    lengths = {} if proof_steps is None else {"num_steps": proof_steps}
    with Status() as status:
        if prove:
            status.show("Examining …")
        diagnosis = diagnose_training(
            source, recipe=origin, with_proof=prove, progress=Told(status).take, **lengths, **changes
        )
    if save is not None and diagnosis.changes:
        _save(diagnosis.treated, Path(save))
    if json:
        print_json(diagnosis.to_dict())
    else:
        print(typed(diagnosis.report))
        if prove:
            show_attempts(diagnosis)
            _show_way_on(diagnosis, source, save)
    if diagnosis.is_interrupted:
        say("Interrupted; what was tried until then stands above. The same command tries again.")
        raise typer.Exit(EXIT_INTERRUPTED)


def _show_way_on(diagnosis: "Diagnosis", source: str | None, save: str | None) -> None:
    if not diagnosis.changes:
        if save is not None:
            print(f"There is nothing to be saved, so {save} was not written.")
        return
    file = "" if source is None else f" {shlex.quote(source)}"
    if save is not None:
        print(f"The recipe stands in {save}. To train with it:\n  moreish train{file} --recipe {shlex.quote(save)}")
    else:
        print("With --save FILE.toml that recipe is written, for moreish train --recipe FILE.toml.")


def _save(recipe: "Recipe", path: Path) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(recipe.to_toml())
    except OSError as error:
        raise FileError(f"Cannot write {path}: {error.strerror or error}. Choose another file for --save.") from error
