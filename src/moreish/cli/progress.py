"""What a training says while it goes on: observers for a terminal and for a log."""

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from moreish.cli.printing import count, duration, say
from moreish.observers import ChunkDone, Ended, Evaluated, Event, Prepared, Started

_SMOOTHING = 0.99  # of the minibatch NLL: an average over about the last hundred steps
_SHARE_BETWEEN_LINES = 0.1
_LINE_WIDTH = 88
_NARROWEST_BAR = 10


class Progress:
    """Follows a training and says how it goes, in occasional lines.

    Attributes:
        has_begun: whether a file was read: a run that is finished does not begin.
        run: directory of the training, once it is made.
        ended: how it ended, once it has.
    """

    def __init__(self) -> None:
        self.has_begun: bool = False
        self.run: Path | None = None
        self.num_steps: int | None = None
        self.ended: Ended | None = None
        self._sum = self._weight = 0.0
        self._step, self._progress, self._seconds = 0, 0.0, 0.0
        self._validation: Evaluated | None = None
        self._best_nll: float | None = None
        self._said_at = 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def observe(self, event: Event) -> None:
        """Take note of an event, and say or show it."""
        match event:
            case Prepared():
                self.has_begun, self.run = True, event.run
                self._say_prepared(event)
            case Started():
                self.num_steps, self._step = event.num_steps, event.step
                self._say_started(event)
            case ChunkDone():
                for loss in event.losses.tolist():
                    self._sum = _SMOOTHING * self._sum + (1 - _SMOOTHING) * loss
                    self._weight = _SMOOTHING * self._weight + (1 - _SMOOTHING)
                self._step, self._progress, self._seconds = event.step, event.progress, event.seconds
                self.show()
            case Evaluated():
                self._validation = event
                self._best_nll = event.validation_nll if event.is_best else self._best_nll
                self.show()
            case Ended():
                self.ended = event
                self.close()
                if event.reason == "patience":
                    say(f"Stopped after step {event.step:,}: --patience ran out without a better validation NLL.")
            case _:
                pass

    def show(self) -> None:
        """Show where the training stands: here a line at every tenth of the way, after an evaluation."""
        is_evaluated_now = self._validation is not None and self._validation.step == self._step
        if is_evaluated_now and self._progress >= self._said_at + _SHARE_BETWEEN_LINES - 1e-9:
            self._said_at = self._progress
            of = "" if self.num_steps is None else f" of {self.num_steps:,}"
            say(f"step {self._step:,}{of}: {self.describe()}")

    def close(self) -> None:
        """Nothing moves any more."""

    def describe(self) -> str:
        """Where the training stands, in one line; what matters less stands where a narrow terminal cuts it off."""
        parts = [f"{self._progress:3.0%}"]
        if self._progress > 0:
            parts.append(f"{duration(self._seconds * (1 - self._progress) / self._progress)} left")
        if self._weight > 0:
            parts.append(f"NLL minibatch {self._sum / self._weight:.3f}")
            if self._validation is not None:
                parts.append(f"validation {self._validation.validation_nll:.3f}")
                if self._best_nll is not None and not self._validation.is_best:
                    parts.append(f"best {self._best_nll:.3f}")
        if self._seconds > 0:
            parts.append(f"{self._step / self._seconds:,.0f} steps/s")
        return ", ".join(parts)

    def _say_prepared(self, event: Prepared) -> None:
        sizes = ", ".join(f"{number:,} ({split})" for split, number in event.num_predicted.items())
        say(f"{event.name}: vocabulary of {count(event.vocab_size, 'symbol')}; to predict: {sizes}")
        for note in event.notes:
            say(f"note: {note}")

    def _say_started(self, event: Started) -> None:
        if event.num_steps is not None:
            extent = count(event.num_steps, "step")
        else:
            extent = duration(event.seconds or 0.0)
        again = f"Going on after step {event.step:,} of" if event.step else "Training"
        say(
            f"{again} {self.run}: {count(event.num_parameters, 'parameter')}, {extent}, engine {event.engine} "
            f"({event.reason}); Ctrl-C stops and saves"
        )


class LiveProgress(Progress):
    """The same, as one line that moves, with a bar where the terminal has room for it."""

    def __init__(self) -> None:
        super().__init__()
        self._moving: Any = None
        self._bar: Any = None

    def __enter__(self) -> "LiveProgress":
        from rich.console import Console

        self._moving = Console(stderr=True).status("Preparing …")
        self._moving.start()
        return self

    def observe(self, event: Event) -> None:
        if self._bar is None:
            self.close()
        super().observe(event)

    def show(self) -> None:
        self._bar = self._bar or self._begin()
        self._bar.update(0, completed=self._progress, description=self.describe())

    def close(self) -> None:
        if self._moving is not None:
            self._moving.stop()

    def _begin(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, ProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        room = console.width - _LINE_WIDTH
        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
        if room >= _NARROWEST_BAR:
            columns.append(BarColumn(min(room, 40)))
        self._moving = bar = RichProgress(*columns, console=console, refresh_per_second=5)
        bar.add_task("", total=1.0)
        bar.start()
        return bar


def progress() -> Progress:
    """What fits standard error: a line that moves on a terminal, occasional lines elsewhere."""
    return LiveProgress() if sys.stderr.isatty() else Progress()
