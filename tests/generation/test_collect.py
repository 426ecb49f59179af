"""Which items are given out: distinct, not empty, new where that is asked, in order of their number."""

import pytest

from moreish.errors import ImpossibleRequestError
from moreish.generation import Model


def test_items_are_distinct_and_the_first_of_each_in_order(model: Model) -> None:
    drawn = [item.text for item in model.generate(2_000, seed=6, allow_repeats=True)]
    distinct = list(dict.fromkeys(drawn))
    assert len(distinct) < 2_000
    assert [item.text for item in model.generate(len(distinct), seed=6)] == distinct


def test_no_item_is_empty(model: Model) -> None:
    assert all(item.text for item in model.generate(1_000, seed=6, allow_repeats=True))


def test_items_that_stand_in_the_file_are_marked_by_split(model: Model) -> None:
    marks = {
        item.text: (item.in_training_file, item.in_training_split)
        for item in model.generate(20_000, seed=8, allow_repeats=True)
    }
    assert {text: mark for text, mark in marks.items() if mark != (False, False)} == {
        "ab": (True, True),
        "ba": (True, True),
        "é": (True, True),
        "cd": (True, False),
    }


def test_new_only_replaces_known_items_by_the_following(model: Model) -> None:
    known = {"ab", "ba", "é", "cd"}
    expected = [item.text for item in model.generate(600, seed=8) if item.text not in known]
    assert len(expected) < 600
    assert [item.text for item in model.generate(len(expected), seed=8, new_only=True)] == expected


def test_new_only_on_what_the_file_holds_gives_up_and_says_why(model: Model) -> None:
    with pytest.raises(ImpossibleRequestError, match=r"1,000 stand in the training file.*new-only") as caught:
        model.generate(2, start="é", max_length=1, new_only=True)
    assert "\n" not in str(caught.value)


def test_more_items_than_there_are_give_up_the_same_way_whatever_the_batch(model: Model) -> None:
    messages = set()
    for batch_size in (1, 50, 5_000):
        with pytest.raises(ImpossibleRequestError, match="gave 6 of 7 items") as caught:
            model.generate(7, max_length=1, batch_size=batch_size)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_items_that_were_found_come_with_the_error(model: Model) -> None:
    with pytest.raises(ImpossibleRequestError) as caught:
        model.generate(7, max_length=1)
    assert caught.value.items == model.generate(6, max_length=1)


def test_items_that_were_found_have_their_nearest_items_too(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "_training_items", lambda _: ["ab", "é"])
    with pytest.raises(ImpossibleRequestError) as caught:
        model.generate(7, max_length=1, nearest=True)
    assert {item.text: item.distance for item in caught.value.items}["é"] == 0
