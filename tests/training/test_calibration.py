"""Calibration gives batch norm the statistics of the whole training split, as if it were one batch."""

import numpy as np
import pytest
import torch

from moreish.corpus import Corpus, contexts, read_corpus
from moreish.models.mlp import MLP
from moreish.models.normalisation import BatchNorm
from moreish.recipe import Recipe
from moreish.training import calibration
from moreish.training.calibration import calibrate

SMALL = Recipe(context=4, embedding=3, hidden=(8, 6), activation="tanh", norm="batch", norm_output=True, bias="all")


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    path = tmp_path / "items.txt"
    path.write_text("\n".join(f"{a}{b}{a}{b}" for a in "abcdef" for b in "ghijk"))
    return read_corpus(str(path), SMALL)


@pytest.mark.parametrize("model", ["mlp", "hierarchical"])
@pytest.mark.parametrize("convention", ["pytorch", "lecture", "notebook"])
def test_training_split_is_normalised_as_one_batch(corpus, monkeypatch, model, convention):
    monkeypatch.setattr(calibration, "_CHUNK", 7)
    recipe = SMALL.with_changes(model=model, norm_convention=convention)
    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    predicted = corpus.predicted("train", recipe.context)
    windows = contexts(corpus.stream, np.arange(predicted.start, predicted.stop), recipe.context, True)

    inputs = []
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part.register_forward_hook(lambda _, arguments, __: inputs.append(arguments[0]))
    with torch.no_grad():
        as_one_batch = module.train()(torch.from_numpy(windows))
        calibrate(recipe, weights, corpus)
        calibrated = module.eval()(torch.from_numpy(windows))

    first = inputs[0].reshape(-1, 8)
    np.testing.assert_allclose(weights["layers.0.norm.running_mean"], first.mean(0), atol=1e-6)
    spread = {"notebook": ("running_std", first.std(0))}.get(convention, ("running_var", first.var(0)))
    np.testing.assert_allclose(weights[f"layers.0.norm.{spread[0]}"], spread[1], rtol=1e-5)
    # PyTorch normalises a batch by n, and calibration divides by n - 1: with some 100 examples that is half a percent.
    tolerance = 2e-2 if convention == "pytorch" else 1e-4
    np.testing.assert_allclose(calibrated, as_one_batch, rtol=tolerance, atol=tolerance)


def test_network_without_batch_norm_stays_as_it_is(corpus):
    recipe = SMALL.with_changes(norm="layer")
    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
    weights = {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}
    calibrate(recipe, weights, corpus)
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(weights[name], tensor.numpy())
