"""Which steps come next: prescribed by their number, or by the clock and then written down.

A plan cuts a training into chunks, each of which ends with an evaluation or at the end. Under a time budget a chunk is
recorded before it is executed, so that what the clock decided can be repeated.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.recipe import Recipe
from moreish.storage import read_json, write_json

NUM_EVALUATIONS = 25

_FEWEST_STEPS = 10  # between evaluations, however short the file

_PLAN_FILE = "plan.json"
_CHUNKS_IN_A_BUDGET = 100
_FIRST_CHUNK_STEPS = 20
_LONGEST_CHUNK_SECONDS = 5.0


@dataclass(frozen=True)
class Chunk:
    """Steps `first_step` … `first_step + num_steps - 1`, and whether validation is measured after them.

    `start` and `stop` are the shares of the training done before and after the chunk.
    """

    first_step: int
    num_steps: int
    start: float
    stop: float
    is_evaluated: bool

    @property
    def last_step(self) -> int:
        return self.first_step + self.num_steps


class StepPlan:
    """A given number of steps, evaluated every `eval_every` and at the end.

    Where the recipe leaves it open, evaluation comes about 25 times, and on short files more often: after every second
    pass over the training split, since a network knows such a file by heart long before a 25th of the steps.

    Args:
        recipe: `steps`, `eval_every` and `batch` are used.
        num_examples: of the training split.
    """

    def __init__(self, recipe: Recipe, num_examples: int) -> None:
        assert recipe.steps is not None
        self.seconds: None = None
        self.num_steps: int = recipe.steps
        two_passes = max(_FEWEST_STEPS, -(-2 * num_examples // recipe.batch))
        self._every = recipe.eval_every or min(-(-recipe.steps // NUM_EVALUATIONS), two_passes)

    def next_chunk(self, step: int, seconds: float) -> Chunk | None:
        """The chunk that step `step` begins, or None at the end; the clock does not matter."""
        if step >= self.num_steps:
            return None
        stop = min((step // self._every + 1) * self._every, self.num_steps)
        return Chunk(step, stop - step, step / self.num_steps, stop / self.num_steps, True)

    def progress(self, chunk: Chunk) -> NDArray[np.float64]:
        """Share of the training done before each step of the chunk, (k,); exact, as "step" needs it."""
        return np.arange(chunk.first_step, chunk.last_step) / self.num_steps


class TimePlan:
    """As many steps as a time budget allows.

    Args:
        recipe: `minutes` is the budget, `eval_every` as for steps.
        run: directory in which the chunks are recorded.
        reserve: seconds of the budget that are needed besides training: preparation and final evaluation.
        record: what this run, or one that it repeats, carried out before.
    """

    num_steps: None = None

    def __init__(self, recipe: Recipe, run: Path, reserve: float, record: "Record") -> None:
        assert recipe.minutes is not None
        self.seconds: float = max(recipe.minutes * 60 - reserve, recipe.minutes * 60 * 0.1)
        self._every = recipe.eval_every
        self._run = run
        self._record = record
        self._last_evaluation = max((chunk.stop for chunk in record.chunks if chunk.is_evaluated), default=0.0)
        self._last_call: tuple[int, float] | None = None
        record.save(run)

    def next_chunk(self, step: int, seconds: float) -> Chunk | None:
        """The recorded chunk that holds step `step`, or a new one that fits the time left; None at the end."""
        for chunk in self._record.chunks:
            if chunk.first_step <= step < chunk.last_step:
                return _rest(chunk, step)
        if not self._record.is_complete:
            self._extend(step, seconds)
            self._record.save(self._run)
        return None if self._record.is_complete else self._record.chunks[-1]

    def progress(self, chunk: Chunk) -> NDArray[np.float64]:
        """Share of the training done before each step of the chunk, (k,)."""
        return chunk.start + (chunk.stop - chunk.start) * np.arange(chunk.num_steps) / chunk.num_steps

    def _extend(self, step: int, seconds: float) -> None:
        start = seconds / self.seconds
        if start >= 1:
            self._record.is_complete = True
            return
        wanted = min(self.seconds / _CHUNKS_IN_A_BUDGET, _LONGEST_CHUNK_SECONDS, (1 - start) * self.seconds)
        if self._last_call is None:  # the speed is not known yet
            num_steps, wanted = _FIRST_CHUNK_STEPS, wanted / 10
        else:
            last_step, last_seconds = self._last_call
            num_steps = max(1, int(wanted * (step - last_step) / max(seconds - last_seconds, 1e-9)))
        self._last_call = (step, seconds)
        stop = min(1.0, start + wanted / self.seconds)
        if self._every:
            num_steps = min(num_steps, self._every - step % self._every)
            is_evaluated = (step + num_steps) % self._every == 0
        else:
            is_evaluated = stop - self._last_evaluation >= 1 / NUM_EVALUATIONS
        if is_evaluated:
            self._last_evaluation = stop
        self._record.chunks.append(Chunk(step, num_steps, start, stop, is_evaluated))


Plan = StepPlan | TimePlan


def _rest(chunk: Chunk, step: int) -> Chunk:
    share = (step - chunk.first_step) / chunk.num_steps
    start = chunk.start + share * (chunk.stop - chunk.start)
    return Chunk(step, chunk.last_step - step, start, chunk.stop, chunk.is_evaluated)


@dataclass
class Record:
    """The chunks that a run under a time budget carried out, and whether its time was used up."""

    chunks: list[Chunk] = field(default_factory=list)
    is_complete: bool = False

    @staticmethod
    def read(run: Path) -> "Record":
        """The record of a run; an empty one where it has none."""
        path = run / _PLAN_FILE
        if not path.is_file():
            return Record()
        content: dict[str, Any] = read_json(path)
        return Record([Chunk(**chunk) for chunk in content["chunks"]], content["is_complete"])

    def save(self, run: Path) -> None:
        write_json(run / _PLAN_FILE, asdict(self))
