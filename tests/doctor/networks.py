"""Four networks in plain PyTorch, as a stranger would write them, with batches: healthy twins of every fault."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCABULARY, CONTEXT = 27, 8


def text(num_symbols: int = 20_000, seed: int = 0) -> Tensor:
    """Ids of a random walk that has something to learn: each symbol is likely followed by a few others."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(VOCABULARY, VOCABULARY, generator=generator) ** 8
    uniform = torch.rand(num_symbols, generator=generator)
    cumulative = (weights / weights.sum(1, keepdim=True)).cumsum(1)
    ids, symbol = [], 0
    for u in uniform.tolist():
        symbol = min(int(torch.searchsorted(cumulative[symbol], u)), VOCABULARY - 1)
        ids.append(symbol)
    return torch.tensor(ids)


TEXT = text()


def windows(n: int = 256, context: int = CONTEXT, seed: int = 0, of: Tensor = TEXT) -> tuple[Tensor, Tensor]:
    """Contexts (n, T) and the symbol that follows, (n,)."""
    starts = torch.randint(len(of) - context - 1, (n,), generator=torch.Generator().manual_seed(seed))
    rows = of[starts[:, None] + torch.arange(context + 1)]
    return rows[:, :-1].clone(), rows[:, -1].clone()


def sequences(n: int = 64, context: int = CONTEXT, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs (n, T) and the next symbol at each position, (n, T)."""
    starts = torch.randint(len(TEXT) - context - 1, (n,), generator=torch.Generator().manual_seed(seed))
    rows = TEXT[starts[:, None] + torch.arange(context + 1)]
    return rows[:, :-1].clone(), rows[:, 1:].clone()


def images(n: int = 128, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy pictures (n, 1, 12, 12) of a bar, and in which of six places it is, (n,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(6, (n,), generator=generator)
    pictures = torch.randn(n, 1, 12, 12, generator=generator) * 0.5
    for row, label in enumerate(labels.tolist()):
        pictures[row, 0, :, 2 * label : 2 * label + 2] += 1.5
    return pictures, labels


class MLP(nn.Module):
    """The lecture's network: embedding, tanh layer (or several), output layer, with operators and plain tensors."""

    def __init__(self, hidden: int = 64, depth: int = 1, gain: float = 5 / 3, output_scale: float = 0.1) -> None:
        super().__init__()
        self.C = nn.Parameter(torch.randn(VOCABULARY, 8))
        sizes = [CONTEXT * 8] + [hidden] * depth
        self.W = nn.ParameterList(nn.Parameter(torch.randn(a, b) * gain / a**0.5) for a, b in pairwise(sizes))
        self.b = nn.ParameterList(nn.Parameter(torch.zeros(b)) for b in sizes[1:])
        self.W_out = nn.Parameter(torch.randn(hidden, VOCABULARY) * output_scale / hidden**0.5)
        self.b_out = nn.Parameter(torch.zeros(VOCABULARY))

    def forward(self, x: Tensor) -> Tensor:
        h = self.C[x].flatten(1)
        for W, b in zip(self.W, self.b, strict=True):
            h = torch.tanh(h @ W + b)
        return h @ self.W_out + self.b_out


class CNN(nn.Module):
    """Two convolutions with batch norm and ReLU, dropout, a linear layer."""

    def __init__(self, bias: bool = False, momentum: float = 0.1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=bias), nn.BatchNorm2d(8, momentum=momentum), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, bias=bias), nn.BatchNorm2d(16, momentum=momentum), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(16 * 36, 6),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class LSTM(nn.Module):
    """Embedding, LSTM, a linear layer at every position."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=batch_first)
        self.head = nn.Linear(32, VOCABULARY)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(self.embedding(x))
        return self.head(h)


class Attention(nn.Module):
    def __init__(self, size: int, heads: int, causal: bool, scaled: bool) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.heads, self.causal, self.scaled = heads, causal, scaled

    def forward(self, x: Tensor) -> Tensor:
        B, T, E = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, E // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1)
        if self.scaled:
            scores = scores / math.sqrt(E // self.heads)
        if self.causal:
            scores = scores.masked_fill(torch.ones(T, T, device=x.device).tril() == 0, float("-inf"))
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, E))


class Block(nn.Module):
    def __init__(self, size: int, heads: int, causal: bool, scaled: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, heads, causal, scaled)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """A small decoder; `zero` starts residual branches and the head at zero, as GPT-2's heirs do."""

    def __init__(self, causal: bool = True, scaled: bool = True, zero: bool = False, layers: int = 2) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, 32), nn.Embedding(CONTEXT, 32)
        self.blocks = nn.ModuleList(Block(32, 2, causal, scaled) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, VOCABULARY)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02 if isinstance(module, nn.Embedding) else 0.08)
        if zero:
            for block in self.blocks:
                nn.init.zeros_(block.attention.out.weight)
                nn.init.zeros_(block.mlp[2].weight)
            nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def sequence_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


HEALTHY = {
    "mlp": (lambda: MLP(), windows, F.cross_entropy),
    "deep mlp": (lambda: MLP(depth=6), windows, F.cross_entropy),
    "cnn": (lambda: CNN(), images, F.cross_entropy),
    "lstm": (lambda: LSTM(), sequences, sequence_loss),
    "gpt": (lambda: GPT(), sequences, sequence_loss),
    "gpt, zero branches": (lambda: GPT(zero=True), sequences, sequence_loss),
    "gpt, eight layers": (lambda: GPT(layers=8), sequences, sequence_loss),
}


def deep_relu(gain: float) -> nn.Module:
    """Eight ReLU layers whose weights have gain / 8 as deviation."""
    layers: list[nn.Module] = [nn.Embedding(VOCABULARY, 8), nn.Flatten()]
    for _ in range(8):
        linear = nn.Linear(64, 64, bias=False)
        nn.init.normal_(linear.weight, std=gain / 8)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, VOCABULARY))
