"""The course of the learning rate over a training."""

import numpy as np
from numpy.typing import NDArray

from moreish.recipe import Recipe

_FIRST_SHARE = 0.01


def rates(recipe: Recipe, progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Learning rate of each step.

    - constant
    - step: times decay_factor from decay_at on, as the notebooks do at half of their steps
    - linear, cosine: from learning_rate down to learning_rate · final_share (cosine: Loshchilov & Hutter 2017,
      arXiv:1608.03983)

    During the first `warmup` share it rises linearly from a hundredth (Goyal et al. 2017, arXiv:1706.02677).

    Args:
        progress: share of the training done before each step, (k,), from 0 to 1.

    Returns:
        (k,).
    """
    if recipe.schedule == "step":
        factor = np.where(progress < recipe.decay_at, 1.0, recipe.decay_factor)
    elif recipe.schedule == "constant":
        factor = np.ones_like(progress)
    else:
        remaining = np.clip(1 - (progress - recipe.warmup) / max(1 - recipe.warmup, 1e-12), 0, 1)
        if recipe.schedule == "cosine":
            remaining = (1 - np.cos(np.pi * remaining)) / 2
        factor = recipe.final_share + (1 - recipe.final_share) * remaining
    if recipe.warmup > 0:
        factor = factor * np.clip(_FIRST_SHARE + (1 - _FIRST_SHARE) * progress / recipe.warmup, 0, 1)
    return recipe.learning_rate * factor
