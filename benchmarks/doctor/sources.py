"""What a corpus is made of: text as ids, pictures and numbers, each split into a training and a validation part."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

CONTEXT = 8
NUM_VALIDATION = 1024
Layout = Literal[
    "windows", "sequences", "tags", "bag", "ratings", "pictures", "table", "points", "recordings", "numbers", "series",
    "signals", "graphs",
]  # fmt: skip
"""Text as contexts with one label, or with a label at every place; ids with a label at every place that is not the next
symbol, or with yes-or-no answers, several or one; pictures, numbers, points, recordings → class; numbers, a series, a
graph → a number or several; a signal → another."""
SQUARED: tuple[Layout, ...] = ("numbers", "series", "signals", "graphs")
"""Those whose final loss is a squared error."""


@dataclass(frozen=True)
class Corpus:
    """One source of examples.

    Attributes:
        num_symbols: of text, or classes; 1 for numbers.
        draw: layout, number of examples, which part ("train" or "validation"), place of the label after the last input
            (1 is the next symbol) and seed → inputs and targets.
    """

    name: str
    num_symbols: int
    draw: Callable[[Layout, int, str, int, int], tuple[Tensor, Tensor]]


def from_text(name: str, ids: Tensor) -> Corpus:
    cut = len(ids) * 9 // 10
    parts = {"train": ids[:cut], "validation": ids[cut:]}

    def draw(layout: Layout, n: int, part: str, offset: int, seed: int) -> tuple[Tensor, Tensor]:
        stream, margin = parts[part], 6
        generator = torch.Generator().manual_seed(seed)
        room = len(stream) - CONTEXT - margin
        if layout == "windows":  # as they are made from running text: one after the other
            start = int(torch.randint(margin, room - n, (), generator=generator))
            starts = torch.arange(start, start + n)
        else:
            starts = margin + torch.randperm(room - margin, generator=generator)[:n]
        rows = starts[:, None] + torch.arange(CONTEXT)
        inputs, targets = stream[rows], stream[rows + offset]
        return inputs, targets if layout == "sequences" else targets[:, -1].clone()

    return Corpus(name, int(ids.max()) + 1, draw)


def ids(text: str) -> Tensor:
    symbols = {symbol: number for number, symbol in enumerate(sorted(set(text)))}
    return torch.tensor([symbols[symbol] for symbol in text])


def markov(num_symbols: int, memory: int, seed: int, length: int = 60_000) -> Tensor:
    """Half of the symbols follow from the one before, half are a function of the one `memory` places back."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(num_symbols, num_symbols, generator=generator) ** 10
    cumulative = (weights / weights.sum(1, keepdim=True)).cumsum(1).tolist()
    other = torch.randperm(num_symbols, generator=generator).tolist()
    uniform = torch.rand(length, 2, generator=generator).tolist()
    ids = [0] * memory
    for choice, u in uniform:
        if choice < 0.5:
            ids.append(other[ids[-memory]])
        else:
            row = cumulative[ids[-1]]
            ids.append(next((symbol for symbol, bound in enumerate(row) if u < bound), num_symbols - 1))
    return torch.tensor(ids)


def pictures(name: str, paint: Callable[[Tensor, Tensor], Tensor], weights: Tensor, spread: float) -> Corpus:
    """Painted classes, under noise of so large a standard deviation."""

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(2 * seed + (part == "validation"))
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, 1, 12, 12, generator=generator)
        return paint(labels, torch.rand(n, generator=generator)) + noise * spread, labels

    return Corpus(name, len(weights), draw)


def numbers(name: str, function: Callable[[Tensor], Tensor]) -> Corpus:
    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(2 * seed + (part == "validation"))
        inputs = torch.rand(n, 10, generator=generator) * 2 - 1
        noise = torch.randn(n, generator=generator) * 0.1
        return inputs * 3**0.5, (function(inputs) + noise)[:, None]

    return Corpus(name, 1, draw)
