"""A remedy is proved by trainings with and without it, and the interval of its gain tells the truth."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moreish.corpus import read_corpus
from moreish.doctor.significance import student_quantile
from moreish.doctor.trainings.proof import interval, lengths, prove
from moreish.recipe import Recipe

SMALL: dict[str, Any] = {"context": 3, "embedding": 8, "hidden": (32,), "steps": 200, "batch": 16}


def recipe(**changes: Any) -> Recipe:
    return Recipe().with_changes(**(SMALL | changes))


def test_a_remedy_that_helps_one_that_harms_and_one_that_does_nothing(syllables: Path) -> None:
    faulty = recipe(head_scale=8.0)
    corpus = read_corpus(syllables, faulty)
    quiet, worse, nothing = prove(faulty, corpus, [{"head_scale": 0.1}, {"head_scale": 60.0}, {"clip": 1e9}], 200)
    assert quiet.helps
    assert quiet.low < quiet.gain < quiet.high
    assert worse.high < 0
    assert (nothing.low, nothing.gain, nothing.high) == (0, 0, 0)  # the same states, the same minibatches
    assert not nothing.helps
    assert quiet.without == worse.without


def test_a_remedy_that_saves_a_training_from_breaking_off(syllables: Path) -> None:
    broken = recipe(optimizer="sgd", learning_rate=1e30, weight_decay=0.0, activation="relu")
    corpus = read_corpus(syllables, broken)
    saved, not_saved = prove(broken, corpus, [{"learning_rate": 0.1}, {"learning_rate": 1e29}], 20)
    assert saved.helps
    assert math.isinf(saved.without)
    assert math.isfinite(saved.with_changes)
    assert not not_saved.helps
    assert str(saved).endswith("it does not break off any more")
    assert saved.to_dict()["low"] == "inf"
    json.dumps(saved.to_dict(), allow_nan=False)
    assert str(not_saved).endswith("it breaks off all the same")
    (harming,) = prove(recipe(), corpus, [{"optimizer": "sgd", "learning_rate": 1e30, "weight_decay": 0.0}], 20)
    assert harming.high < 0
    assert str(harming).endswith("not finite, the training breaks off: it harms")


def test_progress_reaches_the_end(syllables: Path) -> None:
    faulty = recipe()
    heard: list[tuple[int, int]] = []
    prove(faulty, read_corpus(syllables, faulty), [{"clip": 1.0}], 30, report=lambda done, of: heard.append((done, of)))
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1]


@pytest.mark.parametrize(("items", "seeds"), [(1.0, 0.0), (0.3, 0.3), (0.0, 1.0)])
def test_the_interval_covers_the_true_gain_as_often_as_it_says(items: float, seeds: float) -> None:
    numbers = np.random.default_rng(1)
    covered = 0
    for _ in range(1500):
        of_items = numbers.normal(scale=items, size=(1, 40))
        gains = 0.5 + of_items + numbers.normal(scale=seeds, size=(4, 1)) + numbers.normal(scale=0.1, size=(4, 40))
        low, high = interval(gains, 0.9)
        covered += low <= 0.5 <= high
    assert covered / 1500 > 0.88  # three standard errors below


@pytest.mark.parametrize(("df", "quantile"), [(1, 31.8205159538), (5, 3.36492999891), (30, 2.45726154240)])
def test_quantiles_are_those_of_the_tables(df: int, quantile: float) -> None:
    assert student_quantile(0.99, df) == pytest.approx(quantile, rel=1e-9)  # scipy.stats.t.ppf(0.99, df)


def test_one_validation_item_shows_nothing(tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("anna\nbella\nclara\ndora\nemma\nfrida\ngreta\nhanna\nida\njulia\n", encoding="utf-8")
    faulty = recipe(head_scale=50.0, steps=20)
    (proof,) = prove(faulty, read_corpus(few, faulty), [{"head_scale": 0.1}], 20)
    assert proof.num_items == 1
    assert (proof.low, proof.high, proof.helps) == (-math.inf, math.inf, False)


def test_branches_grow_to_the_length_of_the_training() -> None:
    assert lengths(2_000, 200_000) == [2_000, 10_000, 50_000, 200_000]
    assert lengths(2_000, 12_000) == [2_000, 12_000]
    assert lengths(2_000, 500) == [500]
    assert lengths(2_000, None) == [2_000]
