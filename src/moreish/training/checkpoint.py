"""All that a training needs to go on bit for bit, in one file, and beside it the statistics."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.statistics import Statistics
from moreish.storage import load_arrays, save_arrays
from moreish.training.measured import load_statistics, save_statistics

CHECKPOINT_FILE = "checkpoint.safetensors"


@dataclass
class History:
    """What a training has shown so far.

    Attributes:
        losses: minibatch NLL of every step in nats, in pieces.
        evaluated_steps: after how many steps validation was measured.
        validation_nll: what it was, nats per character.
        statistics: of the steps that were measured, in pieces.
    """

    losses: list[NDArray[np.float32]] = field(default_factory=list)
    evaluated_steps: list[int] = field(default_factory=list)
    validation_nll: list[float] = field(default_factory=list)
    statistics: list[Statistics] = field(default_factory=list)

    def all_losses(self) -> NDArray[np.float32]:
        """One loss for every step, (steps,)."""
        return np.concatenate([np.empty(0, np.float32), *self.losses])


@dataclass
class Position:
    """Where a training stands: steps done, seconds used, the best validation NLL and when it was reached."""

    step: int = 0
    seconds: float = 0.0
    best_nll: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """Weights, optimiser, generator of the minibatches, position and history."""

    weights: dict[str, NDArray[Any]]
    optimizer: dict[str, NDArray[Any]]
    generator: NDArray[np.uint8]
    position: Position
    history: History

    def save(self, run: Path) -> None:
        """Write it into a run directory, atomically.

        The statistics come first: a kill between the two leaves some that are too many, which `load` drops.
        """
        save_statistics(run, Statistics.joined(self.history.statistics))
        arrays = {f"weights/{name}": array for name, array in self.weights.items()}
        arrays |= {f"optimizer/{name}": array for name, array in self.optimizer.items()}
        arrays |= {
            "generator": self.generator,
            "history/losses": self.history.all_losses(),
            "history/evaluated_steps": np.array(self.history.evaluated_steps, dtype=np.int64),
            "history/validation_nll": np.array(self.history.validation_nll, dtype=np.float64),
        }
        save_arrays(run / CHECKPOINT_FILE, arrays, {"position": vars(self.position)})

    @staticmethod
    def load(run: Path) -> "Checkpoint | None":
        """The checkpoint of a run directory; None where none was written yet.

        Raises:
            ModelFileError: it is damaged or from a newer version.
        """
        path = run / CHECKPOINT_FILE
        if not path.exists():
            return None
        arrays, header = load_arrays(path)
        history = History(
            [arrays["history/losses"]],
            arrays["history/evaluated_steps"].tolist(),
            arrays["history/validation_nll"].tolist(),
        )
        position = Position(**header["position"])
        statistics = load_statistics(run)
        if statistics is not None:
            history.statistics.append(statistics.before(position.step))
        return Checkpoint(
            _part(arrays, "weights/"), _part(arrays, "optimizer/"), arrays["generator"], position, history
        )


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
