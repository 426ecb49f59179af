"""The data: text as ids, pictures and numbers, each split into a training and a validation part.

Held out from tuning: `shakespeare`, `gratings` and `friedman`.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from moreish.corpus import bundled_names

CONTEXT = 8
NUM_VALIDATION = 1024
Layout = Literal["windows", "sequences", "pictures", "numbers"]


@dataclass(frozen=True)
class Corpus:
    """One source of examples.

    Attributes:
        num_symbols: of text, or classes of pictures; 1 for numbers.
        draw: layout, number of examples, which part ("train" or "validation"), place of the label after the last input
            (1 is the next symbol) and seed → inputs and targets.
    """

    name: str
    num_symbols: int
    draw: Callable[[Layout, int, str, int, int], tuple[Tensor, Tensor]]


def _from_text(name: str, ids: Tensor) -> Corpus:
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


def _ids(text: str) -> Tensor:
    symbols = {symbol: number for number, symbol in enumerate(sorted(set(text)))}
    return torch.tensor([symbols[symbol] for symbol in text])


def _markov(num_symbols: int, memory: int, seed: int, length: int = 60_000) -> Tensor:
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


def _pictures(name: str, paint: Callable[[Tensor, Tensor], Tensor], weights: Tensor, spread: float) -> Corpus:
    """Painted classes, under noise of so large a standard deviation."""

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(2 * seed + (part == "validation"))
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, 1, 12, 12, generator=generator)
        return paint(labels, torch.rand(n, generator=generator)) + noise * spread, labels

    return Corpus(name, len(weights), draw)


def _bars(labels: Tensor, _: Tensor) -> Tensor:
    columns = torch.arange(12)[None, None, None, :] // 2
    return 1.2 * (columns == labels[:, None, None, None]).float().expand(-1, 1, 12, 12)


def _gratings(labels: Tensor, phases: Tensor) -> Tensor:
    """Stripes in eight directions, of any phase."""
    angles = labels.float() * torch.pi / 8
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    along = x * angles.cos()[:, None, None] + y * angles.sin()[:, None, None]
    return torch.sin(along * 1.4 + 2 * torch.pi * phases[:, None, None])[:, None]


def _numbers(name: str, function: Callable[[Tensor], Tensor]) -> Corpus:
    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(2 * seed + (part == "validation"))
        inputs = torch.rand(n, 10, generator=generator) * 2 - 1
        noise = torch.randn(n, generator=generator) * 0.1
        return inputs * 3**0.5, (function(inputs) + noise)[:, None]

    return Corpus(name, 1, draw)


def _waves(x: Tensor) -> Tensor:
    return torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3]


def _friedman(x: Tensor) -> Tensor:
    """Friedman 1991, Annals of Statistics 19(1), section 4.3, brought to mean 0 and standard deviation 1."""
    u = (x + 1) / 2
    y = 10 * torch.sin(torch.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]
    return (y - 14.4) / 4.9


def _names() -> Corpus:
    return _from_text("names", _ids("." + ".".join(bundled_names().read_text("utf-8").split()) + "."))


def _shakespeare() -> Corpus:
    """Tiny Shakespeare from the directory MOREISH_DATA; without it, the documents of this repository."""
    directory = os.environ.get("MOREISH_DATA")
    path = Path(directory or "") / "tinyshakespeare.txt"
    if directory and path.exists():
        return _from_text("shakespeare", _ids(path.read_text("utf-8")[:200_000]))
    documents = sorted(Path(__file__).parents[2].glob("docs/*.md"))
    text = "".join(document.read_text("utf-8") for document in documents)
    return _from_text("shakespeare", _ids(text.encode("ascii", "ignore").decode()))


_MAKERS: dict[str, Callable[[], Corpus]] = {
    "names": _names,
    "markov": lambda: _from_text("markov", _markov(27, 4, seed=0)),
    "binary": lambda: _from_text("binary", _markov(2, 5, seed=1)),
    "bigrams": lambda: _from_text("bigrams", _markov(20, 1, seed=2)),
    "bars": lambda: _pictures("bars", _bars, torch.ones(6), 2.5),
    "uneven bars": lambda: _pictures("uneven bars", _bars, torch.tensor([20.0, 1, 1, 1, 1, 1]), 1.5),
    "waves": lambda: _numbers("waves", _waves),
    "shakespeare": _shakespeare,
    "gratings": lambda: _pictures("gratings", _gratings, torch.ones(8), 1.5),
    "friedman": lambda: _numbers("friedman", _friedman),
}
HELD_OUT = ("shakespeare", "gratings", "friedman")


@functools.cache
def corpus(name: str) -> Corpus:
    """The corpus with this name; made once a process."""
    return _MAKERS[name]()
