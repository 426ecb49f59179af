"""The networks of the tuned part: small, in plain PyTorch as strangers write them, and ours; each with an embedding, a
body and a head."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from benchmarks.doctor.sources import CONTEXT
from torch import Tensor, nn

from moreish.models import mlp as house
from moreish.recipe import Recipe

WIDTH = 32


class Parts(nn.Module):
    """Embedding (where there are ids), body, head."""

    def __init__(self, embed: nn.Module | None, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.embed, self.body, self.head = embed, body, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x if self.embed is None else self.embed(x)))


class HandNorm(nn.Module):
    """Batch norm written by hand: unlike PyTorch's, it takes a batch of one."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = x.mean(0), x.var(0, unbiased=False)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 0.1)
                self.running_var.lerp_(variance, 0.1)
        return (x - mean) / (variance + 1e-5).sqrt() * self.weight + self.bias


def _layers(sizes: list[int], activation: type[nn.Module], gain: float, norms: int, dropout: float) -> nn.Sequential:
    """Fully connected layers; the first `norms` of them with a hand-made batch norm."""
    layers: list[nn.Module] = [nn.Flatten()]
    for index, (a, b) in enumerate(pairwise(sizes)):
        linear = nn.Linear(a, b)
        nn.init.normal_(linear.weight, std=gain / a**0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, *([HandNorm(b)] if index < norms else []), activation()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def mlp(V: int, width: int = 64, norms: int = 0, dropout: float = 0.0, activation: str = "Tanh") -> nn.Module:
    body = _layers([CONTEXT * 16, width], getattr(nn, activation), 1.0, norms, dropout)
    return Parts(nn.Embedding(V, 16), body, nn.Linear(width, V))


def deep(V: int, width: int = 64, norms: int = 0, dropout: float = 0.0, activation: str = "ReLU") -> nn.Module:
    body = _layers([CONTEXT * 16, width, *[64] * 5], getattr(nn, activation), 2**0.5, norms, dropout)
    return Parts(nn.Embedding(V, 16), body, nn.Linear(64, V))


def regressor(V: int, width: int = 64, norms: int = 0, dropout: float = 0.0) -> nn.Module:
    return Parts(None, _layers([10, width, *[64] * 4], nn.ReLU, 2**0.5, norms, dropout), nn.Linear(64, V))


def tanhnet(V: int, width: int = 48, norms: int = 0, dropout: float = 0.0) -> nn.Module:
    return Parts(None, _layers([10, width, *[48] * 5], nn.Tanh, 5 / 3, norms, dropout), nn.Linear(48, V))


def cnn(V: int, width: int = 16, biases: int = 0, dropout: float = 0.1) -> nn.Module:
    body = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=biases > 0), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=biases > 1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, width, 3, stride=2, padding=1, bias=biases > 2), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Flatten(), nn.Dropout(dropout),
    )  # fmt: skip
    return Parts(None, body, nn.Linear(width * 9, V))


class Residual(nn.Module):
    """x + conv(relu(norm(conv(x)))), normalised; `zero` starts it as the identity."""

    def __init__(self, size: int, bias: bool, zero: bool) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(size, size, 3, padding=1, bias=bias), nn.BatchNorm2d(size)
        self.conv2, self.norm2 = nn.Conv2d(size, size, 3, padding=1, bias=bias), nn.BatchNorm2d(size)
        if zero:
            nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


def rescnn(V: int, width: int = 12, biases: int = 0, zero: bool = False, dropout: float = 0.0) -> nn.Module:
    body = nn.Sequential(
        nn.Conv2d(1, width, 3, stride=2, padding=1, bias=biases > 0), nn.BatchNorm2d(width), nn.ReLU(),
        Residual(width, biases > 1, zero), Residual(width, biases > 2, zero),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout),
    )  # fmt: skip
    return Parts(None, body, nn.Linear(4 * width, V))


class Recurrent(nn.Module):
    """The outputs of an nn.LSTM, nn.GRU or nn.RNN, without its last state."""

    def __init__(
        self, kind: type[nn.RNNBase], size: int, width: int, dropout: float, bidirectional: bool = False
    ) -> None:
        super().__init__()
        self.rnn = kind(size, width, batch_first=True, bidirectional=bidirectional)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.rnn(x)[0])


def lstm(V: int, width: int = 48, dropout: float = 0.0) -> nn.Module:
    return Parts(nn.Embedding(V, 16), Recurrent(nn.LSTM, 16, width, dropout), nn.Linear(width, V))


def gru(V: int, width: int = 48, dropout: float = 0.0) -> nn.Module:
    return Parts(nn.Embedding(V, 16), Recurrent(nn.GRU, 16, width, dropout), nn.Linear(width, V))


def elman(V: int, width: int = 48, dropout: float = 0.0) -> nn.Module:
    """A plain tanh network, its recurrent weights orthogonal at first."""
    body = Recurrent(nn.RNN, 16, width, dropout)
    nn.init.orthogonal_(body.rnn.weight_hh_l0)
    return Parts(nn.Embedding(V, 16), body, nn.Linear(width, V))


class Positioned(nn.Module):
    """Tokens plus learned positions."""

    def __init__(self, V: int, size: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(V, size), nn.Embedding(CONTEXT, size)
        nn.init.normal_(self.tokens.weight, std=0.5)
        nn.init.normal_(self.positions.weight, std=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x) + self.positions(torch.arange(x.shape[1]))


class Attention(nn.Module):
    """Two heads; a position sees those up to `ahead` places after its own."""

    def __init__(self, size: int, ahead: int) -> None:
        super().__init__()
        self.qkv, self.out, self.ahead = nn.Linear(size, 3 * size), nn.Linear(size, size), ahead

    def forward(self, x: Tensor) -> Tensor:
        B, T, E = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, 2, E // 2).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / (E // 2) ** 0.5
        scores = scores.masked_fill(torch.ones(T, T).tril(self.ahead) == 0, float("-inf"))
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, E))


class Block(nn.Module):
    def __init__(self, size: int, ahead: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(size), Attention(size, ahead)
        self.norm2, self.dropout = nn.LayerNorm(size), nn.Dropout(dropout)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


def gpt(
    V: int, width: int = WIDTH, ahead: int = 0, layers: int = 2, zero: bool = False, dropout: float = 0.0
) -> nn.Module:
    blocks = [Block(width, ahead, dropout) for _ in range(layers)]
    model = Parts(Positioned(V, width), nn.Sequential(*blocks, nn.LayerNorm(width)), nn.Linear(width, V))
    if zero:
        for block in blocks:
            nn.init.zeros_(block.attention.out.weight)
            nn.init.zeros_(block.mlp[2].weight)
        nn.init.zeros_(model.head.weight)
    return model


class GatedBlock(nn.Module):
    """RMS norm, fused attention, and a gated layer: Touvron et al. 2023, arXiv:2302.13971, section 2.2."""

    def __init__(self, size: int, ahead: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(size), nn.RMSNorm(size)
        self.q, self.k, self.v, self.out = (nn.Linear(size, size, bias=False) for _ in range(4))
        self.gate, self.up = nn.Linear(size, 2 * size, bias=False), nn.Linear(size, 2 * size, bias=False)
        self.down = nn.Linear(2 * size, size, bias=False)
        self.ahead, self.dropout = ahead, nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        B, T, E = x.shape
        h = self.norm1(x)
        q, k, v = (layer(h).view(B, T, 2, E // 2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mask = torch.ones(T, T, dtype=torch.bool).tril(self.ahead)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.dropout(self.out(h.transpose(1, 2).reshape(B, T, E)))
        h = self.norm2(x)
        return x + self.dropout(self.down(F.silu(self.gate(h)) * self.up(h)))


def llama(V: int, width: int = WIDTH, ahead: int = 0, zero: bool = False, dropout: float = 0.0) -> nn.Module:
    blocks = [GatedBlock(width, ahead, dropout) for _ in range(2)]
    if zero:
        for block in blocks:
            nn.init.zeros_(block.out.weight)
            nn.init.zeros_(block.down.weight)
    return Parts(Positioned(V, width), nn.Sequential(*blocks, nn.RMSNorm(width)), nn.Linear(width, V, bias=False))


class MixerBlock(nn.Module):
    """Mix positions, then channels: Tolstikhin et al. 2021, arXiv:2105.01601, section 2."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.positions = nn.Sequential(nn.Linear(CONTEXT, 16), nn.GELU(), nn.Linear(16, CONTEXT))
        self.channels = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.positions(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


def mixer(V: int, width: int = WIDTH, dropout: float = 0.1) -> nn.Module:
    body = nn.Sequential(MixerBlock(width), MixerBlock(width), nn.Flatten(), nn.Dropout(dropout))
    return Parts(Positioned(V, width), body, nn.Linear(CONTEXT * width, V))


def house_network(V: int, recipe: Recipe) -> nn.Module:
    return house.MLP(recipe, V, torch.Generator().manual_seed(int(torch.randint(2**31, ()))))


def house_mlp(V: int, width: int = 64, biases: bool = False, bias_scale: float = 0.0, norm: str = "batch") -> nn.Module:
    bias = "all" if biases else "auto"
    return house_network(V, Recipe(context=CONTEXT, embedding=16, hidden=(width,), activation="tanh", norm=norm,
                                   bias=bias, bias_scale=bias_scale))  # fmt: skip


def house_hierarchical(V: int, width: int = 48, biases: bool = False) -> nn.Module:
    bias = "all" if biases else "auto"
    return house_network(V, Recipe(model="hierarchical", context=CONTEXT, embedding=16, hidden=(width, 48, 48),
                                   activation="tanh", norm="batch", bias=bias))  # fmt: skip
