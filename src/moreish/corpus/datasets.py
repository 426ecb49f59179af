"""Data sets known by name: what they are, and where they lie on this machine."""

import contextlib
import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moreish.corpus.download import fetch
from moreish.errors import InputError
from moreish.recipe import Kind


@dataclass(frozen=True)
class DataSet:
    """One file that has a name.

    Attributes:
        name: what a person types.
        description: what is in it.
        origin: who made it, and of what.
        licence: under what terms it can be used.
        kind: a list of items, one a line, or running text.
        file_name: in the package or in the cache directory.
        num_bytes: its size.
        sha256: of its content, hexadecimal.
        url: where it is fetched from; None for what comes with the package.
    """

    name: str
    description: str
    origin: str
    licence: str
    kind: Kind
    file_name: str
    num_bytes: int
    sha256: str
    url: str | None = None


DATA_SETS: dict[str, DataSet] = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name="names",
            description="30,460 given names in births of 2015 in the United States, lower case",
            origin="US Social Security Administration, counts of births by name; see tools/make_names.py",
            licence="public domain (work of the US government)",
            kind="lines",
            file_name="names.txt",
            num_bytes=219_616,
            sha256="10c1fdc6527c6230129d4c94652c438d16288aad955fb97960163b9cb56db703",
        ),
        DataSet(
            name="makemore-names",
            description="32,033 given names, lower case: the list of the lectures, with which figures compare",
            origin="github.com/karpathy/makemore, from counts of the US Social Security Administration",
            licence="MIT",
            kind="lines",
            file_name="makemore-names.txt",
            num_bytes=228_145,
            sha256="0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
            url="https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
        ),
        DataSet(
            name="tinyshakespeare",
            description="40,000 lines from plays by Shakespeare, as running text",
            origin="github.com/karpathy/char-rnn",
            licence="public domain (the plays)",
            kind="text",
            file_name="tinyshakespeare.txt",
            num_bytes=1_115_394,
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        ),
    )
}


def find(name_or_path: str | os.PathLike[str], report: Callable[[int, int], None] | None = None) -> Path:
    """The file that a person means: one that is on disk, else the data set of that name, fetched if need be.

    Args:
        report: told the progress of a download; see `moreish.corpus.download.fetch`.

    Raises:
        InputError: neither a file nor a name, or a directory; near misses are named.
        DownloadError: the data set is not on this machine and cannot be fetched.
    """
    text = os.fspath(name_or_path)
    data_set = DATA_SETS.get(text)
    # os.path instead of Path: a name too long for the file system is a file that is not there, not an OSError.
    if os.path.exists(text) and not os.path.isdir(text):
        return Path(text)
    if data_set is not None:
        return download(data_set, report=report)
    if os.path.isdir(text):
        raise InputError(f"{text} is a directory; expected a text file. Give the path of a file in it.")
    shown = text if len(text) <= 100 else f"{text[:100]}…"
    raise InputError(
        f"There is no file {shown!r}, nor a data set of that name ({', '.join(DATA_SETS)}). {_suggestion(text)}"
    )


def bundled_names() -> Path:
    """The list of names that comes with the package."""
    return download(DATA_SETS["names"])


def cache_directory() -> Path:
    """Where downloaded data sets are kept: MOREISH_CACHE, or the user's cache directory."""
    if directory := os.environ.get("MOREISH_CACHE"):
        return Path(directory).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("moreish", appauthor=False))


def download(
    data_set: DataSet,
    cache_dir: Path | None = None,
    base_url: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Path:
    """The data set's file on this machine: bundled, in the cache, or fetched into it now.

    Args:
        cache_dir: instead of `cache_directory()`.
        base_url: a mirror that has the file under its file name, instead of the data set's URL.
        report: told the progress; see `moreish.corpus.download.fetch`.

    Raises:
        DownloadError: it cannot be fetched or verified.
    """
    if data_set.url is None:
        return Path(__file__).parent / "data" / data_set.file_name
    path = (cache_dir or cache_directory()) / data_set.file_name
    url = data_set.url if base_url is None else f"{base_url.rstrip('/')}/{data_set.file_name}"
    fetch(url, path, sha256=data_set.sha256, num_bytes=data_set.num_bytes, report=report)
    return path


def _suggestion(text: str) -> str:
    directory, name = os.path.split(text)
    files: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        files = sorted(entry.name for entry in os.scandir(directory or ".") if entry.is_file())
    close = [os.path.join(directory, match) for match in difflib.get_close_matches(name, files, n=1)]
    close += difflib.get_close_matches(text, DATA_SETS, n=1)
    return f"Did you mean {' or '.join(close)}?" if close else "Give the path of a text file, or one of these names."
