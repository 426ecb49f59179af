"""Notebook 1: how a network begins, and what that costs it."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from moreish.corpus import Corpus, read_corpus
from moreish.errors import DivergenceError
from moreish.experiments.experiment import Request, Value
from moreish.experiments.steps import Steps, examples, hidden_activations
from moreish.experiments.trained import measured, recipe_of
from moreish.models.arrays import ArrayMLP
from moreish.training.calibration import calibrate

_STEPS_BETWEEN_LOSSES = 10_000
_SATURATED = 0.99  # the threshold of the notebook


def logged_losses(request: Request) -> dict[str, Value]:
    """The losses that the notebook prints: of step 0, of steps 10,000, 20,000, …, and the last.

    Settings: `recipe`; `init_seed`, of the parameters, which the notebook seeds and the minibatches not.
    """
    steps, corpus = _begin(request)
    losses = steps.losses(steps.recipe.steps or 1)
    values: dict[str, Value] = {
        "parameters": sum(parameter.numel() for parameter in steps.module.parameters()),
        "step 0": float(losses[0]),
        "ln V": math.log(corpus.vocabulary.vocab_size),
    }
    if len(losses) > _STEPS_BETWEEN_LOSSES:
        values["steps 10,000, 20,000, …"] = losses[_STEPS_BETWEEN_LOSSES::_STEPS_BETWEEN_LOSSES].tolist()
    if len(losses) > 1:
        values["last step"] = float(losses[-1])
        values |= measured(steps.recipe, steps.weights(), corpus, ("train", "validation"))
    return values


def saturation(request: Request) -> dict[str, Value]:
    """Share of |tanh| > 0.99 and dead units in the first minibatch, for each scale of W1 and b1.

    A unit is dead where all of the minibatch saturates it. Settings: `recipe`, `init_seed`; `scales`: name → gain and
    bias_scale.
    """
    values: dict[str, Value] = {}
    for name, (gain, bias_scale) in request.settings["scales"].items():
        recipe = recipe_of(request).with_changes(gain=gain, bias_scale=bias_scale)
        corpus = read_corpus(request.data_file, recipe)
        positions = corpus.predicted("train", recipe.context)
        steps = Steps(recipe, corpus, positions, request.settings["init_seed"], request.seed)
        contexts, _ = examples(corpus, steps.draw(1)[0], recipe.context)
        is_saturated = hidden_activations(steps.module, contexts)[0].abs() > _SATURATED  # (B, H)
        values[f"{name}: % of |tanh| > 0.99"] = 100 * float(is_saturated.float().mean())
        values[f"{name}: dead units"] = int(is_saturated.all(dim=0).sum())
    return values


def killed_units(request: Request) -> dict[str, Value]:
    """Units that no validation example moves any more, after some steps at each learning rate.

    A ReLU is dead where it is 0 for all of them, a tanh where |tanh| > 0.99. Settings: `recipe`, `init_seed`, `rates`,
    `activations`.
    """
    values: dict[str, Value] = {}
    for activation in request.settings["activations"]:
        for rate in request.settings["rates"]:
            recipe = recipe_of(request).with_changes(activation=activation, learning_rate=rate)
            corpus = read_corpus(request.data_file, recipe)
            positions = corpus.predicted("train", recipe.context)
            steps = Steps(recipe, corpus, positions, request.settings["init_seed"], request.seed)
            name = f"{activation}, rate {rate:g}"
            try:
                steps.losses(recipe.steps or 1)
            except DivergenceError:
                values |= {f"{name}: dead units": "diverged", f"{name}: validation": "diverged"}
                continue
            contexts, _ = examples(corpus, _validation(corpus, recipe.context), recipe.context)
            h = hidden_activations(steps.module, contexts)[0]  # (n, H)
            is_still = h.abs() > _SATURATED if activation == "tanh" else h == 0
            nll = measured(recipe, steps.weights(), corpus, ("validation",))
            values |= {f"{name}: dead units": int(is_still.all(dim=0).sum()), f"{name}: validation": nll["validation"]}
    return values


def spread(request: Request) -> dict[str, Value]:
    """The spread of x @ w beside that of x, both standard normal, and with w divided by √fan-in.

    Settings: `rows`, `fan_in`, `fan_out`.
    """
    rows, fan_in, fan_out = (request.settings[name] for name in ("rows", "fan_in", "fan_out"))
    generator = torch.Generator().manual_seed(request.seed)
    x = torch.randn((rows, fan_in), generator=generator)
    w = torch.randn((fan_in, fan_out), generator=generator)
    return {
        "std of x @ w : std of x": float((x @ w).std() / x.std()),
        "with w / √10": float((x @ (w / fan_in**0.5)).std() / x.std()),
    }


def running_norm(request: Request) -> dict[str, Value]:
    """NLL with the running statistics, with those of the training split, and with each minibatch's own.

    Settings: `recipe`, `init_seed`.
    """
    steps, corpus = _begin(request)
    steps.losses(steps.recipe.steps or 1)
    recipe = steps.recipe
    running = measured(recipe, steps.weights(), corpus, ("train", "validation"))
    weights = {name: array.copy() for name, array in steps.weights().items()}
    model = ArrayMLP(recipe, corpus.vocabulary.vocab_size, weights)
    values: dict[str, Value] = {"parameters": model.num_parameters}
    values |= {f"{split}, running statistics": nll for split, nll in running.items()}
    calibrate(recipe, weights, corpus)
    calibrated = measured(recipe, weights, corpus, ("train", "validation"))
    values |= {f"{split}, calibrated": nll for split, nll in calibrated.items()}
    contexts, targets = examples(corpus, _validation(corpus, recipe.context), recipe.context)
    with torch.no_grad():  # the module is in training mode: a batch is normalised by itself
        losses = [
            F.cross_entropy(steps.module(x), y, reduction="sum").item()
            for x, y in zip(contexts.split(recipe.batch), targets.split(recipe.batch), strict=True)
            if len(x) > 1
        ]
    values["validation, each minibatch by itself"] = sum(losses) / len(targets)
    return values


def _begin(request: Request) -> tuple[Steps, Corpus]:
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    positions = corpus.predicted("train", recipe.context)
    return Steps(recipe, corpus, positions, request.settings["init_seed"], request.seed), corpus


def _validation(corpus: Corpus, context: int) -> NDArray[np.int64]:
    return np.array(corpus.predicted("validation", context))
