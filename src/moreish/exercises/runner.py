"""Carries out a learner's file, in a process of its own, and writes down what came of it.

Run as a script with the file, an empty directory, and the names that are asked for. It writes `outcome.json`: what
ended the file, with the learner's own line; `arrays.npz`: the arrays by name; and, when it is sent SIGUSR1,
`where.txt`: where the file is at that moment.
"""

import faulthandler
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np


def main(file: str, directory: str, names: str) -> None:
    """Carry out `file`, and leave the process at once, whatever threads it has started."""
    sys.path.insert(0, str(Path(file).parent))
    sys.argv = [file]
    where = (Path(directory) / "where.txt").open("w")  # open as long as the process lasts
    if hasattr(faulthandler, "register"):  # not on Windows
        faulthandler.register(signal.SIGUSR1, file=where, all_threads=False)
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": file}
    outcome = _carry_out(Path(file), namespace)
    arrays, others = _collected(namespace, names.split(","))
    np.savez(Path(directory) / "arrays.npz", **{f"value {name}": array for name, array in arrays.items()})
    (Path(directory) / "outcome.json").write_text(json.dumps(outcome | {"others": others}), encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _carry_out(file: Path, namespace: dict[str, Any]) -> dict[str, Any]:
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), namespace)
    except SyntaxError as error:
        line = error.lineno if error.filename == str(file) else _line_in(file, error)
        return {"error": type(error).__name__, "message": str(error.msg), "line": line}
    except BaseException as error:  # sys.exit() and Ctrl-C among them: whatever it is, the learner is told
        return {"error": type(error).__name__, "message": _message(error), "line": _line_in(file, error)}
    return {"error": None}


def _line_in(file: Path, error: BaseException) -> int | None:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return lines[-1] if lines else None


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _collected(namespace: dict[str, Any], names: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the names asked for, arrays and numbers; and what is neither: None, sets of names, anything else by type."""
    arrays: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name in names:
        if name not in namespace:
            continue
        value = namespace[name]
        if value is None:
            others[name] = None
        elif isinstance(value, set | frozenset | list | tuple) and all(isinstance(part, str) for part in value):
            others[name] = sorted(value)
        else:
            array = _array(value)
            if array is None:
                others[name] = {"type": type(value).__name__}
            else:
                arrays[name] = array
    return arrays, others


def _array(value: Any) -> Any:
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        return array if array.dtype.kind in "fiub" else None
    except Exception:  # not an array, in whatever way
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
