"""Every error that a person can cause, each also the fitting built-in exception.

A message is one line: what was got, what was expected, where, and the next step. The command line prints it without a
traceback and exits with 2.
"""

from collections.abc import Sequence
from typing import Any


class MoreishError(Exception):
    """Base of all errors that a person can cause."""


class MoreishWarning(UserWarning):
    """What a person should hear before it goes on; the command line says it as a note."""


class InputError(MoreishError, ValueError):
    """A text, file content or request that cannot be used as it is."""


class ScoringError(InputError):
    """Texts of which some cannot be scored.

    Attributes:
        items: one for each text, a `moreish.generation.Scored`; None where it cannot be scored.
        problems: one for each text: why it cannot be scored, "" where it can.
    """

    def __init__(self, message: str, items: Sequence[Any], problems: Sequence[str]) -> None:
        super().__init__(message)
        self.items: list[Any] = list(items)
        self.problems: list[str] = list(problems)


class FileError(MoreishError, OSError):
    """A file that cannot be read or written."""


class RecipeError(MoreishError, ValueError):
    """A recipe with a value out of range, or with values that contradict each other."""


class ShapeError(MoreishError, ValueError):
    """An array whose shape is not the one expected."""


class ModelFileError(MoreishError, ValueError):
    """A model or checkpoint file that is damaged, foreign, or from a newer version."""


class RunError(MoreishError, RuntimeError):
    """A run directory that cannot be used as asked."""


class EngineError(MoreishError, RuntimeError):
    """An engine that is not available, or does not support the model."""


class DivergenceError(MoreishError, ArithmeticError):
    """A training whose loss stopped being a finite number."""


class ImpossibleRequestError(MoreishError, ValueError):
    """A generation that no number of attempts could satisfy.

    Attributes:
        items: those that were found all the same, each a `moreish.generation.Generated`.
    """

    def __init__(self, message: str, items: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.items: list[Any] = list(items)


class DownloadError(MoreishError, OSError):
    """A data set that could not be fetched or verified."""


class ReproductionError(MoreishError, RuntimeError):
    """Experiments of which some could not be carried out; the others were."""
