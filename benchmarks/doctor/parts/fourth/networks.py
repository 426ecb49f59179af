"""The networks of the fourth part: of other kinds than those of the parts before."""

import torch
import torch.nn.functional as F
from benchmarks.doctor.networks import HandNorm, Parts, Positioned, Recurrent, house_network
from benchmarks.doctor.parts.fourth.corpora import NUM_ITEMS, NUM_USERS
from benchmarks.doctor.sources import CONTEXT
from torch import Tensor, nn

from moreish.recipe import Recipe


def tied(V: int, width: int = 48, dropout: float = 0.0) -> nn.Module:
    """An LSTM that speaks with its embedding: Press & Wolf 2017, arXiv:1608.05859; begins small, as in AWD-LSTM."""
    embed, head = nn.Embedding(V, 24), nn.Linear(24, V)
    nn.init.uniform_(embed.weight, -0.3, 0.3)
    nn.init.zeros_(head.bias)
    head.weight = embed.weight
    return Parts(embed, nn.Sequential(Recurrent(nn.LSTM, 24, width, dropout), nn.Linear(width, 24)), head)


class ConvolvedGRU(nn.Module):
    """Recordings (B, T, C) → last state (B, E) of a GRU that reads what three convolutions made of them."""

    def __init__(self, width: int, biases: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(2, 12, 5, stride=2, padding=2, bias=biases > 0), nn.BatchNorm1d(12), nn.ReLU(),
            nn.Conv1d(12, 16, 3, stride=2, padding=1, bias=biases > 1), nn.BatchNorm1d(16), nn.ReLU(),
            nn.Conv1d(16, 16, 3, padding=1, bias=biases > 2), nn.BatchNorm1d(16), nn.ReLU(),
        )  # fmt: skip
        self.rnn, self.dropout = nn.GRU(16, width, batch_first=True), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = self.convolutions(x.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.rnn(h)[1][-1])


def convgru(V: int, width: int = 24, biases: int = 0, dropout: float = 0.0) -> nn.Module:
    return Parts(None, ConvolvedGRU(width, biases, dropout), nn.Linear(width, V))


def dilated(V: int, width: int = 16, dropout: float = 0.0, activation: str = "ReLU") -> nn.Module:
    """Convolutions that look ever further, one of them depthwise, and the largest of four places; no norm at all."""
    kind = getattr(nn, activation)
    body = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), kind(), nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=12), kind(),
        nn.Conv2d(12, 16, 1), kind(), nn.MaxPool2d(2),
        nn.Conv2d(16, width, 3, padding=2, dilation=2), kind(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(dropout),
    )  # fmt: skip
    for layer in body:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return Parts(None, body, nn.Linear(9 * width, V))


class Causal(nn.Module):
    """PyTorch's encoder with its causal mask: a place sees those up to `ahead` places after its own."""

    def __init__(self, size: int, ahead: int, layers: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(size, 4, 2 * size, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(size), enable_nested_tensor=False)
        self.ahead = ahead

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(self.ahead + 1)
        return self.encoder(x, mask=hidden)


def decoder(V: int, width: int = 32, ahead: int = 0, layers: int = 2, dropout: float = 0.1) -> nn.Module:
    return Parts(Positioned(V, width), Causal(width, ahead, layers, dropout), nn.Linear(width, V))


class Who(nn.Module):
    """A user and an item, (B, 2) → their embeddings and the product of these, side by side."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(NUM_USERS, size), nn.Embedding(NUM_ITEMS, size)
        nn.init.normal_(self.users.weight, std=0.3)
        nn.init.normal_(self.items.weight, std=0.3)

    def forward(self, x: Tensor) -> Tensor:
        user, item = self.users(x[:, 0]), self.items(x[:, 1])
        return torch.cat((user, item, user * item), 1)


def _tower(sizes: tuple[int, ...], norms: int, dropout: float) -> nn.Sequential:
    """ReLU layers; the first `norms` of them with a hand-made batch norm."""
    layers: list[nn.Module] = []
    for index in range(len(sizes) - 1):
        linear = nn.Linear(sizes[index], sizes[index + 1])
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, *([HandNorm(sizes[index + 1])] if index < norms else []), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def recommender(V: int, width: int = 48, norms: int = 0, dropout: float = 0.0) -> nn.Module:
    """The tower of He et al. 2017, arXiv:1708.05031, section 3.3, which ends in one answer, yes or no."""
    return Parts(Who(16), _tower((48, width, 32, 16), norms, dropout), nn.Linear(16, V))


class Waves(nn.Module):
    """Sines and cosines of random waves along the coordinates: Tancik et al. 2020, arXiv:2006.10739, section 4."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("waves", torch.randn(2, count) * 1.5)

    def forward(self, x: Tensor) -> Tensor:
        angles = x @ self.waves
        return torch.cat((angles.sin(), angles.cos()), 1)


def fourier(V: int, width: int = 48, norms: int = 0, dropout: float = 0.0) -> nn.Module:
    return Parts(Waves(24), _tower((48, width, 48, 48), norms, dropout), nn.Linear(48, V))


class Experts(nn.Module):
    """The experts' answers, each weighted by a gate: Jacobs et al. 1991, Neural Computation 3(1). All of them answer.

    An expert is a gated linear unit, a · sigmoid(b).
    """

    def __init__(self, inputs: int, size: int, count: int) -> None:
        super().__init__()
        self.gate = nn.Linear(inputs, count)
        self.experts = nn.ModuleList(nn.Linear(inputs, 2 * size) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        answers = torch.stack([F.glu(expert(x)) for expert in self.experts], 1)
        return (self.gate(x).softmax(-1)[..., None] * answers).sum(1)


def experts(V: int, width: int = 32, layers: int = 2, dropout: float = 0.0) -> nn.Module:
    """Mixtures of four experts, each followed by a layer norm."""
    body: list[nn.Module] = []
    for index in range(layers):
        body += [Experts(10 if index == 0 else width, width, 4), nn.LayerNorm(width)]
    return Parts(None, nn.Sequential(*body, nn.Dropout(dropout)), nn.Linear(width, V))


def house_taper(
    V: int, width: int = 32, biases: bool = False, bias_scale: float = 0.0, norm: str = "batch",
    activation: str = "tanh", dropout: float = 0.1,
) -> nn.Module:  # fmt: skip
    bias = "all" if biases else "auto"
    return house_network(V, Recipe(context=CONTEXT, embedding=10, hidden=(96, 64, width), activation=activation,
                                   norm=norm, bias=bias, bias_scale=bias_scale, dropout=dropout,
                                   init="orthogonal"))  # fmt: skip
