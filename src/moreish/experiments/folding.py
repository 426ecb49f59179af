"""Notebook 2's second question: batch norm folded into the linear layer before it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import contexts, read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.experiments.trained import carry_out, measured, recipe_of
from moreish.models.arrays import ArrayMLP
from moreish.storage import load_model

_EPSILON = 1e-5  # of the conventions that keep a variance


def fold(request: Request) -> dict[str, Value]:
    """Train with batch norm, fold it, and compare the logits of both networks over the validation windows.

    Settings: `recipe`.
    """
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    run, _ = carry_out(recipe, corpus, request.directory / "run")
    weights = load_model(run.path).weights
    plain, folded = recipe.with_changes(norm="none"), _fold(weights)
    vocab_size = corpus.vocabulary.vocab_size
    before, after = ArrayMLP(recipe, vocab_size, weights), ArrayMLP(plain, vocab_size, folded)
    positions = np.array(corpus.predicted("validation", recipe.context))
    seen = contexts(corpus.stream, positions, recipe.context, corpus.has_boundary)
    return {
        "largest difference of logits": float(np.abs(before.logits(seen) - after.logits(seen)).max()),
        "largest logit": float(np.abs(before.logits(seen)).max()),
        "numbers, before": before.num_parameters + sum(w.size for name, w in weights.items() if ".running_" in name),
        "numbers, folded": after.num_parameters,
        "validation, before": measured(recipe, weights, corpus, ("validation",))["validation"],
        "validation, folded": measured(plain, folded, corpus, ("validation",))["validation"],
    }


def _fold(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The weights of the network without norms: W · γ/σ and β − μ · γ/σ, where no bias came before the norm."""
    folded = {name: array for name, array in weights.items() if ".norm." not in name}
    for name in weights:
        layer, _, part = name.rpartition(".norm.")
        if part == "running_mean":
            std = np.sqrt(weights[f"{layer}.norm.running_var"].astype(np.float64) + _EPSILON)
            scale = weights[f"{layer}.norm.weight"] / std  # (H,)
            shift = weights[f"{layer}.norm.bias"] - weights[name] * scale
            folded[f"{layer}.linear.weight"] = (weights[f"{layer}.linear.weight"] * scale).astype(np.float32)
            folded[f"{layer}.linear.bias"] = shift.astype(np.float32)
    return folded
