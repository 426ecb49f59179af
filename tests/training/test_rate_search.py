"""The rate search finds the valley by its rule, stops at the explosion, and puts everything back."""

import os
import signal

import numpy as np
import pytest
import torch

import moreish
from moreish import Recipe
from moreish.corpus import read_corpus
from moreish.engines import build_engine
from moreish.engines.native import levels
from moreish.errors import DivergenceError, InputError, RecipeError
from moreish.models.mlp import MLP
from moreish.training.minibatches import Minibatches
from moreish.training.rate_search import search, spaced
from moreish.training.valley import DIVERGED, Divergence, smooth, suggest

# The networks of the notebooks, before they were mended and after.
UNSCALED = {
    "context": 3,
    "activation": "tanh",
    "init": "normal",
    "bias_scale": 1.0,
    "head_scale": 1.0,
    "head_bias_scale": 1.0,
    "optimizer": "sgd",
    "weight_decay": 0.0,
    "batch": 32,
}
SCALED = UNSCALED | {"gain": 0.2, "bias_scale": 0.01, "head_scale": 0.01, "head_bias_scale": 0.0}
SMALL = UNSCALED | {"embedding": 4, "hidden": (8,)}
ENGINES = ["autograd", "manual", *(["native"] if levels() else [])]


@pytest.fixture(scope="module")
def corpus():
    return read_corpus(None, Recipe())


def begun(corpus, engine, **changes):
    """An engine on a small network, and its minibatches."""
    recipe = Recipe(**(SMALL | {"engine": engine, "hidden": (8,)} | changes))
    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
    stream = torch.Generator().manual_seed(2)
    built = build_engine(recipe, module, corpus).engine
    return built, Minibatches(corpus.predicted("train", recipe.context), recipe.batch, stream)


@pytest.mark.parametrize("scale", [UNSCALED, SCALED], ids=["unscaled", "scaled"])
@pytest.mark.parametrize(("embedding", "hidden"), [(10, 200), (2, 300)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_valley_of_the_notebooks_networks_lies_where_they_say(scale, embedding, hidden, seed):
    found = moreish.find_rate(**scale, embedding=embedding, hidden=(hidden,), seed=seed)
    assert found.suggestion is not None
    assert 0.05 <= found.suggestion <= 0.3
    assert found.ended == "diverged"


def test_adamw_wants_a_rate_that_is_far_smaller():
    found = moreish.find_rate(**(SCALED | {"embedding": 10, "hidden": (200,), "optimizer": "adamw"}))
    assert found.suggestion is not None
    assert 0.001 < found.suggestion < 0.01


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_everything_is_put_back(corpus, engine, optimizer):
    changes = {"optimizer": optimizer, "norm": "batch", "dropout": 0.1}
    searched, plain = (begun(corpus, engine, **changes) for _ in range(2))
    for built, minibatches in (searched, plain):  # a training that is under way
        built.run(minibatches.draw(7), np.full(7, 0.01), 0)
    search(*searched, spaced(1e-3, 1.0, 60))
    for built, minibatches in (searched, plain):
        built.run(minibatches.draw(20), np.full(20, 0.01), 7)
    for kept in ("weights", "optimizer_state"):
        expected = getattr(plain[0], kept)()
        got = getattr(searched[0], kept)()
        assert got.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(got[name], array, err_msg=name)
    np.testing.assert_array_equal(searched[1].state(), plain[1].state())


def test_everything_is_put_back_also_where_a_report_fails(corpus):
    built, minibatches = begun(corpus, "manual")
    before = {name: array.copy() for name, array in built.weights().items()}

    def fail(tried):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        search(built, minibatches, spaced(1e-3, 1.0, 60), fail)
    for name, array in built.weights().items():
        np.testing.assert_array_equal(array, before[name])


def test_one_step_is_made_at_each_rate(corpus):
    rates = spaced(1e-3, 1e-1, 40)
    found = search(*begun(corpus, "manual"), rates)
    built, minibatches = begun(corpus, "autograd")
    alone = [built.run(minibatches.draw(1), np.array([rate]), step).losses[0] for step, rate in enumerate(rates)]
    np.testing.assert_allclose(found.losses, alone, rtol=1e-5)
    np.testing.assert_array_equal(found.rates, rates)
    assert found.ended == "finished"


def test_a_search_stops_where_the_running_mean_is_four_times_its_lowest(corpus):
    found = search(*begun(corpus, "manual"), spaced(1e-3, 1e3, 300))
    assert found.ended == "diverged"
    width = 0.25 / np.log10(found.rates[1] / found.rates[0])
    means = []
    for n in range(1, len(found.losses) + 1):
        weights = np.exp(-np.arange(n)[::-1] / width)
        means.append(weights @ found.losses[:n] / weights.sum())
    is_over = np.array(means) > DIVERGED * np.minimum.accumulate(means)
    assert is_over[-1]
    assert not is_over[:-1].any()


def test_a_loss_that_is_not_finite_ends_a_search(corpus):
    found = search(*begun(corpus, "manual", activation="relu", hidden=(8, 8, 8)), spaced(1.0, 1e30, 500))
    assert found.ended == "diverged"
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 500
    assert np.isfinite(found.smoothed).all()


def test_weights_that_are_not_finite_are_said_to_be_so(corpus):
    built, minibatches = begun(corpus, "manual")
    next(iter(built.weights().values()))[:] = np.nan
    with pytest.raises(DivergenceError, match="before the first step"):
        search(built, minibatches, spaced(1e-3, 1.0, 60))


def test_an_interruption_ends_a_search_and_puts_back(corpus):
    built, minibatches = begun(corpus, "manual")
    before = {name: array.copy() for name, array in built.weights().items()}
    seen = []

    def interrupt(tried):
        seen.append(tried)
        if tried.num_done == 20:
            os.kill(os.getpid(), signal.SIGINT)

    found = search(built, minibatches, spaced(1e-4, 1.0, 80), interrupt)
    assert found.ended == "interrupted"
    assert [tried.num_done for tried in seen] == [10, 20]
    assert (seen[0].num_rates, seen[0].rate) == (80, found.rates[9])
    assert found.suggestion is None
    assert "interrupted at" in found.why_none
    for name, array in built.weights().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_smoothed_loss_is_the_weighted_mean_of_all():
    losses = np.random.default_rng(1).standard_normal(50)
    for at, value in enumerate(smooth(losses, 4.0)):
        weights = np.exp(-np.abs(np.arange(50) - at) / 4.0)
        assert value == pytest.approx((weights * losses).sum() / weights.sum(), abs=1e-12)


def test_a_constant_loss_diverges_never_and_a_sudden_one_at_once():
    calm, sudden = Divergence(10.0), Divergence(10.0)
    assert not any(calm.is_reached(3.0) for _ in range(100))
    assert [sudden.is_reached(loss) for loss in (3.0, 3.0, 1000.0)] == [False, False, True]


def curve(exponents, at):
    """A valley in the logarithm of the rate."""
    return 2.0 + 0.3 * (exponents - at) ** 2


@pytest.mark.parametrize("at", [-2.0, -1.0, -0.5])
def test_the_suggestion_is_the_bottom_of_a_valley(at):
    exponents = np.linspace(-4, 1, 501)
    losses = curve(exponents, at) + 0.05 * np.random.default_rng(3).standard_normal(501)
    smoothed = smooth(losses, 25.0)
    lowest, why_none = suggest(10**exponents, losses, smoothed, 25.0, is_diverged=False)
    assert why_none == ""
    assert exponents[lowest] == pytest.approx(at, abs=0.1)


@pytest.mark.parametrize(("at", "why"), [(3.0, "still falls at 10, the highest"), (-9.0, "does not fall below")])
def test_where_there_is_no_valley_it_says_so(at, why):
    exponents = np.linspace(-4, 1, 501)
    losses = curve(exponents, at)
    _, why_none = suggest(10**exponents, losses, smooth(losses, 25.0), 25.0, is_diverged=False)
    assert why in why_none


def test_chance_is_no_valley():
    rates = np.geomspace(1e-9, 1e-6, 300)
    for seed in range(200):
        losses = 3.3 + 0.1 * np.random.default_rng(seed).standard_normal(300)
        assert suggest(rates, losses, smooth(losses, 25.0), 25.0, is_diverged=False)[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lowest": 0.1, "highest": 0.5}, "at least 10 times the lowest"),
        ({"lowest": -1.0}, "greater than 0"),
        ({"lowest": "low"}, "lowest is 'low'; expected a number"),
        ({"highest": float("nan")}, "at least 10 times"),
        ({"num_rates": 99.5}, "num_rates is 99.5; expected a whole number"),
        ({"num_rates": 10}, "num_rates is 10; expected at least 80"),
    ],
)
def test_rates_that_cannot_be_searched_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        moreish.find_rate(**settings)


def test_a_model_that_counts_has_no_rate():
    with pytest.raises(RecipeError, match="counts and takes no steps"):
        moreish.find_rate(model="bigram")


def test_a_run_gives_its_recipe_and_its_file(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("anna\nbella\nclara\ndora\nemma\nfrida\ngreta\nhanna\n" * 3, encoding="utf-8")
    run = moreish.train(file, out=tmp_path / "run", **SMALL, steps=5)
    settings = {"lowest": 1e-2, "highest": 1.0, "num_rates": 40}
    again, plain = moreish.find_rate(recipe=run.path, **settings), moreish.find_rate(file, **SMALL, **settings)
    np.testing.assert_array_equal(again.losses, plain.losses)
