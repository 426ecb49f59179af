"""The networks of the second part: convolutions, recurrent networks, a vision transformer, residual layers; ours."""

import torch
from benchmarks.doctor.networks import HandNorm, Parts, Recurrent, house_network
from benchmarks.doctor.parts.second.corpora import NUM_TAGGED
from benchmarks.doctor.sources import CONTEXT
from torch import Tensor, nn

from moreish.recipe import Recipe


class CausalBlock(nn.Module):
    """x + conv(gelu(dilated conv(norm(x)))) over places, (B, T, E): Bai et al. 2018, arXiv:1803.01271, section 3.

    A place sees itself and two before it, `dilation` apart; or one before and one after, where it is padded wrongly.
    """

    def __init__(self, size: int, dilation: int, is_centred: bool, zero: bool, dropout: float) -> None:
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(size), nn.Dropout(dropout)
        padding = (dilation, dilation) if is_centred else (2 * dilation, 0)
        self.pad = nn.ZeroPad1d(padding)
        self.wide, self.out = nn.Conv1d(size, 2 * size, 3, dilation=dilation), nn.Conv1d(2 * size, size, 1)
        if zero:
            nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pad(self.norm(x).transpose(1, 2))
        return x + self.dropout(self.out(nn.functional.gelu(self.wide(h))).transpose(1, 2))


def tcn(V: int, width: int = 32, ahead: int = 0, zero: bool = False, dropout: float = 0.0) -> nn.Module:
    """Dilated causal convolutions; the first `ahead` of them are padded on both sides."""
    blocks = [CausalBlock(width, 2**index, index < ahead, zero, dropout) for index in range(3)]
    return Parts(nn.Embedding(V, width), nn.Sequential(*blocks, nn.LayerNorm(width)), nn.Linear(width, V))


class Elman(nn.Module):
    """The last state of a plain tanh network, its recurrent weights orthogonal at first."""

    def __init__(self, size: int, width: int, dropout: float) -> None:
        super().__init__()
        self.rnn, self.dropout = nn.RNN(size, width, batch_first=True), nn.Dropout(dropout)
        nn.init.orthogonal_(self.rnn.weight_hh_l0)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.rnn(x)[1][-1])


def rnn(V: int, width: int = 64, dropout: float = 0.0) -> nn.Module:
    return Parts(nn.Embedding(V, 16), Elman(16, width, dropout), nn.Linear(width, V))


def tagger(V: int, width: int = 24, dropout: float = 0.0) -> nn.Module:
    body = Recurrent(nn.LSTM, 16, width, dropout, bidirectional=True)
    return Parts(nn.Embedding(NUM_TAGGED, 16), body, nn.Linear(2 * width, V))


class Patches(nn.Module):
    """Pictures (B, 1, 12, 12) → 16 patches with learned places, (B, 16, E)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, size, 3, stride=3)
        self.places = nn.Parameter(torch.randn(16, size) * 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.cut(x).flatten(2).transpose(1, 2) + self.places


class Pooled(nn.Module):
    """The mean over places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def vit(V: int, width: int = 32, layers: int = 2, zero: bool = False, dropout: float = 0.1) -> nn.Module:
    """Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1, of PyTorch's encoder layers; pooled."""
    blocks = [
        nn.TransformerEncoderLayer(width, 4, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
        for _ in range(layers)
    ]
    if zero:
        for block in blocks:
            nn.init.zeros_(block.self_attn.out_proj.weight)
            nn.init.zeros_(block.linear2.weight)
    return Parts(Patches(width), nn.Sequential(*blocks, nn.LayerNorm(width), Pooled()), nn.Linear(width, V))


def separable(V: int, width: int = 24, biases: int = 0, dropout: float = 0.0) -> nn.Module:
    """Depthwise and pointwise convolutions with batch norm: Howard et al. 2017, arXiv:1704.04861, section 3.1."""
    body = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=biases > 0), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=biases > 1), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, width, 1, bias=biases > 2), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(dropout),
    )  # fmt: skip
    return Parts(None, body, nn.Linear(9 * width, V))


class ResidualLayer(nn.Module):
    """x + linear(silu(linear(norm(x)))): He et al. 2016, arXiv:1603.05027, with layer norm."""

    def __init__(self, size: int, zero: bool, dropout: float) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.Linear(2 * size, size)
        self.dropout = nn.Dropout(dropout)
        if zero:
            nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.down(nn.functional.silu(self.up(self.norm(x)))))


def resmlp(V: int, width: int = 48, zero: bool = False, dropout: float = 0.0) -> nn.Module:
    blocks = [ResidualLayer(width, zero, dropout) for _ in range(3)]
    return Parts(None, nn.Sequential(nn.Linear(10, width), *blocks, nn.LayerNorm(width)), nn.Linear(width, V))


def tabular(
    V: int, width: int = 64, norms: int = 0, dropout: float = 0.0, activation: str = "ReLU", layers: int = 4
) -> nn.Module:
    """Fully connected layers; the first `norms` of them with a hand-made batch norm."""
    body: list[nn.Module] = []
    for index in range(layers):
        linear = nn.Linear(10 if index == 0 else width, width)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        body += [linear, *([HandNorm(width)] if index < norms else []), getattr(nn, activation)(), nn.Dropout(dropout)]
    return Parts(None, nn.Sequential(*body), nn.Linear(width, V))


def house_deep(
    V: int, width: int = 64, biases: bool = False, bias_scale: float = 0.0, norm: str = "batch"
) -> nn.Module:
    bias = "all" if biases else "auto"
    return house_network(V, Recipe(context=CONTEXT, embedding=12, hidden=(64, 64, width), activation="tanh", norm=norm,
                                   bias=bias, bias_scale=bias_scale))  # fmt: skip
