"""A recipe is validated, saved, and repeated."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.errors import FileError, MoreishError, RecipeError
from moreish.recipe import Recipe


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "context": st.integers(1, 99),
            "embedding": st.one_of(st.just("onehot"), st.integers(1, 99)),
            "hidden": st.lists(st.integers(1, 99), max_size=3),
            "learning_rate": st.floats(1e-9, 9),
            "minutes": st.floats(0.001, 9),
            "gain": st.one_of(st.none(), st.floats(0, 9)),
            "seed": st.integers(0, 2**63 - 1),
            "clip": st.one_of(st.none(), st.floats(0.1, 9)),
        },
    )
)
def test_a_recipe_survives_json(changes):
    recipe = Recipe().with_changes(**changes)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("context", 0),
        ("context", -3),
        ("context", 2.5),
        ("context", True),
        ("embedding", 0),
        ("embedding", "one-hot"),
        ("hidden", (200, 0)),
        ("hidden", (200, 1.5)),
        ("learning_rate", 0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", "fast"),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("batch", 0),
        ("steps", 0),
        ("steps", 1.5),
        ("minutes", 0),
        ("minutes", math.nan),
        ("seed", -1),
        ("threads", 0),
        ("weight_decay", -1),
        ("clip", 0),
        ("activation", "sigmoid"),
        ("model", "transformer"),
        ("norm", "group"),
        ("encoding", ""),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_expected(field, value):
    with pytest.raises(RecipeError, match=rf"^{field} is .*expected"):
        Recipe().with_changes(**{field: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 10, "minutes": 1.0},
        {"split": "published", "kind": "text"},
        {"norm_output": True},
        {"norm": "batch", "batch": 1},
        {"model": "bigram", "hidden": (10,)},
        {"model": "ngram", "learning_rate": 0.5},
        {"model": "mlp", "order": 3},
        {"model": "bigram", "order": 3},
        {"width": 3},
    ],
)
def test_contradictions_are_refused_in_one_line(changes):
    with pytest.raises(RecipeError) as error:
        Recipe().with_changes(**changes)
    assert "\n" not in str(error.value)


def test_a_budget_in_minutes_replaces_one_in_steps_and_back():
    timed = Recipe().with_changes(minutes=0.5)
    assert (timed.steps, timed.minutes) == (None, 0.5)
    counted = timed.with_changes(steps=7)
    assert (counted.steps, counted.minutes) == (7, None)


def test_a_toml_file_names_the_fields_that_differ(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text('hidden = [20, 20]\nactivation = "relu"\nminutes = 0.1\n')
    assert Recipe.from_toml(path) == Recipe().with_changes(hidden=(20, 20), activation="relu", minutes=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hidden": (), "minutes": 0.5},
        {"embedding": "onehot", "column": 'a "b"\n', "norm_output": True, "norm": "batch"},
        {"bias_scale": 0.0, "gain": 1e-3, "clip": 2.0},
    ],
)
def test_a_recipe_written_as_toml_is_read_again(tmp_path, changes):
    recipe = Recipe().with_changes(**changes)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert Recipe.from_toml(path) == recipe


@pytest.mark.parametrize("content", ["hidden = ", "width = 3", "version = 99", "context = 'long'", 'hidden = "200"'])
def test_a_toml_file_that_is_no_recipe_is_named(tmp_path, content):
    path = tmp_path / "wrong.toml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=r"wrong\.toml"):
        Recipe.from_toml(path)


def test_a_missing_recipe_is_a_clear_line(tmp_path):
    with pytest.raises(FileError, match="Cannot read the recipe"):
        Recipe.from_toml(tmp_path / "missing.toml")


def test_every_error_is_also_the_fitting_builtin():
    with pytest.raises(ValueError, match="context"):
        Recipe().with_changes(context=0)
    assert issubclass(RecipeError, MoreishError)
