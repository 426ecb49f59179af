"""While it trains: the same examples and items looked at again and again, and what the engine measured in its loop."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from moreish.corpus import Corpus, Split
from moreish.doctor.evidence import History, Look, Update
from moreish.doctor.examine import first_pass
from moreish.doctor.probes.norms import measure_norms
from moreish.doctor.subject import make_subject
from moreish.doctor.trainings.examination import draw_examples, examples_at
from moreish.models.counting import block_positions
from moreish.recipe import Recipe
from moreish.statistics import Statistics
from moreish.training.network import build_module, generators, threads

_SPLITS: tuple[Split, ...] = ("train", "validation")

CHARACTERS = 3_000
"""Of training and of validation, measured at each look."""
_WINDOWS_AT_ONCE = 2_048


def look_at(
    step: int, statistics: Statistics, recipe: Recipe, corpus: Corpus, weights: Mapping[str, NDArray[Any]]
) -> Look:
    """The network as it is now, on the examples of the first examination; and what the engine measured since then.

    Args:
        step: steps done.
        statistics: of the steps that were measured since the last look.
        weights: parameters and buffers after `step` steps.
    """
    initialisation, _ = generators(recipe)
    module = build_module(recipe, corpus.vocabulary.vocab_size, initialisation)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    subject = make_subject(module, draw_examples(corpus, recipe), F.cross_entropy)
    with threads(recipe.threads), torch.random.fork_rng(devices=()):
        norms = tuple(replace(norm, num_updates=step) for norm in measure_norms(subject))
        trace, loss = first_pass(subject)
        losses = {split: tuple(item_losses(module, recipe, corpus, split, CHARACTERS).tolist()) for split in _SPLITS}
    return Look(
        step=step,
        sites=trace.sites(),
        loss=loss,
        norms=norms,
        updates=_updates(statistics, recipe, weights) if len(statistics) else None,
        train_losses=losses["train"],
        validation_losses=losses["validation"],
        in_training_mode=True,
    )


@torch.no_grad()
def item_losses(module: nn.Module, recipe: Recipe, corpus: Corpus, split: Split, limit: int) -> NDArray[np.float64]:
    """The NLL of each item (or block of running text) of a fixed sample of a split, (n,); evaluation mode.

    In nats per character of the sample: their mean is its NLL, however long each item is.

    Args:
        limit: characters in all, at most.
    """
    blocks = corpus.blocks(split, recipe.context, limit)
    inputs, targets = examples_at(block_positions(blocks), corpus, recipe)
    was_training = module.training
    module.eval()
    logits = torch.cat([module(part) for part in inputs.split(_WINDOWS_AT_ONCE)])
    module.train(was_training)
    nlls = F.cross_entropy(logits.double(), targets, reduction="none").numpy()
    lengths = blocks.stops - blocks.starts
    return np.add.reduceat(nlls, np.cumsum(lengths) - lengths) / lengths.mean()


def history_of(losses: NDArray[np.float32], recipe: Recipe) -> History:
    """Every step's loss, and what there is in moreish's own loop that another loop could do wrong."""
    is_noisy = recipe.dropout > 0 or recipe.norm == "batch"
    return History(
        tuple(losses.tolist()),
        has_scheduler=recipe.schedule != "constant",
        noisy_modules=("network",) if is_noisy else (),
    )


def _updates(statistics: Statistics, recipe: Recipe, weights: Mapping[str, NDArray[Any]]) -> tuple[Update, ...]:
    gradients = {
        name: np.hypot(parameter.gradient_mean, parameter.gradient_std) * np.sqrt(weights[name].size)
        for name, parameter in statistics.parameters.items()
    }
    norm = np.sqrt(sum(gradient.astype(np.float64) ** 2 for gradient in gradients.values()))
    scales = np.ones_like(norm) if recipe.clip is None else np.minimum(1, recipe.clip / np.maximum(norm, 1e-30))
    scale = float(np.exp(np.log(scales).mean()))
    return tuple(
        Update(
            name=name,
            moved=float(np.median(parameter.update_to_data)),
            is_moved=bool((parameter.update_std != 0).any()),
            gradient_norm=float(np.median(gradients[name] * scales)),
            scale=scale if number == 0 else None,
            size=float(np.linalg.norm(weights[name])),
        )
        for number, (name, parameter) in enumerate(statistics.parameters.items())
    )
