"""A training on a GPU: the same losses as on the processor, whole when it is interrupted, and usable without a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import moreish
from moreish.doctor.trainings import TrainingDoctor, diagnose_training
from moreish.storage import MODEL_FILE, load_arrays
from moreish.training.checkpoint import CHECKPOINT_FILE, Checkpoint
from training.interruption import InterruptAt

DEVICES = ("cpu", "cuda")
SMALL: dict[str, Any] = {
    "context": 4, "embedding": 4, "hidden": (12,), "batch": 16, "learning_rate": 0.01, "engine": "autograd"
}  # fmt: skip
SETTINGS: list[dict[str, Any]] = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "norm": "batch", "norm_convention": "lecture", "keep": "last"},
    {"optimizer": "momentum", "clip": 0.5, "weight_decay": 0.1},
    {"optimizer": "momentum", "norm": "layer", "activation": "gelu"},
    {"optimizer": "adamw", "dropout": 0.3},
    {"optimizer": "adamw", "embedding": "onehot", "norm": "batch", "activation": "relu"},
    {"optimizer": "adamw", "model": "hierarchical", "hidden": (8, 6), "norm": "batch"},
]


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "items.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abcdef" for b in "ghijk" for c in "lmn"))
    return path


def history(run: moreish.Run) -> np.ndarray:
    checkpoint = Checkpoint.load(run.path)
    assert checkpoint is not None
    return checkpoint.history.all_losses()


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_losses_are_those_of_the_processor(items: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Seeds and minibatches are the same; rounding differs, and grows from step to step."""
    recipe = SMALL | changes | {"steps": 60}
    runs = [moreish.train(items, out=tmp_path / str(n), device=device, **recipe) for n, device in enumerate(DEVICES)]
    expected, got = map(history, runs)
    np.testing.assert_allclose(got[:5], expected[:5], rtol=1e-5)
    np.testing.assert_allclose(got, expected, rtol=1e-3)
    for split in ("train", "validation", "test"):
        nlls = [run.results["nll"][split] for run in runs if run.results is not None]
        assert nlls[1] == pytest.approx(nlls[0], rel=1e-3)


def test_statistics_are_those_of_the_processor(items: Path, tmp_path: Path) -> None:
    recipe = SMALL | {"steps": 20, "activation": "tanh", "norm": "batch"}
    cpu, cuda = (
        moreish.train(items, out=tmp_path / str(n), device=device, statistics_every=10, **recipe).statistics
        for n, device in enumerate(DEVICES)
    )
    assert cpu is not None
    assert cuda is not None
    expected, got = dict(cpu.arrays()), dict(cuda.arrays())
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_an_interrupted_training_goes_on_to_the_same_end(items: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = SMALL | changes | {"steps": 150, "device": "cuda"}
    whole = moreish.train(items, out=tmp_path / "whole", **recipe)
    stopped = moreish.train(items, out=tmp_path / "stopped", observers=[InterruptAt(40)], **recipe)
    assert stopped.results is None
    stopped = moreish.train(out=tmp_path / "stopped", resume=True)
    for file in (CHECKPOINT_FILE, MODEL_FILE):
        arrays, others = (load_arrays(run.path / file)[0] for run in (whole, stopped))
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, others[name], err_msg=f"{file}: {name}")


def test_what_was_trained_on_a_gpu_is_used_without_one(items: Path, tmp_path: Path) -> None:
    run = moreish.train(items, out=tmp_path / "run", steps=60, device="cuda", **SMALL)
    assert {value.device.type for value in load_file(run.path / MODEL_FILE).values()} == {"cpu"}
    model = moreish.load(run)
    assert run.results is not None
    assert model.evaluate()["test"].nats_per_character == pytest.approx(run.results["nll"]["test"])
    assert model.score("agl")[0].nll_nats > 0
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}

    def said(*words: object) -> str:
        command = [sys.executable, "-m", "moreish", *map(str, words)]
        return subprocess.run(command, env=hidden, check=True, capture_output=True, text=True).stdout

    assert said("generate", run.path, "-n", 5, "--seed", 1).split() == [item.text for item in model.generate(5, seed=1)]
    assert "agl" in said("score", run.path, "agl")
    assert "test" in said("evaluate", run.path)


def test_a_rate_is_found_where_the_processor_finds_it(items: Path) -> None:
    found = [moreish.find_rate(items, num_rates=200, device=device, **SMALL).losses for device in DEVICES]
    np.testing.assert_allclose(found[1][:100], found[0][:100], rtol=1e-3)


def test_a_training_that_breaks_off_stops_before_the_step(items: Path, tmp_path: Path) -> None:
    with pytest.raises(moreish.MoreishError, match="NLL became"):
        moreish.train(items, out=tmp_path / "run", steps=60, device="cuda", activation="relu", optimizer="sgd",
                      **SMALL | {"learning_rate": 1e30})  # fmt: skip


def test_the_doctor_looks_on_and_finds_what_it_finds_on_the_processor(items: Path, tmp_path: Path) -> None:
    faulty = SMALL | {"activation": "tanh", "gain": 20.0, "head_scale": 30.0, "steps": 120}
    names = []
    for number, device in enumerate(DEVICES):
        doctor = TrainingDoctor()
        moreish.train(items, out=tmp_path / str(number), device=device, observers=[doctor], **faulty)
        assert doctor.failure is None
        assert doctor.report is not None
        names.append(doctor.report.names)
    assert names[0] == names[1] != ()


def test_remedies_are_proved_on_a_gpu(items: Path) -> None:
    faulty = SMALL | {"head_scale": 30.0, "steps": 40, "device": "cuda"}
    diagnosis = diagnose_training(items, with_proof=True, num_steps=40, **faulty)
    assert diagnosis.report.names[0] == "initial-loss"
    assert "head_scale" in diagnosis.changes


def test_the_command_line_trains_and_proves_on_a_gpu(items: Path, tmp_path: Path) -> None:
    flags = "--context 4 --embedding 4 --hidden 12 --steps 40 --head-scale 30 --device cuda --doctor prove --json"
    command = [sys.executable, "-m", "moreish", "train", str(items), "--out", str(tmp_path / "run"), *flags.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "it is the only engine that computes on cuda" in done.stderr
    results = json.loads(done.stdout)
    assert results["engine"] == "autograd"
    assert "initial-loss" in {finding["name"] for finding in results["findings"]}


def test_batch_norm_is_folded_where_the_network_is() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh()).cuda()
    x = torch.randn(32, 4, device="cuda")
    network(x)
    torch.testing.assert_close(moreish.fold_module(network)(x), network.eval()(x))


def test_gradients_on_a_gpu_are_compared() -> None:
    x = torch.randn(16, 4, device="cuda", requires_grad=True)
    x.square().sum().backward()
    comparison = moreish.compare_gradients("x", 2 * x.detach(), x)
    assert comparison.is_exact
