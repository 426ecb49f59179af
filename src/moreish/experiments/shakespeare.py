"""Notebook 3, on tiny Shakespeare: one character in, one out; the whole file, no split and no boundary."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from moreish.corpus import Corpus, read_corpus
from moreish.draws import seed_for
from moreish.experiments.experiment import Request, Value
from moreish.experiments.steps import Steps, examples, hidden_activations
from moreish.experiments.trained import recipe_of
from moreish.recipe import Recipe

_STEPS_BETWEEN_LOSSES = 1_000


def full_batch(request: Request) -> dict[str, Value]:
    """Full-batch steps on a table and a bias, both standard normal: the loss before each.

    All examples of a character have the same logits, so that the loss of the file is that of its pairs, weighted with
    how often they occur. Settings: `rate`, `num_steps`.
    """
    corpus = _whole(request)
    size = corpus.vocabulary.vocab_size
    pairs = corpus.stream[:-1].astype(np.int64) * size + corpus.stream[1:]
    shares = torch.from_numpy(np.bincount(pairs, minlength=size * size).reshape(size, size) / len(pairs))
    table, bias = _draw_table(size, request.seed)
    table, bias = table.double().requires_grad_(), bias.double().requires_grad_()
    losses = []
    for _ in range(request.settings["num_steps"]):
        loss = -(shares * F.log_softmax(table + bias, dim=1)).sum()
        losses.append(loss.item())
        _descend(loss, (table, bias), request.settings["rate"])
    return {"losses": losses, "drop": losses[0] - losses[-1]}


def minibatches(request: Request) -> dict[str, Value]:
    """The notebook's minibatch training with a recipe's network: the losses of steps 0, 1,000, 2,000, …

    Settings: `recipe`.
    """
    steps, corpus = _begin(request)
    losses = steps.losses(steps.recipe.steps or 1)
    return {
        "parameters": sum(parameter.numel() for parameter in steps.module.parameters()),
        "losses": losses[::_STEPS_BETWEEN_LOSSES].tolist(),
        "whole file": _nll(steps, corpus),
    }


def magnitudes(request: Request) -> dict[str, Value]:
    """Mean absolute value of every layer before and after training, over one minibatch.

    Settings: `recipe`.
    """
    steps, corpus = _begin(request)
    contexts, _ = examples(corpus, steps.draw(1)[0], 1)
    before = _magnitudes(steps, contexts)
    steps.losses(steps.recipe.steps or 1)
    after = _magnitudes(steps, contexts)
    return {f"{name}, before → after": [before[name], after[name]] for name in before}


def equal_time(request: Request) -> dict[str, Value]:
    """The table trained for the same time full-batch and in minibatches, with the same lines of PyTorch.

    Settings: `rate`, `num_steps` of the full batch, `batch`.
    """
    corpus = _whole(request)
    ids = torch.from_numpy(corpus.stream.astype(np.int64))
    inputs, targets = ids[:-1], ids[1:]
    settings, size = request.settings, corpus.vocabulary.vocab_size
    generator = torch.Generator().manual_seed(request.seed)

    full = tuple(part.requires_grad_() for part in _draw_table(size, request.seed))
    before = _table_loss(full, inputs, targets).item()
    began = time.perf_counter()
    for _ in range(settings["num_steps"]):
        _descend(_table_loss(full, inputs, targets), full, settings["rate"])
    seconds = time.perf_counter() - began

    small = tuple(part.requires_grad_() for part in _draw_table(size, request.seed))
    num_steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        drawn = torch.randint(0, len(inputs), (settings["batch"],), generator=generator)
        _descend(_table_loss(small, inputs[drawn], targets[drawn]), small, settings["rate"])
        num_steps += 1
    with torch.no_grad():
        return {
            "seconds for each": seconds,
            "whole file, before": before,
            f"after {settings['num_steps']} full-batch steps": _table_loss(full, inputs, targets).item(),
            f"after minibatches of {settings['batch']:,}": _table_loss(small, inputs, targets).item(),
            "minibatch steps in that time": num_steps,
        }


def _whole(request: Request) -> Corpus:
    return read_corpus(request.data_file, Recipe(kind="text"))


def _begin(request: Request) -> tuple[Steps, Corpus]:
    """Nothing is seeded in the notebook: parameters and minibatches have a stream each."""
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    return Steps(recipe, corpus, range(1, len(corpus.stream)), seed_for(request.seed, "init"), request.seed), corpus


def _draw_table(size: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed_for(seed, "init"))
    return torch.randn((size, size), generator=generator), torch.randn(size, generator=generator)


def _table_loss(table: tuple[Tensor, ...], inputs: Tensor, targets: Tensor) -> Tensor:
    m, q = table
    return F.cross_entropy(m[inputs] + q, targets)


def _descend(loss: Tensor, parameters: tuple[Tensor, ...], rate: float) -> None:
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= rate * gradient


def _nll(steps: Steps, corpus: Corpus) -> float:
    """Of the whole file: the network sees one character, so that its logits are a table."""
    size = corpus.vocabulary.vocab_size
    with torch.no_grad():
        log_probabilities = F.log_softmax(steps.module(torch.arange(size)[:, None]), dim=1).numpy()
    stream: NDArray[np.int64] = corpus.stream.astype(np.int64)
    return float(-log_probabilities[stream[:-1], stream[1:]].mean(dtype=np.float64))


def _magnitudes(steps: Steps, contexts: Tensor) -> dict[str, float]:
    with torch.no_grad():
        layers = {"input": steps.module.embedding(contexts), "hidden": hidden_activations(steps.module, contexts)[0]}
        layers["logits"] = steps.module(contexts)
        # The mean of all probabilities is 1/V whatever they are.
        layers["largest probability"] = F.softmax(layers["logits"], dim=1).amax(dim=1)
    return {name: float(values.abs().mean()) for name, values in layers.items()}
