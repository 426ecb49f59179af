"""Downloads against a server on this machine: one that behaves, and several that do not."""

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moreish.corpus.download import fetch
from moreish.errors import DownloadError, MoreishError

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT, with faults that a test switches on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.status = 200
        self.knows_ranges = True
        self.says_length = True
        self.breaks_after: int | None = None
        self.ranges: list[str | None] = []  # the Range header of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.txt"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        asked = self.headers["Range"]
        server.ranges.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.knows_ranges else 0
        content = server.content
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: server.breaks_after])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.txt"


def get(server: Server, path: Path, report: Callable[[int, int], None] | None = None) -> None:
    fetch(server.url, path, sha256=SHA256, num_bytes=len(CONTENT), report=report)


def part_of(path: Path) -> Path:
    return path.with_name("file.txt.part")


def test_a_file_is_fetched_verified_and_put_in_its_place(server: Server, path: Path) -> None:
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_a_file_that_is_there_is_not_asked_for_again(server: Server, path: Path) -> None:
    get(server, path)
    get(server, path)
    assert len(server.ranges) == 1


def test_a_damaged_file_is_fetched_again(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    get(server, path)
    assert path.read_bytes() == CONTENT


def test_progress_is_reported_up_to_the_whole(server: Server, path: Path) -> None:
    reports: list[tuple[int, int]] = []
    fetch(
        server.url,
        path,
        sha256=SHA256,
        num_bytes=len(CONTENT),
        report=lambda done, total: reports.append((done, total)),
    )
    assert reports == sorted(set(reports))
    assert reports[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("says_length", [True, False])
def test_a_broken_connection_keeps_what_has_come_and_the_next_call_asks_for_the_rest(
    server: Server, path: Path, says_length: bool
) -> None:
    server.breaks_after = 100_000
    server.says_length = says_length
    with pytest.raises(DownloadError, match="100,000 of 262,144 bytes.*kept"):
        get(server, path)
    assert not path.exists()
    assert part_of(path).read_bytes() == CONTENT[:100_000]

    server.breaks_after = None
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_that_knows_no_ranges_sends_everything_again(server: Server, path: Path) -> None:
    server.breaks_after = 100_000
    with pytest.raises(DownloadError):
        get(server, path)
    server.breaks_after = None
    server.knows_ranges = False
    get(server, path)
    assert path.read_bytes() == CONTENT


def test_a_whole_part_is_only_verified(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT)
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_longer_than_the_file_is_begun_anew(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT + b"more")
    get(server, path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "says_length"),
    [
        (CONTENT[:-1] + b"?", True),
        (CONTENT[:-1] + b"?", False),
        (CONTENT + b"more", True),
        (CONTENT + b"more", False),
        (b"<html>Please sign in.</html>", True),
    ],
)
def test_a_wrong_file_is_refused_and_not_kept(server: Server, path: Path, content: bytes, says_length: bool) -> None:
    server.content = content
    server.says_length = says_length
    with pytest.raises(DownloadError, match="another file than expected"):
        get(server, path)
    assert list(path.parent.iterdir()) == []


def test_a_wrong_beginning_is_found_out_and_removed(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match=f"another file than expected .*{SHA256[:12]}"):
        get(server, path)
    assert not part_of(path).exists()


def test_a_rest_that_the_server_does_not_have_begins_anew(server: Server, path: Path) -> None:
    server.content = CONTENT[:1000]
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT[:2000])
    with pytest.raises(DownloadError, match="another file than expected"):
        get(server, path)
    assert server.ranges == ["bytes=2000-", None]


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_says_the_status_and_what_to_do(server: Server, path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=rf"answers {status} .*fetch the file by hand and give its path") as caught:
        get(server, path)
    assert "\n" not in str(caught.value)


def test_offline_says_what_to_do(server: Server, path: Path) -> None:
    url = server.url
    server.server_close()  # nobody listens there now
    with pytest.raises(DownloadError, match="Cannot reach .*Go online and try again.*by hand") as caught:
        fetch(url, path, sha256=SHA256, num_bytes=len(CONTENT))
    assert isinstance(caught.value, MoreishError)
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_names_the_variable(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a directory should be")
    with pytest.raises(DownloadError, match=r"Cannot write .*MOREISH_CACHE"):
        get(server, tmp_path / "cache" / "file.txt")
