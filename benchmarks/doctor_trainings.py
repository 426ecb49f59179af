"""What the doctor of moreish's own trainings costs: `moreish train` has it look on by default.

Usage: python benchmarks/doctor_trainings.py [--turns N] [CASE ...]

Protocol: whole trainings on the bundled names, one core, one thread, processor time (`time.process_time`) from the
event Started to the event Ended. The time spent in the doctor's `observe` is taken apart in the same run: the cost is
that time over the rest, and the median over the turns is shown. What both begin with (imports, reading the file,
counting models) is left out.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import torch

import moreish
from moreish.doctor.trainings import TrainingDoctor
from moreish.observers import Ended, Event, Started, Stop

_LECTURE: dict[str, Any] = {
    "context": 3, "embedding": 10, "hidden": (200,), "activation": "tanh", "optimizer": "sgd", "learning_rate": 0.1,
    "weight_decay": 0.0, "batch": 32, "warmup": 0.0, "schedule": "step",
}  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "the default recipe, native": {"engine": "native"},
    "the default recipe, autograd": {"engine": "autograd"},
    "the lecture's MLP, 20,000 steps, native": _LECTURE | {"engine": "native", "steps": 20_000},
    "the lecture's MLP, 20,000 steps, autograd": _LECTURE | {"engine": "autograd", "steps": 20_000},
    "the lecture's MLP, 200,000 steps, native": _LECTURE | {"engine": "native", "steps": 200_000},
}


class Timed:
    """A doctor, and the clock beside it."""

    def __init__(self) -> None:
        self._doctor = TrainingDoctor()
        self.doctor_seconds = self._began = self._ended = 0.0

    def observe(self, event: Event) -> Stop | None:
        if isinstance(event, Started):
            self._began = time.process_time()
        before = time.process_time()
        self._doctor.observe(event)
        self._ended = time.process_time()
        self.doctor_seconds += self._ended - before
        if isinstance(event, Ended):
            self.training_seconds = self._ended - self._began - self.doctor_seconds
        return None


def measure(changes: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds of a training without what the doctor took, and what it took."""
    timed = Timed()
    with tempfile.TemporaryDirectory() as directory:
        moreish.train("names", out=f"{directory}/run", observers=[timed], **changes)
    return timed.training_seconds, timed.doctor_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="parts of the names of cases [all]")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    measure({"steps": 60})  # loads what is loaded once
    print(
        f"Python {platform.python_version()}, PyTorch {torch.__version__}; {platform.machine()}, one core, one thread"
    )
    print(f"medians (range) of {arguments.turns} turns")
    print("| training | seconds | the doctor's | cost |")
    print("|---|---|---|---|")
    for name, changes in CASES.items():
        if arguments.cases and not any(part in name for part in arguments.cases):
            continue
        rows = [measure(changes) for _ in range(arguments.turns)]
        costs = [doctor / training for training, doctor in rows]
        seconds, doctor = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"| {name} | {seconds:.2f} | {doctor:.2f} | {statistics.median(costs):.1%} "
            f"({min(costs):.1%} to {max(costs):.1%}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
