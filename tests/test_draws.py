"""Random streams are pure functions of a seed and a position."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moreish.draws import dropout_mask, item_uniforms, philox, seed_for

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # known answers of Random123, the reference implementation of Salmon et al. 2011 (kat_vectors)
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES, ONES, ONES, ONES), 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key, words):
    assert tuple(philox(counter, key).tolist()) == words


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**40), min_size=1, max_size=9), st.integers(0, 30))
def test_an_items_numbers_do_not_depend_on_its_company(seed, items, block):
    together = item_uniforms(seed, np.array(items), block)
    alone = [item_uniforms(seed, np.array([item]), block)[0] for item in items]
    np.testing.assert_array_equal(together, alone)
    assert (together >= 0).all()
    assert (together < 1).all()


def test_item_uniforms_are_uniform():
    drawn = item_uniforms(3, np.arange(50_000), 0).ravel()
    counts, _ = np.histogram(drawn, bins=100, range=(0, 1))
    chi_square = ((counts - 2000) ** 2 / 2000).sum()
    assert chi_square < 149  # the 0.999 quantile with 99 degrees of freedom


def test_purposes_have_streams_of_their_own():
    seeds = {seed_for(seed, purpose) for seed in range(50) for purpose in ("initialisation", "minibatches", "dropout")}
    assert len(seeds) == 150
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate):
    mask = dropout_mask(1, 2, 3, (500, 400), rate)
    assert mask.dtype == np.float32
    assert (mask == 0).mean() == pytest.approx(rate, abs=0.005)
    assert mask.mean() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(mask[:-1].ravel(), mask[1:].ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("other", [(2, 2, 3), (1, 3, 3), (1, 2 + 2**32, 3), (1, 2, 4)])
def test_dropout_changes_with_seed_step_and_layer(other):
    first, second = dropout_mask(1, 2, 3, (100, 100), 0.5), dropout_mask(*other, (100, 100), 0.5)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.04


def test_dropout_is_murmur3s_finaliser_of_position_and_a_philox_key():
    seed, step, layer = 2**63 - 5, 2**33 + 7, 3
    key = int(philox((step % 2**32, step >> 32, layer, 1), seed)[0])

    def keeps(position: int) -> bool:
        mixed = (position * 0x9E3779B9 + key) % 2**32
        mixed = (mixed ^ (mixed >> 16)) * 0x85EBCA6B % 2**32
        mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35 % 2**32
        return (mixed ^ (mixed >> 16)) / 2**32 >= 0.3

    expected = np.reshape([keeps(position) / 0.7 for position in range(60)], (6, 10))
    np.testing.assert_allclose(dropout_mask(seed, step, layer, (6, 10), 0.3), expected, rtol=1e-6)
