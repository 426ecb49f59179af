"""Every recorded run judged again, with the checks as they are now."""

import json
import multiprocessing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doctor import store

from moreish.doctor import Evidence, judge


@dataclass(frozen=True)
class Verdict:
    """What the doctor says of one run, and what became of the run.

    Attributes:
        names: of the findings, root causes first, each once.
        explained: names of findings that follow from those.
        evidence: the first finding's, in words.
        loss: honest loss at the end; infinite where it was no number.
        chance: what guessing costs.
        error: what the doctor said where it refused or fell over.
        text: the running text that this record's version read.
    """

    names: tuple[str, ...]
    explained: tuple[str, ...]
    evidence: str
    loss: float
    chance: float
    error: str | None
    text: str

    @property
    def first(self) -> str | None:
        return self.names[0] if self.names else None

    @property
    def bounded(self) -> float:
        """The loss, or that of guessing if guessing is better: a network that diverged is not infinitely worse."""
        return min(self.loss, self.chance)


def judge_all(directory: Path = store.DIRECTORY, keys: Iterable[str] | None = None) -> dict[str, Verdict]:
    """Key of the setting → verdict; of several records of one setting the latest."""
    wanted = None if keys is None else frozenset(keys)
    paths = [(path, wanted) for path in sorted(directory.glob("runs-*.jsonl.gz"))]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return {key: verdict for part in pool.imap_unordered(_judge_file, paths) for key, verdict in part.items()}


def _judge_file(job: tuple[Path, frozenset[str] | None]) -> dict[str, Verdict]:
    path, wanted = job
    latest = {line[9:25].decode(): line for line in store.read(path)}
    return {key: _verdict(line) for key, line in latest.items() if wanted is None or key in wanted}


def _verdict(line: bytes) -> Verdict:
    head, evidence, _ = line.decode().split("\n")
    run = json.loads(head)
    loss = float("inf") if run["loss"] is None else run["loss"]
    if not evidence:
        return Verdict((), (), "", loss, run["chance"], run["error"], run.get("text", "not told"))
    report = judge(Evidence.from_json(evidence))
    names = tuple(dict.fromkeys(report.names))
    explained = tuple(dict.fromkeys(finding.name for finding in report.explained))
    first = report.findings[0] if report.findings else None
    words = "" if first is None else f"{first.layer or 'model'}, step {first.step}: {first.evidence}"
    return Verdict(names, explained, words, loss, run["chance"], run["error"], run.get("text", "not told"))
