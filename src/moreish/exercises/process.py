"""Runs a learner's file in a process of its own, with an end to its time and to what it prints."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from moreish.errors import InputError
from moreish.exercises import runner

_MAX_PRINTED = 100_000  # bytes


@dataclass(frozen=True)
class Outcome:
    """What came of a file.

    Attributes:
        values: arrays by name, and None, lists of names or {"type": …} of what is no array.
        trouble: one line on what ended the file early, with the learner's own line; None where it came to its end.
        printed: what it printed.
    """

    values: dict[str, Any]
    trouble: str | None
    printed: str


def run(file: Path, names: Sequence[str], seconds: float) -> Outcome:
    """Carry out a file, and collect the values of these names as they are when it ends.

    Raises:
        InputError: the time is none.
    """
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise InputError(f"{seconds:g} seconds were given for the file; expected more than 0. Leave it out for 60.")
    file = file.resolve()
    with tempfile.TemporaryDirectory(prefix="moreish-exercise-") as name:
        directory = Path(name)
        command = [sys.executable, "-P", runner.__file__, str(file), name, ",".join(names)]
        process = subprocess.Popen(
            command,
            cwd=file.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        printed: list[bytes] = []
        is_over = threading.Event()  # its end, or more than it may print
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, printed, is_over), daemon=True)
        reader.start()
        try:
            is_over.wait(seconds)
            is_too_much = sum(map(len, printed)) > _MAX_PRINTED
            is_too_late = not is_too_much and not _has_ended(process)
            place = _place(process, directory, file) if is_too_much or is_too_late else ""
        finally:
            _end(process)
        reader.join(1)
        text = b"".join(printed).decode("utf-8", "replace")
        if is_too_much:
            trouble = f"It printed more than {_MAX_PRINTED:,} characters and was stopped{place}."
            return Outcome({}, f"{trouble} Is there a loop that prints without end?", text)
        if is_too_late:
            trouble = f"It was not done after {seconds:g} seconds and was stopped{place}."
            return Outcome({}, f"{trouble} Is there a loop without end?", text)
        return _outcome(directory, file, process.returncode, text)


def _read(stream: IO[bytes], printed: list[bytes], is_over: threading.Event) -> None:
    """Keep what is printed, up to a bound, until all who could print are gone."""
    size = 0
    with stream:
        while chunk := os.read(stream.fileno(), 65536):
            size += len(chunk)
            if size - len(chunk) <= _MAX_PRINTED:
                printed.append(chunk)
            if size > _MAX_PRINTED:
                is_over.set()
    is_over.set()


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """A process that has closed its output is given a moment to end."""
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _place(process: "subprocess.Popen[bytes]", directory: Path, file: Path) -> str:
    """Ask the process where in the file it is: " in line 12", or nothing where it does not answer."""
    if process.poll() is None and hasattr(signal, "SIGUSR1"):
        os.kill(process.pid, signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    where = directory / "where.txt"
    text = where.read_text(encoding="utf-8", errors="replace") if where.exists() else ""
    lines = re.findall(rf'File "{re.escape(str(file))}", line (\d+)', text)
    return f" in line {lines[0]}" if lines else ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and what it has started, where it has not ended by itself."""
    if process.poll() is not None:
        return  # its number may be another's by now
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)  # its group is its own: it was started in a new session
    else:
        process.kill()
    process.wait()


def _outcome(directory: Path, file: Path, code: int, printed: str) -> Outcome:
    path = directory / "outcome.json"
    if not path.exists():
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        return Outcome({}, f"Python ended {how} before the file was done.", printed)
    content = json.loads(path.read_text(encoding="utf-8"))
    with np.load(directory / "arrays.npz", allow_pickle=False) as arrays:
        values: dict[str, Any] = {key.removeprefix("value "): arrays[key] for key in arrays.files}
    return Outcome(values | content.pop("others"), _trouble(content, file), printed)


def _trouble(content: dict[str, Any], file: Path) -> str | None:
    error, line = content["error"], content.get("line")
    if error is None:
        return None
    message = " ".join(content["message"].split())[:300]
    at = f"Line {line}" if line else file.name
    code = _code(file, line)
    if error == "SystemExit":
        return f"{at} ends the program{code}. Take that out, so that everything is carried out."
    if error in ("SyntaxError", "IndentationError", "TabError"):
        return f"{at} is not Python: {message}{code}."
    hint = ""
    if "NoneType" in message:
        hint = " Something that is used there is still None."
    return f"{at} stopped with {error}: {message}{code}.{hint}"


def _code(file: Path, line: int | None) -> str:
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return f" ({lines[line - 1].strip()[:100]})" if line and line <= len(lines) else ""
