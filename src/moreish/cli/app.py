"""The application: its commands, and how errors and interruptions end."""

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from moreish import __version__
from moreish.cli.data import data
from moreish.cli.diagnose import diagnose
from moreish.cli.evaluate import evaluate
from moreish.cli.exercise import exercise
from moreish.cli.find_rate import find_rate
from moreish.cli.flags import in_flags
from moreish.cli.fold import fold
from moreish.cli.generate import generate
from moreish.cli.panels import PanelCommand
from moreish.cli.plot import plot
from moreish.cli.printing import say
from moreish.cli.reproduce import reproduce
from moreish.cli.score import score
from moreish.cli.train import EXIT_INTERRUPTED, train
from moreish.errors import DownloadError, FileError, ModelFileError, MoreishError, MoreishWarning

EXIT_ERROR = 2
EXIT_NO_READER = 1

_ABOUT_FILES = (FileError, ModelFileError, DownloadError)


class _Commands(TyperGroup):
    """Says in one line what a person can do something about; everything else is a defect and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MoreishError as error:
            sys.stdout.flush()  # what was printed comes before the error
            say(f"moreish: {self._line(ctx, error)}")
            raise typer.Exit(EXIT_ERROR) from None
        except KeyboardInterrupt:
            say("moreish: Interrupted.")
            raise typer.Exit(EXIT_INTERRUPTED) from None

    def _line(self, ctx: Any, error: MoreishError) -> str:
        line = " ".join(str(error).split())
        if isinstance(error, _ABOUT_FILES) or isinstance(error.__cause__, MoreishError):
            return line  # it names files; or fields, as they stand in a recipe file
        command = self.commands[ctx.invoked_subcommand]
        flags = {option.name: option.opts[0] for option in command.params if option.param_type_name == "option"}
        return in_flags(line, {name: flag for name, flag in flags.items() if name})


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


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """While it is entered, our own warnings are remarks like any other."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def say_note(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            if issubclass(category, MoreishWarning):
                say(f"note: {message}")
            else:
                show(message, category, *rest)

        warnings.simplefilter("always", MoreishWarning)
        warnings.showwarning = say_note
        yield


for _command in (train, generate, score, evaluate, diagnose, find_rate, fold, data, plot, reproduce):
    app.command(cls=PanelCommand)(_command)
app.add_typer(exercise, name="exercise")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 fine, 2 an error that the person can mend, 130 interrupted.

    Args:
        arguments: what was typed after `moreish`; None takes the process's own.
    """
    if sys.stdout is None:  # closed by who called (`>&-`): no one wants to read it
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (open to the end)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no "±" is no reason to fail
    try:
        try:
            with _warnings_as_notes():
                app(arguments, prog_name="moreish")
        finally:
            sys.stdout.flush()  # so that an output that cannot be written is noticed here, not after the end
    except OSError as error:
        if error.filename is not None:  # another file than the output
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes what is left when it ends
        if isinstance(error, BrokenPipeError):  # a reader who has gone (`| head`) has what was wanted
            sys.exit(EXIT_NO_READER)
        say(f"moreish: Cannot write the output: {error.strerror or error}.")
        sys.exit(EXIT_ERROR)
