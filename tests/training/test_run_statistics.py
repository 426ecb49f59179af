"""A run keeps what was measured inside its training, whole, at any moment, and without changing its numbers."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import moreish
from moreish.errors import InputError, ModelFileError, RunError
from moreish.observers import ChunkDone, Event, Stop
from moreish.statistics import Statistics
from moreish.storage import load_arrays
from moreish.training.checkpoint import CHECKPOINT_FILE
from moreish.training.measured import STATISTICS_FILE

SMALL = {"context": 3, "embedding": 4, "hidden": (12,), "batch": 8, "activation": "tanh", "engine": "manual"}


@pytest.fixture
def items(tmp_path) -> Path:
    path = tmp_path / "items.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abcdef" for b in "ghijk" for c in "lmn"))
    return path


class Listener:
    """Keeps what was measured; presses Ctrl-C once a step is reached."""

    def __init__(self, last_step: int = 10**9) -> None:
        self.last_step = last_step
        self.heard: list[Statistics] = []

    def observe(self, event: Event) -> Stop | None:
        if isinstance(event, ChunkDone):
            assert event.statistics is not None
            self.heard.append(event.statistics)
            if event.step >= self.last_step:
                os.kill(os.getpid(), signal.SIGINT)
        return None


def assert_same(statistics: Statistics | None, expected: Statistics | None) -> None:
    assert statistics is not None
    assert expected is not None
    arrays = dict(statistics.arrays())
    assert list(arrays) == [name for name, _ in expected.arrays()]
    for name, array in expected.arrays():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def test_a_run_holds_what_was_measured_every_hundredth_step(items, tmp_path):
    listener = Listener()
    run = moreish.train(items, out=tmp_path / "run", observers=[listener], **SMALL, steps=301)
    statistics = run.statistics
    assert statistics is not None
    assert statistics.steps.tolist() == [0, 100, 200, 300]
    assert list(statistics.layers) == ["layers.0", "head"]
    assert list(statistics.parameters)[:2] == ["embedding.weight", "layers.0.linear.weight"]
    assert statistics.layers["layers.0"].is_dead.shape == (4, 12)
    assert statistics.parameters["head.linear.weight"].update_to_data.shape == (4,)
    assert_same(Statistics.joined(listener.heard), statistics)


def test_measuring_changes_no_number_of_a_run(items, tmp_path):
    runs = [moreish.train(items, out=tmp_path / f"{n}", **SMALL, steps=200, statistics_every=n) for n in (0, 7)]
    assert runs[0].statistics is None
    assert runs[0].recipe == runs[1].recipe
    for file in (CHECKPOINT_FILE, "model.safetensors"):
        arrays, _ = load_arrays(runs[0].path / file)
        for name, array in load_arrays(runs[1].path / file)[0].items():
            np.testing.assert_array_equal(array, arrays[name], err_msg=f"{file}: {name}")


def test_a_resumed_run_holds_what_an_uninterrupted_one_does(items, tmp_path, monkeypatch):
    whole = moreish.train(items, out=tmp_path / "whole", **SMALL, steps=400, eval_every=150, statistics_every=20)

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:  # between the statistics of step 150 and its checkpoint
        patched.setattr("moreish.training.checkpoint.save_arrays", die)
        with pytest.raises(RuntimeError, match="killed"):
            moreish.train(items, out=tmp_path / "cut", **SMALL, steps=400, eval_every=150, statistics_every=20)
    left = moreish.Run.open(tmp_path / "cut").statistics
    assert left is not None
    assert left.steps[-1] == 140
    run = moreish.train(out=tmp_path / "cut", resume=True)
    assert_same(run.statistics, whole.statistics)
    assert (run.path / STATISTICS_FILE).read_bytes() == (whole.path / STATISTICS_FILE).read_bytes()


def test_resuming_goes_on_measuring_as_the_run_began(items, tmp_path):
    recipe = SMALL | {"steps": 4000, "eval_every": 500}
    whole = moreish.train(items, out=tmp_path / "whole", **recipe, statistics_every=30)
    stopped = moreish.train(items, out=tmp_path / "cut", **recipe, statistics_every=30, observers=[Listener(700)])
    assert stopped.results is None
    with pytest.raises(RunError, match="measured every 30 steps, not every 40; resuming goes on as it began"):
        moreish.train(out=tmp_path / "cut", resume=True, statistics_every=40)
    run = moreish.train(out=tmp_path / "cut", resume=True)
    assert_same(run.statistics, whole.statistics)


def test_a_run_without_steps_to_measure_has_no_statistics(items, tmp_path):
    assert moreish.train(items, out=tmp_path / "counted", model="bigram").statistics is None


def test_a_damaged_file_is_said(items, tmp_path):
    run = moreish.train(items, out=tmp_path / "run", **SMALL, steps=20)
    (run.path / STATISTICS_FILE).write_bytes(b"nothing of ours")
    with pytest.raises(ModelFileError, match=r"statistics\.safetensors is damaged"):
        _ = run.statistics


@pytest.mark.parametrize("every", [-1, 2.5, "often", True])
def test_what_is_no_number_of_steps_is_refused(items, tmp_path, every):
    with pytest.raises(InputError, match="expected a whole number of steps, or 0 for no statistics"):
        moreish.train(items, out=tmp_path / "run", **SMALL, statistics_every=every)
    assert not (tmp_path / "run").exists()
