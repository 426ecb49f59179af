"""The recipe decides which predictor the weights of a model file become."""

from pathlib import Path

import numpy as np
import pytest

from moreish.models.arrays import ArrayMLP, weight_shapes
from moreish.models.counting import AdditiveNGram
from moreish.models.kneser_ney import NGram
from moreish.models.load import predictor
from moreish.recipe import Recipe
from moreish.storage import load_arrays, save_arrays

STREAM = np.array([0, 1, 2, 0, 1, 0, 2, 2, 0], dtype=np.uint8)
POSITIONS = np.arange(1, len(STREAM))


@pytest.mark.parametrize("model", ["bigram", "ngram"])
def test_counted_model_comes_back_from_its_file(model: str, tmp_path: Path) -> None:
    if model == "bigram":
        counted = AdditiveNGram.count(STREAM, POSITIONS, 3, 2, has_boundary=True, smoothing=0.5)
    else:
        counted = NGram.count(STREAM, POSITIONS, 3, 3, has_boundary=True)
    save_arrays(tmp_path / "counts.safetensors", counted.to_arrays(), {})
    weights, _ = load_arrays(tmp_path / "counts.safetensors")
    again = predictor(
        Recipe().with_changes(model=model, **({"smoothing": 0.5} if model == "bigram" else {})), 3, weights
    )
    assert type(again) is type(counted)
    assert again.context == counted.context
    assert again.nll(STREAM, POSITIONS, True).tolist() == counted.nll(STREAM, POSITIONS, True).tolist()


def test_network_is_evaluated_from_its_arrays() -> None:
    recipe = Recipe(context=2, embedding=3, hidden=(4,))
    weights = {name: np.zeros(shape, dtype=np.float32) for name, shape in weight_shapes(recipe, 5).items()}
    again = predictor(recipe, 5, weights)
    assert isinstance(again, ArrayMLP)
    assert again.nll(STREAM, POSITIONS, True) == pytest.approx(np.log(5))
