"""The networks' forward pass on plain NumPy arrays, for evaluation and generation without PyTorch."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.errors import ModelFileError
from moreish.models.erf import erf
from moreish.models.joining import joined_shape, num_joined
from moreish.models.predictor import WindowPredictor
from moreish.recipe import Recipe

Array = NDArray[np.float32]

_EPSILON = 1e-5
_SQRT_HALF = np.float32(0.5**0.5)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0, out=x)


def _tanh(x: Array) -> Array:
    return np.tanh(x, out=x)


def _gelu(x: Array) -> Array:
    x *= (1 + erf(x * _SQRT_HALF)) / 2
    return x


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": _tanh, "relu": _relu, "gelu": _gelu}


def _multiply(x: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """x @ W over any leading axes in one product; NumPy would make a small one of every example."""
    return (x.reshape(-1, len(weight)) @ weight).reshape(*x.shape[:-1], weight.shape[1])


class ArrayMLP(WindowPredictor):
    """The MLP or hierarchical network of a recipe in evaluation mode: batch norm by its running values, no dropout.

    Args:
        recipe: the fields under model are used.
        vocab_size: V.
        weights: parameters and buffers under the names of `moreish.models.mlp.MLP.state_dict()`; they are read in
            place, so that values updated later are seen. Products are computed in their dtype, activations and logits
            are float32: weights in float64 make the logits of a context the same in whatever batch it stands, while in
            float32 the last bits depend on how the BLAS library cuts the batch.

    Raises:
        ModelFileError: a weight is missing or has a shape that the recipe contradicts.
    """

    def __init__(self, recipe: Recipe, vocab_size: int, weights: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(vocab_size, recipe.context)
        self.recipe: Recipe = recipe
        self.weights: Mapping[str, NDArray[Any]] = weights
        self._check_shapes()

    @property
    def num_parameters(self) -> int:
        return sum(array.size for name, array in self.weights.items() if ".running_" not in name)

    @property
    def values_per_window(self) -> int:
        return max(values_per_layer(self.recipe, self.vocab_size))

    def logits(self, contexts: NDArray[np.int64]) -> Array:
        """Contexts (n, T) → logits (n, V); not finite, without a warning, where a training has diverged."""
        with np.errstate(all="ignore"):
            return self._forward(contexts)

    def before_norm(self, contexts: NDArray[np.int64], layer: str) -> Array:
        """What the norm of a layer normalises: contexts (n, T) → (n, H), or (n, L, H) where L positions are apart.

        Args:
            layer: "layers.0" … or "head".
        """
        return self._forward(contexts, stop_before_norm_of=layer)

    def _forward(self, contexts: NDArray[np.int64], stop_before_norm_of: str | None = None) -> Array:
        names, joined = layer_names(self.recipe), num_joined(self.recipe)
        x = self._first_products(contexts, names[0], joined[0])  # (n, L, H), or (n, H)
        for position, name in enumerate(names):
            if position > 0:
                if x.ndim == 3:
                    x = x.reshape(joined_shape(x.shape, joined[position]))
                x = _multiply(x, self.weights[f"{name}.linear.weight"])
            if (bias := self.weights.get(f"{name}.linear.bias")) is not None:
                x += bias
            if name == stop_before_norm_of:
                return x.astype(np.float32, copy=False)
            if f"{name}.norm.weight" in self.weights:
                x = self._normalise(name, x)
            x = x.astype(np.float32, copy=False)
            if name != "head":
                x = _ACTIVATIONS[self.recipe.activation](x)
        return x

    def _first_products(self, contexts: NDArray[np.int64], name: str, joined: int) -> NDArray[Any]:
        weight = self.weights[f"{name}.linear.weight"]
        if self.recipe.embedding == "onehot":
            # A one-hot input picks one row of the weight for every position that is joined.
            offsets = np.arange(joined) * self.vocab_size
            x = weight[contexts.reshape(len(contexts), -1, joined) + offsets].sum(axis=2)  # (n, L, H)
            return x[:, 0] if x.shape[1] == 1 else x
        embedded = self.weights["embedding.weight"][contexts]  # (n, T, E)
        return _multiply(embedded.reshape(joined_shape(embedded.shape, joined)), weight)

    def _normalise(self, name: str, x: NDArray[Any]) -> NDArray[Any]:
        weight, bias = self.weights[f"{name}.norm.weight"], self.weights[f"{name}.norm.bias"]
        if self.recipe.norm == "layer":
            mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
            return (x - mean) / np.sqrt(variance + np.float32(_EPSILON)) * weight + bias
        mean = self.weights[f"{name}.norm.running_mean"]
        std = self.weights.get(f"{name}.norm.running_std")
        if std is None:
            std = np.sqrt(self.weights[f"{name}.norm.running_var"] + np.float32(_EPSILON))
        return (x - mean) * (weight / std) + bias

    def _check_shapes(self) -> None:
        for name, shape in weight_shapes(self.recipe, self.vocab_size).items():
            if name not in self.weights:
                raise ModelFileError(f"The model lacks the weight {name} that its recipe asks for. Train it again.")
            if self.weights[name].shape != shape:
                found = self.weights[name].shape
                raise ModelFileError(
                    f"The weight {name} has shape {found}, not {shape} as its recipe asks. Train it again."
                )


def layer_names(recipe: Recipe) -> list[str]:
    """The prefixes of the weights' names: the hidden layers, then the output layer."""
    return [*(f"layers.{index}" for index in range(len(recipe.hidden))), "head"]


def weight_shapes(recipe: Recipe, vocab_size: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters and buffers of a recipe's network by name, in the order of its `state_dict`."""
    shapes: dict[str, tuple[int, ...]] = {}
    size = vocab_size if recipe.embedding == "onehot" else recipe.embedding
    if recipe.embedding != "onehot":
        shapes["embedding.weight"] = (vocab_size, size)
    for name, joined, fan_out in zip(
        layer_names(recipe), num_joined(recipe), (*recipe.hidden, vocab_size), strict=True
    ):
        has_norm = recipe.norm != "none" and (name != "head" or recipe.norm_output)
        shapes[f"{name}.linear.weight"] = (joined * size, fan_out)
        if recipe.bias == "all" or not has_norm:
            shapes[f"{name}.linear.bias"] = (fan_out,)
        if has_norm:
            shapes |= {f"{name}.norm.weight": (fan_out,), f"{name}.norm.bias": (fan_out,)}
        if has_norm and recipe.norm == "batch":
            spread = "running_std" if recipe.norm_convention == "notebook" else "running_var"
            shapes |= {f"{name}.norm.running_mean": (fan_out,), f"{name}.norm.{spread}": (fan_out,)}
        size = fan_out
    return shapes


def values_per_layer(recipe: Recipe, vocab_size: int) -> list[int]:
    """How many numbers of one example enter the network, then how many each hidden layer makes of them.

    A one-hot input takes the rows of the first weight that it picks.
    """
    positions, first = recipe.context, (*recipe.hidden, vocab_size)[0]
    values = [positions * (first if recipe.embedding == "onehot" else recipe.embedding)]
    for joined, size in zip(num_joined(recipe), recipe.hidden, strict=False):
        positions //= joined
        values.append(positions * size)
    return values
