"""Fetch one file whose size and SHA-256 are known: resumable, verified, whole or not there at all."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from moreish.errors import DownloadError

TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 16
_BY_HAND = "Or fetch the file by hand and give its path instead of the name."


def fetch(
    url: str, path: Path, *, sha256: str, num_bytes: int, report: Callable[[int, int], None] | None = None
) -> None:
    """Download `url` to `path`, unless the right file is there already.

    What has come stands in `path`.part and is kept when the connection breaks, so that the next call asks only for the
    rest (HTTP Range, RFC 9110 section 14); a server that sends everything again is fine too. The file is renamed into
    place once its size and hash are right.

    Args:
        report: called with the bytes that are there and the bytes there will be.

    Raises:
        DownloadError: no answer, an answer other than the file, an interruption, or a content other than expected.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        if path.is_file() and _sha256(path) == sha256:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not part.exists() or part.stat().st_size != num_bytes:
            _receive(url, part, num_bytes, report)
        if _sha256(part) != sha256:
            raise _another_file(url, part, f"the one whose SHA-256 begins with {sha256[:12]}")
        os.replace(part, path)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"Cannot write {part}: {error.strerror or error}. "
            "Free some space, or set MOREISH_CACHE to a directory that can be written."
        ) from error


def _receive(url: str, part: Path, num_bytes: int, report: Callable[[int, int], None] | None) -> None:
    start = part.stat().st_size if part.exists() else 0
    if start > num_bytes:  # left by another version of the file
        part.unlink()
        start = 0
    with _open(url, start) as response:
        continues = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        done = start if continues else 0
        if response.length is not None and done + response.length != num_bytes:
            raise _another_file(url, part, f"one of {num_bytes:,} bytes")
        with part.open("ab" if continues else "wb") as file:
            for chunk in _chunks(response, url):
                file.write(chunk)
                done += len(chunk)
                if done > num_bytes:
                    break  # a wrong file, which may be endless; its hash is wrong too
                if report is not None:
                    report(done, num_bytes)
    if done < num_bytes:
        raise DownloadError(
            f"The download of {url} broke off at {done:,} of {num_bytes:,} bytes. "
            "They are kept: run the same command again to fetch the rest."
        )


def _open(url: str, start: int) -> http.client.HTTPResponse:
    headers = {"Accept-Encoding": "identity", "User-Agent": "moreish"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # there is no rest: what has come is of another file
            return _open(url, 0)
        raise DownloadError(f"{url} answers {error.code} ({error.reason}) instead of the file. {_BY_HAND}") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"Cannot reach {url}: {_reason(error)}. Go online and try again. {_BY_HAND}") from error


def _chunks(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"The download of {url} broke off: {_reason(error)}. What has come is kept: run the same command again."
        ) from error


def _another_file(url: str, part: Path, expected: str) -> DownloadError:
    part.unlink(missing_ok=True)
    return DownloadError(f"{url} sends another file than expected ({expected}); it was not kept. Try again. {_BY_HAND}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
