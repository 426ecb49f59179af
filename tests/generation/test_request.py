"""Impossible and contradictory requests end with one clear line before anything is drawn."""

import math

import pytest

from moreish.errors import InputError
from moreish.generation import Model, Request


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0}, "greater than 0.* top_k = 1, which makes one item only: with num_items = 1"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"temperature": "warm"}, "temperature is 'warm'"),
        ({"top_p": 0.0}, "top_p is 0.0; expected a number greater than 0 and at most 1"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"top_p": math.nan}, "top_p is nan"),
        ({"top_k": 0}, "top_k is 0; expected a whole number of at least 1"),
        ({"top_k": 2.5}, "top_k is 2.5"),
        ({"num_items": 0}, "num_items is 0"),
        ({"num_items": True}, "num_items is True"),
        ({"min_length": -1}, "min_length is -1"),
        ({"max_length": 0}, "max_length is 0"),
        ({"length": 0}, "length is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"seed": 2**63}, "seed is"),
        ({"min_length": 5, "max_length": 4}, "no item can be both"),
        ({"start": "abcd", "max_length": 3}, "The prefix has 4 characters and max_length is 3"),
        ({"start": "abcd", "length": 3}, "The prefix has 4 characters and length is 3"),
        ({"draws": "dice"}, "draws is 'dice'"),
        ({"draws": "lecture", "temperature": 0.5}, "leave out top_k, top_p, min_length and the temperature"),
        ({"draws": "lecture", "top_k": 3}, "leave out top_k, top_p, min_length and the temperature"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Request(**changes)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_model_of_a_list_refuses_what_only_running_text_has(model: Model) -> None:
    with pytest.raises(InputError, match="length is for models of running text"):
        model.generate(length=100)


@pytest.mark.parametrize("option", [{"min_length": 3}, {"max_length": 3}, {"new_only": True}, {"nearest": True}])
def test_a_model_of_running_text_refuses_what_only_lists_have(text_model: Model, option: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(option))} is for models of a list"):
        text_model.generate(**option)  # type: ignore[arg-type]


def test_a_prefix_longer_than_the_default_largest_length_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="max_length is 1000"):
        model.generate(start="a" * 1_001)


def test_a_prefix_with_an_unknown_character_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="'z' at position 2 of .*letters.txt"):
        model.generate(start="az")


def test_a_batch_size_below_one_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        model.generate(batch_size=0)


def test_a_prefix_in_another_normal_form_is_understood(model: Model) -> None:
    assert all(item.text.startswith("é") for item in model.generate(3, start="e\u0301"))


def test_the_defaults_are_twenty_items_or_one_text_of_500_characters() -> None:
    assert Request().for_lines().num_items == 20
    assert Request().for_lines().max_length == 1_000
    assert Request(min_length=900).for_lines().max_length == 1_800
    assert (Request().for_text().num_items, Request().for_text().length) == (1, 500)
