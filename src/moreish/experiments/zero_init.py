"""Notebook 2: a network whose weights and biases are all zero. What trains, and how far does it come?"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from moreish.corpus import Corpus, Split, read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.experiments.steps import Steps, examples, hidden_activations
from moreish.experiments.trained import measured, recipe_of

_STEPS_BETWEEN_LOSSES = 10_000


def train(request: Request) -> dict[str, Value]:
    """The notebook's training, the parameters that receive any gradient, and what the loss ends at.

    Settings: `recipe`; `init_seed`, of the embedding; `first_steps`, after each of which the test split is measured.
    """
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    positions = corpus.predicted("train", recipe.context)
    steps = Steps(recipe, corpus, positions, request.settings["init_seed"], request.seed)
    first_losses, first_nlls = [], [measured(recipe, steps.weights(), corpus, ("test",))["test"]]
    names = {_with_gradient(steps, corpus)}
    for _ in range(request.settings["first_steps"]):
        first_losses.append(steps.losses(1))
        first_nlls.append(measured(recipe, steps.weights(), corpus, ("test",))["test"])
    losses = np.concatenate([*first_losses, steps.losses((recipe.steps or 1) - len(first_losses))])
    names.add(_with_gradient(steps, corpus))
    contexts, _ = examples(corpus, steps.draw(1)[0], recipe.context)
    largest = max(float(h.abs().max()) for h in hidden_activations(steps.module, contexts))
    return {
        "parameters": sum(parameter.numel() for parameter in steps.module.parameters()),
        "step 0": float(losses[0]),
        "steps 10,000, 20,000, …": losses[_STEPS_BETWEEN_LOSSES::_STEPS_BETWEEN_LOSSES].tolist(),
        **measured(recipe, steps.weights(), corpus, ("train", "validation", "test")),
        "with any gradient, before and after": " / ".join(sorted(names)),
        "largest activation after training": largest,
        "entropy of single characters (train)": _entropy(corpus, "train"),
        "ln V": math.log(corpus.vocabulary.vocab_size),
        "test after 0, 1, 2, … steps": first_nlls,
    }


def _with_gradient(steps: Steps, corpus: Corpus) -> str:
    """The names of the parameters that a minibatch gives any gradient."""
    positions = corpus.predicted("train", steps.recipe.context)
    contexts, targets = examples(corpus, np.array(positions[: steps.recipe.batch]), steps.recipe.context)
    named = dict(steps.module.named_parameters())
    gradients = torch.autograd.grad(F.cross_entropy(steps.module(contexts), targets), list(named.values()))
    return ", ".join(name for name, gradient in zip(named, gradients, strict=True) if bool(gradient.any()))


def _entropy(corpus: Corpus, split: Split) -> float:
    counts = np.bincount(corpus.stream[np.array(corpus.predicted(split, 1))])
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
