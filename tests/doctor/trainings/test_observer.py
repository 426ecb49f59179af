"""The doctor looks on while moreish trains: it changes nothing, keeps what it saw, and goes on with a training."""

import json
from pathlib import Path
from typing import Any

import pytest

import moreish
from moreish.doctor import Finding
from moreish.doctor.trainings import TrainingDoctor
from moreish.doctor.trainings.observer import DOCTOR_FILE, recorded
from moreish.observers import ChunkDone, Event, Stop

SMALL: dict[str, Any] = {
    "context": 3, "embedding": 8, "hidden": (32,), "steps": 400, "batch": 16, "eval_every": 50, "statistics_every": 10,
}  # fmt: skip
DYING: dict[str, Any] = SMALL | {"activation": "relu", "learning_rate": 0.3}


class StopAt:
    """Asks for an end once so many steps are done."""

    def __init__(self, step: int) -> None:
        self._step = step

    def observe(self, event: Event) -> Stop | None:
        return Stop("interrupted") if isinstance(event, ChunkDone) and event.step >= self._step else None


@pytest.mark.parametrize("engine", ["autograd", "manual"])
def test_a_training_is_the_same_with_a_doctor_and_without(syllables: Path, tmp_path: Path, engine: str) -> None:
    for name, observers in (("with", [TrainingDoctor()]), ("without", [])):
        moreish.train(syllables, out=tmp_path / name, observers=observers, engine=engine, dropout=0.2, **SMALL)
    for file in ("model.safetensors", "checkpoint.safetensors", "statistics.safetensors"):
        if file != "checkpoint.safetensors":  # which holds seconds
            assert (tmp_path / "with" / file).read_bytes() == (tmp_path / "without" / file).read_bytes()


def test_findings_are_told_once_when_they_are_made_and_stand_in_the_run(syllables: Path, tmp_path: Path) -> None:
    told: list[Finding] = []
    doctor = TrainingDoctor(told.append)
    run = moreish.train(syllables, out=tmp_path / "run", observers=[doctor], **DYING)
    names = [(finding.name, finding.layer) for finding in told]
    assert ("dead-relu", "layers.0: relu") in names
    assert len(set(names)) == len(names)
    content = json.loads((run.path / DOCTOR_FILE).read_text(encoding="utf-8"))
    assert [item["name"] for item in content["report"]["findings"]] == list(
        doctor.report.names if doctor.report else ()
    )
    assert all(finding.remedy.startswith("Train with") for finding in told)


def test_a_healthy_training_is_left_in_peace(syllables: Path, tmp_path: Path) -> None:
    doctor = TrainingDoctor()
    moreish.train(syllables, out=tmp_path / "run", observers=[doctor], **(SMALL | {"weight_decay": 0.3}))
    assert doctor.report is not None
    assert doctor.report.names == ()
    assert doctor.failure is None
    assert {"dead-relu", "gradients-not-cleared"} & {item.name for item in doctor.report.not_examined} == set()


def test_overfitting_is_seen_on_the_same_items_again_and_again(tmp_path: Path, syllables: Path) -> None:
    doctor = TrainingDoctor()
    changes = {"context": 6, "hidden": (300, 300), "weight_decay": 0.0, "steps": 4000, "keep": "last"}
    moreish.train(syllables, out=tmp_path / "run", observers=[doctor], **(SMALL | changes))
    assert doctor.report is not None
    assert "overfitting" in doctor.report.names


def test_a_resumed_training_goes_on_with_what_was_seen(syllables: Path, tmp_path: Path) -> None:
    run = moreish.train(syllables, out=tmp_path / "run", observers=[TrainingDoctor(), StopAt(200)], **SMALL)
    before = recorded(run)
    assert before is not None
    assert before.looks[0].step == 0
    last = before.looks[-1].step
    moreish.train(out=run.path, resume=True, observers=[TrainingDoctor()])
    after = recorded(run)
    assert after is not None
    steps = [look.step for look in after.looks]
    assert steps == sorted(set(steps))
    assert after.to_dict()["looks"][: len(before.looks)] == before.to_dict()["looks"]
    assert last < steps[-1] == 400


def test_a_model_that_counts_is_not_examined(syllables: Path, tmp_path: Path) -> None:
    doctor = TrainingDoctor()
    moreish.train(syllables, out=tmp_path / "run", observers=[doctor], model="bigram")
    assert doctor.report is None
    assert not (tmp_path / "run" / DOCTOR_FILE).exists()


def test_a_record_of_another_version_counts_as_none(syllables: Path, tmp_path: Path) -> None:
    run = moreish.train(syllables, out=tmp_path / "run", observers=[TrainingDoctor()], **(SMALL | {"steps": 50}))
    assert recorded(run) is not None
    (run.path / DOCTOR_FILE).write_text('{"findings": []}', encoding="utf-8")
    assert recorded(run) is None


def test_no_training_fails_for_the_sake_of_the_doctor(
    syllables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_at(*_: Any) -> None:
        raise ValueError("one eye too few")

    monkeypatch.setattr("moreish.doctor.trainings.looks.look_at", look_at)
    doctor = TrainingDoctor()
    run = moreish.train(syllables, out=tmp_path / "run", observers=[doctor], **SMALL)
    assert run.results is not None
    assert doctor.failure == "ValueError: one eye too few"
    assert doctor.report is not None  # that of the examination before
