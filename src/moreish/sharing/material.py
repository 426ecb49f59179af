"""What a run has to show: its history, its statistics, its model, and the model's inside on a validation minibatch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.network import network_backward, network_forward
from moreish.corpus import Corpus
from moreish.corpus.windows import contexts
from moreish.errors import InputError
from moreish.generation.training_file import training_corpus
from moreish.models.arrays import weight_shapes
from moreish.models.counting import block_positions
from moreish.recipe import Recipe
from moreish.statistics import Statistics
from moreish.storage import ModelFile, load_model
from moreish.training import Run
from moreish.training.checkpoint import Checkpoint, History

Numbers = NDArray[np.floating[Any]]

NUM_EXAMPLES = 256
"""Of the validation split that the model's inside is looked at with."""


@dataclass(frozen=True)
class Inside:
    """A network on one minibatch, in training mode but without dropout: arrays by layer, "layers.0" … and "head".

    Attributes:
        preactivations: what comes into the nonlinearity, (B, H); of the head, the logits.
        outputs: what the layer passes on, (B, H).
        gradients: of the loss, the mean over the minibatch, with respect to that, (B, H), nats per unit.
        parameter_gradients: of every parameter, by its name, in its shape.

    Of layers whose positions are still apart, B counts examples and positions.
    """

    preactivations: dict[str, Numbers]
    outputs: dict[str, Numbers]
    gradients: dict[str, Numbers]
    parameter_gradients: dict[str, Numbers]


def look_inside(recipe: Recipe, weights: dict[str, Numbers], ids: NDArray[np.int64], targets: Any) -> Inside:
    """Forward and backward through a network, keeping what every layer did.

    Args:
        recipe: of the network.
        weights: by name.
        ids: contexts, (B, T).
        targets: (B,).

    Raises:
        ShapeError: weights that do not fit each other or the contexts.
    """
    seen: dict[str, dict[str, Any]] = {}
    _, cache = network_forward(recipe.with_changes(dropout=0.0), weights, ids, targets, seen=seen)
    gradients = network_backward(cache, seen)
    preactivations, outputs, doutputs = (
        {name: layer[what].reshape(-1, layer[what].shape[-1]) for name, layer in seen.items()}
        for what in ("preactivation", "output", "doutput")
    )
    names = weight_shapes(recipe, outputs["head"].shape[-1])  # in the order of the forward pass
    return Inside(preactivations, outputs, doutputs, {name: gradients[name] for name in names if name in gradients})


class Material:
    """What a run has to show, each part read when a picture asks for it.

    Args:
        run: of any age.
    """

    def __init__(self, run: Run) -> None:
        self.run: Run = run

    @property
    def recipe(self) -> Recipe:
        """The run's."""
        return self.run.recipe

    @cached_property
    def model(self) -> ModelFile:
        """The weights that the run kept.

        Raises:
            FileError: it has saved none yet.
        """
        return load_model(self.run.path)

    @cached_property
    def history(self) -> History:
        """Losses and validation.

        Raises:
            InputError: the model was counted, or nothing was saved yet.
        """
        self.need_network()
        checkpoint = Checkpoint.load(self.run.path)
        if checkpoint is None or not len(checkpoint.history.all_losses()):
            raise InputError(f"{self.run.path} has no step on record yet. Train on: moreish train --resume.")
        return checkpoint.history

    @cached_property
    def statistics(self) -> Statistics:
        """What was measured of some steps.

        Raises:
            InputError: none were.
        """
        self.need_network()
        statistics = self.run.statistics
        if statistics is None or not len(statistics):
            raise InputError(f"Nothing was measured inside {self.run.path}. Train again with --statistics-every 100.")
        return statistics

    @cached_property
    def corpus(self) -> Corpus:
        """The file trained on.

        Raises:
            FileError: it is gone or has changed.
        """
        data = self.run.data | {"path": str(self.run.data_path)}
        return training_corpus(data, self.run.path, self.recipe)

    @cached_property
    def contexts(self) -> NDArray[np.int64]:
        """Those of the validation minibatch, (B, T)."""
        return contexts(self.corpus.stream, self._positions, self.recipe.context, self.corpus.has_boundary)

    @cached_property
    def inside(self) -> Inside:
        """The model on the validation minibatch.

        Raises:
            InputError: the model was counted.
        """
        self.need_network()
        targets = self.corpus.stream[self._positions].astype(np.int64)
        return look_inside(self.recipe, self.model.weights, self.contexts, targets)

    def bigrams(self) -> NDArray[np.int64]:
        """How often each symbol follows each other one in the training split, (V, V)."""
        corpus, size = self.corpus, self.corpus.vocabulary.vocab_size
        positions = block_positions(corpus.blocks("train", 1))
        pairs = corpus.stream[positions - 1].astype(np.int64) * size + corpus.stream[positions]
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    @property
    def symbols(self) -> list[str]:
        """Every symbol of the vocabulary, the boundary as "."."""
        described = self.model.vocabulary
        return ["."] * described["has_boundary"] + list(described["symbols"])

    def need_network(self) -> None:
        """Refuse a model that was made by counting.

        Raises:
            InputError: it was.
        """
        if self.recipe.is_counted:
            raise InputError(f"{self.run.path} was made by counting ({self.recipe.model}), without steps or layers.")

    @cached_property
    def _positions(self) -> NDArray[np.int64]:
        """Of the validation minibatch, evenly spread over the split."""
        positions = self.corpus.predicted("validation", self.recipe.context)
        number = min(NUM_EXAMPLES, len(positions))
        return positions.start + np.linspace(0, len(positions) - 1, number).astype(np.int64)
