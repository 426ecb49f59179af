"""However a training is stopped, going on ends where an uninterrupted one ends, bit for bit."""

import fcntl
import random
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import moreish
from moreish.errors import RecipeError, RunError
from moreish.storage import load_arrays
from moreish.training.checkpoint import CHECKPOINT_FILE
from moreish.training.measured import STATISTICS_FILE
from training.interruption import InterruptAt

SMALL = {"context": 3, "embedding": 4, "hidden": (12,), "batch": 8, "learning_rate": 0.01}


@pytest.fixture
def items(tmp_path) -> Path:
    path = tmp_path / "items.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abcdef" for b in "ghijk" for c in "lmn"))
    return path


def assert_same_end(run: moreish.Run, other: moreish.Run) -> None:
    for file in (CHECKPOINT_FILE, "model.safetensors", STATISTICS_FILE):
        arrays, _ = load_arrays(run.path / file)
        others, _ = load_arrays(other.path / file)
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, others[name], err_msg=f"{file}: {name}")
    assert run.results is not None
    assert other.results is not None
    for figure in ("nll", "steps", "best_step"):
        assert run.results[figure] == other.results[figure]


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "sgd", "norm": "batch", "keep": "last"}, {"dropout": 0.2}], ids=str
)
def test_an_interrupted_training_goes_on_to_the_same_end(items, tmp_path, changes):
    recipe = SMALL | changes | {"steps": 700}
    whole = moreish.train(items, out=tmp_path / "whole", **recipe)
    stopped = moreish.train(items, out=tmp_path / "stopped", observers=[InterruptAt(120)], **recipe)
    assert stopped.results is None
    assert moreish.load(stopped).generate(1)  # what was learned so far can be used
    stopped = moreish.train(out=tmp_path / "stopped", resume=True, observers=[InterruptAt(450)])
    assert stopped.results is None
    assert_same_end(moreish.train(out=tmp_path / "stopped", resume=True), whole)


def test_a_training_killed_at_random_moments_goes_on_to_the_same_end(items, tmp_path):
    steps = {"steps": 6_000, "eval_every": 500}
    whole = moreish.train(items, out=tmp_path / "whole", **SMALL, **steps)
    out = tmp_path / "killed"
    program = f"import moreish; moreish.train({str(items)!r}, out={str(out)!r}, resume=True, **{SMALL | steps!r})"
    moments = random.Random(5)
    for kill in range(4):
        process = subprocess.Popen([sys.executable, "-c", program])
        if kill > 0:
            wait_for(out / "run.json", process)
        time.sleep(moments.uniform(0.1, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([sys.executable, "-c", program], check=True)
    assert_same_end(moreish.Run.open(out), whole)


def test_a_disk_that_fills_up_ends_in_one_line_and_loses_nothing(items, tmp_path):
    out = tmp_path / "full"
    whole = moreish.train(items, out=tmp_path / "whole", **SMALL, steps=200, engine="autograd")
    flags = shlex.split(
        "--context 3 --embedding 4 --hidden 12 --batch 8 --learning-rate 0.01 --steps 200 --engine autograd"
    )
    command = [sys.executable, "-m", "moreish", "train", str(items), "--out", str(out), *flags]

    def fill_disk() -> None:  # no file can grow beyond this: run.json fits, a checkpoint does not
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    done = subprocess.run(command, preexec_fn=fill_disk, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("moreish: Cannot write")
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["run.json"]
    assert_same_end(moreish.train(out=out, resume=True), whole)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)


def test_resuming_where_there_is_no_run_begins(items, tmp_path):
    run = moreish.train(items, out=tmp_path / "new", resume=True, **SMALL, steps=20)
    assert run.results is not None
    assert run.results["steps"] == 20


def test_resuming_a_finished_run_changes_nothing(items, tmp_path):
    run = moreish.train(items, out=tmp_path / "run", **SMALL, steps=20)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    again = moreish.train(items, out=tmp_path / "run", resume=True)
    assert again.results == run.results
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_resuming_with_another_file_or_recipe_is_refused(items, tmp_path):
    moreish.train(items, out=tmp_path / "run", observers=[InterruptAt(1)], **SMALL, steps=2_000)
    other = tmp_path / "other.txt"
    other.write_text(items.read_text())
    with pytest.raises(RunError, match=r"begun with .*items\.txt.*not with .*other\.txt"):
        moreish.train(other, out=tmp_path / "run", resume=True)
    with pytest.raises(RecipeError, match=r"another recipe.*: hidden = \(\d+,\), not \(13,\)\. "):
        moreish.train(out=tmp_path / "run", resume=True, hidden=(13,))
    with pytest.raises(RecipeError, match=r": steps = 2000, not 3000; seed = 1, not 2\. "):
        moreish.train(out=tmp_path / "run", resume=True, steps=3_000, seed=2)
    with pytest.raises(RunError, match="needs the directory"):
        moreish.train(items, resume=True)
    with items.open("a") as file:
        file.write("\nxyz")
    with pytest.raises(RunError, match="has changed since"):
        moreish.train(out=tmp_path / "run", resume=True)


def test_nothing_is_overwritten(items, tmp_path):
    moreish.train(items, out=tmp_path / "run", **SMALL, steps=20)
    with pytest.raises(RunError, match="holds another run"):
        moreish.train(items, out=tmp_path / "run", **SMALL, steps=20)
    with pytest.raises(RunError, match="holds other files"):
        moreish.train(items, out=tmp_path, **SMALL, steps=20)


def test_a_run_repeats_from_its_recipe(items, tmp_path):
    first = moreish.train(items, out=tmp_path / "first", **SMALL, steps=300, seed=7)
    assert_same_end(moreish.train(items, out=tmp_path / "second", recipe=first), first)


def test_a_timed_run_repeats_from_its_record_and_resumes(items, tmp_path):
    first = moreish.train(items, out=tmp_path / "first", observers=[InterruptAt(200)], **SMALL, minutes=0.05)
    first = moreish.train(out=tmp_path / "first", resume=True)
    assert first.results is not None
    assert first.results["seconds"] < 3.5
    assert_same_end(moreish.train(items, out=tmp_path / "second", recipe=first), first)


def test_resuming_a_run_that_is_not_there_without_a_file_is_refused(tmp_path):
    with pytest.raises(RunError, match="There is no run in"):
        moreish.train(out=tmp_path / "nowhere", resume=True)
    assert not (tmp_path / "nowhere").exists()


def test_two_trainings_do_not_share_a_run(items, tmp_path):
    moreish.train(items, out=tmp_path / "run", observers=[InterruptAt(1)], **SMALL, steps=2_000)
    with (tmp_path / "run" / "run.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="A training is going on"):
            moreish.train(out=tmp_path / "run", resume=True)
    assert moreish.train(out=tmp_path / "run", resume=True).results is not None
