"""Carrying out experiments: one process a core, one thread each, and nothing that is done is lost."""

import importlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from moreish.errors import MoreishError
from moreish.experiments.experiment import Experiment, Measurement, Request
from moreish.experiments.store import Store, Task

# Pools of threads are sized when the libraries are loaded: in a process that is just beginning.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Done:
    """Where a reproduction stands.

    Attributes:
        task: that was just measured; None at the beginning.
        num_done: measurements that stand, those from before included.
        num_tasks: all of them.
        seconds_left: roughly; None before the first is done.
    """

    task: Task | None
    num_done: int
    num_tasks: int
    seconds_left: float | None


def tasks_of(experiments: Iterable[Experiment], engine: str, files: dict[str, Path]) -> list[Task]:
    """Every measurement that some experiments ask for; none of those that come later."""
    return [
        Task(experiment, seed, engine, files[experiment.data] if experiment.data else None)
        for experiment in experiments
        if not experiment.is_later
        for seed in experiment.seeds
    ]


def carry_out(
    tasks: Sequence[Task], store: Store, num_processes: int | None = None, report: Callable[[Done], None] | None = None
) -> list[Measurement]:
    """Make the measurements that are not in the store yet, the longest first.

    Args:
        tasks: from `tasks_of`.
        store: receives each measurement as soon as it is made.
        num_processes: at a time; None for one on every core that this process may use.
        report: told what is done.

    Returns:
        One for each task, in their order.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is done stands in the store.
    """
    found = {index: kept for index, task in enumerate(tasks) if (kept := store.get(task)) is not None}
    missing = [index for index in range(len(tasks)) if index not in found]
    missing.sort(key=lambda index: -tasks[index].experiment.seconds)
    clock = _Clock([tasks[index].experiment.seconds for index in missing])
    report = report or (lambda done: None)
    report(Done(None, len(found), len(tasks), None))
    num_processes = min(num_processes or num_cores(), len(missing))
    # An interruption ends the processes at once.
    with _termination_as_interruption(), closing(_measure_all(tasks, missing, num_processes)) as measured:
        for index, measurement in measured:
            found[index] = measurement
            if measurement.error is None:
                store.put(tasks[index], measurement)
            left = clock.seconds_left(tasks[index].experiment.seconds)
            report(Done(tasks[index], len(found), len(tasks), left))
    return [found[index] for index in range(len(tasks))]


def _measure_all(
    tasks: Sequence[Task], indices: Sequence[int], num_processes: int
) -> Generator[tuple[int, Measurement], None, None]:
    """The measurements as they are made; in this process where one at a time is enough."""
    with tempfile.TemporaryDirectory(prefix="moreish-") as scratch:
        if num_processes <= 1:
            yield from ((index, measure(tasks[index], Path(scratch))) for index in indices)
        else:
            yield from _measure_in_processes(tasks, indices, num_processes, Path(scratch))


def _measure_in_processes(
    tasks: Sequence[Task], indices: Sequence[int], num_processes: int, scratch: Path
) -> Iterator[tuple[int, Measurement]]:
    with ProcessPoolExecutor(num_processes, multiprocessing.get_context("spawn"), _begin_process) as pool:
        futures: dict[Future[Measurement], int] = {}
        try:
            for index in indices:
                futures[pool.submit(measure, tasks[index], scratch)] = index
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:  # also where the caller stops listening
            # Futures are not cancelled: the pool ends with a traceback where it finds some that are (CPython 3.11).
            for process in multiprocessing.active_children():
                process.kill()  # a training would take a gentler word as a request, and save first
            raise


def measure(task: Task, scratch: Path) -> Measurement:
    """Make one measurement, in this process; what a person could mend is in its `error`.

    Args:
        scratch: where a directory for its runs is made, and removed afterwards.
    """
    experiment = task.experiment
    assert experiment.measure is not None
    module, name = experiment.measure.rsplit(".", 1)
    function = getattr(importlib.import_module(f"moreish.experiments.{module}"), name)
    began, processor_began = time.perf_counter(), time.process_time()
    values, error = {}, None
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        try:
            request = Request(task.file, task.seed, task.engine, experiment.settings, Path(directory))
            values = dict(function(request))
        except MoreishError as failure:
            error = str(failure)
    return Measurement(values, time.perf_counter() - began, time.process_time() - processor_began, error)


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _termination_as_interruption() -> Iterator[None]:
    """While it is entered, SIGTERM does what Ctrl-C does: by itself it would end this process and leave the others."""
    if threading.current_thread() is not threading.main_thread():  # where Python delivers no signals
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough, and nothing may disturb the end
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _begin_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends us
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))


class _Clock:
    """Foretells the time that is left from the costs of what is done and what is not."""

    def __init__(self, costs: Sequence[float]) -> None:
        self._began = time.perf_counter()
        self._left = sum(costs)
        self._done = 0.0

    def seconds_left(self, cost: float) -> float:
        self._left -= cost
        self._done += cost
        return (time.perf_counter() - self._began) * max(self._left, 0.0) / self._done
