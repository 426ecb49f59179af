"""Carries out the examples in a Markdown document and says where it does not tell the truth.

- ```console: lines that begin with `$ ` are run by the shell, in one directory for the whole document, with this
  Python's commands at hand; `> ` continues a command. The lines that follow are what it prints.
- ```python: all such blocks of a document are one program, which is run after the console blocks.
  `expression  # → value` claims what it prints, or else its value.
- ```text and everything else is not run.

What is printed depends on the processor in its digits and in the words that a model makes up, so lines match loosely:
a number stands for every number and a duration for every duration, `…` for anything within a line, `...` alone on a
line for any lines, and spaces and ruled lines may be of any length. `<!-- words vary -->` before a block lets each line
stand for any one line, and
`<!-- words vary below: TEXT -->` only those of the paragraph that begins below TEXT, which holds no numbers.

Commands that set up or fetch something (make, git, pip, cd, ...) are not run; that a make target exists is checked.
A command has to succeed; one that shows an error ends with `|| true`.
"""

import ast
import contextlib
import difflib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

_FENCE = re.compile(
    r"^(?P<before>(?:<!--[^\n]*-->\n+)*)```(?P<language>\w+)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL
)
_WORDS_VARY = re.compile(r"<!-- words vary(?: below: (.+?))? -->")
_NOT_RUN = re.compile(r"(?:make|git|pip|cd|source|python3? -m (?:venv|pip))\b")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
_DURATION = re.compile(r"\d+(?:[.,]\d+)* s\b|\d+ min \d+ s\b|\d[\d,]* h \d+ min\b")
_RULE = re.compile(r"[-\u2500-\u257f]{2,}")
_CLAIM = re.compile(r"^(?P<code>[^#]*\S)\s+# → (?P<value>.*)$")


@dataclass(frozen=True)
class Block:
    """A fenced block: `words_vary` holds "" for all of it, or the texts below which words vary."""

    language: str
    content: str
    line: int
    words_vary: tuple[str, ...]


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document, with the number of each one's first line."""
    found = [
        Block(
            match["language"],
            match["content"],
            document.count("\n", 0, match.start("content")) + 1,
            tuple(_WORDS_VARY.findall(match["before"])),
        )
        for match in _FENCE.finditer(document)
    ]
    num_opened = len(re.findall(r"^[ >]*```(?:console|python)", document, re.MULTILINE))
    num_found = sum(block.language in ("console", "python") for block in found)
    assert num_found == num_opened, "a console or python block is indented, or is not closed: it would not be run"
    return found


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that it should print."""
    lines = block.content.splitlines()
    assert lines, "an empty console block"
    assert lines[0].startswith("$ "), f"a console block begins with a command, not with {lines[0]!r}"
    result: list[tuple[str, list[str]]] = []
    while lines:
        line = lines.pop(0)
        if not line.startswith("$ "):
            result[-1][1].append(line)
            continue
        command = line.removeprefix("$ ")
        while lines and (command.endswith("\\") or lines[0].startswith("> ")):
            command += "\n" + lines.pop(0).removeprefix("> ")
        result.append((command, []))
    return result


def difference(expected: list[str], printed: str, words_vary: tuple[str, ...] = ()) -> str | None:
    """None where what was printed is what the document shows; else both, side by side."""
    shown = _masked("\n".join(expected))
    actual = _masked(printed)
    varies = is_below = "" in words_vary
    pattern = ""
    for line in shown:
        varies = varies or (is_below and line != "")
        if line == "...":
            pattern += r"(?:.*\n)*?"
        elif varies and line:
            pattern += r".+\n"
        else:
            pattern += ".*?".join(re.escape(piece) for piece in line.split("…")) + r"\n"
        if line == "" and varies:
            varies = is_below = "" in words_vary
        elif any(text and " ".join(text.split()) in line for text in words_vary):
            is_below = True
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in actual)):
        return None
    return "\n".join(difflib.unified_diff(shown, actual, "the document", "what was printed", lineterm="", n=100))


def _masked(text: str) -> list[str]:
    lines = [line.rpartition("\r")[2] for line in text.strip("\n").split("\n")]  # what a progress line ended as
    lines = [" ".join(_RULE.sub("──", _NUMBER.sub("#", _DURATION.sub("# s", line))).split()) for line in lines]
    return [] if lines == [""] else lines


def run_console(block: Block, directory: Path, environment: dict[str, str]) -> list[str]:
    """Run the commands of a block; what is wrong, one text for each command that the document does not show truly."""
    faults: list[str] = []
    for command, expected in commands(block):
        if _NOT_RUN.match(command):
            faults += [f"There is no `make {target}`." for target in _missing_targets(command)]
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        printed = done.stdout.decode()
        if done.returncode:
            faults.append(f"`{command}` ended with {done.returncode}:\n{printed}")
        elif unlike := difference(expected, printed, block.words_vary):
            faults.append(f"`{command}`:\n{unlike}")
    return faults


def _missing_targets(command: str) -> list[str]:
    if not command.startswith("make"):
        return []
    there = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return [word for word in command.split()[1:] if "=" not in word and word not in there]


def program(document: str) -> str:
    """The python blocks of a document as one program, whose line numbers are the document's."""
    lines = [""] * document.count("\n")
    for block in blocks(document):
        if block.language == "python":
            for number, line in enumerate(block.content.splitlines(), block.line):
                lines[number - 1] = _checked(line, number)
    return "\n".join(lines)


def _checked(line: str, number: int) -> str:
    claim = _CLAIM.match(line)
    if not claim:
        return line
    try:
        ast.parse(claim["code"], mode="eval")
    except SyntaxError as error:
        raise ValueError(f"line {number}: `# → value` follows an expression on one line, not {line!r}") from error
    return f"_claim({number}, {claim['value']!r}, lambda: {claim['code']})"


def _claim(number: int, expected: str, action: object) -> None:
    assert callable(action)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        value = action()
    shown = printed.getvalue() or repr(value)
    assert difference([expected], shown) is None, f"line {number}: the document says {expected}, it is {shown.strip()}"


def run(document: Path, directory: Path, extra_environment: dict[str, str] | None = None) -> list[str]:
    """Carry out a document in an empty directory; what is wrong with it, nothing if all is true."""
    text = document.read_text(encoding="utf-8")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PYTHONIOENCODING": "utf-8",
        **(extra_environment or {}),
    }
    faults = [
        f"{document.name}, line {block.line}: {fault}"
        for block in blocks(text)
        if block.language == "console"
        for fault in run_console(block, directory, environment)
    ]
    if program(text).strip():
        command = [sys.executable, __file__, str(document.resolve())]
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            faults.append(f"{document.name}, python blocks:\n{done.stderr}")
    return faults


if __name__ == "__main__":
    _document = Path(sys.argv[1])
    exec(compile(program(_document.read_text(encoding="utf-8")), _document.name, "exec"), {"_claim": _claim})
