"""The seeded recipes of the lectures give the printed digits again."""

from typing import Any

import numpy as np
import pytest

import moreish
from moreish.corpus import read_corpus
from moreish.engines.native import levels
from moreish.models.load import predictor
from moreish.storage import load_model
from moreish.training.calibration import calibrate
from moreish.training.checkpoint import Checkpoint
from moreish.training.evaluation import evaluate

LECTURE = {
    "split": "published",
    "context": 3,
    "embedding": 10,
    "hidden": (200,),
    "activation": "tanh",
    "seed": 2147483647,
    "draws": "lecture",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "batch": 32,
    "keep": "last",
    "engine": "autograd",
    "head_init": "normal",
    "head_scale": 0.01,
    "head_bias_scale": 0.0,
    "warmup": 0.0,
}
KAIMING = LECTURE | {"bias_scale": 0.01}
BATCHNORM = LECTURE | {"norm": "batch", "norm_convention": "notebook"}
# Lecture 4 also draws the gain and the bias of batch norm around 1 and 0; here they begin there.
BACKPROP: dict[str, Any] = LECTURE | {
    "norm": "batch",
    "norm_convention": "lecture",
    "bias": "all",
    "bias_scale": 0.1,
    "head_scale": 0.1,
    "head_bias_scale": 0.1,
    "engine": "manual",
}
DEEP = LECTURE | {
    "hidden": (100,) * 5,
    "gain": 1.0,
    "norm": "batch",
    "norm_output": True,
    "norm_convention": "lecture",
    "head_init": None,
    "head_scale": 0.1,
}

BATCHNORM_LOSSES = [
    *(3.3239, 2.0322, 2.5675, 2.0125, 2.2446, 1.8897, 2.0785, 2.3681, 2.2918, 2.0238),
    *(2.3673, 2.3132, 1.6414, 1.9311, 2.2231, 2.0027, 2.0997, 2.4949, 2.0199, 2.1707),
]


def needs(engine: str) -> None:
    if engine == "native" and not levels():
        pytest.skip("the native engine was not built: no C++ compiler")


def losses_and_nll(names_file, out, recipe, **budget) -> tuple[np.ndarray, dict[str, float]]:
    run = moreish.train(names_file, out=out, **recipe, **budget)
    checkpoint = Checkpoint.load(run.path)
    assert checkpoint is not None
    assert run.results is not None
    return checkpoint.history.all_losses(), run.results["nll"]


@pytest.mark.parametrize("engine", ["autograd", "native"])
@pytest.mark.parametrize(
    ("recipe", "first", "ten_thousandth"),
    [(KAIMING, 3.3179, 2.1910), (BATCHNORM, 3.3239, 2.0322)],
    ids=["kaiming", "batchnorm"],
)
def test_minibatch_losses_of_lecture_3(names_file, tmp_path, engine, recipe, first, ten_thousandth):
    needs(engine)
    losses, _ = losses_and_nll(
        *(names_file, tmp_path / "run", recipe | {"engine": engine}),
        schedule="constant",
        steps=10_001,
        eval_every=10_001,
    )
    assert f"{losses[0]:.4f}" == f"{first:.4f}"
    assert f"{losses[10_000]:.4f}" == f"{ten_thousandth:.4f}"


def test_deep_network_of_lecture_3(names_file, tmp_path):
    run = moreish.train(
        *(names_file,), out=tmp_path / "run", **DEEP, schedule="constant", steps=1_001, eval_every=1_001
    )
    checkpoint = Checkpoint.load(run.path)
    assert checkpoint is not None
    assert run.results is not None
    assert f"{checkpoint.history.all_losses()[0]:.4f}" == "3.2870"
    assert run.results["nll"]["train"] == pytest.approx(2.4002976, abs=1e-6)
    assert run.results["nll"]["validation"] == pytest.approx(2.3982466, abs=1e-6)
    names = [item.text for item in moreish.load(run).generate(6, seed=2147483657, draws="lecture", allow_repeats=True)]
    assert names == ["carpah", "qarlileif", "jmrix", "thty", "sacansa", "jazhnte"]
    statistics, weights = run.statistics, load_model(run.path).weights
    assert statistics is not None
    assert statistics.steps[-1] == 1_000  # whose histograms the lecture shows
    tanhs = list(statistics.layers.values())[:-1]
    assert [f"{layer.std[-1]:.2f}" for layer in tanhs] == ["0.63", "0.64", "0.65", "0.65", "0.65"]
    assert [f"{layer.saturation[-1]:.2%}" for layer in tanhs] == ["2.78%", "2.56%", "2.25%", "1.69%", "1.88%"]
    # The lecture divides by the spread after the step.
    ratios = [
        f"{measured.gradient_std[-1] / weights[name].std(ddof=1):.2e}"
        for name, measured in statistics.parameters.items()
        if weights[name].ndim == 2
    ]
    assert ratios == ["8.01e-03", "4.88e-02", "6.96e-02", "6.07e-02", "5.63e-02", "5.57e-02", "1.16e-01"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["autograd", "native"])
def test_mlp_kaiming_in_full(names_file, tmp_path, engine):
    needs(engine)
    recipe = KAIMING | {"engine": engine}
    _, nll = losses_and_nll(names_file, tmp_path / "run", recipe, schedule="step", steps=200_000, eval_every=200_000)
    assert nll["train"] == pytest.approx(2.0376642, abs=1e-6)
    assert nll["validation"] == pytest.approx(2.1069896, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["autograd", "manual", "native"])
def test_mlp_batchnorm_in_full(names_file, tmp_path, engine):
    needs(engine)
    losses, nll = losses_and_nll(
        *(names_file, tmp_path / "run", BATCHNORM | {"engine": engine}),
        schedule="step",
        steps=200_000,
        eval_every=200_000,
    )
    # The printed digits, but for a loss that float order takes over the edge between two of them.
    np.testing.assert_allclose(losses[::10_000], BATCHNORM_LOSSES, atol=6e-5, rtol=0)
    assert nll["train"] == pytest.approx(2.0674145, abs=1e-6)
    assert nll["validation"] == pytest.approx(2.1056840, abs=1e-6)


@pytest.mark.slow
def test_backprop_training_of_lecture_4(names_file, tmp_path):
    nlls = []
    for seed in (1, 2, 3):
        recipe: dict[str, Any] = BACKPROP | {"seed": seed}
        run = moreish.train(
            *(names_file,), out=tmp_path / f"{seed}", **recipe, schedule="step", steps=200_000, eval_every=200_000
        )
        assert run.results is not None
        assert run.results["parameters"] == 12_297
        corpus, weights = read_corpus(names_file, run.recipe), load_model(run.path).weights
        calibrate(run.recipe, weights, corpus)
        model = predictor(run.recipe, corpus.vocabulary.vocab_size, weights)
        nlls.append([evaluate(model, corpus, split).nats_per_character for split in ("train", "validation")])
    np.testing.assert_allclose(np.mean(nlls, axis=0), [2.0705, 2.1099], atol=0.02)
