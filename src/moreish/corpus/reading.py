"""From the bytes of a file to its text, piece by piece: decompressed, decoded, line ends and Unicode made uniform."""

import atexit
import codecs
import contextlib
import gzip
import io
import os
import shutil
import sys
import tempfile
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from moreish.errors import FileError, InputError

CHUNK_BYTES = 1 << 15

# Unicode's stream-safe text has at most 30 marks in a row (UAX 15, section 13); no text has this many.
_MARKS_AT_MOST = 1000

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_pieces(
    path: Path, name: str, encoding: str, normalization: Literal["NFC", "none"], chunk_bytes: int | None = None
) -> Iterator[str]:
    """The text of a file, in pieces that depend on `chunk_bytes` only in where they are cut.

    Gzip is recognised by its first bytes, a byte order mark is dropped, and "\\r\\n" and "\\r" become "\\n".

    Args:
        path: of the file.
        name: of the file, for messages.
        encoding: a name that Python knows.
        normalization: Unicode normal form.
        chunk_bytes: read at a time, after decompression; `CHUNK_BYTES` where it is None.

    Raises:
        InputError: an unknown encoding, bytes that are not text in it, or a damaged .gz.
        FileError: the file cannot be read.
    """
    _check_encoding(encoding)
    try:
        with path.open("rb") as file:
            is_compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if is_compressed else file
            pieces = _decoded(stream, name, encoding, chunk_bytes or CHUNK_BYTES)
            yield from _normalized(pieces) if normalization == "NFC" else pieces
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{name} is a damaged .gz file ({error}). Give an undamaged copy, or the file unpacked."
        ) from error
    except OSError as error:
        raise cannot_read(name, error) from error


def cannot_read(name: str, error: OSError) -> FileError:
    """What is said of a file that the system does not let us read."""
    return FileError(f"Cannot read {name}: {error.strerror or error}. Give a text file that can be read.")


def spool_standard_input() -> Path:
    """Copy standard input to a temporary file that is deleted when the process ends, so that it can be read twice."""
    return spool(sys.stdin.buffer)


def spool(stream: IO[bytes]) -> Path:
    """Copy what can be read only once to a temporary file that is deleted when the process ends."""
    handle, name = tempfile.mkstemp(prefix="moreish-input-")
    atexit.register(_delete, name)
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(stream, file)
    except OSError as error:
        raise FileError(
            f"Cannot keep standard input in {tempfile.gettempdir()}: {error.strerror or error}. "
            "Free some space, or set TMPDIR to a directory that has some."
        ) from error
    return Path(name)


def _delete(name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name)


def _check_encoding(encoding: str) -> None:
    try:
        "a".encode(encoding)  # also refuses codecs that are not of text, such as base64
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{encoding!r} is not an encoding of text that is known here. "
            "Give a name such as utf-8, utf-16, cp1252, shift_jis or gb18030."
        ) from error


def _decoded(file: IO[bytes] | gzip.GzipFile, name: str, encoding: str, chunk_bytes: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    has_bytes_of_ascii = "a".encode(encoding) == b"a"
    offset = 0
    is_last = False
    is_first_text = True
    while not is_last:
        data = file.read(chunk_bytes)
        is_last = len(data) < chunk_bytes
        if has_bytes_of_ascii and b"\0" in data:
            raise InputError(_binary_message(name, offset + data.index(0), data if offset == 0 else b""))
        try:
            text = newlines.decode(decoder.decode(data, is_last), is_last)
        except UnicodeDecodeError as error:
            # The decoder may have held back bytes of the chunk before.
            place = offset + len(data) - len(error.object)
            raise InputError(_encoding_message(name, encoding, error, place)) from error
        except UnicodeError as error:
            raise InputError(f"{name} is not text in {encoding} ({error}). Pass the --encoding it has.") from error
        if "\0" in text:
            raise InputError(f"{name} is not text in {encoding}: it has zero characters. Pass the --encoding it has.")
        offset += len(data)
        if text and is_first_text:
            text = text.removeprefix("\ufeff")
            is_first_text = False
        if text:
            yield text


def _normalized(pieces: Iterator[str]) -> Iterator[str]:
    pending = next(pieces, "")
    for piece in pieces:
        pending += piece
        cut = _last_cut(pending)
        if cut:
            yield unicodedata.normalize("NFC", pending[:cut])
            pending = pending[cut:]
    if pending:
        yield unicodedata.normalize("NFC", pending)


def _last_cut(text: str) -> int:
    """The last place where a text can be cut so that the parts' normal forms make up the whole's; 0 if nowhere."""
    first = max(0, len(text) - _MARKS_AT_MOST)
    return next((place for place in range(len(text) - 1, first, -1) if not can_combine(text[place])), first)


def can_combine(character: str) -> bool:
    """Whether a character may combine with the one before it: marks, and vowels and finals of Hangul and Kirat Rai."""
    if character.isascii():
        return False
    is_letter_that_combines = "\u1160" <= character <= "\u11ff" or "\U00016d60" <= character <= "\U00016d7f"
    return is_letter_that_combines or unicodedata.category(character).startswith("M")


def _binary_message(name: str, offset: int, beginning: bytes) -> str:
    if beginning.startswith(_UTF16_MARKS):
        return f"{name} begins with the byte order mark of UTF-16. Pass --encoding utf-16."
    return (
        f"{name} is not a text file: there is a zero byte at offset {offset:,}. "
        "Give a text file (.txt, .csv, .tsv or .gz), or pass --encoding utf-16-le if it is text in UTF-16."
    )


def _encoding_message(name: str, encoding: str, error: UnicodeDecodeError, offset: int) -> str:
    if offset == 0 and error.object.startswith(_UTF16_MARKS):
        return _binary_message(name, 0, error.object)
    byte = f"byte 0x{error.object[error.start]:02x} at offset {offset + error.start:,} does not fit"
    if codecs.lookup(encoding).name == "utf-8":
        return (
            f"{name} is not text in {encoding}: {byte}. Pass the --encoding it has "
            "(often cp1252 for Western Europe, shift_jis for Japanese)."
        )
    return f"{name} is not text in {encoding}: {byte}. Leave --encoding out if it is UTF-8, or pass the one it has."
