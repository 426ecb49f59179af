"""The networks of the third part: of signals, pictures, words, translations, sets, brackets and series; and ours."""

import math

import torch
import torch.nn.functional as F
from benchmarks.doctor.networks import HandNorm, Parts, house_network
from benchmarks.doctor.parts.third.corpora import NUM_WORDS
from benchmarks.doctor.sources import CONTEXT
from torch import Tensor, nn

from moreish.recipe import Recipe


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(inputs, outputs, 3, padding=1), nn.GroupNorm(2, outputs), nn.SiLU())


class UNet(nn.Module):
    """Signals (B, 1, T) → features (B, E, T), by way of a quarter of T: Ronneberger et al. 2015, arXiv:1505.04597.

    With group norm and SiLU, as in diffusion models.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.down1, self.down2 = _convolution(1, size), _convolution(size, 2 * size)
        self.middle = _convolution(2 * size, 2 * size)
        self.up2, self.up1 = _convolution(4 * size, size), _convolution(2 * size, size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x)
        coarse = self.down2(F.max_pool1d(fine, 2))
        h = self.dropout(self.middle(F.max_pool1d(coarse, 2)))
        h = self.up2(torch.cat((F.interpolate(h, scale_factor=2), coarse), 1))
        return self.up1(torch.cat((F.interpolate(h, scale_factor=2), fine), 1))


def unet(V: int, width: int = 8, dropout: float = 0.0) -> nn.Module:
    return Parts(None, UNet(width, dropout), nn.Conv1d(width, V, 1))


class DenseLayer(nn.Module):
    """(x, relu(norm(conv(x)))): Huang et al. 2017, arXiv:1608.06993, with the norm behind the convolution."""

    def __init__(self, inputs: int, growth: int, bias: bool) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(inputs, growth, 3, padding=1, bias=bias), nn.BatchNorm2d(growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, F.relu(self.norm(self.conv(x)))), 1)


def densenet(V: int, width: int = 8, biases: int = 0, dropout: float = 0.0) -> nn.Module:
    """Three convolutions, each of which reads all before it."""
    body = nn.Sequential(
        nn.Conv2d(1, 12, 3, stride=2, padding=1, bias=biases > 0), nn.BatchNorm2d(12), nn.ReLU(),
        DenseLayer(12, width, biases > 1), DenseLayer(12 + width, width, biases > 2), nn.AvgPool2d(2),
        nn.Flatten(), nn.Dropout(dropout),
    )  # fmt: skip
    return Parts(None, body, nn.Linear(9 * (12 + 2 * width), V))


class Highway(nn.Module):
    """g · tanh(linear(x)) + (1 - g) · x with a learned gate g: Srivastava et al. 2015, arXiv:1505.00387."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear, self.gate = nn.Linear(size, size), nn.Linear(size, size)
        nn.init.constant_(self.gate.bias, -1.0)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.tanh(self.linear(x)) + (1 - gate) * x


def bag(V: int, width: int = 32, dropout: float = 0.0, layers: int = 2, norms: int = 0) -> nn.Module:
    """The mean of the words' embeddings, then highway layers; as many yes-or-no answers as there are topics.

    The first `norms` layers are followed by a hand-made batch norm.
    """
    body: list[nn.Module] = []
    for index, layer in enumerate([nn.Sequential(nn.Linear(32, width), nn.Tanh()), *map(Highway, [width] * layers)]):
        body += [layer, *([HandNorm(width)] if index < norms else [])]
    body.append(nn.Dropout(dropout))
    embed = nn.EmbeddingBag(NUM_WORDS, 32, mode="mean")
    return Parts(embed, nn.Sequential(*body), nn.Linear(width, V))


class Translator(nn.Module):
    """Encoder, and decoder with attention (B, T, E): Luong et al. 2015, arXiv:1508.04025, section 3.1, scaled.

    The decoder reads learned places instead of what it said before, so that all places are answered at once.
    """

    def __init__(self, size: int, width: int, dropout: float) -> None:
        super().__init__()
        self.encoder = nn.GRU(size, width, batch_first=True)
        self.decoder = nn.GRU(size, width, batch_first=True)
        self.places = nn.Parameter(torch.randn(CONTEXT, size))
        self.sources = nn.Parameter(torch.randn(CONTEXT, width))
        self.q, self.k = nn.Linear(width, width), nn.Linear(width, width)
        self.join, self.dropout = nn.Linear(2 * width, width), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        memory, last = self.encoder(x)
        state, _ = self.decoder(self.places.expand(len(x), -1, -1), last)
        scores = self.q(state) @ self.k(memory + self.sources).transpose(1, 2) / state.shape[-1] ** 0.5
        return self.dropout(torch.tanh(self.join(torch.cat((scores.softmax(-1) @ memory, state), -1))))


def seq2seq(V: int, width: int = 32, dropout: float = 0.0) -> nn.Module:
    return Parts(nn.Embedding(V, 24), Translator(24, width, dropout), nn.Linear(width, V))


class Largest(nn.Module):
    """The largest over the points of a set."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(1)


def sets(V: int, width: int = 48, dropout: float = 0.0, activation: str = "ReLU") -> nn.Module:
    """Layers for each point, the largest, layers for all: Qi et al. 2017, arXiv:1612.00593, section 4.2.

    The output layer begins small.
    """
    kind = getattr(nn, activation)
    body: list[nn.Module] = [nn.Linear(2, width), kind(), nn.Linear(width, 48), kind(), Largest()]
    for _ in range(3):
        body += [nn.Linear(48, 48), kind(), nn.Dropout(dropout)]
    head = nn.Linear(48, V)
    for layer in body:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.normal_(head.weight, std=0.02)
    return Parts(None, nn.Sequential(*body), head)


class Sinusoids(nn.Module):
    """Tokens plus sinusoidal places: Vaswani et al. 2017, arXiv:1706.03762, section 3.5."""

    def __init__(self, V: int, size: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(V, size)
        rates = torch.exp(-math.log(1e4) * torch.arange(0, size, 2) / size)
        angles = torch.arange(CONTEXT)[:, None] * rates
        self.register_buffer("places", torch.stack((angles.sin(), angles.cos()), -1).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x) + self.places[: x.shape[1]]


class PostNormBlock(nn.Module):
    """norm(x + attention(x)), norm(x + mlp(x)), as in the first transformer; a place sees `ahead` places after it."""

    def __init__(self, size: int, ahead: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(size, 4, dropout, batch_first=True)
        self.norm1, self.norm2, self.dropout = nn.LayerNorm(size), nn.LayerNorm(size), nn.Dropout(dropout)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.ReLU(), nn.Linear(4 * size, size))
        self.ahead = ahead

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(self.ahead + 1)
        x = self.norm1(x + self.dropout(self.self_attn(x, x, x, attn_mask=hidden)[0]))
        return self.norm2(x + self.dropout(self.mlp(x)))


def postnorm(V: int, width: int = 32, ahead: int = 0, layers: int = 2, dropout: float = 0.1) -> nn.Module:
    blocks = [PostNormBlock(width, ahead, dropout) for _ in range(layers)]
    return Parts(Sinusoids(V, width), nn.Sequential(*blocks), nn.Linear(width, V))


class Rectified(nn.Module):
    """The last state of a ReLU network, recurrent by the identity at first: Le et al. 2015, arXiv:1504.00941."""

    def __init__(self, size: int, width: int, dropout: float) -> None:
        super().__init__()
        self.rnn = nn.RNN(size, width, nonlinearity="relu", batch_first=True)
        self.dropout = nn.Dropout(dropout)
        nn.init.eye_(self.rnn.weight_hh_l0)
        for bias in (self.rnn.bias_ih_l0, self.rnn.bias_hh_l0):
            nn.init.zeros_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.rnn(x)[1][-1])


def irnn(V: int, width: int = 48, dropout: float = 0.0) -> nn.Module:
    return Parts(None, Rectified(2, width, dropout), nn.Linear(width, V))


def house_wide(
    V: int, width: int = 48, biases: bool = False, bias_scale: float = 0.0, norm: str = "batch",
    activation: str = "tanh", dropout: float = 0.0,
) -> nn.Module:  # fmt: skip
    bias = "all" if biases else "auto"
    return house_network(V, Recipe(context=CONTEXT, embedding=24, hidden=(96, width), activation=activation, norm=norm,
                                   bias=bias, bias_scale=bias_scale, dropout=dropout, init="xavier"))  # fmt: skip
