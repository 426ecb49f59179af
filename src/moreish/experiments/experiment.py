"""What an experiment is: where it comes from, what was published, and how it is measured again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Value = float | str | list[float]
"""One figure: a number, a row of numbers, or a text such as names drawn."""

FigureKind = Literal["exact", "near"]

SEEDS: tuple[int, ...] = (1, 2, 3)
"""Of every experiment whose source draws from an unseeded generator; fixed before anything was measured."""

FULL_SPLIT = 0.02
"""Band of an NLL over a whole split, nats."""

ONE_MINIBATCH = 0.5
"""Band of the loss of one minibatch of 32 after training, nats."""


@dataclass(frozen=True)
class Figure:
    """A figure as it was published.

    Attributes:
        name: of the value that the measurement gives for it.
        printed: as it stands in the source: a number, numbers with spaces between, or a text. Its digits count.
        kind: "exact": every random draw is seeded, so that the digits must come out; "near": only a distribution can
            be compared.
        band: how far from it the mean of a "near" figure may lie, where three times its spread over seeds is less.
    """

    name: str
    printed: str
    kind: FigureKind
    band: float = 0.0


def exactly(name: str, printed: str) -> Figure:
    """A figure whose every draw is seeded in the source."""
    return Figure(name, printed, "exact")


def nearly(name: str, printed: str, band: float) -> Figure:
    """A figure that is one draw from a distribution."""
    return Figure(name, printed, "near", band)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One row of the table of published numbers.

    Attributes:
        id: what it is called.
        what: in one line.
        source: the lecture or notebook that reports it.
        data: name of the data set, None where it needs none.
        published: figures to compare; empty where the source shows a picture, or asks a question.
        measure: the function that measures it, "module.function" within `moreish.experiments`: `Request` → named
            values. None where the product cannot do it yet ("later").
        settings: what that function is given: fields of a recipe, or its own; plain data.
        seeds: one measurement each.
        seconds: of one measurement with the native engine, roughly: long ones are begun first, and the remaining time
            is foretold from it.
        note: what a reader should know whatever comes out, such as a published figure that cannot be right.
        why_different: the likely reason, told where a figure differs.
    """

    id: str
    what: str
    source: str
    data: str | None = None
    published: tuple[Figure, ...] = ()
    measure: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = SEEDS
    seconds: float = 1.0
    note: str = ""
    why_different: str = ""

    @property
    def kind(self) -> str:
        """ "exact", "near" (also where only some figures are), or "–" where there is nothing to compare."""
        kinds = {figure.kind for figure in self.published}
        return "near" if "near" in kinds else "exact" if kinds else "–"

    @property
    def is_later(self) -> bool:
        """Whether the product cannot do it yet."""
        return self.measure is None


@dataclass(frozen=True)
class Request:
    """One measurement to be made.

    Attributes:
        file: of the data set; None where the experiment needs none.
        seed: of everything that the source leaves unseeded.
        engine: that carries out the steps of trainings: "auto" or an engine's name.
        settings: of the experiment.
        directory: empty, for runs and other files; it is removed afterwards.
    """

    file: Path | None
    seed: int
    engine: str
    settings: Mapping[str, Any]
    directory: Path

    @property
    def data_file(self) -> Path:
        """The file, where the experiment is known to need one."""
        assert self.file is not None
        return self.file


@dataclass(frozen=True)
class Measurement:
    """What came out with one seed.

    Attributes:
        values: by name; those that nothing was published for are shown.
        seconds: by the clock.
        processor_seconds: of this one process, which other programs on the machine do not change.
        error: why it could not be measured, None where it could.
    """

    values: Mapping[str, Value]
    seconds: float
    processor_seconds: float
    error: str | None = None
