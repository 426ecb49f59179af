"""What is measured is what its definition says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.measures import dead_units, mean_nll, saturation, update_to_data_ratio


def test_nll_is_a_mean_over_characters_not_over_items():
    nll = mean_nll(np.array([3.0, 1.0]), np.array([3, 1]))
    assert nll.nats_per_character == 1.0
    assert nll.bits_per_character == pytest.approx(1 / math.log(2))
    assert nll.perplexity == pytest.approx(math.e)
    assert (nll.num_characters, nll.num_items) == (4, 2)


def test_the_standard_error_is_the_spread_over_repeated_samples():
    generator = np.random.default_rng(0)

    def sample() -> tuple[float, float]:
        lengths = generator.integers(2, 12, size=300)
        nll = mean_nll(lengths * 2.0 + generator.normal(size=300) * lengths, lengths)
        return nll.nats_per_character, nll.standard_error

    means, errors = zip(*(sample() for _ in range(400)), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


@given(st.lists(st.integers(1, 20), min_size=2, max_size=30))
def test_items_of_equal_nll_per_character_have_no_standard_error(lengths):
    sizes = np.array(lengths)
    assert mean_nll(2.5 * sizes, sizes).standard_error == pytest.approx(0, abs=1e-9)


def test_a_single_item_has_an_unknown_standard_error():
    assert math.isnan(mean_nll(np.array([3.0]), np.array([3])).standard_error)


def test_saturation_counts_both_tails_above_the_threshold():
    assert saturation(np.array([0.98, -0.98, 0.97, 0.0])) == 0.5


def test_a_unit_is_dead_if_no_example_moves_it():
    assert dead_units(np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 0.0]])).tolist() == [True, False, False]


def test_update_to_data_ratio_is_measured_after_the_step():
    before = np.array([0.0, 2.0, 4.0])
    assert update_to_data_ratio(before, before * 0.99) == pytest.approx(0.01)
    assert math.isnan(update_to_data_ratio(np.ones(3), np.zeros(3)))
