"""Measurements on disk, so that one that was made is not made again."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from moreish import __version__
from moreish.experiments.experiment import Experiment, Measurement
from moreish.storage import read_json, write_json

_DIRECTORY = "measurements"


@dataclass(frozen=True)
class Task:
    """One measurement: an experiment with one of its seeds and an engine.

    Attributes:
        experiment: what is measured.
        seed: one of the experiment's.
        engine: "auto" or an engine's name.
        file: of the data set, None where it needs none.
    """

    experiment: Experiment
    seed: int
    engine: str
    file: Path | None

    @property
    def key(self) -> str:
        """Changes with anything that the measurement may depend on: settings, file, version."""
        experiment = self.experiment
        data = hashlib.sha256(self.file.read_bytes()).hexdigest() if self.file else None
        settings = dict(experiment.settings)
        parts = [experiment.id, experiment.measure, settings, self.seed, self.engine, data, __version__]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class Store:
    """The measurements in a directory, one file each.

    Args:
        directory: of the results; it is made when the first measurement is kept.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / _DIRECTORY

    def get(self, task: Task) -> Measurement | None:
        """What was measured before, if nothing that it depends on has changed since."""
        path = self._path(task)
        if not path.is_file():
            return None
        content = read_json(path)
        return Measurement(**content["measurement"]) if content.get("key") == task.key else None

    def put(self, task: Task, measurement: Measurement) -> None:
        """Keep a measurement.

        Raises:
            FileError: the directory cannot be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        write_json(self._path(task), {"key": task.key, "measurement": asdict(measurement)})

    def _path(self, task: Task) -> Path:
        return self._directory / f"{task.experiment.id}.{task.engine}.{task.seed}.json"
