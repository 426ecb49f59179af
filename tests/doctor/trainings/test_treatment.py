"""The doctor alone climbs from a bad recipe to a good one; and every remedy is one that a recipe allows."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moreish
from moreish.doctor import Finding, Measurement
from moreish.doctor.checks import ALL_CHECKS
from moreish.doctor.trainings import TrainingDoctor, diagnose_training
from moreish.doctor.trainings.remedies import remedies
from moreish.errors import RecipeError, RunError
from moreish.recipe import Activation, Norm, OptimizerName, Recipe, Scheme

# Lecture 3's first network: confident, and saturated.
CONFIDENT: dict[str, Any] = {
    "split": "published", "context": 3, "embedding": 10, "hidden": (200,), "activation": "tanh", "seed": 2147483647,
    "draws": "lecture", "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.0, "batch": 32, "schedule": "step",
    "warmup": 0.0, "steps": 200_000, "keep": "last", "init": "normal", "bias_scale": 1.0, "head_init": "normal",
    "head_scale": 1.0, "head_bias_scale": 1.0,
}  # fmt: skip
QUIET = {"head_scale": 0.01, "head_bias_scale": 0.0}
KAIMING = {"init": "kaiming", "bias_scale": 0.01}


def test_a_confident_network_is_quietened(syllables: Path) -> None:
    changes = {"hidden": (32,), "steps": 300, "activation": "tanh", "context": 3, "head_scale": 6.0}
    diagnosis = diagnose_training(syllables, with_proof=True, **changes)
    assert diagnosis.report.names[0] == "initial-loss"
    (attempt,) = diagnosis.attempts
    assert attempt.adopted == {"head_scale": 0.01}
    assert attempt.proofs[0].helps
    assert diagnosis.changes == {"head_scale": 0.01}
    assert diagnosis.remaining.names == ()
    assert diagnosis.treated == diagnosis.recipe.with_changes(head_scale=0.01)


def test_a_fault_that_hides_another_is_treated_with_it(syllables: Path) -> None:
    """With equal units nothing is learned at any rate, and with this rate nothing by units that differ."""
    changes: dict[str, Any] = {"context": 3, "embedding": 8, "hidden": (32,), "steps": 300, "batch": 16}
    diagnosis = diagnose_training(syllables, with_proof=True, init="zeros", learning_rate=10.0, **changes)
    assert diagnosis.report.names[0] == "symmetric-units"
    assert diagnosis.changes["init"] == "kaiming"
    assert diagnosis.changes["learning_rate"] < 1
    assert diagnosis.remaining.names == ()
    first = diagnosis.attempts[0]
    assert first.adopted == first.proofs[-1].changes == diagnosis.changes
    assert first.proofs[-1].helps


def test_a_healthy_recipe_needs_no_proof(syllables: Path) -> None:
    diagnosis = diagnose_training(syllables, with_proof=True, hidden=(32,), steps=100)
    assert (diagnosis.attempts, diagnosis.changes) == ((), {})
    assert diagnosis.treated == diagnosis.recipe


def test_what_was_seen_of_a_run_is_judged_and_treated(syllables: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"context": 3, "embedding": 8, "hidden": (32,), "steps": 400, "batch": 16}
    changes |= {"activation": "relu", "learning_rate": 0.3, "weight_decay": 0.0}
    run = moreish.train(
        syllables, out=tmp_path / "run", observers=[TrainingDoctor()], statistics_every=10, eval_every=50, **changes
    )
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    diagnosis = diagnose_training(run, with_proof=True)
    assert "dead-relu" in diagnosis.report.names
    assert diagnosis.changes
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
    with pytest.raises(RecipeError, match="is a run and has its own recipe"):
        diagnose_training(run, steps=10)


def test_a_run_that_no_doctor_saw_is_examined_as_it_began(syllables: Path, tmp_path: Path) -> None:
    run = moreish.train(syllables, out=tmp_path / "run", context=3, hidden=(16,), steps=20, head_scale=5.0)
    assert diagnose_training(run).report.names == ("initial-loss",)
    run.data_path.touch()
    Path(run.path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises((RunError, KeyError)):
        diagnose_training(run.path)


def test_what_only_counts_cannot_be_examined(syllables: Path) -> None:
    with pytest.raises(RecipeError, match="made by counting"):
        diagnose_training(syllables, model="ngram")


@given(data=st.data())
def test_every_remedy_is_a_change_that_the_recipe_allows(data: st.DataObject) -> None:
    recipe = Recipe(
        activation=data.draw(st.sampled_from(get_args(Activation))),
        norm=data.draw(st.sampled_from(get_args(Norm))),
        init=data.draw(st.sampled_from(get_args(Scheme))),
        optimizer=data.draw(st.sampled_from(get_args(OptimizerName))),
        bias_scale=data.draw(st.sampled_from([None, 0.0, 1.0])),
        head_bias_scale=data.draw(st.sampled_from([None, 0.0, 1.0])),
        hidden=data.draw(st.sampled_from([(), (1,), (64, 32)])),
        weight_decay=data.draw(st.sampled_from([0.0, 0.15, 3.0])),
        dropout=data.draw(st.sampled_from([0.0, 0.5])),
        clip=data.draw(st.sampled_from([None, 0.1])),
    )
    name = data.draw(st.sampled_from([check.name for check in ALL_CHECKS]))
    finding = Finding(name, "major", None, 0, Measurement("loss", 3.0, 2.0), "cause", "remedy", "source")
    for changes in remedies(finding, recipe):
        changed = recipe.with_changes(**changes)
        assert changed != recipe
        assert (changed.context, changed.batch, changed.kind, changed.split) == (
            recipe.context, recipe.batch, recipe.kind, recipe.split,
        )  # fmt: skip


@pytest.mark.slow
def test_from_the_lectures_first_network_the_doctor_climbs_the_published_ladder(
    names_file: Path, tmp_path: Path
) -> None:
    diagnosis = diagnose_training(names_file, with_proof=True, **CONFIDENT)
    adopted = [(attempt.finding.name, attempt.adopted) for attempt in diagnosis.attempts if attempt.adopted]
    assert adopted == [("initial-loss", QUIET), ("saturated-tanh", KAIMING)]
    assert set(diagnosis.remaining.names) == {"split-overlap"}  # the published split has it, and no recipe mends it
    published = {0: 2.17, 1: 2.1311, 2: 2.1070}
    recipe = Recipe().with_changes(**CONFIDENT)
    for rung, nll in published.items():
        results = moreish.train(names_file, recipe=recipe, out=tmp_path / str(rung)).results
        assert results is not None
        assert math.isclose(results["nll"]["validation"], nll, abs_tol=0.02 if rung == 0 else 5e-4)
        if rung < len(adopted):
            recipe = recipe.with_changes(**(adopted[rung][1] or {}))
