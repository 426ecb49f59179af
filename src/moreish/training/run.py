"""The run directory: always whole, enough to resume, repeat and understand a training."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from moreish import __version__
from moreish.corpus import Corpus
from moreish.errors import FileError, RunError
from moreish.recipe import Recipe
from moreish.statistics import Statistics
from moreish.storage import read_json, write_json
from moreish.training.measured import load_statistics

if sys.platform != "win32":
    import fcntl

RUN_FILE = "run.json"
RESULTS_FILE = "results.json"
STATISTICS_EVERY = 100

_RUN_VERSION = 1


class Run:
    """A training on disk. It stands for its path wherever one is expected (`moreish.load(run)`).

    Attributes:
        path: the directory.
        recipe: what was, or is to be, carried out.
        data: the file trained on: name, path, sha256, num_bytes.
        statistics_every: steps whose number is a multiple of it are measured; 0 for none. It changes no other number.
    """

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path: Path = path
        self.recipe: Recipe = Recipe.from_dict(content["recipe"], origin=str(path / RUN_FILE))
        self.data: dict[str, Any] = content["data"]
        self.statistics_every: int = content.get("statistics_every", STATISTICS_EVERY)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def results(self) -> dict[str, Any] | None:
        """The figures of a finished training, as `train --json` prints them; None where it has not ended."""
        path = self.path / RESULTS_FILE
        return read_json(path) if path.is_file() else None

    @property
    def statistics(self) -> Statistics | None:
        """Activations, gradients and updates at the steps that were measured; None where none were, or none yet.

        Up to the last checkpoint, while it trains. Each call reads the file.

        Raises:
            ModelFileError: it is damaged or from a newer version.
        """
        return load_statistics(self.path)

    @property
    def data_path(self) -> Path:
        """The file trained on; what came on standard input lies in the run itself."""
        return self.path / self.data["path"] if self.data["is_copy"] else Path(self.data["path"])

    @staticmethod
    def open(path: str | os.PathLike[str]) -> "Run":
        """Open a run directory.

        Raises:
            RunError: it is not one, or from a newer version.
        """
        directory = Path(path)
        if not (directory / RUN_FILE).is_file():
            raise RunError(
                f"{directory} is not a run: it holds no {RUN_FILE}. Give a directory that moreish train wrote."
            )
        content = read_json(directory / RUN_FILE)
        if content.get("version", 0) > _RUN_VERSION:
            raise RunError(
                f"{directory} was written by a newer moreish (version {content['version']} of the form, this one knows "
                f"{_RUN_VERSION}). Update moreish."
            )
        return Run(directory, content)

    @staticmethod
    def create(
        path: Path,
        recipe: Recipe,
        corpus: Corpus,
        copied_input: Path | None = None,
        statistics_every: int = STATISTICS_EVERY,
    ) -> "Run":
        """Make a run directory, with what is needed to begin it anew.

        Args:
            copied_input: a file to be copied into the run, where the input is nowhere else (standard input).
            statistics_every: steps from one that is measured to the next; 0 for none.

        Raises:
            RunError: the directory holds another run, or other files.
            FileError: it cannot be written.
        """
        make_directory(path)
        data = {"name": corpus.source.name, "sha256": corpus.source.sha256, "num_bytes": corpus.source.num_bytes}
        if copied_input is not None:
            name = "input" + "".join(copied_input.suffixes)
            shutil.copyfile(copied_input, path / name)
            data |= {"path": name, "is_copy": True}
        else:
            data |= {"path": str(Path(str(corpus.source.path)).absolute()), "is_copy": False}
        content = {
            "version": _RUN_VERSION,
            "recipe": recipe.to_dict(),
            "data": data,
            "statistics_every": statistics_every,
            "environment": environment(),
        }
        write_json(path / RUN_FILE, content)
        return Run(path, content)


@contextmanager
def held(run: Run) -> Iterator[None]:
    """Keep every other process from training in a run; a process that dies lets go of it.

    Raises:
        RunError: another process trains in it.
    """
    with (run.path / RUN_FILE).open("rb") as file:
        try:
            if sys.platform != "win32":  # where there is no such lock
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"A training is going on in {run.path}. Wait for its end, or stop it; then go on with --resume."
            ) from None
        yield


def is_run(path: Path) -> bool:
    """Whether a directory holds a run."""
    return (path / RUN_FILE).is_file()


def make_directory(path: Path) -> None:
    """Make an empty directory for a run, or accept one that is there.

    Raises:
        RunError: it holds another run, or other files; nothing is overwritten.
        FileError: it cannot be made.
    """
    if is_run(path):
        raise RunError(f"{path} holds another run. Choose another --out, or go on with it: --out {path} --resume.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_empty = not any(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise FileError(
            f"Cannot make the run directory {path}: {error.strerror or error}. Choose another --out."
        ) from error
    if not is_empty:
        raise RunError(f"{path} holds other files. Choose a directory that is empty or does not exist yet.")


@contextmanager
def kept_only_if_used(path: Path) -> Iterator[None]:
    """While it is entered, a directory is made for a run; where that comes to nothing, it is removed again.

    Raises:
        RunError, FileError: as `make_directory`.
    """
    is_new = not path.exists()
    make_directory(path)
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):  # it is not empty
                path.rmdir()
        raise


def free_directory(stem: str) -> Path:
    """`runs/STEM-1`, or the next number that is free."""
    number = 1
    while (path := Path("runs") / f"{stem}-{number}").exists():
        number += 1
    return path


def environment() -> dict[str, str]:
    """Versions and machine: within one of these, resuming is bit for bit."""
    packages = {"moreish": __version__} | {name: version(name) for name in ("torch", "numpy")}
    return {"python": platform.python_version(), **packages, "system": platform.system(), "machine": platform.machine()}
