"""While it trains: the same examples and items looked at again and again, and what the engine measured in its loop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from moreish.corpus import Corpus, Split
from moreish.doctor.branching import BRANCH_STEPS, what_to_try
from moreish.doctor.evidence import Look, Rates, Update
from moreish.doctor.examine import first_pass
from moreish.doctor.probes.norms import measure_norms
from moreish.doctor.probes.rates import MAX_MEASURED, measure_rates, minibatches
from moreish.doctor.subject import make_subject
from moreish.doctor.trainings.examination import NUM_EXAMPLES, NUM_MEASURED, draw_examples, examples_at
from moreish.doctor.trainings.rule import RuleOfRecipe
from moreish.engines.contract import is_decayed
from moreish.models.counting import block_positions
from moreish.recipe import Recipe
from moreish.statistics import Statistics
from moreish.training.checkpoint import Checkpoint
from moreish.training.network import build_module, generators, threads
from moreish.training.schedule import rates as rates_of

CHARACTERS = 3_000
"""Of validation, measured at each look."""
_EXAMPLES_AT_ONCE = 2_048


def look_at(
    checkpoint: Checkpoint, statistics: Statistics, recipe: Recipe, corpus: Corpus, earlier: Sequence[Look]
) -> Look:
    """The network as it is now, on the examples of the first examination; and what the engine measured since then.

    Args:
        checkpoint: what is looked at.
        statistics: of the steps that were measured since the last look.
        earlier: looks at it; after a few that have tried the learning rate out it is left at that.
    """
    step, weights = checkpoint.position.step, checkpoint.weights
    initialisation, _ = generators(recipe)
    module = build_module(recipe, corpus.vocabulary.vocab_size, initialisation)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    inputs, targets = draw_examples(corpus, recipe, NUM_MEASURED)
    subject = make_subject(module, (inputs[:NUM_EXAMPLES], targets[:NUM_EXAMPLES]), F.cross_entropy)
    rate = _rate_at(step, recipe)
    updates = _updates(statistics, recipe, weights, rate) if len(statistics) else None
    with threads(recipe.threads), torch.random.fork_rng(devices=()):
        rates = _branched(module, checkpoint, recipe, corpus, rate, [*earlier, Look(step, updates=updates)])
        # While it trains, running statistics lag behind a network that moves: it is their end that counts.
        is_over = step == recipe.steps
        norms = tuple(replace(norm, num_updates=step) for norm in measure_norms(subject)) if is_over else None
        trace, loss = first_pass(subject)
        train = example_losses(module, inputs, targets)
        validation = item_losses(module, recipe, corpus, "validation", CHARACTERS)
    return Look(
        step=step,
        sites=trace.sites(),
        loss=loss,
        norms=norms,
        updates=updates,
        rates=rates,
        train_losses=tuple(np.round(train, 6).tolist()),
        validation_losses=tuple(np.round(validation, 6).tolist()),
        in_training_mode=True,
    )


def _branched(
    module: nn.Module,
    checkpoint: Checkpoint,
    recipe: Recipe,
    corpus: Corpus,
    rate: float,
    looks: Sequence[Look],
) -> Rates | None:
    """Branches at other rates, or without decay, where something speaks against them."""
    trial = what_to_try(checkpoint.history.all_losses().tolist(), looks)
    if trial is None:
        return None
    rule = RuleOfRecipe(recipe, module)
    rule.restore(checkpoint.optimizer, rate)
    examples = draw_examples(corpus, recipe, MAX_MEASURED + BRANCH_STEPS * recipe.batch)
    batches, held_out = minibatches(make_subject(module, examples, F.cross_entropy), BRANCH_STEPS, recipe.batch)
    factors, decays = trial
    rates = measure_rates(batches, held_out, cast(torch.optim.Optimizer, rule), (1.0, *factors), decays)
    return None if isinstance(rates, str) else rates


def _rate_at(step: int, recipe: Recipe) -> float:
    """The rate after so many steps; the top one where the clock decides how many there will be."""
    if recipe.steps is None:
        return recipe.learning_rate
    return float(rates_of(recipe, np.array([min(step / recipe.steps, 1.0)]))[0])


@torch.no_grad()
def example_losses(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> NDArray[np.float64]:
    """The NLL of each example, (n,), nats; evaluation mode."""
    was_training = module.training
    module.eval()
    logits = torch.cat([module(part) for part in inputs.split(_EXAMPLES_AT_ONCE)])
    module.train(was_training)
    return F.cross_entropy(logits.double(), targets, reduction="none").numpy()


def item_losses(module: nn.Module, recipe: Recipe, corpus: Corpus, split: Split, limit: int) -> NDArray[np.float64]:
    """The NLL of each item (or block of running text) of a fixed sample of a split, (n,); evaluation mode.

    In nats per character of the sample: their mean is its NLL, however long each item is.

    Args:
        limit: characters in all, at most.
    """
    blocks = corpus.blocks(split, recipe.context, limit)
    nlls = example_losses(module, *examples_at(block_positions(blocks), corpus, recipe))
    lengths = blocks.stops - blocks.starts
    return np.add.reduceat(nlls, np.cumsum(lengths) - lengths) / lengths.mean()


def _updates(
    statistics: Statistics, recipe: Recipe, weights: Mapping[str, NDArray[Any]], rate: float
) -> tuple[Update, ...]:
    gradients = {
        name: np.hypot(parameter.gradient_mean, parameter.gradient_std) * np.sqrt(weights[name].size)
        for name, parameter in statistics.parameters.items()
    }
    norm = np.sqrt(sum(gradient.astype(np.float64) ** 2 for gradient in gradients.values()))
    scales = np.ones_like(norm) if recipe.clip is None else np.minimum(1, recipe.clip / np.maximum(norm, 1e-30))
    scale = float(np.exp(np.log(scales).mean()))
    updates = []
    for name, parameter in statistics.parameters.items():
        size = float(np.linalg.norm(weights[name]))
        step = float(np.median(parameter.update_std)) * weights[name].size ** 0.5
        pull = rate * recipe.weight_decay * size if is_decayed(name) else 0.0
        updates.append(
            Update(
                name=name,
                moved=float(np.median(parameter.update_to_data)),
                is_moved=bool((parameter.update_std != 0).any()),
                gradient_norm=float(np.median(gradients[name] * scales)),
                scale=None if updates else scale,  # the same for all parameters: said once
                size=size,
                # The step is the sum of both, and they are all but orthogonal where the pull does not prevail.
                decay=pull / max(abs(step**2 - pull**2) ** 0.5, 1e-30) if pull else 0.0,
            )
        )
    return tuple(updates)
