"""A small model file that generation's tests share: random weights, a boundary, six symbols, one of them an accent."""

from pathlib import Path

import numpy as np
import pytest

from moreish.corpus.fingerprints import fingerprint_texts
from moreish.corpus.vocabulary import Vocabulary
from moreish.generation import Model
from moreish.models.arrays import weight_shapes
from moreish.recipe import Recipe
from moreish.storage import ModelFile, save_model

SYMBOLS = tuple("abcdeé")
TRAINED = ["ab", "ba", "é"]
HELD_OUT = ["cd"]


def model_file(kind: str = "lines", boundary_bias: float = 1.5, **changes: object) -> ModelFile:
    """An MLP with random weights; the bias of the boundary decides how long items are."""
    recipe = Recipe(kind=kind, context=3, embedding=4, hidden=(16,), activation="tanh", **changes)  # type: ignore[arg-type]
    vocabulary = Vocabulary(SYMBOLS, has_boundary=kind == "lines", origin="letters.txt")
    random = np.random.default_rng(7)
    shapes = weight_shapes(recipe, vocabulary.vocab_size)
    weights = {name: random.standard_normal(shape).astype(np.float32) * 0.5 for name, shape in shapes.items()}
    if kind == "lines":
        weights["head.linear.bias"][0] = boundary_bias
    is_list = kind == "lines"
    return ModelFile(
        weights,
        recipe.to_dict(),
        vocabulary.to_dict(),
        provenance={"data": {"name": "letters.txt"}},
        trained_items=np.sort(fingerprint_texts(TRAINED)) if is_list else None,
        held_out_items=np.sort(fingerprint_texts(HELD_OUT)) if is_list else None,
        opening=None if is_list else np.array([2, 0, 1], dtype=np.int64),
    )


@pytest.fixture(scope="session")
def model() -> Model:
    """A model of a list."""
    return Model(model_file())


@pytest.fixture(scope="session")
def text_model() -> Model:
    """A model of running text."""
    return Model(model_file("text"))


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    """The model of a list, as a file."""
    path = tmp_path / "model.safetensors"
    save_model(path, model_file())
    return path
