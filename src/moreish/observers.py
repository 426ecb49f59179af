"""What the training loop reports, and how someone listens.

An observer is handed in from above. It may ask to stop and can change no number.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from moreish.statistics import Statistics

if TYPE_CHECKING:
    from moreish.corpus import Corpus


@dataclass(frozen=True)
class Prepared:
    """The file was read and split, and the run directory made.

    `notes` are sentences that a person should hear: what was dropped, what leaks, what never occurs in training.
    `num_predicted` maps each split to its number of predicted symbols; `baselines` maps what counting reaches, by name,
    to its NLL on each split in nats per character. `corpus` is handed on to those who measure it themselves.
    """

    run: Path
    name: str
    notes: tuple[str, ...]
    vocab_size: int
    num_predicted: dict[str, int]
    baselines: dict[str, dict[str, float]]
    corpus: "Corpus"


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on from `step`. Either `num_steps` or the budget `seconds` is None."""

    step: int
    num_steps: int | None
    seconds: float | None
    num_parameters: int
    engine: str
    reason: str


@dataclass(frozen=True)
class ChunkDone:
    """Steps `step - len(losses)` … `step - 1` were carried out; `losses` is each one's minibatch NLL in nats.

    `progress` is the share of the whole training that is done, from 0 to 1. `seconds` is the time trained so far,
    earlier parts of a resumed run included. `statistics` holds those of them that were measured; None if none ever are.
    """

    step: int
    losses: NDArray[np.float32]
    progress: float
    seconds: float
    statistics: Statistics | None = None


@dataclass(frozen=True)
class Evaluated:
    """The validation split was measured after `step` steps."""

    step: int
    validation_nll: float
    is_best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint of `step` stands on disk."""

    step: int


@dataclass(frozen=True)
class Ended:
    """Training stopped after `step` steps; `reason` is "finished", "patience", "interrupted" or an observer's word."""

    step: int
    reason: str
    seconds: float


Event = Prepared | Started | ChunkDone | Evaluated | Saved | Ended


@dataclass(frozen=True)
class Stop:
    """An observer's request to stop after the current chunk, with everything saved."""

    reason: str


class Observer(Protocol):
    """Anything that listens to a training."""

    def observe(self, event: Event) -> Stop | None:
        """Take note of an event; return a `Stop` to ask for an end."""
        ...
