"""Batch norm's statistics of the whole training split, instead of the running ones that training left."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import Corpus, contexts
from moreish.models.arrays import ArrayMLP, layer_names
from moreish.models.conventions import CONVENTIONS
from moreish.recipe import Recipe

_CHUNK = 8_192


def calibrate(recipe: Recipe, weights: Mapping[str, NDArray[Any]], corpus: Corpus) -> None:
    """Set mean and spread of every batch norm to those over the whole training split, divided by n − 1.

    Layer after layer, because what enters a norm depends on the norms before it: one forward pass for each. The result
    is that of the whole split as one batch, without holding it.

    Args:
        recipe: whose network the weights are of.
        weights: parameters and buffers by name; the buffers are written to.
        corpus: whose training split is read.

    Source: makemore lecture 4, "calibrate the batch norm at the end of training".
    """
    convention = CONVENTIONS[recipe.norm_convention]
    model = ArrayMLP(recipe, corpus.vocabulary.vocab_size, weights)
    for layer in layer_names(recipe):
        if f"{layer}.norm.running_mean" not in weights:
            continue
        mean, variance = _mean_and_variance(model, corpus, layer)
        weights[f"{layer}.norm.running_mean"][...] = mean
        weights[f"{layer}.norm.{convention.spread}"][...] = np.sqrt(variance) if convention.keeps_std else variance


def _mean_and_variance(model: ArrayMLP, corpus: Corpus, layer: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of what enters the norm of a layer, (H,) each, merged chunk by chunk in float64 (Chan et al. 1983, eq. 2.1)."""
    predicted = corpus.predicted("train", model.context)
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for start in range(predicted.start, predicted.stop, _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, predicted.stop))
        x = model.before_norm(contexts(corpus.stream, positions, model.context, corpus.has_boundary), layer)
        x = x.reshape(-1, x.shape[-1]).astype(np.float64)  # (n, H)
        difference = x.mean(axis=0) - mean
        total = count + len(x)
        squares = squares + x.var(axis=0) * len(x) + difference**2 * (count * len(x) / total)
        mean = mean + difference * (len(x) / total)
        count = total
    return mean, squares / (count - 1)
