"""The map of a two-dimensional embedding, and whether its vowels lie closer together than other letters would."""

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.experiments.trained import carry_out, measured, recipe_of
from moreish.storage import load_model

VOWELS = "aeiou"


def embedding_map(request: Request) -> dict[str, Value]:
    """Train with two numbers for each character, and ask how close together the vowels came to lie.

    Settings: `recipe`, whose embedding is 2.
    """
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    run, _ = carry_out(recipe, corpus, request.directory / "run")
    weights = load_model(run.path).weights
    letters = corpus.vocabulary.symbols
    places = weights["embedding.weight"][1:].astype(np.float64)  # (26, 2): without the boundary
    vowels = [letters.index(vowel) for vowel in VOWELS]
    of_vowels, of_letters, share = closeness(places, vowels)
    return {
        **measured(recipe, weights, corpus, ("validation",)),
        "mean distance of two vowels": of_vowels,
        "mean distance of two letters": of_letters,
        "share of sets as close together": share,
        "vowels next to a vowel": int(np.isin(nearest(places)[vowels], vowels).sum()),
    }


def closeness(places: NDArray[np.float64], chosen: list[int]) -> tuple[float, float, float]:
    """Are some points closer together than others would be? A permutation test over all sets of as many points.

    Args:
        places: of all points, (n, 2).
        chosen: numbers of k of them.

    Returns:
        The mean distance of two chosen points, that of any two, and the share of all sets of k points whose mean
        distance is not greater than the chosen ones' (they are one of the sets, so it is never 0). Cost: all
        n! / (k! (n − k)!) sets.

    Source: Good 2005, "Permutation, parametric and bootstrap tests of hypotheses", chapter 3.
    """
    n, k = len(places), len(chosen)
    distances = _distances(places)
    sets = np.fromiter((point for each in combinations(range(n), k) for point in each), np.int64, comb(n, k) * k)
    sets = sets.reshape(-1, k)
    means = np.zeros(len(sets))
    for first, second in combinations(range(k), 2):
        means += distances[sets[:, first], sets[:, second]]
    means /= comb(k, 2)
    of_chosen = means[np.flatnonzero((sets == sorted(chosen)).all(axis=1))[0]]
    return float(of_chosen), float(distances[np.triu_indices(n, 1)].mean()), float((means <= of_chosen).mean())


def nearest(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number of the point that lies nearest to each: (n, 2) → (n,)."""
    distances = _distances(places)
    np.fill_diagonal(distances, np.inf)
    return distances.argmin(axis=1)


def _distances(places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(((places[:, None] - places) ** 2).sum(axis=2))  # (n, n)
