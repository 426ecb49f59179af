"""Every engine carries out the steps it is given, however they are cut, as plain PyTorch would."""

from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from moreish.corpus import Corpus, contexts, read_corpus
from moreish.engines import Engine, build_engine, check_device
from moreish.engines.native import levels
from moreish.errors import EngineError
from moreish.models.mlp import MLP
from moreish.recipe import EngineName, Recipe

SMALL = Recipe(context=3, embedding=4, hidden=(8,), activation="tanh", batch=5, weight_decay=0.1)
needs_native = pytest.mark.skipif(not levels(), reason="the native engine was not built: no C++ compiler")
ENGINES = [pytest.param(name, marks=needs_native if name == "native" else ()) for name in get_args(EngineName)[1:]]


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    path = tmp_path / "items.txt"
    path.write_text("\n".join(f"{a}{b}{a}" for a in "abcdef" for b in "ghijk"))
    return read_corpus(str(path), SMALL)


@pytest.fixture(params=ENGINES)
def small(request) -> Recipe:
    """The small network, for each engine in turn."""
    return SMALL.with_changes(engine=request.param)


def build(recipe: Recipe, corpus: Corpus) -> Engine:
    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
    return build_engine(recipe, module, corpus).engine


def batches(corpus: Corpus, num_steps: int, seed: int = 1) -> np.ndarray:
    predicted = corpus.predicted("train", SMALL.context)
    return np.random.default_rng(seed).integers(predicted.start, predicted.stop, (num_steps, SMALL.batch))


SETTINGS = [
    {"optimizer": "sgd"},
    {"optimizer": "momentum", "clip": 0.5},
    {"optimizer": "adamw", "dropout": 0.3},
    {"optimizer": "adamw", "norm": "batch", "norm_convention": "notebook"},
    {"optimizer": "momentum", "norm": "layer", "activation": "gelu"},
    {"optimizer": "adamw", "model": "hierarchical", "context": 4, "hidden": (8, 6), "norm": "batch"},
]


@pytest.mark.parametrize("changes", SETTINGS)
def test_cutting_into_calls_changes_nothing(corpus, small, changes):
    recipe = small.with_changes(**changes)
    whole, cut = build(recipe, corpus), build(recipe, corpus)
    positions, rates = batches(corpus, 12), np.linspace(0.1, 0.01, 12)

    losses = whole.run(positions, rates, 0).losses
    parts = [cut.run(positions[i:j], rates[i:j], i).losses for i, j in [(0, 1), (1, 7), (7, 12)]]
    np.testing.assert_array_equal(np.concatenate(parts), losses)
    for name, array in whole.weights().items():
        np.testing.assert_array_equal(cut.weights()[name], array)


@pytest.mark.parametrize("changes", SETTINGS)
def test_what_was_saved_goes_on_bit_for_bit(corpus, small, changes):
    recipe = small.with_changes(**changes)
    whole, first, second = (build(recipe, corpus) for _ in range(3))
    positions, rates = batches(corpus, 12), np.full(12, 0.05)

    whole.run(positions, rates, 0)
    first.run(positions[:5], rates[:5], 0)
    second.run(positions[:3], rates[:3] * 9, 0)  # a state that restoring has to replace wholly
    copies = [
        {name: array.copy() for name, array in part.items()} for part in (first.weights(), first.optimizer_state())
    ]
    second.restore(*copies)
    second.run(positions[5:], rates[5:], 5)
    for name, array in whole.weights().items():
        np.testing.assert_array_equal(second.weights()[name], array)


@pytest.mark.parametrize("changes", SETTINGS)
def test_parameters_are_updated_in_place(corpus, small, changes):
    recipe = small.with_changes(**changes)
    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    engine = build_engine(recipe, module, corpus).engine
    views = engine.weights()
    engine.run(batches(corpus, 3), np.full(3, 0.05), 0)
    for name, tensor in module.state_dict().items():
        assert not torch.equal(tensor, before[name])
        np.testing.assert_array_equal(views[name], tensor.numpy())


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_updates_are_those_of_torch_optim(corpus, small, optimizer):
    recipe = small.with_changes(optimizer=optimizer, weight_decay=0.1 if optimizer == "adamw" else 0.0)
    engine = build(recipe, corpus)
    positions, rates = batches(corpus, 30), np.linspace(0.1, 0.001, 30)
    losses = engine.run(positions, rates, 0).losses

    module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
    matrices = [p for p in module.parameters() if p.ndim == 2]
    others = [p for p in module.parameters() if p.ndim < 2]
    if optimizer == "adamw":
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        oracle = torch.optim.AdamW(groups, betas=(0.9, 0.99), foreach=False)
    else:
        oracle = torch.optim.SGD(module.parameters(), momentum=0.9 if optimizer == "momentum" else 0.0)
    for step, rate in enumerate(rates):
        inputs = torch.from_numpy(contexts(corpus.stream, positions[step], recipe.context, True))
        targets = torch.from_numpy(corpus.stream[positions[step]].astype(np.int64))
        loss = F.cross_entropy(module(inputs), targets)
        assert losses[step] == pytest.approx(loss.item(), abs=1e-5)
        for group in oracle.param_groups:
            group["lr"] = float(rate)
        oracle.zero_grad()
        loss.backward()
        oracle.step()


def test_clipping_bounds_the_update(corpus, small):
    engine = build(small.with_changes(optimizer="sgd", clip=0.01, weight_decay=0.0), corpus)
    before = {name: array.copy() for name, array in engine.weights().items()}
    engine.run(batches(corpus, 1), np.array([1.0]), 0)
    squares = [((array - before[name]) ** 2).sum() for name, array in engine.weights().items()]
    assert np.sqrt(sum(squares)) == pytest.approx(0.01, rel=1e-3)


def test_weight_decay_shrinks_matrices_and_spares_biases_and_norms(corpus, small):
    recipe = small.with_changes(optimizer="sgd", weight_decay=0.5, norm="layer", bias="all", bias_scale=1.0)
    decayed, plain = build(recipe, corpus), build(recipe.with_changes(weight_decay=0.0), corpus)
    for engine in (decayed, plain):
        engine.run(batches(corpus, 1), np.array([0.1]), 0)
    start = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1)).state_dict()
    for name, array in plain.weights().items():
        shrinkage = 0.1 * 0.5 * start[name].numpy() if array.ndim == 2 else 0
        np.testing.assert_allclose(array - decayed.weights()[name], shrinkage, atol=1e-6)


def test_it_stops_before_the_first_step_whose_loss_is_not_finite(corpus, small):
    engine = build(small.with_changes(optimizer="sgd", activation="relu"), corpus)
    result = engine.run(batches(corpus, 50), np.full(50, 1e30), 0)
    assert result.failed_loss is not None
    assert not np.isfinite(result.failed_loss)
    assert len(result.losses) < 50
    assert np.isfinite(result.losses).all()
    assert all(np.isfinite(array).all() for array in engine.weights().values())


def test_the_manual_engine_refuses_a_device_that_is_not_the_processor(corpus):
    with pytest.raises(EngineError, match="'manual' computes on cpu, not on 'cuda'"):
        build(SMALL.with_changes(engine="manual", device="cuda"), corpus)


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        pytest.param({}, "native", "it is the fastest for this network", marks=needs_native),
        pytest.param(
            *({"context": 65}, "manual", "it is the fastest but native for this network; native: it is made for "),
            marks=needs_native,
        ),
        pytest.param(
            {"activation": "gelu", "batch": 5000},
            "autograd",
            "it is the fastest but native for GELU and batches above 64; native: it is made for a batch of at most ",
            marks=needs_native,
        ),
        ({"device": "meta"}, "autograd", "it is the only engine that computes on meta"),
        ({"engine": "autograd"}, "autograd", "the recipe names it"),
        ({"engine": "manual"}, "manual", "the recipe names it"),
    ],
)
def test_an_engine_is_chosen_with_a_reason(corpus, changes, name, reason):
    recipe = SMALL.with_changes(**changes)
    choice = build_engine(recipe, MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator()), corpus)
    assert choice.engine.name == name
    assert choice.reason.startswith(reason)


def test_a_device_that_is_not_there_is_said(corpus):
    with pytest.raises(EngineError, match="'nonsense' is not available here"):
        check_device("nonsense")


def test_an_engine_for_a_device_that_is_not_there_is_refused_in_one_line(corpus):
    with pytest.raises(EngineError, match="'nonsense' is not available here"):
        build(SMALL.with_changes(device="nonsense"), corpus)
