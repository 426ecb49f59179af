"""Contexts equal the notebooks' loop, and never reach into another item."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.corpus.windows import contexts, item_spans
from moreish.errors import ShapeError


def by_the_loop(items: list[list[int]], context: int) -> tuple[list[list[int]], list[int]]:
    """The notebooks' build_dataset, on ids."""
    examples, targets = [], []
    for item in items:
        window = [0] * context
        for symbol in [*item, 0]:
            examples.append(window)
            targets.append(symbol)
            window = [*window[1:], symbol]
    return examples, targets


@given(st.lists(st.lists(st.integers(1, 255), min_size=1, max_size=12), min_size=1), st.integers(1, 15))
def test_contexts_of_a_list_equal_the_loop(items: list[list[int]], context: int) -> None:
    stream = np.array([0] + [symbol for item in items for symbol in [*item, 0]], np.uint8)
    positions = np.arange(1, len(stream))
    examples, targets = by_the_loop(items, context)
    assert contexts(stream, positions, context, has_boundary=True).tolist() == examples
    assert stream[positions].tolist() == targets


@given(st.lists(st.integers(0, 70_000), min_size=2, max_size=50), st.data())
def test_contexts_of_text_are_the_ids_before(ids: list[int], data: st.DataObject) -> None:
    context = data.draw(st.integers(1, len(ids) - 1))
    stream = np.array(ids, np.uint32)
    positions = np.arange(context, len(ids))
    expected = [ids[position - context : position] for position in positions]
    assert contexts(stream, positions, context, has_boundary=False).tolist() == expected


def test_text_before_the_beginning_is_refused() -> None:
    with pytest.raises(ShapeError, match="Position 2 has fewer than 3 symbols"):
        contexts(np.zeros(10, np.uint8), np.array([5, 2]), 3, has_boundary=False)


def test_no_positions_have_no_contexts() -> None:
    assert contexts(np.zeros(3, np.uint8), np.empty(0, np.int64), 4, has_boundary=True).shape == (0, 4)
    assert contexts(np.zeros(3, np.uint8), np.empty(0, np.int64), 4, has_boundary=False).shape == (0, 4)


def test_items_are_found_in_pieces() -> None:
    lengths = np.random.default_rng(0).integers(1, 400, 1000)
    lengths[500] = 200_000  # longer than a piece
    stream = np.ones(lengths.sum() + 1001, np.uint8)
    ends = np.cumsum(lengths + 1)
    stream[np.append(0, ends)] = 0
    starts, stops = map(np.concatenate, zip(*item_spans(stream, 1, len(stream)), strict=True))
    assert np.array_equal(stops, ends + 1)
    assert np.array_equal(stops - starts - 1, lengths)
    assert list(item_spans(stream, 1, 1)) == []
