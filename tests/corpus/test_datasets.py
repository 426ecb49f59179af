"""Names of data sets, files that go before them, and the list that is bundled."""

import dataclasses
import hashlib
import http.server
import threading
from functools import partial
from pathlib import Path

import pytest

from moreish.corpus.datasets import DATA_SETS, bundled_names, cache_directory, download, find
from moreish.errors import InputError


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_bundled_names_are_those_described() -> None:
    data_set, path = DATA_SETS["names"], bundled_names()
    names = path.read_text(encoding="ascii").splitlines()
    assert (sha256(path), path.stat().st_size) == (data_set.sha256, data_set.num_bytes)
    assert data_set.description.startswith(f"{len(names):,} ")
    assert len(set(names)) == len(names)
    assert all(name.isalpha() and name.islower() for name in names)


def test_the_files_of_the_lectures_are_those_described(names_file: Path, shakespeare_file: Path) -> None:
    for name, path in (("makemore-names", names_file), ("tinyshakespeare", shakespeare_file)):
        assert (sha256(path), path.stat().st_size) == (DATA_SETS[name].sha256, DATA_SETS[name].num_bytes)


def test_every_data_set_is_bundled_or_has_an_address() -> None:
    assert [name for name, data_set in DATA_SETS.items() if data_set.url is None] == ["names"]
    assert all(name == data_set.name for name, data_set in DATA_SETS.items())


def test_a_file_on_disk_goes_before_a_data_set_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("names") == bundled_names()
    Path("names").mkdir()
    assert find("names") == bundled_names()  # a directory of that name is not meant
    Path("names").rmdir()
    Path("names").write_text("emma\n")
    assert find("names") == Path("names")
    assert find(tmp_path / "names") == tmp_path / "names"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory; expected a text file"):
        find(tmp_path)


def test_near_misses_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("molecules.txt").write_text("water\n")
    with pytest.raises(InputError, match=r"Did you mean tinyshakespeare\?"):
        find("tinyshakespear")
    with pytest.raises(InputError, match=r"Did you mean molecules.txt\?"):
        find("molecule.txt")
    with pytest.raises(InputError, match=r"Did you mean .*/molecules.txt\?"):
        find(tmp_path / "molecule.txt")
    with pytest.raises(InputError, match=r"\(names, makemore-names, tinyshakespeare\)\. Give the path of a text file"):
        find("zzz")


@pytest.mark.parametrize("text", ["", "x" * 100_000, "a\0b", "/no/such/place/names.txt"])
def test_an_impossible_path_is_one_short_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        find(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_cache_directory_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOREISH_CACHE", raising=False)
    assert cache_directory().name == "moreish"
    monkeypatch.setenv("MOREISH_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path


def test_a_data_set_is_fetched_into_the_cache_and_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, cache = tmp_path / "site", tmp_path / "cache"
    site.mkdir()
    content = b"ada\ngrace\n"
    (site / "makemore-names.txt").write_bytes(content)
    small = dataclasses.replace(
        DATA_SETS["makemore-names"], num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    monkeypatch.setenv("MOREISH_CACHE", str(cache))
    monkeypatch.setitem(DATA_SETS, "makemore-names", small)

    handler = partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        path = download(small, base_url=f"http://127.0.0.1:{server.server_address[1]}/")
        server.shutdown()
        thread.join()
    assert path == cache / "makemore-names.txt"
    assert path.read_bytes() == content

    assert find("makemore-names") == path  # the server is gone: nothing is asked
