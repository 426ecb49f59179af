"""Carry out every training once and write down its evidence; what is there already is not done again."""

import math
import multiprocessing
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from benchmarks.doctor import store
from benchmarks.doctor.faults import NUM_SEEDS, cases
from benchmarks.doctor.healthy import NUM_NULL, hard_cases, null_cases
from benchmarks.doctor.setting import Setting
from benchmarks.doctor.training import Outcome, run


def plan(names: Iterable[str] = (), num_seeds: int = NUM_SEEDS, num_null: int = NUM_NULL) -> list[Setting]:
    """Every setting that is to be watched, once; with names, the faults and hard kinds whose name contains one."""
    wanted = tuple(names)

    def is_wanted(name: str) -> bool:
        return not wanted or any(item in name for item in wanted)

    chosen = [case for case in cases(num_seeds) if is_wanted(case.fault.name)]
    chosen.sort(key=lambda case: case.setting.seed)  # whatever is done when it is interrupted is of every kind
    settings = [case.setting for case in hard_cases() if is_wanted(case.kind)]
    settings += [setting for case in chosen for setting in (case.twin, case.setting)]
    if not wanted:
        settings += [case.setting for case in null_cases(num_null)]
    return list(dict.fromkeys(settings))


def record(settings: list[Setting], directory: Path = store.DIRECTORY, processes: int = 2) -> None:
    """Watch every training that is not recorded yet."""
    store.mend(directory)
    done = store.recorded(directory)
    todo = [setting for setting in settings if setting.key not in done]
    print(f"{len(settings):,} trainings, {len(settings) - len(todo):,} recorded already.", flush=True)
    carry_out(_watched, todo, lambda setting, line: store.append(line, store.shard(setting.key, directory)), processes)


def carry_out(
    work: Callable[[Setting], bytes], todo: list[Setting], keep: Callable[[Setting, bytes], None], processes: int
) -> None:
    """Each setting on one of the processes (with 1, in this one), with progress; Ctrl-C keeps what is finished."""
    began, every = time.monotonic(), max(len(todo) // 20, 1)
    try:
        for number, (setting, line) in enumerate(_results(work, todo, processes), 1):
            keep(setting, line)
            if sys.stdout.isatty() or number % every == 0 or number == len(todo):
                seconds = time.monotonic() - began
                left = seconds / number * (len(todo) - number)
                end = "\r" if sys.stdout.isatty() and number < len(todo) else "\n"
                print(f"{number:,} of {len(todo):,}, {seconds:.0f} s, about {left:.0f} s left  ", end=end, flush=True)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. What is finished is kept; the same command goes on from there.")


def _results(work: Callable[[Setting], bytes], todo: list[Setting], processes: int) -> Iterator[tuple[Setting, bytes]]:
    if processes == 1 or not todo:
        yield from map(_Job(work), todo)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _prepare) as pool:
        yield from pool.imap_unordered(_Job(work), todo)


class _Job:
    """A setting, and what came of the work on it."""

    def __init__(self, work: Callable[[Setting], bytes]) -> None:
        self.work = work

    def __call__(self, setting: Setting) -> tuple[Setting, bytes]:
        return setting, self.work(setting)


def _watched(setting: Setting) -> bytes:
    try:
        outcome = run(setting)
    except Exception as error:  # a doctor that falls over is part of the record
        outcome = Outcome(math.nan, error=f"{type(error).__name__}: {error}")
    return store.to_line(setting.key, outcome)


def _prepare() -> None:
    """Each process has one core: more threads would only get in each other's way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
