"""Bytes become the same text however they are cut, compressed and encoded; what is no text is refused in one line."""

import gzip
import io
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.corpus.reading import can_combine, spool_standard_input, text_pieces
from moreish.errors import FileError, InputError

# Line ends of every kind, combining marks, Hangul in parts, voiced kana, letters of two to four bytes.
awkward = st.text(st.sampled_from("\n\r a.é́̈が゙각가ᅡᆨ漢😀\u2028ﬁ\u0958"), min_size=1)


def read(path: Path, encoding: str = "utf-8", chunk_bytes: int = 1 << 15) -> str:
    return "".join(text_pieces(path, path.name, encoding, "NFC", chunk_bytes))


def as_it_should_be(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


@given(
    text=awkward, chunk_bytes=st.integers(1, 12), encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "utf-32"])
)
def test_text_does_not_depend_on_where_it_is_cut(
    text: str, chunk_bytes: int, encoding: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "text.txt"
    path.write_bytes(text.encode(encoding))
    assert read(path, encoding, chunk_bytes) == as_it_should_be(text)
    path.write_bytes(gzip.compress(text.encode(encoding)))
    assert read(path, encoding, chunk_bytes) == as_it_should_be(text)


def test_whatever_composes_with_a_character_before_it_is_never_cut_off() -> None:
    seconds = set()
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(chr(int(parts[1], 16)))
    seconds |= {chr(code) for code in range(0x1161, 0x1176)} | {chr(code) for code in range(0x11A8, 0x11C3)}
    marks = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code))}
    assert all(can_combine(character) for character in seconds | marks)
    assert not any(can_combine(character) for character in "a \n漢かガ각😀ж")


def test_a_run_of_marks_without_end_is_cut_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "marks.txt"
    path.write_text("a" + "\u0301" * 50_000, encoding="utf-8")
    pieces = list(text_pieces(path, "marks.txt", "utf-8", "NFC", 1 << 12))
    assert max(map(len, pieces)) < 10_000


def test_a_byte_order_mark_is_dropped_and_other_zero_width_marks_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "marked.txt"
    path.write_bytes("\ufeffanna\ufeff".encode())
    assert read(path) == "anna\ufeff"


def test_normalization_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "decomposed.txt"
    path.write_text("e\u0301", encoding="utf-8")
    assert read(path) == "é"
    assert "".join(text_pieces(path, "decomposed.txt", "utf-8", "none")) == "e\u0301"


def one_line(path: Path, encoding: str = "utf-8", chunk_bytes: int = 1 << 15) -> str:
    with pytest.raises(InputError) as caught:
        read(path, encoding, chunk_bytes)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("chunk_bytes", [3, 1 << 15])
def test_a_wrong_encoding_is_told_with_byte_and_offset(tmp_path: Path, chunk_bytes: int) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("ä漢anna\n".encode() + "rené\n".encode("cp1252"))
    message = one_line(path, chunk_bytes=chunk_bytes)
    assert "byte 0xe9 at offset 13" in message
    assert "(often cp1252 for Western Europe, shift_jis for Japanese)" in message


def test_a_character_that_is_broken_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.txt"
    path.write_bytes("anna漢".encode()[:-1])
    assert "byte 0xe6 at offset 4" in one_line(path)


def test_another_encoding_that_does_not_fit_suggests_utf8(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"anna\xff")
    assert "UTF-8" in one_line(path, "shift_jis")


@pytest.mark.parametrize("text", ["anna\nbob\n", "漢字\n"])
def test_utf16_is_recognised_by_its_mark(tmp_path: Path, text: str) -> None:
    path = tmp_path / "windows.txt"
    path.write_bytes(text.encode("utf-16"))
    assert "--encoding utf-16" in one_line(path)
    assert read(path, "utf-16") == text


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0\0", b"PK\x03\x04\0\0", b"anna\nbob\0\n"])
def test_binary_data_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(content)
    assert f"zero byte at offset {content.index(0)}" in one_line(path)


@pytest.mark.parametrize("encoding", ["utf8000", "base64", "rot13", "", "no\0name"])
def test_an_unknown_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "names.txt"
    path.write_text("anna\n")
    with pytest.raises(InputError, match="not an encoding of text"):
        read(path, encoding)


def test_a_damaged_gz_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"anna\nbob\n" * 1000)
    path = tmp_path / "names.gz"
    for damaged in (whole[:-5], whole[:20] + b"\xff\xff\xff" + whole[23:], whole + b"tail", whole[:2]):
        path.write_bytes(damaged)
        assert "damaged .gz" in one_line(path)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="Cannot read gone\\.txt: No such file"):
        read(tmp_path / "gone.txt")


def test_standard_input_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b"anna\nbob\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    path = spool_standard_input()
    assert read(path) == read(path) == "anna\nbob\n"
    path.unlink()
