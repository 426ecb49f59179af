"""Before the first step: the network that a recipe draws, examined like anybody else's module."""

import functools
from dataclasses import replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from moreish.corpus import Corpus, contexts
from moreish.doctor.evidence import Data, Evidence
from moreish.doctor.examine import collect
from moreish.doctor.probes.reference import measure_reference
from moreish.doctor.trainings.rule import RuleOfRecipe
from moreish.draws import seed_for
from moreish.recipe import Recipe
from moreish.training.network import build_module, generators, threads

NUM_EXAMPLES = 512
NUM_MEASURED = 2_048
"""Training examples whose losses are measured at each look; the first 512 are those that the network is examined on."""
NUM_COUNTED = 4_096
"""Examples that the counts are made of which a network has to beat; the first 2,048 are those measured."""

_PERMUTED = 1 << 20  # places of a text from which drawing twice as many and leaving out what recurs is quicker


def examine(recipe: Recipe, corpus: Corpus) -> Evidence:
    """What can be measured on the initial network with a few hundred training examples; it trains nothing.

    Cost: some tens of steps of the autograd engine on a batch of 512.

    Raises:
        EngineError: the network does not fit into memory.
    """
    initialisation, _ = generators(recipe)
    module = build_module(recipe, corpus.vocabulary.vocab_size, initialisation)
    inputs, targets = draw_examples(corpus, recipe, NUM_COUNTED)
    with threads(recipe.threads):
        rule = cast(torch.optim.Optimizer, RuleOfRecipe(recipe, module))
        evidence = collect(module, (inputs[:NUM_EXAMPLES], targets[:NUM_EXAMPLES]), F.cross_entropy, rule)
    data = None if evidence.data is None else _with_splits(evidence.data, corpus)
    reference = measure_reference((inputs, targets), torch.arange(min(NUM_MEASURED, len(inputs))))
    if isinstance(reference, str):
        evidence, reference = replace(evidence, missing=evidence.missing | {"reference": reference}), None
    rule_name = "AdamW" if recipe.optimizer == "adamw" else "SGD"
    return replace(evidence, data=data, optimizer=rule_name, reference=reference)


def draw_examples(corpus: Corpus, recipe: Recipe, num_examples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Contexts (n, T) and the symbols that follow them (n,) of the training split, the same for every recipe.

    No place of the text is drawn twice: what a counting model is fitted on, it is not measured on. Fewer come of a
    short text; the first of many are those of few.
    """
    positions = corpus.predicted("train", recipe.context)
    return examples_at(_drawn(len(positions), num_examples) + positions.start, corpus, recipe)


@functools.lru_cache(maxsize=8)
def _drawn(num_positions: int, num_examples: int) -> NDArray[np.int64]:
    """Which of so many positions are drawn; remembered, since every look asks."""
    seed = seed_for(0, "examples of the doctor")
    if num_positions <= _PERMUTED:
        return np.random.Generator(np.random.PCG64(seed)).permutation(num_positions)[:num_examples].copy()
    drawn = (np.random.PCG64(seed).random_raw(2 * num_examples) % num_positions).astype(np.int64)
    return drawn[np.sort(np.unique(drawn, return_index=True)[1])][:num_examples]


def examples_at(positions: NDArray[np.int64], corpus: Corpus, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    """The contexts before positions of the stream, (n, T), and the symbols there, (n,)."""
    windows = contexts(corpus.stream, positions, recipe.context, corpus.has_boundary)
    return torch.from_numpy(windows), torch.from_numpy(corpus.stream[positions].astype(np.int64))


def _with_splits(data: Data, corpus: Corpus) -> Data:
    """With the items of a list that stand in training and in validation; windows of a list recur by themselves."""
    if not corpus.has_boundary:
        return data
    summary = corpus.summary
    return replace(
        data, num_overlapping=summary.leaks["validation"], num_validation=summary.num_items_of["validation"],
        context_repeats=0.0,
    )  # fmt: skip
