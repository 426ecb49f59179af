"""Does a remedy help? Short trainings from the same state, with and without it, on the same minibatches."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from moreish.corpus import Corpus
from moreish.doctor.plain import plain
from moreish.doctor.significance import student_quantile
from moreish.doctor.trainings.looks import item_losses
from moreish.doctor.trainings.remedies import Changes
from moreish.draws import seed_for
from moreish.engines import build_engine
from moreish.recipe import Recipe
from moreish.training.minibatches import Minibatches
from moreish.training.network import build_module, generators
from moreish.training.schedule import rates

NUM_STEPS = 2_000
NUM_SEEDS = 8
CONFIDENCE = 0.99
_LONGER = 5
_STEPS_A_CALL = 500
_CHARACTERS = 20_000


@dataclass(frozen=True)
class Proof:
    """What a remedy brought, in nats per character of the validation split.

    Attributes:
        changes: of the recipe.
        num_steps: of each branch; the schedule is drawn together to this length.
        num_seeds: pairs of branches, each with an initialisation and minibatches of its own.
        num_items: validation items that were compared, each with itself.
        without: mean NLL without the changes; infinite where a loss was not finite.
        with_changes: mean NLL with them.
        low, high: interval of the gain, `without` less `with_changes`, over items and seeds.
        confidence: of the interval.
    """

    changes: Changes
    num_steps: int
    num_seeds: int
    num_items: int
    without: float
    with_changes: float
    low: float
    high: float
    confidence: float

    @property
    def gain(self) -> float:
        """How much lower the NLL is with the changes, nats per character."""
        if math.isinf(self.without):
            return 0.0 if math.isinf(self.with_changes) else math.inf
        return self.without - self.with_changes

    @property
    def helps(self) -> bool:
        """Whether the whole interval of the gain lies above zero."""
        return self.low > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; numbers that are not finite are text ("inf", "-inf")."""
        return plain(self) | plain({"gain": self.gain, "helps": self.helps})

    def __str__(self) -> str:
        if math.isinf(self.without):
            gain = "it breaks off all the same" if math.isinf(self.with_changes) else "it does not break off any more"
        elif math.isinf(self.with_changes):
            gain = "the training breaks off: it harms"
        elif self.helps:
            gain = f"{self.gain:.4f} lower ({self.low:.4f} to {self.high:.4f})"
        elif self.high < 0:
            gain = f"{-self.gain:.4f} higher ({-self.high:.4f} to {-self.low:.4f}): it harms"
        elif math.isinf(self.high):
            gain = "which one item cannot tell from chance"
        else:
            gain = f"no gain shown ({self.low:.4f} to {self.high:.4f} lower)"
        return f"validation NLL {_number(self.without)} → {_number(self.with_changes)}, {gain}"


def lengths(first: int, whole: int | None) -> list[int]:
    """Steps of the branches, one length after the other: five times as many while nothing is shown, up to the whole.

    Some remedies pay early and some late: what a better initialisation brings shows within a thousand steps, what
    unsaturated units bring takes ten thousand.
    """
    whole = whole or first
    result = [min(first, whole)]
    while result[-1] < whole:
        longer = _LONGER * result[-1]
        result.append(whole if 2 * longer > whole else longer)
    return result


Branch = tuple[NDArray[np.float64], float]
"""NLL of each validation item in nats per character, (n,), and their mean; infinite where a loss was not finite."""


def prove(
    recipe: Recipe,
    corpus: Corpus,
    candidates: Sequence[Changes],
    num_steps: int = NUM_STEPS,
    confidence: float = CONFIDENCE,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Proof, ...]:
    """Branch with each of several changes and without any, and compare what validation says.

    Every pair of branches starts from the same seed and sees the same minibatches. The interval rests on the spread of
    the differences over items and over seeds; with several candidates it is as much wider (Bonferroni 1936; Dunn 1961).

    Args:
        recipe: the training that is to be mended.
        corpus: its data.
        candidates: changes of the recipe; they leave context and batch as they are.
        num_steps: of each branch.
        confidence: of all intervals together.
        report: hears how many steps are done, of how many.

    Returns:
        A proof for each candidate, in their order.

    Raises:
        RecipeError: a change that the recipe does not allow.
        EngineError: as in training.
    """
    variants = [recipe.with_changes(steps=num_steps, **changes) for changes in ({}, *candidates)]
    of = num_steps * NUM_SEEDS * len(variants)
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        report(done, of)

    branches = [
        [_branch(variant.with_changes(seed=recipe.seed + number), corpus, advance) for variant in variants]
        for number in range(NUM_SEEDS)
    ]
    of_each = 1 - (1 - confidence) / max(len(candidates), 1)
    return tuple(
        _compared(changes, [(row[0], row[number]) for row in branches], num_steps, of_each)
        for number, changes in enumerate(candidates, 1)
    )


def _branch(recipe: Recipe, corpus: Corpus, advance: Callable[[int], None]) -> Branch:
    """One training from its first step, without a run."""
    assert recipe.steps is not None
    initialisation, _ = generators(recipe)
    module = build_module(recipe, corpus.vocabulary.vocab_size, initialisation)
    engine = build_engine(recipe, module, corpus).engine  # updates the module in place
    # Drawn by a stream of their own, so that another initialisation does not mean other minibatches.
    stream = torch.Generator().manual_seed(seed_for(recipe.seed, "minibatches"))
    minibatches = Minibatches(corpus.predicted("train", recipe.context), recipe.batch, stream)
    for first in range(0, recipe.steps, _STEPS_A_CALL):
        steps = min(_STEPS_A_CALL, recipe.steps - first)
        course = rates(recipe, np.arange(first, first + steps) / recipe.steps)
        result = engine.run(minibatches.draw(steps), course, first)
        advance(steps)
        if result.failed_loss is not None:
            advance(recipe.steps - first - steps)
            return np.empty(0), math.inf
    losses = item_losses(module.cpu(), recipe, corpus, "validation", _CHARACTERS)
    return losses, float(losses.mean()) if np.isfinite(losses).all() else math.inf


def _compared(changes: Changes, pairs: list[tuple[Branch, Branch]], num_steps: int, confidence: float) -> Proof:
    without, with_changes = (float(np.mean([pair[side][1] for pair in pairs])) for side in (0, 1))
    num_items = max(len(branch[0]) for pair in pairs for branch in pair)
    if math.isfinite(without) and math.isfinite(with_changes):
        gains = np.stack([a[0] - b[0] for a, b in pairs])  # (seeds, items)
        low, high = interval(gains, confidence)
    else:
        cures = math.isinf(without) and math.isfinite(with_changes)
        low = high = math.inf if cures else -math.inf if math.isfinite(without) else 0.0
    return Proof(changes, num_steps, len(pairs), num_items, without, with_changes, low, high, confidence)


def interval(gains: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Interval of the mean of gains (seeds, items), where both the seeds and the items are samples.

    The variances of the two means add up; degrees of freedom by Welch and Satterthwaite (Satterthwaite 1946). What
    seeds and items share is counted twice, so the interval is rather too wide than too narrow; with a single item or
    seed it has no end.
    """
    num_seeds, num_items = gains.shape
    if min(num_seeds, num_items) < 2:
        return -math.inf, math.inf
    variances = [float(gains.mean(1).var(ddof=1)) / num_seeds, float(gains.mean(0).var(ddof=1)) / num_items]
    total = sum(variances)
    mean = float(gains.mean())
    if total == 0:
        return mean, mean
    df = total**2 / sum(v**2 / (n - 1) for v, n in zip(variances, (num_seeds, num_items), strict=True))
    reach = student_quantile((1 + confidence) / 2, df) * math.sqrt(total)
    return mean - reach, mean + reach


def _number(nll: float) -> str:
    return "not finite" if math.isinf(nll) else f"{nll:.4f}"
