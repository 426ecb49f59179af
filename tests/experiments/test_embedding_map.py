"""How close some points of a map lie together, against plain loops over all sets of points."""

from itertools import combinations
from math import comb, dist
from statistics import mean

import numpy as np
import pytest

from moreish.experiments import Request
from moreish.experiments.embedding_map import closeness, embedding_map, nearest


def test_the_share_is_that_of_a_loop_over_all_sets():
    places = np.random.default_rng(0).normal(size=(9, 2))

    def spread(points):
        return mean(dist(places[a], places[b]) for a, b in combinations(points, 2))

    of_chosen, of_all, share = closeness(places, [7, 2, 4])
    as_close = [spread(points) <= spread((7, 2, 4)) + 1e-12 for points in combinations(range(9), 3)]
    assert of_chosen == pytest.approx(spread((7, 2, 4)))
    assert of_all == pytest.approx(spread(range(9)))
    assert share == mean(as_close)


def test_points_that_lie_together_are_the_closest_set_and_points_apart_are_not():
    places = np.random.default_rng(0).normal(size=(26, 2)) * 10
    places[:5] /= 1000
    assert closeness(places, [0, 1, 2, 3, 4])[2] == pytest.approx(1 / comb(26, 5))
    places[:5] *= 1e6
    assert closeness(places, [0, 1, 2, 3, 4])[2] == 1


def test_the_nearest_point_is_another_point():
    assert nearest(np.array([[0.0, 0.0], [1.0, 0.0], [1.5, 0.0], [9.0, 9.0]])).tolist() == [1, 2, 1, 2]


def test_a_map_is_trained_and_measured(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("\n".join(["abcdefghi", "jklmnopqr", "stuvwxyz", "aeiou"] * 10), encoding="utf-8")
    recipe = {"context": 3, "embedding": 2, "hidden": [8], "steps": 20, "batch": 8, "split": "published"}
    values = embedding_map(Request(file, 1, "auto", {"recipe": recipe}, tmp_path))
    assert 0 < values["share of sets as close together"] <= 1
    assert 0 <= values["vowels next to a vowel"] <= 5
    assert 2 < values["validation"] < 5
