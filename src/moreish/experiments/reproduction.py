"""From ids to a table of published and measured figures: chosen, measured, judged, saved."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from moreish import __version__
from moreish.corpus import DATA_SETS
from moreish.corpus.datasets import find as find_data
from moreish.errors import DownloadError, FileError, InputError
from moreish.experiments.experiment import Experiment, Measurement
from moreish.experiments.registry import find
from moreish.experiments.runner import Done, carry_out, tasks_of
from moreish.experiments.store import Store
from moreish.experiments.tables import table
from moreish.experiments.verdicts import Compared, compare, postponed, worst
from moreish.storage import write_atomically, write_json

TABLE_FILE = "table.txt"
RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class Row:
    """An experiment with what came out.

    Attributes:
        experiment: the experiment.
        figures: published and measured; empty where it failed.
        verdict: of its worst figure, "later", "failed", or "left out" where its data set is not here.
        seconds: by the clock, over all seeds.
        processor_seconds: likewise, of the processor.
        error: why it failed or was left out.
    """

    experiment: Experiment
    figures: tuple[Compared, ...]
    verdict: str
    seconds: float = 0.0
    processor_seconds: float = 0.0
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        experiment = self.experiment
        names = ("id", "what", "source", "data", "kind", "seeds", "note")
        return {name: getattr(experiment, name) for name in names} | {
            "figures": [asdict(figure) for figure in self.figures],
            "verdict": self.verdict,
            "why": self.why,
            "seconds": round(self.seconds, 2),
            "processor_seconds": round(self.processor_seconds, 2),
        }

    @property
    def is_missing(self) -> bool:
        """Whether it was asked for and could not be carried out."""
        return self.error is not None

    @property
    def why(self) -> str:
        """The error, or the likely reason for a figure that differs."""
        if self.error is not None:
            return self.error
        return self.experiment.why_different if self.verdict == "differs" else ""


def reproduce(
    ids: Sequence[str],
    *,
    out: str | os.PathLike[str] = "reproduced",
    engine: str = "auto",
    data: Sequence[str | os.PathLike[str]] = (),
    num_processes: int | None = None,
    report: Callable[[Done], None] | None = None,
) -> list[Row]:
    """Carry out experiments and compare them with what was published.

    Measurements that stand in `out` are not made again, and an interrupted call can be repeated. The table, as text and
    as JSON, is written there too.

    Args:
        ids: of the experiments.
        out: directory of the measurements and the table.
        engine: that carries out the steps of trainings; "autograd" gives every digit of the exact figures, slowly.
        data: files of the data sets, each known by its content; others are taken by their name.
        num_processes: at a time; None for one on every core.
        report: told what is done.

    Returns:
        A row for each experiment. Those whose data set is not on this machine and cannot be fetched are left out, and
        their rows say so.

    Raises:
        InputError: an id that there is not, a file that is none of the data sets.
        DownloadError: all of them would be left out.
        FileError: `out` cannot be written.
    """
    chosen = find(ids)
    files, missing = _files(chosen, data)
    possible = [experiment for experiment in chosen if experiment.is_later or experiment.data not in missing]
    if not possible:
        raise DownloadError(next(iter(missing.values())))
    directory = Path(out)
    _make(directory)
    tasks = tasks_of(possible, engine, files)
    measurements = carry_out(tasks, Store(directory), num_processes, report)
    rows = [
        _row(experiment, [m for task, m in zip(tasks, measurements, strict=True) if task.experiment is experiment])
        if experiment in possible
        else Row(experiment, (), "left out", error=missing[experiment.data or ""])
        for experiment in chosen
    ]
    write_atomically(directory / TABLE_FILE, ("\n".join(table(rows)) + "\n").encode())
    write_json(directory / RESULTS_FILE, to_json(rows, engine))
    return rows


def to_json(rows: Sequence[Row], engine: str) -> dict[str, Any]:
    """The table as plain data."""
    return {"moreish": __version__, "engine": engine, "experiments": [row.to_dict() for row in rows]}


def _row(experiment: Experiment, measurements: Sequence[Measurement]) -> Row:
    if experiment.is_later:
        return Row(experiment, tuple(postponed(figure) for figure in experiment.published), "later")
    times = (sum(m.seconds for m in measurements), sum(m.processor_seconds for m in measurements))
    error = next((m.error for m in measurements if m.error is not None), None)
    if error is not None:
        return Row(experiment, (), "failed", *times, error)
    figures = tuple(compare(experiment, measurements))
    return Row(experiment, figures, worst([figure.verdict for figure in figures]), *times)


def _files(
    chosen: Sequence[Experiment], given: Sequence[str | os.PathLike[str]]
) -> tuple[dict[str, Path], dict[str, str]]:
    """The file of every data set that is needed; and of those that cannot be had, why."""
    by_content = {data_set.sha256: name for name, data_set in DATA_SETS.items()}
    files: dict[str, Path] = {}
    for file in given:
        path = find_data(file)
        name = by_content.get(hashlib.sha256(path.read_bytes()).hexdigest())
        if name is None:
            raise InputError(
                f"{file} is none of the data sets {', '.join(DATA_SETS)}, judged by its SHA-256; the published figures "
                "are of those alone. Leave the file out, or give an unchanged copy."
            )
        files[name] = path
    needed = {e.data for e in chosen if e.data is not None and not e.is_later}
    missing: dict[str, str] = {}
    for name in sorted(needed - files.keys()):
        try:
            files[name] = find_data(name)
        except DownloadError as error:
            missing[name] = f"It needs {name}, which is not here; a copy is given with --data FILE. {error}"
    return files, missing


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"Cannot make the directory {directory}: {error.strerror or error}. Choose another.") from error
