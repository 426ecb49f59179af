"""Trainings that a recipe cannot say: parameters from one generator, minibatches from another, any positions."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import nn

from moreish.corpus import Corpus
from moreish.engines import build_engine
from moreish.errors import DivergenceError
from moreish.models.mlp import MLP
from moreish.recipe import Recipe
from moreish.training.minibatches import Minibatches
from moreish.training.rate_search import RateSearch, search
from moreish.training.schedule import rates

_STEPS_A_CALL = 1_000


class Steps:
    """A network and the steps of its training, as a notebook writes them: init seeded, minibatches not.

    Args:
        recipe: its network, optimiser and schedule.
        corpus: trained on.
        positions: that minibatches are drawn from.
        init_seed: of the parameters; in the notebooks' order.
        seed: of the minibatches.
    """

    def __init__(self, recipe: Recipe, corpus: Corpus, positions: range, init_seed: int, seed: int) -> None:
        self.recipe: Recipe = recipe
        self.corpus: Corpus = corpus
        self.module: MLP = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(init_seed))
        self._minibatches = Minibatches(positions, recipe.batch, torch.Generator().manual_seed(seed))
        self._engine = build_engine(recipe, self.module, corpus).engine
        self._num_done = 0

    def draw(self, num_steps: int) -> NDArray[np.int64]:
        """The positions of the next minibatches, (k, B)."""
        return self._minibatches.draw(num_steps)

    def losses(self, num_steps: int) -> NDArray[np.float32]:
        """Carry out so many steps of the recipe's schedule: the loss of each before its update, (k,).

        Raises:
            DivergenceError: one is not finite.
        """
        steps = np.arange(self._num_done, self._num_done + num_steps)
        step_rates = rates(self.recipe, steps / (self.recipe.steps or 1))
        return np.concatenate([np.empty(0, np.float32), *self._calls(step_rates)])

    def search(self, search_rates: NDArray[np.float64]) -> RateSearch:
        """One step at each of some rising rates, looking for the valley; everything is put back."""
        with threadpool_limits(limits=1):
            return search(self._engine, self._minibatches, search_rates)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Parameters and buffers by name."""
        return dict(self._engine.weights())

    def _calls(self, step_rates: NDArray[np.float64]) -> Iterator[NDArray[np.float32]]:
        with threadpool_limits(limits=1):
            for start in range(0, len(step_rates), _STEPS_A_CALL):
                call_rates = step_rates[start : start + _STEPS_A_CALL]
                result = self._engine.run(self.draw(len(call_rates)), call_rates, self._num_done)
                if result.failed_loss is not None:
                    raise DivergenceError(f"The loss became {result.failed_loss} after step {self._num_done:,}.")
                self._num_done += len(call_rates)
                yield result.losses


def examples(corpus: Corpus, positions: NDArray[np.int64], context: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Contexts (n, T) and targets (n,) of some positions."""
    from moreish.corpus import contexts

    seen = contexts(corpus.stream, positions, context, corpus.has_boundary)
    return torch.from_numpy(seen), torch.from_numpy(corpus.stream[positions].astype(np.int64))


def hidden_activations(module: nn.Module, contexts: torch.Tensor) -> list[torch.Tensor]:
    """The output of every hidden layer of an MLP for some contexts, (n, H) each."""
    assert isinstance(module, MLP)
    kept: list[torch.Tensor] = []
    with torch.no_grad():
        x = module.embedding(contexts)
        for layer in module.layers:
            x = layer(x)
            kept.append(x)
    return kept
