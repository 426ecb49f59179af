"""The networks held out from tuning: of other kinds than those of the parts before."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from benchmarks.doctor.networks import Parts, house_network
from benchmarks.doctor.parts.fifth.corpora import NUM_ATOMS, NUM_KINDS, NUM_SENSORS
from benchmarks.doctor.sources import CONTEXT
from torch import Tensor, nn

from moreish.recipe import Recipe


def _turned(x: Tensor) -> Tensor:
    """(B, H, T, D) → each pair of numbers, D / 2 apart, turned by an angle that grows with the place.

    Su et al. 2021, arXiv:2104.09864, section 3.4; slower at first than theirs, for eight places.
    """
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] / 100.0 ** (torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1)


class ParallelBlock(nn.Module):
    """x + attention(norm(x)) + mlp(norm(x)), as in GPT-J; two heads of queries share their keys and values.

    So Ainslie et al. 2023, arXiv:2305.13245, section 2.2. A place sees those up to `ahead` places after its own.
    """

    def __init__(self, size: int, ahead: int, zero: bool, dropout: float) -> None:
        super().__init__()
        self.norm, self.dropout, self.ahead = nn.LayerNorm(size), nn.Dropout(dropout), ahead
        self.q, self.k, self.v = nn.Linear(size, size), nn.Linear(size, size // 2), nn.Linear(size, size // 2)
        self.out = nn.Linear(size, size)
        self.up, self.down = nn.Linear(size, 3 * size), nn.Linear(3 * size, size)
        if zero:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        B, T, E = x.shape
        h = self.norm(x)
        q, k, v = (layer(h).view(B, T, -1, E // 4).transpose(1, 2) for layer in (self.q, self.k, self.v))
        q, k, v = _turned(q), _turned(k).repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        hidden = torch.ones(T, T, dtype=torch.bool).triu(self.ahead + 1)
        weights = (q @ k.transpose(-2, -1) / (E // 4) ** 0.5).masked_fill(hidden, float("-inf")).softmax(-1)
        attended = self.out((weights @ v).transpose(1, 2).reshape(B, T, E))
        return x + self.dropout(attended + self.down(F.gelu(self.up(h))))


def rotary(
    V: int, width: int = 32, ahead: int = 0, layers: int = 2, zero: bool = False, dropout: float = 0.0
) -> nn.Module:
    blocks = [ParallelBlock(width, ahead, zero, dropout) for _ in range(layers)]
    return Parts(nn.Embedding(V, width), nn.Sequential(*blocks, nn.LayerNorm(width)), nn.Linear(width, V))


class Excited(nn.Module):
    """relu(x + s · convolutions(x)): grouped convolutions between narrow ones, each channel weighted by a gate s.

    Xie et al. 2017, arXiv:1611.05431, section 3.1; Hu et al. 2018, arXiv:1709.01507, section 3; with group norm.
    """

    def __init__(self, size: int, zero: bool) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(size, size, 1, bias=False), nn.GroupNorm(4, size), nn.ReLU(),
            nn.Conv2d(size, size, 3, padding=1, groups=4, bias=False), nn.GroupNorm(4, size), nn.ReLU(),
            nn.Conv2d(size, size, 1, bias=False), nn.GroupNorm(4, size),
        )  # fmt: skip
        self.squeeze, self.excite = nn.Linear(size, size // 2), nn.Linear(size // 2, size)
        if zero:
            nn.init.zeros_(self.convolutions[-1].weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.convolutions(x)
        gate = self.excite(F.relu(self.squeeze(h.mean((2, 3))))).sigmoid()
        return F.relu(x + gate[..., None, None] * h)


def excited(V: int, width: int = 16, layers: int = 2, zero: bool = False, dropout: float = 0.0) -> nn.Module:
    body = nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.GroupNorm(4, width), nn.ReLU(),
        *(Excited(width, zero) for _ in range(layers)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout),
    )  # fmt: skip
    return Parts(None, body, nn.Linear(width, V))


class Messages(nn.Module):
    """Nodes (B, N, E) and which are neighbours, side by side → the same, after all nodes have heard their neighbours.

    activation(linear(node, sum of its neighbours)): Gilmer et al. 2017, arXiv:1704.01212, section 2.
    """

    def __init__(self, inputs: int, size: int, activation: str) -> None:
        super().__init__()
        self.linear, self.activation = nn.Linear(2 * inputs, size), getattr(nn, activation)()
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        nodes, edges = x[..., :-NUM_ATOMS], x[..., -NUM_ATOMS:]
        told = torch.cat((nodes, edges @ nodes / 2), -1)  # a node has about two neighbours
        return torch.cat((self.activation(self.linear(told)), edges), -1)


class Readout(nn.Module):
    """The mean over the nodes, without the edges."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :-NUM_ATOMS].mean(1)


def graph(V: int, width: int = 32, layers: int = 4, dropout: float = 0.0, activation: str = "ReLU") -> nn.Module:
    sizes = [NUM_KINDS, *[32] * (layers - 1), width]
    rounds = [Messages(a, b, activation) for a, b in pairwise(sizes)]
    return Parts(None, nn.Sequential(*rounds, Readout(), nn.Dropout(dropout)), nn.Linear(width, V))


class WaveBlock(nn.Module):
    """tanh(a) · sigmoid(b) of a dilated convolution of two places; a part goes on, a part is kept for the end.

    Van den Oord et al. 2016, arXiv:1609.03499, sections 2.3 and 2.4.
    """

    def __init__(self, size: int, dilation: int, is_late: bool, is_last: bool) -> None:
        super().__init__()
        self.pad = nn.ZeroPad1d((0, dilation) if is_late else (dilation, 0))
        self.gated = nn.Conv1d(size, 2 * size, 2, dilation=dilation)
        self.on, self.kept = nn.Identity() if is_last else nn.Conv1d(size, size, 1), nn.Conv1d(size, size, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.gated(self.pad(x)).chunk(2, 1)
        h = a.tanh() * b.sigmoid()
        return x + self.on(h), self.kept(h)


class WaveNet(nn.Module):
    """Features (B, T, E) → what three blocks kept, added, and a layer; the first `ahead` of them look ahead."""

    def __init__(self, size: int, width: int, ahead: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(WaveBlock(size, 2**index, index < ahead, index == 2) for index in range(3))
        self.last, self.dropout = nn.Conv1d(size, width, 1), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x, total = x.transpose(1, 2), 0
        for block in self.blocks:
            x, kept = block(x)
            total = total + kept
        return self.dropout(self.last(F.relu(total)).relu().transpose(1, 2))


def wavenet(V: int, width: int = 48, ahead: int = 0, dropout: float = 0.0) -> nn.Module:
    body = WaveNet(32, width, ahead, dropout)
    for layer in body.modules():
        if isinstance(layer, nn.Conv1d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
    return Parts(nn.Embedding(V, 32), body, nn.Linear(width, V))


def autoencoder(V: int, width: int = 6, biases: int = 0, dropout: float = 0.0) -> nn.Module:
    """Vincent et al. 2010, JMLR 11: noisy numbers, a narrow code, and the numbers without noise."""
    body = nn.Sequential(
        nn.Linear(NUM_SENSORS, 48, bias=biases > 0), nn.BatchNorm1d(48), nn.ReLU(),
        nn.Linear(48, width),
        nn.Linear(width, 48, bias=biases > 1), nn.BatchNorm1d(48), nn.ReLU(),
        nn.Linear(48, 48, bias=biases > 2), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(dropout),
    )  # fmt: skip
    return Parts(None, body, nn.Linear(48, NUM_SENSORS))


def house_pairs(
    V: int, width: int = 48, norm: str = "layer", activation: str = "gelu", dropout: float = 0.1
) -> nn.Module:
    return house_network(V, Recipe(model="hierarchical", context=CONTEXT, embedding=12, hidden=(32, 48, width),
                                   activation=activation, norm=norm, dropout=dropout))  # fmt: skip
