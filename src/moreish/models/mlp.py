"""The feed-forward networks: embed T characters, join them, hidden layers, output layer.

The MLP joins all characters at once (Bengio et al. 2003, "A neural probabilistic language model", section 2, without
its direct connections); the hierarchical network joins two neighbours in every hidden layer (see `joining`).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moreish.draws import dropout_mask, seed_for
from moreish.models.initialisation import draw_bias, draw_weight, recommended_gain
from moreish.models.joining import joined_shape, num_joined
from moreish.models.normalisation import BatchNorm, LayerNorm, make_norm
from moreish.recipe import Recipe

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": F.relu, "gelu": F.gelu}


class Linear(nn.Module):
    """x @ W + b: (…, fan_in) → (…, fan_out), the weight as the notebooks hold it, (fan_in, fan_out)."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        out = x @ self.weight
        return out if self.bias is None else out + self.bias


class Embedding(nn.Module):
    """Rows of a table: ids (B, T) → (B, T, E)."""

    weight: nn.Parameter

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight)


class OneHot(nn.Module):
    """Ids (B, T) → (B, T, V) of zeros with a single one; no parameters."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size: int = vocab_size

    def forward(self, ids: Tensor) -> Tensor:
        return F.one_hot(ids, self.vocab_size).float()


class CounterDropout(nn.Module):
    """Dropout whose mask is a function of (seed, step, layer, position), so that any engine can repeat it.

    The engine sets `step` before each forward pass.
    """

    def __init__(self, rate: float, seed: int, layer: int) -> None:
        super().__init__()
        self.rate: float = rate
        self.seed: int = seed
        self.layer: int = layer
        self.step: int = 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mask = dropout_mask(self.seed, self.step, self.layer, tuple(x.shape), self.rate)
        return x * torch.from_numpy(mask).to(x.device)


class Layer(nn.Module):
    """Join neighbours, Linear, then norm, activation and dropout where there are any.

    Positions that are still apart, (B, L, C), become (B, L/n, H), or (B, H) where one is left; (B, C) becomes (B, H).
    """

    def __init__(
        self,
        num_joined: int,
        linear: Linear,
        norm: BatchNorm | LayerNorm | None = None,
        activation: Callable[[Tensor], Tensor] | None = None,
        dropout: CounterDropout | None = None,
    ) -> None:
        super().__init__()
        self.num_joined: int = num_joined
        self.linear: Linear = linear
        self.norm: BatchNorm | LayerNorm | None = norm
        self.activation: Callable[[Tensor], Tensor] | None = activation
        self.dropout: CounterDropout | None = dropout

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            x = x.view(joined_shape(x.shape, self.num_joined))
        x = self.linear(x)
        if self.norm is not None:
            x = self.norm(x)
        if self.activation is not None:
            x = self.activation(x)
        return x if self.dropout is None else self.dropout(x)


class MLP(nn.Module):
    """Contexts (B, T) of ids → logits (B, V): the MLP, or the hierarchical network, whichever the recipe names.

    Parameters are drawn in the order embedding, then weight and bias of each layer, then of the output layer: the order
    of the notebooks.

    Args:
        recipe: the fields under model and initialisation are used.
        vocab_size: V.
        generator: of the draws.
    """

    def __init__(self, recipe: Recipe, vocab_size: int, generator: torch.Generator) -> None:
        super().__init__()
        if recipe.embedding == "onehot":
            self.embedding: Embedding | OneHot = OneHot(vocab_size)
            size = vocab_size
        else:
            self.embedding = Embedding(torch.randn((vocab_size, recipe.embedding), generator=generator))
            size = recipe.embedding
        *joined, joined_last = num_joined(recipe)
        self.layers: nn.ModuleList = nn.ModuleList()
        for index, hidden_size in enumerate(recipe.hidden):
            self.layers.append(_hidden_layer(recipe, index, joined[index], size, hidden_size, generator))
            size = hidden_size
        self.head: Layer = _output_layer(recipe, joined_last, size, vocab_size, generator)

    def forward(self, contexts: Tensor) -> Tensor:
        x = self.embedding(contexts)  # (B, T, E)
        for layer in self.layers:
            x = layer(x)  # (B, L, H), in the end (B, H)
        return self.head(x)  # (B, V)


def _hidden_layer(
    recipe: Recipe, index: int, num_joined: int, size: int, fan_out: int, generator: torch.Generator
) -> Layer:
    gain = recommended_gain(recipe.init, recipe.activation) if recipe.gain is None else recipe.gain
    weight = draw_weight(recipe.init, num_joined * size, fan_out, gain, generator)
    bias = None
    if recipe.bias == "all" or recipe.norm == "none":
        bias = draw_bias(recipe.init, fan_out, recipe.bias_scale, generator)
    norm = make_norm(recipe.norm, fan_out, recipe.norm_convention)
    dropout = CounterDropout(recipe.dropout, seed_for(recipe.seed, "dropout"), index) if recipe.dropout else None
    return Layer(num_joined, Linear(weight, bias), norm, ACTIVATIONS[recipe.activation], dropout)


def _output_layer(recipe: Recipe, num_joined: int, size: int, vocab_size: int, generator: torch.Generator) -> Layer:
    scheme = recipe.head_init or recipe.init
    weight = draw_weight(scheme, num_joined * size, vocab_size, 1.0, generator)
    bias = None
    if recipe.bias == "all" or not recipe.norm_output:
        bias = draw_bias(scheme, vocab_size, recipe.head_bias_scale, generator)
    norm = make_norm(recipe.norm, vocab_size, recipe.norm_convention) if recipe.norm_output else None
    if norm is None:
        weight = weight * recipe.head_scale
    else:
        norm.weight.data *= recipe.head_scale
    return Layer(num_joined, Linear(weight, bias), norm)
