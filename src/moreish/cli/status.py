"""Where a long work stands: a line that moves on a terminal, a line for each time elsewhere."""

import sys
from typing import Any

from moreish.cli.printing import say


class Status:
    """Shows one line after another on standard error, while it is entered.

    Attributes:
        moves: whether a line takes the place of the one before, so that many of them disturb no one.
    """

    def __init__(self) -> None:
        self.moves: bool = sys.stderr.isatty()
        self._line: Any = None

    def __enter__(self) -> "Status":
        if self.moves:
            from rich.console import Console

            self._line = Console(stderr=True).status("Preparing …")
            self._line.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def show(self, line: str) -> None:
        """Say where the work stands."""
        if self._line is None:
            say(line)
        else:
            self._line.update(line)

    def close(self) -> None:
        """Nothing moves any more."""
        if self._line is not None:
            self._line.stop()
