"""A recipe's whole network in fused expressions: the loss of a batch, and the gradient of every weight.

Weights are plain arrays under the names of the PyTorch module: embedding.weight, layers.0.linear.weight, …,
head.linear.bias. This is what the `manual` engine trains with, and what the native kernels are held to.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from moreish.backprop.activations import ACTIVATIONS
from moreish.backprop.arrays import Floats, Ids
from moreish.backprop.batch_norm import (
    BatchNormCache,
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_running,
)
from moreish.backprop.cross_entropy import CrossEntropyCache, cross_entropy_backward, cross_entropy_forward
from moreish.backprop.dropout import dropout_backward, dropout_forward
from moreish.backprop.embedding import EmbeddingCache, embedding_backward, embedding_forward, one_hot
from moreish.backprop.joining import JOININGS
from moreish.backprop.layer_norm import LayerNormCache, layer_norm_backward, layer_norm_forward
from moreish.backprop.linear import LinearCache, linear_backward, linear_forward
from moreish.draws import dropout_mask, seed_for
from moreish.models.conventions import CONVENTIONS
from moreish.recipe import Recipe

Weights = Mapping[str, Floats]
Seen = dict[str, dict[str, Floats]]  # of each layer, by name: preactivation, output, doutput


class Layer(NamedTuple):
    """What one linear layer is surrounded with; None for what it does not have."""

    name: str
    joining: str | None
    norm: str | None
    activation: str | None
    dropout: int | None  # the layer's number in the draw


class LayerCache(NamedTuple):
    """What the forward pass of one layer keeps; None for what it does not have."""

    joining: tuple[int, ...] | None
    linear: LinearCache
    norm: BatchNormCache | LayerNormCache | None
    activation: Any
    dropout: Floats | None


class NetworkCache(NamedTuple):
    """What the network's forward pass keeps."""

    embedding: EmbeddingCache | None
    layers: list[tuple[Layer, LayerCache]]
    cross_entropy: CrossEntropyCache


def loss_and_gradients(
    recipe: Recipe, weights: Weights, contexts: Ids, targets: Ids, step: int = 0
) -> tuple[float, dict[str, Floats]]:
    """`network_forward`, then `network_backward`."""
    loss, cache = network_forward(recipe, weights, contexts, targets, step)
    return loss, network_backward(cache)


def network_forward(
    recipe: Recipe, weights: Weights, contexts: Ids, targets: Ids, step: int = 0, seen: Seen | None = None
) -> tuple[float, NetworkCache]:
    """The mean loss of a batch in training: batch norm by the batch, dropout as drawn for this step.

    Args:
        recipe: the fields under model, and the seed, are used.
        weights: parameters by name; buffers are not read. Their dtype is that of the computation.
        contexts: (B, T).
        targets: (B,).
        step: that dropout is drawn for.
        seen: receives what comes into every layer's nonlinearity, and what the layer passes on.

    Returns:
        The loss in nats, and what `network_backward` and `running_statistics` need.

    Raises:
        ShapeError: a batch of one under batch norm, or weights that do not fit each other or the context.
    """
    if recipe.embedding == "onehot":
        head = weights["head.linear.weight"]
        x, embedding = one_hot(contexts, head.shape[1], head.dtype), None  # (B, T, V)
    else:
        x, embedding = embedding_forward(weights["embedding.weight"], contexts)  # (B, T, E)
    caches: list[tuple[Layer, LayerCache]] = []
    for layer in layers_of(recipe):
        x, cache = _layer_forward(recipe, weights, layer, x, step, seen)  # (B, H) or (B, L, H); (B, V) from the head
        caches.append((layer, cache))
    loss, cross_entropy = cross_entropy_forward(x, targets)
    return loss, NetworkCache(embedding, caches, cross_entropy)


def network_backward(cache: NetworkCache, seen: Seen | None = None) -> dict[str, Floats]:
    """The gradient of the loss with respect to every parameter, under the parameter's name.

    Args:
        cache: what `network_forward` kept.
        seen: that it filled; receives the gradient with respect to what every layer passes on.
    """
    gradients: dict[str, Floats] = {}
    dx = cross_entropy_backward(cache.cross_entropy)  # (B, V)
    for layer, layer_cache in reversed(cache.layers):
        if seen is not None:
            seen[layer.name]["doutput"] = dx
        dx, layer_gradients = _layer_backward(layer, dx, layer_cache)
        gradients |= layer_gradients
    if cache.embedding is not None:
        gradients["embedding.weight"] = embedding_backward(dx, cache.embedding)  # (V, E)
    return gradients


def running_statistics(recipe: Recipe, weights: Weights, cache: NetworkCache) -> dict[str, Floats]:
    """The buffers of every batch norm after this batch, under their names in `weights`; new arrays."""
    convention = CONVENTIONS[recipe.norm_convention]
    spread_name = "running_std" if convention.keeps_std else "running_var"
    buffers: dict[str, Floats] = {}
    for layer, layer_cache in cache.layers:
        if isinstance(layer_cache.norm, BatchNormCache):
            names = (f"{layer.name}.norm.running_mean", f"{layer.name}.norm.{spread_name}")
            mean, spread = (weights[name] for name in names)
            buffers |= zip(names, batch_norm_running(mean, spread, layer_cache.norm, convention), strict=True)
    return buffers


def layers_of(recipe: Recipe) -> list[Layer]:
    """The hidden layers and the head, in the order of the forward pass."""
    norm = None if recipe.norm == "none" else recipe.norm
    joins_pairs = recipe.model == "hierarchical"
    layers = [
        Layer(
            name=f"layers.{index}",
            joining="pairs" if joins_pairs else "flat" if index == 0 else None,
            norm=norm,
            activation=recipe.activation,
            dropout=index if recipe.dropout else None,
        )
        for index in range(len(recipe.hidden))
    ]
    head_joining = "flat" if joins_pairs or not layers else None  # (B, 1, H) → (B, H) where the pairs have met
    return [*layers, Layer("head", head_joining, norm if recipe.norm_output else None, None, None)]


def _layer_forward(
    recipe: Recipe, weights: Weights, layer: Layer, x: Floats, step: int, seen: Seen | None
) -> tuple[Floats, LayerCache]:
    joining = norm = activation = dropout = None
    if layer.joining:
        x, joining = JOININGS[layer.joining].forward(x)
    x, linear = linear_forward(x, weights[f"{layer.name}.linear.weight"], weights.get(f"{layer.name}.linear.bias"))
    if layer.norm:
        gamma, beta = weights[f"{layer.name}.norm.weight"], weights[f"{layer.name}.norm.bias"]
        if layer.norm == "batch":
            convention = CONVENTIONS[recipe.norm_convention]
            x, norm = batch_norm_forward(x, gamma, beta, convention.correction, convention.epsilon)
        else:
            x, norm = layer_norm_forward(x, gamma, beta)
    preactivation = x
    if layer.activation:
        x, activation = ACTIVATIONS[layer.activation].forward(x)
    if layer.dropout is not None:
        mask = dropout_mask(seed_for(recipe.seed, "dropout"), step, layer.dropout, x.shape, recipe.dropout)
        x, dropout = dropout_forward(x, mask)
    if seen is not None:
        seen[layer.name] = {"preactivation": preactivation, "output": x}
    return x, LayerCache(joining, linear, norm, activation, dropout)


def _layer_backward(layer: Layer, dx: Floats, cache: LayerCache) -> tuple[Floats, dict[str, Floats]]:
    gradients: dict[str, Floats] = {}
    if cache.dropout is not None:
        dx = dropout_backward(dx, cache.dropout)
    if layer.activation:
        dx = ACTIVATIONS[layer.activation].backward(dx, cache.activation)
    if cache.norm is not None:
        if isinstance(cache.norm, BatchNormCache):
            dx, dgamma, dbeta = batch_norm_backward(dx, cache.norm)
        else:
            dx, dgamma, dbeta = layer_norm_backward(dx, cache.norm)
        gradients[f"{layer.name}.norm.weight"] = dgamma
        gradients[f"{layer.name}.norm.bias"] = dbeta
    dx, dW, db = linear_backward(dx, cache.linear)
    gradients[f"{layer.name}.linear.weight"] = dW
    if db is not None:
        gradients[f"{layer.name}.linear.bias"] = db
    if layer.joining and cache.joining:
        dx = JOININGS[layer.joining].backward(dx, cache.joining)
    return dx, gradients
