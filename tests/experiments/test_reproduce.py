"""Experiments are chosen by id, measured once, kept, and gone on with."""

import dataclasses
import importlib
import math
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moreish.corpus import DATA_SETS
from moreish.errors import InputError
from moreish.experiments import Experiment, Measurement, Row, exactly, experiments, nearly, reproduce
from moreish.experiments.registry import find
from moreish.experiments.runner import carry_out
from moreish.experiments.store import Store, Task
from moreish.experiments.tables import table
from moreish.experiments.verdicts import compare

EXPERIMENT = Experiment(id="growth", what="", source="", measure="counting.table_growth", settings={"contexts": 2})


@pytest.fixture
def list_file(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("ab\nba\nabc\n" * 10, encoding="utf-8")
    return path


def tasks(file, *seeds):
    return [Task(EXPERIMENT, seed, "auto", file) for seed in seeds]


def test_every_experiment_names_a_function_and_a_data_set_that_there_are():
    for experiment in experiments().values():
        assert experiment.data in (None, *DATA_SETS)
        assert experiment.what
        assert experiment.source
        if experiment.measure is not None:
            module, name = experiment.measure.rsplit(".", 1)
            assert callable(getattr(importlib.import_module(f"moreish.experiments.{module}"), name))


def test_near_misses_of_an_id_are_named():
    with pytest.raises(InputError, match="Did you mean bigram-counts"):
        find(["bigram-count"])


def test_a_file_that_is_no_data_set_is_refused(list_file, tmp_path):
    with pytest.raises(InputError, match=r"list.txt is none of the data sets"):
        reproduce(["bigram-counts"], out=tmp_path / "out", data=[list_file])


def test_what_was_measured_is_not_measured_again(list_file, tmp_path):
    store = Store(tmp_path)
    kept = Measurement({"a": [1.0, 2.0]}, 1.0, 1.0)
    store.put(tasks(list_file, 1)[0], kept)
    done = []
    first, second = carry_out(tasks(list_file, 1, 2), store, 1, done.append)
    assert first == kept
    assert second.values["context 1"] == "8 of 16 cells filled"  # .a ab b. .b ba a. bc c.
    assert [(each.num_done, each.num_tasks) for each in done] == [(1, 2), (2, 2)]
    assert carry_out(tasks(list_file, 2), store, 1) == [second]


@pytest.mark.parametrize("changed", ["settings", "engine", "file"])
def test_a_measurement_of_something_else_does_not_count(list_file, tmp_path, changed):
    store = Store(tmp_path / "out")
    (task,) = tasks(list_file, 1)
    store.put(task, Measurement({}, 0.0, 0.0))
    assert store.get(task) is not None
    if changed == "settings":
        task = dataclasses.replace(task, experiment=dataclasses.replace(EXPERIMENT, settings={"contexts": 3}))
    elif changed == "engine":
        task = dataclasses.replace(task, engine="autograd")
    else:
        list_file.write_text("ab\n", encoding="utf-8")
    assert store.get(task) is None


def test_an_interruption_keeps_what_is_done(list_file, tmp_path):
    def interrupt(done):
        if done.num_done == 1:
            raise KeyboardInterrupt

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        carry_out(tasks(list_file, 1, 2), store, 1, interrupt)
    assert [store.get(task) is not None for task in tasks(list_file, 1, 2)] == [True, False]


def test_an_interruption_leaves_no_process_behind(list_file, tmp_path):
    def interrupt(done):
        if done.task is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(tasks(list_file, *range(6)), Store(tmp_path), 2, interrupt)
    assert multiprocessing.active_children() == []


ENDLESS = """
import sys
from pathlib import Path

from moreish.experiments import Experiment
from moreish.experiments.runner import carry_out
from moreish.experiments.store import Store, Task

if __name__ == "__main__":
    file, out, num_processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    settings = {"recipe": {"steps": 10**6, "hidden": [8], "context": 3, "batch": 4}}
    endless = Experiment(id="endless", what="", source="", measure="trained.train", settings=settings)
    try:
        carry_out([Task(endless, seed, "autograd", file) for seed in range(20)], Store(out), num_processes)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see which processes run")
@pytest.mark.parametrize("num_processes", [1, 2])
def test_a_request_to_end_leaves_no_process_behind(list_file, tmp_path, num_processes):
    program, scratch = tmp_path / "endless.py", tmp_path / "scratch"
    program.write_text(ENDLESS, encoding="utf-8")
    scratch.mkdir()
    command = [sys.executable, str(program), str(list_file), str(tmp_path / "out"), str(num_processes)]
    environment = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as parent:
        try:
            wait_until(lambda: len(list(scratch.rglob("run.json"))) == num_processes)
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            parent.terminate()
            _, said = parent.communicate(timeout=60)
            assert (parent.returncode, said) == (130, "")
        finally:
            parent.kill()
    wait_until(lambda: not any(map(is_running, children)))
    assert not list(scratch.rglob("run.json"))


def wait_until(is_true, seconds=60.0):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_processes_measure_what_one_measures(list_file, tmp_path):
    values = [each.values for each in carry_out(tasks(list_file, 1, 2), Store(tmp_path), 2)]
    assert values == [each.values for each in carry_out(tasks(list_file, 1, 2), Store(tmp_path / "one"), 1)]


def test_what_cannot_be_measured_says_why_and_is_not_kept(tmp_path):
    (measurement,) = carry_out(tasks(tmp_path / "missing.txt", 1), Store(tmp_path), 1)
    assert measurement.error is not None


def test_the_bigram_table_of_lecture_1(names_file, tmp_path):
    (row,) = reproduce(["bigram-counts"], out=tmp_path, data=[names_file])
    assert row.verdict == "exact"
    assert "2.4540" in (tmp_path / "table.txt").read_text(encoding="utf-8")
    assert '"verdict": "exact"' in (tmp_path / "results.json").read_text(encoding="utf-8")


def test_the_table_shows_numbers_texts_and_what_did_not_come_out(list_file, tmp_path):
    published = (exactly("parameters", "12097"), nearly("loss", "2.1", 0.02), nearly("losses", "1 2 3 4 5 6", 0.1))
    experiment = dataclasses.replace(EXPERIMENT, published=published, note="A note.", why_different="A reason.")
    losses = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0]
    values = [{"parameters": 12097, "loss": loss, "losses": losses, "word": "diverged"} for loss in (2.1, 2.11)]
    values = [value | {"mixed": mixed} for value, mixed in zip(values, ("diverged", 2.123456), strict=True)]
    figures = tuple(compare(experiment, [Measurement(each | {"inf": math.inf}, 1.0, 1.0) for each in values]))
    failed = Row(dataclasses.replace(experiment, id="decay"), (), "failed", error="No file.")
    lines = table([Row(experiment, figures, "differs"), failed])
    assert [" ".join(line.split()) for line in lines[1:8]] == [
        "growth near differs",
        "parameters 12097 12097 exact",
        "loss 2.1 ± 0.02 2.1 ± 0.0071 agrees",
        "losses 6 numbers: 1 2 … 5 of 6 agree, the furthest 1 away differs",
        "word diverged shown",
        "mixed diverged | 2.123 shown",
        "inf inf ± nan shown",
    ]
    assert lines[-3:] == ["growth, decay: A note.", "growth: A reason.", "decay: No file."]
