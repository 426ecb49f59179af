"""The gradients by hand, compiled: many steps in one call of C++ (native/, docs/native.md)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.network import Layer, layers_of
from moreish.corpus import Corpus
from moreish.draws import seed_for
from moreish.engines.contract import ChunkResult, OptimizerSpec
from moreish.engines.measuring import Sheet
from moreish.engines.updates import KEPT
from moreish.errors import EngineError, InputError, ShapeError
from moreish.measures import SATURATION_THRESHOLD
from moreish.models.conventions import CONVENTIONS
from moreish.models.joining import num_joined
from moreish.recipe import Recipe

try:
    import moreish.engines._native as _native  # pyright: ignore[reportMissingModuleSource]
except ModuleNotFoundError:  # it was installed without a compiler
    _native = None

_LIMITS = {"a batch": 4096, "a context": 64, "a vocabulary": 512, "an embedding": 1024, "a hidden size": 1024}


def why_not_native(recipe: Recipe, vocab_size: int) -> str | None:
    """Why the native engine cannot carry out a recipe, as the end of a sentence; None if it can."""
    if _native is None:
        return "it was not built: a C++ compiler and Python's headers are needed when moreish is installed"
    if recipe.device != "cpu":
        return f"it computes on cpu, not on {recipe.device!r}"
    sizes = {"a batch": recipe.batch, "a context": recipe.context, "a vocabulary": vocab_size}
    if recipe.embedding != "onehot":
        sizes["an embedding"] = recipe.embedding
    sizes["a hidden size"] = max(recipe.hidden, default=1)
    for name, size in sizes.items():
        if size > _LIMITS[name]:
            return f"it is made for {name} of at most {_LIMITS[name]:,}, not {size:,}"
    return None


def levels() -> tuple[str, ...]:
    """The instruction sets that this build has and this processor can run, fastest first; none if it is not built."""
    return () if _native is None else tuple(_native.levels())


class NativeEngine:
    """Carries out steps in C++; see `Engine` for the contract. Its numbers are the manual engine's but for rounding.

    Args:
        recipe: whose network the weights are of.
        weights: parameters and buffers by name, float32 and contiguous; they are updated in place.
        optimizer: the rule of the update.
        corpus: whose stream the positions point into.
        level: instruction set, one of `levels()`; None takes the fastest.

    Raises:
        EngineError: it cannot carry out the recipe, or an array cannot be updated in place.
    """

    name: str = "native"

    def __init__(
        self,
        recipe: Recipe,
        weights: Mapping[str, NDArray[Any]],
        optimizer: OptimizerSpec,
        corpus: Corpus,
        level: str | None = None,
    ) -> None:
        vocab_size = corpus.vocabulary.vocab_size
        reason = why_not_native(recipe, vocab_size)
        if _native is None or reason is not None:
            raise EngineError(f"engine = 'native' cannot train this network: {reason}. Give engine = 'auto'.")
        self._recipe = recipe
        self._weights = dict(weights)
        self._stream, self._has_boundary = corpus.stream, corpus.vocabulary.has_boundary
        self._num_done = 0
        parameters = [name for name in weights if ".running_" not in name]
        self._kept = {
            f"{name}/{key}": np.zeros_like(weights[name]) for key in KEPT[optimizer.kind] for name in parameters
        }
        self._check_arrays()
        # In the order in which the kernels have them.
        self._units = {place.name: weights[f"{place.name}.linear.weight"].shape[1] for place in layers_of(recipe)}
        parts = ("linear.weight", "linear.bias", "norm.weight", "norm.bias")
        names = ["embedding.weight", *(f"{layer}.{part}" for layer in self._units for part in parts)]
        self._parameters = [name for name in names if name in weights]
        self._network = self._build(_native, optimizer, vocab_size, level)

    def run(
        self, positions: NDArray[np.int64], rates: NDArray[np.float64], first_step: int, every: int | None = None
    ) -> ChunkResult:
        positions = np.ascontiguousarray(positions, np.int64)
        rates = np.ascontiguousarray(rates, np.float64)
        self._check_positions(positions, rates)
        sheet = Sheet(self._units, self._parameters, first_step, len(rates), every)
        losses, failed_loss = self._network.run(
            *(positions, rates, first_step, self._num_done),
            *(every or 0, SATURATION_THRESHOLD, sheet.numbers, sheet.is_dead),
        )
        self._num_done += len(losses)
        statistics = None if every is None else sheet.statistics().before(first_step + len(losses))
        return ChunkResult(losses, failed_loss, statistics)

    def weights(self) -> dict[str, NDArray[Any]]:
        return dict(self._weights)

    def optimizer_state(self) -> dict[str, NDArray[Any]]:
        state: dict[str, NDArray[Any]] = dict(self._kept)
        if self._counts_steps():
            num_done = np.array(self._num_done, np.float32)
            state |= {f"{name}/step": num_done.copy() for name in self._weights if ".running_" not in name}
        return state

    def restore(self, weights: Mapping[str, NDArray[Any]], optimizer_state: Mapping[str, NDArray[Any]]) -> None:
        for name, array in weights.items():
            self._weights[name][...] = array
        for name, array in self._kept.items():
            array[...] = optimizer_state.get(name, 0)
        self._num_done = max((int(optimizer_state.get(f"{name}/step", 0)) for name in self._weights), default=0)

    def _counts_steps(self) -> bool:
        return self._recipe.optimizer == "adamw"

    def _build(self, native: Any, optimizer: OptimizerSpec, vocab_size: int, level: str | None) -> Any:
        recipe = self._recipe
        convention = CONVENTIONS[recipe.norm_convention]

        def parameter(name: str) -> Any:
            if name not in self._weights:
                return None
            first, second = (*(self._kept[f"{name}/{key}"] for key in KEPT[optimizer.kind]), None, None)[:2]
            return native.Parameter(self._weights[name], first, second, name in optimizer.decayed)

        def layer(place: Layer, joined: int) -> Any:
            name = place.name
            return native.Layer(
                joined=joined,
                norm=place.norm or "none",
                activation=place.activation or "none",
                weight=parameter(f"{name}.linear.weight"),
                bias=parameter(f"{name}.linear.bias"),
                gamma=parameter(f"{name}.norm.weight"),
                beta=parameter(f"{name}.norm.bias"),
                running_mean=self._weights.get(f"{name}.norm.running_mean"),
                running_spread=self._weights.get(f"{name}.norm.{convention.spread}"),
            )

        return native.Network(
            level=level,
            stream=self._stream,
            has_boundary=self._has_boundary,
            vocab_size=vocab_size,
            context=recipe.context,
            embedding=parameter("embedding.weight"),
            layers=[layer(*pair) for pair in zip(layers_of(recipe), num_joined(recipe), strict=True)],
            norm_correction=convention.correction,
            norm_epsilon=convention.epsilon,
            norm_momentum=convention.momentum,
            keeps_std=convention.keeps_std,
            dropout_seed=seed_for(recipe.seed, "dropout"),
            dropout=recipe.dropout,
            rule=optimizer.kind,
            momentum=optimizer.momentum,
            beta1=optimizer.beta1,
            beta2=optimizer.beta2,
            weight_decay=optimizer.weight_decay,
            clip=optimizer.clip or 0.0,
        )

    def _check_arrays(self) -> None:
        """See that C++ may take every array as it is, and that they fit each other and the stream."""
        for name, array in self._weights.items():
            flags = array.flags
            if array.dtype != np.float32 or not (flags.c_contiguous and flags.aligned and flags.writeable):
                raise EngineError(
                    f"{name} is an array of {array.dtype} with strides {array.strides}; the native engine updates "
                    "contiguous, aligned, writable arrays of float32 in place. Pass a copy, or give engine = 'manual'."
                )
        vocab_size, size = self._expected_start()
        for place, joined in zip(layers_of(self._recipe), num_joined(self._recipe), strict=True):
            fan_out = vocab_size if place.name == "head" else self._recipe.hidden[int(place.name.split(".")[1])]
            self._check_shape(f"{place.name}.linear.weight", (joined * size, fan_out))
            for name in self._weights:
                if name.startswith(f"{place.name}.") and not name.endswith("linear.weight"):
                    self._check_shape(name, (fan_out,))
            for part in ("weight", "bias", "running_mean", CONVENTIONS[self._recipe.norm_convention].spread):
                if place.norm == "batch" or (place.norm == "layer" and not part.startswith("running_")):
                    self._check_shape(f"{place.name}.norm.{part}", (fan_out,))
            size = fan_out
        if len(self._stream) and int(self._stream.max()) >= vocab_size:
            raise EngineError(
                f"The stream holds the id {int(self._stream.max())}; expected ids below {vocab_size}, the size of the "
                "vocabulary. Encode the text with this vocabulary."
            )

    def _expected_start(self) -> tuple[int, int]:
        """The sizes of vocabulary and embedding."""
        vocab_size = self._weights["head.linear.weight"].shape[-1]
        if self._recipe.embedding == "onehot":
            return vocab_size, vocab_size
        self._check_shape("embedding.weight", (vocab_size, self._recipe.embedding))
        return vocab_size, self._recipe.embedding

    def _check_shape(self, name: str, expected: tuple[int, ...]) -> None:
        got = self._weights[name].shape if name in self._weights else None
        if got != expected:
            raise ShapeError(f"{name} has shape {got}; expected {expected}, by the recipe. Build the network from it.")

    def _check_positions(self, positions: NDArray[np.int64], rates: NDArray[np.float64]) -> None:
        if positions.ndim != 2 or rates.shape != positions.shape[:1]:
            raise ShapeError(
                f"positions have shape {positions.shape} and rates {rates.shape}; expected (k, B) and (k,): "
                "B positions and one rate for each of k steps."
            )
        if positions.shape[1] == 0:
            raise InputError("A step of 0 examples was asked for; pass at least one position a step.")
        if positions.shape[1] == 1 and self._recipe.norm == "batch":
            raise ShapeError("Batch norm got a batch of one; it needs at least 2 examples. Draw more.")
        if not positions.size:
            return
        first = 0 if self._has_boundary else self._recipe.context
        for position in (int(positions.min()), int(positions.max())):
            if not first <= position < len(self._stream):
                raise EngineError(
                    f"Position {position} cannot be predicted; expected {first} to {len(self._stream) - 1} in this "
                    "stream. Take positions from Corpus.predicted."
                )
