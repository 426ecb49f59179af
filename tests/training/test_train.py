"""Training reports what happened, keeps what was best, and stops where it should."""

import os
import shutil
import threading

import numpy as np
import pytest

import moreish
from moreish.corpus import read_corpus
from moreish.errors import DivergenceError, EngineError, InputError
from moreish.observers import ChunkDone, Ended, Evaluated, Event, Prepared, Saved, Started, Stop
from moreish.storage import load_model
from moreish.training import evaluate
from moreish.training.checkpoint import Checkpoint

SMALL = {"context": 3, "embedding": 4, "hidden": (12,), "batch": 8, "learning_rate": 0.01}
OVERFITTING = SMALL | {
    "hidden": (60,),
    "learning_rate": 0.1,
    "schedule": "constant",
    "eval_every": 20,
    "patience": 10_000,
}


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "items.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abcdef" for b in "ghijk" for c in "lmn"))
    return path


class Notebook:
    def __init__(self, stop_at: int | None = None) -> None:
        self.events: list[Event] = []
        self.stop_at = stop_at

    def observe(self, event: Event) -> Stop | None:
        self.events.append(event)
        if self.stop_at is not None and isinstance(event, ChunkDone) and event.step >= self.stop_at:
            return Stop("seen enough")
        return None

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


def test_observers_hear_everything_in_order(items, tmp_path):
    notebook = Notebook()
    run = moreish.train(items, out=tmp_path / "run", observers=[notebook], **SMALL, steps=100, eval_every=40)
    assert isinstance(notebook.events[0], Prepared)
    assert isinstance(notebook.events[1], Started)
    assert isinstance(notebook.events[-1], Ended)
    assert [event.step for event in notebook.of(Evaluated)] == [40, 80, 100]
    assert notebook.of(Saved)[-1].step == 100
    assert sum(len(event.losses) for event in notebook.of(ChunkDone)) == 100
    assert notebook.of(ChunkDone)[-1].progress == 1
    assert (notebook.events[-1].step, notebook.events[-1].reason) == (100, "finished")

    checkpoint = Checkpoint.load(run.path)
    assert checkpoint is not None
    heard = np.concatenate([event.losses for event in notebook.of(ChunkDone)])
    np.testing.assert_array_equal(checkpoint.history.all_losses(), heard)


def test_the_results_are_those_of_the_model_in_the_file(items, tmp_path):
    run = moreish.train(items, out=tmp_path / "run", **SMALL, steps=200)
    results = run.results
    assert results is not None
    assert {"run", "engine", "steps", "seconds", "steps_per_second", "parameters", "nll", "baselines"} <= results.keys()
    corpus = read_corpus(str(items), run.recipe)
    predictor = moreish.load(run).predictor
    for split in ("train", "validation", "test"):
        assert evaluate(predictor, corpus, split).nats_per_character == pytest.approx(results["nll"][split], rel=1e-6)
    assert results["baselines"]["uniform"]["test"] == pytest.approx(np.log(corpus.vocabulary.vocab_size))


def test_the_best_weights_are_kept_unless_the_last_are_asked_for(items, tmp_path):
    overfitting = OVERFITTING | {"steps": 1_000}
    notebook = Notebook()
    best = moreish.train(items, out=tmp_path / "best", observers=[notebook], **overfitting)
    last = moreish.train(items, out=tmp_path / "last", **overfitting, keep="last")
    measured = {event.step: event.validation_nll for event in notebook.of(Evaluated)}
    assert best.results is not None
    assert last.results is not None
    assert best.results["nll"]["validation"] == pytest.approx(min(measured.values()))
    assert last.results["nll"]["validation"] == pytest.approx(measured[1_000])
    assert best.results["best_step"] == min(measured, key=measured.__getitem__)
    assert min(measured.values()) < measured[1_000]


def test_patience_ends_a_training_that_no_longer_improves(items, tmp_path):
    notebook = Notebook()
    overfitting = OVERFITTING | {"steps": 5_000}
    run = moreish.train(items, out=tmp_path / "run", observers=[notebook], **(overfitting | {"patience": 3}))
    assert run.results is not None
    assert notebook.events[-1].reason == "patience"
    assert run.results["steps"] == run.results["best_step"] + 3 * 20


def test_an_observer_may_ask_to_stop_and_the_run_is_whole(items, tmp_path):
    notebook = Notebook(stop_at=50)
    run = moreish.train(items, out=tmp_path / "run", observers=[notebook], **SMALL, steps=100_000)
    assert notebook.events[-1].reason == "seen enough"
    assert run.results is not None
    assert 50 <= run.results["steps"] < 5_000


def test_a_loss_that_is_not_finite_is_told_with_step_and_rate(items, tmp_path):
    with pytest.raises(DivergenceError, match=r"became (nan|inf) after [\d,]+ steps .*smaller --learning-rate"):
        moreish.train(
            *(items,), out=tmp_path / "run", **(SMALL | {"learning_rate": 1e30, "optimizer": "sgd"}), activation="relu"
        )


def test_a_time_budget_is_kept_with_evaluation(items, tmp_path):
    notebook = Notebook()
    run = moreish.train(items, out=tmp_path / "run", observers=[notebook], **SMALL, minutes=1 / 30)
    assert run.results is not None
    assert run.results["seconds"] < 2.5
    assert 5 <= len(notebook.of(Evaluated)) <= 30


@pytest.mark.parametrize("model", ["bigram", "ngram"])
def test_counting_models_have_the_same_files_and_figures(items, tmp_path, model):
    run = moreish.train(items, out=tmp_path / "run", model=model)
    assert run.results is not None
    assert run.results["engine"] == "counting"
    assert run.results["nll"]["validation"] < run.results["baselines"]["uniform"]["validation"]
    assert len(moreish.load(run).generate(3)) == 3


def test_running_text_trains_and_generates(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the log.\n" * 30)
    run = moreish.train(path, out=tmp_path / "run", kind="text", **SMALL, steps=300)
    assert run.results is not None
    assert run.results["nll"]["test"] < 1.5
    assert len(moreish.load(run).generate(1, length=80)[0].text) == 80


def test_text_shorter_than_the_context_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat\n")
    with pytest.raises(InputError, match="context"):
        moreish.train(path, out=tmp_path / "run", kind="text", **(SMALL | {"context": 50}))
    assert not (tmp_path / "run" / "run.json").exists()


def test_seeds_change_the_training_and_threads_do_not(items, tmp_path):
    def weights(name, **changes):
        return load_model(moreish.train(items, out=tmp_path / name, **SMALL, steps=50, **changes).path).weights

    first, same, other = weights("a"), weights("b", threads=2), weights("c", seed=2)
    np.testing.assert_allclose(first["head.linear.weight"], same["head.linear.weight"], rtol=1e-5)
    assert not np.array_equal(first["head.linear.weight"], other["head.linear.weight"])


def test_a_device_that_is_not_there_leaves_no_run(items, tmp_path):
    with pytest.raises(EngineError, match="toaster"):
        moreish.train(items, out=tmp_path / "run", **SMALL, device="toaster")
    assert not (tmp_path / "run").exists()


def test_a_data_set_by_name_is_read_as_what_it_is(shakespeare_file, tmp_path, monkeypatch):
    monkeypatch.setenv("MOREISH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    shutil.copy(shakespeare_file, tmp_path / "cache" / "tinyshakespeare.txt")
    run = moreish.train("tinyshakespeare", out=tmp_path / "run", model="bigram")
    assert run.recipe.kind == "text"


def test_what_comes_through_a_pipe_is_copied_into_the_run(items, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(items.read_bytes()))
    writer.start()
    run = moreish.train(pipe, out=tmp_path / "run", **SMALL, steps=20)
    writer.join()
    assert run.data_path.read_bytes() == items.read_bytes()
    assert moreish.load(run).evaluate()["train"].nats_per_character > 0


def test_a_file_too_short_to_be_split_can_be_evaluated(items, tmp_path):
    model = moreish.load(moreish.train(items, out=tmp_path / "run", **SMALL, steps=20))
    short = tmp_path / "short.txt"
    short.write_text("agl\n")
    measured = model.evaluate(short)["whole"]
    assert (measured.num_items, measured.num_characters) == (1, 4)
    assert measured.nats_per_character == pytest.approx(model.score("agl")[0].nll_per_character, rel=1e-6)


def test_a_network_that_does_not_fit_into_memory_is_said(items, tmp_path):
    with pytest.raises(EngineError, match=r"280\.\d GB of memory or more: 10,00\d,\d{3},\d{3} parameters"):
        moreish.train(items, out=tmp_path / "run", **(SMALL | {"hidden": (100_000, 100_000)}))


def test_validation_that_is_not_finite_ends_the_training(items, tmp_path):
    with pytest.raises(DivergenceError, match="validation NLL became nan after 1 steps"):
        moreish.train(items, out=tmp_path / "run", **(SMALL | {"learning_rate": 1e308}), steps=20, eval_every=1)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_short_list_stops_when_it_is_known_by_heart(items, tmp_path):
    run = moreish.train(items, out=tmp_path / "run", context=3, hidden=(60,), batch=32, learning_rate=0.05)
    assert run.results is not None
    assert run.results["steps"] < 4_000
    assert run.results["steps"] >= run.results["best_step"] + 25 * 10
