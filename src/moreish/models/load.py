"""From a recipe and named arrays to something that predicts, without PyTorch."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from moreish.models.arrays import ArrayMLP
from moreish.models.counting import AdditiveNGram
from moreish.models.kneser_ney import NGram
from moreish.models.predictor import Predictor
from moreish.recipe import Recipe


def predictor(recipe: Recipe, vocab_size: int, weights: Mapping[str, NDArray[Any]]) -> Predictor:
    """The predictor of a recipe.

    Args:
        recipe: its `model` decides the class.
        vocab_size: V.
        weights: the parameters and buffers of the network, or the counts, as the model file holds them.

    Raises:
        ModelFileError: a weight is missing, damaged, or of another shape than the recipe asks for.
    """
    match recipe.model:
        case "mlp" | "hierarchical":
            return ArrayMLP(recipe, vocab_size, weights)
        case "bigram":
            return AdditiveNGram.from_arrays(weights, vocab_size, order=2, smoothing=recipe.smoothing)
        case "ngram":
            return NGram.from_arrays(weights, vocab_size)
