"""The statistics of a run on disk: one file, written before each checkpoint."""

from pathlib import Path

from moreish.statistics import Statistics
from moreish.storage import load_arrays, save_arrays

STATISTICS_FILE = "statistics.safetensors"


def save_statistics(run: Path, statistics: Statistics) -> None:
    """Write them into a run directory, atomically; nothing where nothing was measured."""
    if len(statistics):
        arrays = dict(statistics.arrays())
        # The file holds its arrays in an order of its own, but layers have one.
        save_arrays(run / STATISTICS_FILE, arrays, {"order": list(arrays)})


def load_statistics(run: Path) -> Statistics | None:
    """Those of a run directory; None where it has none.

    Raises:
        ModelFileError: the file is damaged or from a newer version.
    """
    path = run / STATISTICS_FILE
    if not path.is_file():
        return None
    arrays, header = load_arrays(path)
    return Statistics.from_arrays({name: arrays[name] for name in header["order"]})
