"""What all tests share: the data files, one thread, and property tests that repeat."""

import os
from pathlib import Path

# Set before anything loads NumPy or PyTorch: thread pools are sized when they are loaded.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_variable] = "1"

import hypothesis  # noqa: E402
import pytest  # noqa: E402

hypothesis.settings.register_profile("moreish", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("moreish")


@pytest.fixture(scope="session")
def names_file() -> Path:
    """The 32,033 names of the lectures."""
    return _data_file("names.txt")


@pytest.fixture(scope="session")
def shakespeare_file() -> Path:
    """Tiny Shakespeare: 1.1 MB of running text."""
    return _data_file("tinyshakespeare.txt")


def _data_file(name: str) -> Path:
    directory = os.environ.get("MOREISH_DATA")
    if not directory:
        pytest.skip(f"needs {name}: set MOREISH_DATA to a directory that holds it")
    path = Path(directory) / name
    assert path.is_file(), f"MOREISH_DATA is {directory}, and there is no {name} in it"
    return path
