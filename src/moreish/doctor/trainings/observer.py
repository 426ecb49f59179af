"""The doctor as an observer of a training: examines it before, looks on at steps that grow apart, keeps what it saw."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from moreish.corpus import Corpus
from moreish.doctor.evidence import Evidence, History, Minibatch
from moreish.doctor.finding import Finding, Report
from moreish.doctor.judge import judge
from moreish.doctor.plain import plain
from moreish.doctor.trainings.remedies import for_recipe
from moreish.observers import ChunkDone, Ended, Event, Prepared, Saved, Started
from moreish.recipe import Recipe
from moreish.statistics import Statistics
from moreish.storage import read_json, write_atomically
from moreish.training.checkpoint import Checkpoint
from moreish.training.run import Run

DOCTOR_FILE = "doctor.json"

_GROWTH = 2


@dataclass
class _Watched:
    """A training under observation.

    Attributes:
        evidence: all that was seen so far.
        next_look: the first checkpoint after so many steps is looked at.
        record: where it is written.
        unseen: statistics since the last look.
    """

    run: Run
    corpus: Corpus
    evidence: Evidence
    next_look: int
    record: "Record"
    unseen: list[Statistics] = field(default_factory=list)


class TrainingDoctor:
    """Hand it to `moreish.train` as one of the observers. It changes no number of the training.

    What it saw and what it makes of it stand in the run, as `doctor.json`, and go on where a training is resumed.

    Args:
        tell: hears each finding when it is first made.

    Attributes:
        report: the verdict so far; None before a network is trained.
        failure: what ended the looking on before the training ended; None as long as nothing did.
    """

    def __init__(self, tell: Callable[[Finding], None] = lambda finding: None) -> None:
        self.report: Report | None = None
        self.failure: str | None = None
        self._tell = tell
        self._told: set[tuple[str, str | None]] = set()
        self._prepared: Prepared | None = None
        self._watched: _Watched | None = None

    def observe(self, event: Event) -> None:
        """Take note of an event. What goes wrong here ends the looking on, and not the training."""
        try:
            self._take(event)
        except Exception as error:
            self._prepared = self._watched = None
            self.failure = f"{type(error).__name__}: {error}"

    def _take(self, event: Event) -> None:
        watched = self._watched
        match event:
            case Prepared():
                self._prepared = event
            case Started() if self._prepared is not None:
                self._watched = _begin(self._prepared, event.step)
                self._judge(self._watched)
            case ChunkDone(statistics=statistics) if watched is not None and statistics is not None:
                watched.unseen.append(statistics)
            case Saved() if watched is not None and event.step >= watched.next_look:
                self._look(watched, event.step)
            case Ended() if watched is not None and event.step > watched.evidence.looks[-1].step:
                self._look(watched, event.step)
            case _:
                pass

    def _look(self, watched: _Watched, step: int) -> None:
        watched.evidence = looked(watched.evidence, watched.run, watched.corpus, Statistics.joined(watched.unseen))
        watched.next_look = _GROWTH * step
        watched.unseen.clear()
        self._judge(watched)

    def _judge(self, watched: _Watched) -> None:
        self.report = for_recipe(judge(watched.evidence), watched.run.recipe)
        watched.record.write(watched.evidence, self.report)
        for finding in self.report.findings:
            if (finding.name, finding.layer) not in self._told:
                self._told.add((finding.name, finding.layer))
                self._tell(finding)


def _begin(prepared: Prepared, step: int) -> _Watched:
    """Examine the initial network; of a training that goes on, take what was seen before, up to its checkpoint."""
    from moreish.doctor.trainings.examination import examine  # loads PyTorch, as training does

    run = Run.open(prepared.run)
    evidence = (recorded(run) if step else None) or examine(run.recipe, prepared.corpus)
    evidence = replace(evidence, looks=tuple(look for look in evidence.looks if look.step <= step))
    return _Watched(run, prepared.corpus, evidence, step + 1, Record(run.path))


def looked(evidence: Evidence, run: Run, corpus: Corpus, statistics: Statistics) -> Evidence:
    """The evidence with a look at the last checkpoint of a run.

    Args:
        statistics: of the steps since the look before.
    """
    from moreish.doctor.trainings.looks import look_at

    checkpoint = Checkpoint.load(run.path)
    if checkpoint is None:
        return evidence
    look = look_at(checkpoint, statistics, run.recipe, corpus, evidence.looks)
    return replace(evidence, looks=(*evidence.looks, look), history=_history(checkpoint, run.recipe))


class Record:
    """What was seen and the verdict, as a file in a run; losses stand in its checkpoint already.

    It is written after each look. Looks are most of it, and all but the last are old: each becomes text once.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / DOCTOR_FILE
        self._looks: dict[int, str] = {}
        self._rest: str | None = None

    def write(self, evidence: Evidence, report: Report) -> None:
        """Write everything anew; what was written before is as it was, and looks may have been added."""
        if self._rest is None:
            self._rest = _text(replace(evidence, looks=(), history=None).to_dict())
        for look in evidence.looks:
            if look.step not in self._looks:
                self._looks[look.step] = _text(plain(look))
        looks = ", ".join(self._looks[look.step] for look in evidence.looks)
        seen = self._rest.replace('"looks": []', f'"looks": [{looks}]', 1)
        write_atomically(self._path, f'{{"evidence": {seen}, "report": {_text(report.to_dict())}}}'.encode())


def _text(content: object) -> str:
    return json.dumps(content, ensure_ascii=False)


def recorded(run: Run) -> Evidence | None:
    """What a doctor saw of a run; None where none looked on, or one of another version of moreish."""
    path = run.path / DOCTOR_FILE
    if not path.is_file():
        return None
    try:
        evidence = Evidence.from_dict(read_json(path)["evidence"])
    except (KeyError, TypeError):
        return None
    checkpoint = Checkpoint.load(run.path)
    return replace(evidence, history=None if checkpoint is None else _history(checkpoint, run.recipe))


def report_of(run: Run) -> Report | None:
    """The verdict on a run that a doctor looked at; None where none did."""
    evidence = recorded(run)
    return None if evidence is None else for_recipe(judge(evidence), run.recipe)


def _history(checkpoint: Checkpoint, recipe: Recipe) -> History:
    """Every step's loss, and what there is in moreish's own loop that another loop could do wrong."""
    return History(
        tuple(checkpoint.history.all_losses().tolist()),
        has_scheduler=recipe.schedule != "constant",
        noisy_modules=("network",) if recipe.dropout > 0 or recipe.norm == "batch" else (),
        minibatches=(Minibatch(1, (), recipe.batch),),
    )
