"""Experiments that are a training as the product does it: recipe, run, checkpoint, model file, evaluation."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from moreish.corpus import Corpus, Split, read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.experiments.steps import examples
from moreish.generation import load
from moreish.models.arrays import ArrayMLP
from moreish.models.load import predictor
from moreish.recipe import Recipe
from moreish.storage import load_model
from moreish.training.calibration import calibrate
from moreish.training.checkpoint import Checkpoint
from moreish.training.evaluation import evaluate
from moreish.training.network import build_module, train_network
from moreish.training.run import Run

_STEPS_BETWEEN_LOSSES = 10_000
_STEPS_BETWEEN_STATISTICS = 100


def train(request: Request) -> dict[str, Value]:
    """Train with a recipe and measure the two splits that the lectures report.

    Settings: `recipe`, its fields; `num_losses`, how many of the losses of steps 0, 10,000, … are wanted;
    `is_calibrated`, whether batch norm gets the statistics of the training split afterwards; `first_seed`, of the
    network whose first loss is wanted, where that is another than the one trained.
    """
    settings = request.settings
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    run, losses = carry_out(recipe, corpus, request.directory / "run")
    weights = load_model(run.path).weights
    if settings.get("is_calibrated"):
        calibrate(recipe, weights, corpus)
    model = ArrayMLP(recipe, corpus.vocabulary.vocab_size, weights)
    values: dict[str, Value] = {"parameters": model.num_parameters, "step 0": float(losses[0])}
    if "first_seed" in settings:
        values["step 0"] = _first_loss(recipe.with_changes(seed=settings["first_seed"]), corpus, request.directory)
    if num_losses := settings.get("num_losses"):
        values["minibatch losses"] = losses[::_STEPS_BETWEEN_LOSSES][:num_losses].tolist()
    return values | printed(recipe, weights, corpus, ("train", "validation"))


def deep_network(request: Request) -> dict[str, Value]:
    """Lecture 3's deep network after its steps 0 to 1,000: losses, statistics of the last step, names drawn.

    Settings: `recipe`; `names_seed` and `num_names`, of the names.
    """
    settings = request.settings
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    run, losses = carry_out(recipe, corpus, request.directory / "run", _STEPS_BETWEEN_STATISTICS)
    drawn = load(run).generate(settings["num_names"], seed=settings["names_seed"], draws="lecture", allow_repeats=True)
    weights = load_model(run.path).weights
    return {
        "parameters": ArrayMLP(recipe, corpus.vocabulary.vocab_size, weights).num_parameters,
        "step 0": float(losses[0]),
        **_last_statistics(run),
        **printed(recipe, weights, corpus, ("train", "validation")),
        "first names": " ".join(item.text for item in drawn),
    }


def tuning(request: Request) -> dict[str, Value]:
    """Notebook 5's table: the test NLL of each setting.

    Settings: `recipe`, what all have in common; `rows`, each context, hidden size, embedding size, steps, batch.
    """
    values: dict[str, Value] = {}
    for context, hidden, embedding, steps, batch in request.settings["rows"]:
        recipe = recipe_of(request).with_changes(
            context=context,
            hidden=(hidden,),
            embedding=embedding,
            steps=steps,
            batch=batch,
            eval_every=steps,
            decay_at=min(1.0, request.settings["decay_step"] / steps),
        )
        corpus = read_corpus(request.data_file, recipe)
        name = f"{context}/{hidden}/{embedding}/{steps // 1000}k/{batch}"
        run, _ = carry_out(recipe, corpus, request.directory / name.replace("/", "-"))
        values[name] = measured(recipe, load_model(run.path).weights, corpus, ("test",))["test"]
    return values


def recipe_of(request: Request) -> Recipe:
    """The recipe in an experiment's settings, with the seed and the engine of the request."""
    recipe = Recipe().with_changes(**request.settings["recipe"])
    return recipe.with_changes(seed=request.seed, engine=request.engine, eval_every=recipe.steps)


def carry_out(
    recipe: Recipe, corpus: Corpus, directory: Path, statistics_every: int = 0
) -> tuple[Run, NDArray[np.float32]]:
    """A run and the loss of each of its steps.

    Raises:
        KeyboardInterrupt: it was interrupted.
        DivergenceError: a loss was not finite.
    """
    run = Run.create(directory, recipe, corpus, statistics_every=statistics_every)
    with threadpool_limits(limits=recipe.threads):
        facts = train_network(run, corpus, (), time.perf_counter())
    checkpoint = Checkpoint.load(run.path)
    if facts is None or checkpoint is None:
        raise KeyboardInterrupt
    return run, checkpoint.history.all_losses()


def measured(
    recipe: Recipe, weights: Mapping[str, NDArray[Any]], corpus: Corpus, splits: Sequence[Split]
) -> dict[str, float]:
    """NLL of some splits, nats per character."""
    model = predictor(recipe, corpus.vocabulary.vocab_size, weights)
    return {split: evaluate(model, corpus, split).nats_per_character for split in splits}


def printed(
    recipe: Recipe, weights: Mapping[str, NDArray[Any]], corpus: Corpus, splits: Sequence[Split]
) -> dict[str, float]:
    """The same as the lectures print it, where the engine is autograd: the mean that PyTorch takes in float32.

    It is up to 2e-7 away from the NLL of the same weights, which is enough for the last of seven printed digits.
    """
    if recipe.engine != "autograd":
        return measured(recipe, weights, corpus, splits)
    module = build_module(recipe, corpus.vocabulary.vocab_size, torch.Generator()).eval()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    nlls: dict[str, float] = {}
    for split in splits:
        contexts, targets = examples(corpus, np.array(corpus.predicted(split, recipe.context)), recipe.context)
        with torch.no_grad():
            nlls[split] = F.cross_entropy(module(contexts), targets).item()
    return nlls


def _last_statistics(run: Run) -> dict[str, Value]:
    """Of the last step; gradients are divided by the spread of the values after it, as the lecture divides."""
    statistics, weights = run.statistics, load_model(run.path).weights
    assert statistics is not None
    *hidden, _ = statistics.layers.values()
    matrices = {name: each for name, each in statistics.parameters.items() if weights[name].ndim == 2}
    return {
        "std of tanh": [float(layer.std[-1]) for layer in hidden],
        "% of |tanh| > 0.97": [100 * float(layer.saturation[-1]) for layer in hidden],
        "std of gradient": [float(layer.gradient_std[-1]) for layer in hidden],
        "gradient:data": [float(each.gradient_std[-1] / weights[name].std(ddof=1)) for name, each in matrices.items()],
        "log10 update:data": [float(np.log10(each.update_to_data[-1])) for each in matrices.values()],
    }


def _first_loss(recipe: Recipe, corpus: Corpus, directory: Path) -> float:
    _, losses = carry_out(recipe.with_changes(steps=1, eval_every=1), corpus, directory / "first")
    return float(losses[0])
