"""The application: its commands, and how errors and interruptions end."""

import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from moreish import __version__
from moreish.cli.data import data
from moreish.cli.evaluate import evaluate
from moreish.cli.exercise import exercise
from moreish.cli.generate import generate
from moreish.cli.printing import say
from moreish.cli.score import score
from moreish.cli.train import EXIT_INTERRUPTED, train
from moreish.errors import MoreishError

EXIT_ERROR = 2


class _Commands(TyperGroup):
    """Says in one line what a person can do something about; everything else is a defect and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # so that a reader who has gone (`| head`) is noticed here, where Typer ends quietly
            return result
        except MoreishError as error:
            say(f"moreish: {' '.join(str(error).split())}")
            raise typer.Exit(EXIT_ERROR) from None
        except KeyboardInterrupt:
            say("moreish: Interrupted.")
            raise typer.Exit(EXIT_INTERRUPTED) from None


# Plain help and plain errors: Rich is loaded only where something moves.
app: typer.Typer = typer.Typer(
    cls=_Commands, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"moreish {__version__}")
        raise typer.Exit


@app.callback()
def _describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Give it a text file and it makes more like it: character-level neural language models.

    Begin with: moreish train
    """


for _command in (train, generate, score, evaluate, data):
    app.command()(_command)
app.add_typer(exercise, name="exercise")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 fine, 2 an error that the person can mend, 130 interrupted.

    Args:
        arguments: what was typed after `moreish`; None takes the process's own.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no "±" is no reason to fail
    app(arguments, prog_name="moreish")
