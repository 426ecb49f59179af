"""What every engine promises: it carries out prescribed steps and decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from moreish.recipe import OptimizerName, Recipe
from moreish.statistics import Statistics

ADAM_EPSILON = 1e-8


@dataclass(frozen=True)
class OptimizerSpec:
    """The rule of the update.

    - sgd: θ ← θ − rate · g
    - momentum: v ← momentum · v + g; θ ← θ − rate · v (v starts as the first g)
    - adamw: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, with bias correction and epsilon 1e-8

    Weight decay is decoupled in all three: the parameters named in `decayed` are first multiplied by
    1 − rate · weight_decay. `clip` bounds the global Euclidean norm of the gradient (Pascanu et al. 2013).
    """

    kind: OptimizerName
    momentum: float
    beta1: float
    beta2: float
    weight_decay: float
    decayed: frozenset[str]
    clip: float | None

    @staticmethod
    def from_recipe(recipe: Recipe, names: Mapping[str, Any]) -> "OptimizerSpec":
        """The recipe's rule; weights and embeddings decay, biases and norms do not."""
        decayed = frozenset(filter(is_decayed, names))
        return OptimizerSpec(
            recipe.optimizer, recipe.momentum, recipe.beta1, recipe.beta2, recipe.weight_decay, decayed, recipe.clip
        )


def is_decayed(name: str) -> bool:
    """Whether the parameter of this name decays."""
    return name.endswith(("linear.weight", "embedding.weight"))


@dataclass(frozen=True)
class ChunkResult:
    """What a call of `Engine.run` did.

    Attributes:
        losses: of the steps carried out, mean NLL over the minibatch in nats, (steps done,).
        failed_loss: the first loss that was not finite; its step was not carried out. None if all went well.
        statistics: of the steps carried out that were to be measured; None where none were asked for.
    """

    losses: NDArray[np.float32]
    failed_loss: float | None = None
    statistics: Statistics | None = None


class Engine(Protocol):
    """Executes steps on one model, whose parameters it updates in place."""

    name: str

    def run(
        self, positions: NDArray[np.int64], rates: NDArray[np.float64], first_step: int, every: int | None = None
    ) -> ChunkResult:
        """Carry out k steps.

        Args:
            positions: in the id stream of the symbols to be predicted, (k, B).
            rates: learning rate of each step, (k,).
            first_step: number of the first of them, which dropout is a function of.
            every: steps whose number is a multiple of this are measured; None for no step.

        The result does not depend on how a training is cut into calls, nor do the steps on what is measured. In float32
        the engines agree on every mean and spread to 1e-4 of the spread, beyond what rounding does to θ and Δθ.
        """
        ...

    def weights(self) -> dict[str, NDArray[Any]]:
        """Parameters and buffers by name; on a processor these are live views."""
        ...

    def optimizer_state(self) -> dict[str, NDArray[Any]]:
        """State of the optimiser by name, enough to go on bit for bit."""
        ...

    def restore(self, weights: Mapping[str, NDArray[Any]], optimizer_state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `weights` and `optimizer_state` gave."""
        ...
