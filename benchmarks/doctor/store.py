"""Where records are kept: two JSON lines a run (what became of it; the evidence), each run a gzip member of its own, so
that an interruption costs nothing."""

import functools
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.doctor.corpora import running_text, text_in_words
from benchmarks.doctor.training import Outcome

from moreish.corpus import bundled_names

DIRECTORY = Path(__file__).parent / "evidence"
NUM_SHARDS = 8
_ROOT = Path(__file__).parents[2]
_MEASURES = (
    *(f"src/moreish/doctor/{name}.py" for name in ("evidence/*", "examine", "watch", "looks", "given", "branching")),
    *(f"src/moreish/doctor/{name}.py" for name in ("restore", "structures", "subject", "probes/*")),
    *(f"benchmarks/doctor/{name}.py" for name in ("alterations", "architectures", "setting", "sources", "training")),
    *(f"benchmarks/doctor/{where}.py" for where in ("networks", "corpora", "parts/*/networks", "parts/*/corpora")),
)


@functools.cache
def version() -> str:
    """Eight characters that change with whatever measures and with the text; other records are made again."""
    digest = hashlib.sha256(running_text()[1].encode() + bundled_names().read_bytes())
    for pattern in _MEASURES:
        for path in sorted(_ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def shard(key: str, directory: Path = DIRECTORY) -> Path:
    """The file that holds a run."""
    return directory / f"runs-{int(key, 16) % NUM_SHARDS}.jsonl.gz"


def to_line(key: str, outcome: Outcome) -> bytes:
    """One run, compressed; numbers with six digits, which is more than they are sure of."""
    evidence = ""
    if outcome.evidence is not None:
        evidence = json.dumps(json.loads(outcome.evidence.to_json(), parse_float=_six_digits))
    loss = outcome.loss if math.isfinite(outcome.loss) else None
    head = {"key": key, "version": version(), "loss": loss, "chance": outcome.chance, "error": outcome.error}
    head["text"] = text_in_words()
    return gzip.compress(f"{json.dumps(head)}\n{evidence}\n".encode(), 6)


def _six_digits(text: str) -> float:
    return float(f"{float(text):.6g}")


def append(line: bytes, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with open(path, "ab") as file:
        file.write(line)


def read(path: Path) -> Iterator[bytes]:
    """The runs of a file; what an interruption cut short at its end is left out."""
    data = path.read_bytes() if path.exists() else b""
    while data:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            line = member.decompress(data)
        except zlib.error:
            return
        if not member.eof:
            return
        yield line
        data = member.unused_data


def recorded(directory: Path = DIRECTORY) -> set[str]:
    """Keys of the runs that the present version recorded."""
    current = f'"version": "{version()}"'.encode()
    found = set()
    for number in range(NUM_SHARDS):
        for line in read(directory / f"runs-{number}.jsonl.gz"):
            head = line[:80]
            if current in head:
                found.add(head[9:25].decode())
    return found


def mend(directory: Path = DIRECTORY) -> None:
    """Cut off what an interruption left unfinished at the end of a file, so that appending is safe."""
    for path in directory.glob("*.gz"):
        data, whole = path.read_bytes(), 0
        rest = data
        while rest:
            member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                member.decompress(rest)
            except zlib.error:
                break
            if not member.eof:
                break
            rest = member.unused_data
            whole = len(data) - len(rest)
        if whole < len(data):
            with open(path, "r+b") as file:
                file.truncate(whole)
