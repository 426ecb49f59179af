"""The specification as an engine: gradients by hand, in NumPy, without autograd."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.network import Seen, layers_of, network_backward, network_forward, running_statistics
from moreish.corpus import Corpus, contexts
from moreish.engines.contract import ChunkResult, OptimizerSpec
from moreish.engines.measuring import Row, Rows, layer_row, parameter_rows
from moreish.engines.updates import Updates
from moreish.recipe import Recipe


class ManualEngine:
    """Carries out steps with the gradients of `moreish.backprop`; see `Engine` for the contract.

    Args:
        recipe: whose network the weights are of.
        weights: parameters and buffers by name; they are updated in place.
        optimizer: the rule of the update.
        corpus: whose stream the positions point into.
    """

    name: str = "manual"

    def __init__(
        self, recipe: Recipe, weights: Mapping[str, NDArray[Any]], optimizer: OptimizerSpec, corpus: Corpus
    ) -> None:
        self._recipe = recipe
        self._weights = dict(weights)
        self._corpus = corpus
        parameters = {name: array for name, array in weights.items() if ".running_" not in name}
        self._updates = Updates(optimizer, parameters)

    def run(
        self, positions: NDArray[np.int64], rates: NDArray[np.float64], first_step: int, every: int | None = None
    ) -> ChunkResult:
        recipe, weights = self._recipe, self._weights
        stream, has_boundary = self._corpus.stream, self._corpus.vocabulary.has_boundary
        windows = contexts(stream, positions.ravel(), recipe.context, has_boundary)
        inputs = windows.reshape(*positions.shape, recipe.context)  # (k, B, T)
        targets = stream[positions].astype(np.int64)  # (k, B)
        losses = np.empty(len(positions), dtype=np.float32)
        rows = Rows(every)
        with np.errstate(all="ignore"):  # what overflows shows in the loss
            for index, rate in enumerate(rates):
                step = first_step + index
                seen: Seen | None = {} if rows.are_due(step) else None
                loss, cache = network_forward(recipe, weights, inputs[index], targets[index], step, seen)
                losses[index] = loss
                if not math.isfinite(loss):
                    return ChunkResult(losses[:index], loss, rows.statistics())
                for name, buffer in running_statistics(recipe, weights, cache).items():
                    weights[name][...] = buffer
                gradients = network_backward(cache, seen)
                if seen is None:
                    self._updates.update(gradients, float(rate))
                else:
                    rows.append(step, self._measured_update(gradients, float(rate), seen))
        return ChunkResult(losses, statistics=rows.statistics())

    def _measured_update(self, gradients: Mapping[str, Any], rate: float, seen: Seen) -> Row:
        before = {name: array.copy() for name, array in self._weights.items() if name in gradients}
        self._updates.update(gradients, rate)
        row = parameter_rows(before, gradients, self._weights)
        for layer in layers_of(self._recipe):
            row |= layer_row(layer.name, layer.activation, **seen[layer.name])
        return row

    def weights(self) -> dict[str, NDArray[Any]]:
        return dict(self._weights)

    def optimizer_state(self) -> dict[str, NDArray[Any]]:
        return self._updates.state()

    def restore(self, weights: Mapping[str, NDArray[Any]], optimizer_state: Mapping[str, NDArray[Any]]) -> None:
        for name, array in weights.items():
            self._weights[name][...] = array
        self._updates.restore(optimizer_state)
