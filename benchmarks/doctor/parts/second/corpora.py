"""The data of the second part: phrases, echoes, sums, tags, dots, glyphs, an arm, clusters."""

import torch
from benchmarks.doctor.sources import CONTEXT, Corpus, Layout, from_text, ids, numbers, pictures
from torch import Tensor

LENGTH = 60_000
NUM_TAGGED = 16
"""Symbols of the text that is tagged."""


def _phrases() -> Tensor:
    """Forty words of two to five letters, each followed by one of four others, and now and then by a full stop."""
    generator = torch.Generator().manual_seed(3)

    def draw(below: int) -> int:
        return int(torch.randint(below, (), generator=generator))

    words = ["".join("aeioubdklmnrst"[draw(14)] for _ in range(2 + draw(4))) for _ in range(40)]
    followers = [[draw(40) for _ in range(4)] for _ in words]
    parts, word, size = [], 0, 0
    choices = torch.randint(4, (LENGTH,), generator=generator).tolist()
    ends = (torch.rand(LENGTH, generator=generator) < 0.15).tolist()
    for choice, is_end in zip(choices, ends, strict=True):
        parts.append(words[word] + ("." if is_end else " "))
        size += len(parts[-1])
        if size > LENGTH:
            break
        word = followers[word][choice]
    return ids("".join(parts))


def _echoes(num_symbols: int = 10, memory: int = 6) -> Tensor:
    """Nine of ten symbols are a function of the one `memory` places back; the others are drawn, low ones more often."""
    generator = torch.Generator().manual_seed(4)
    other = torch.randperm(num_symbols, generator=generator).tolist()
    fresh = (torch.rand(LENGTH, generator=generator) ** 2 * num_symbols).long().tolist()
    is_echo = (torch.rand(LENGTH, generator=generator) < 0.9).tolist()
    text = fresh[:memory]
    for symbol, repeats in zip(fresh[memory:], is_echo[memory:], strict=True):
        text.append(other[text[-memory]] if repeats else symbol)
    return torch.tensor(text)


def sums() -> Tensor:
    """Additions of numbers below 30, one after the other: 3+17=20;"""
    generator = torch.Generator().manual_seed(5)
    pairs = torch.randint(30, (LENGTH // 7, 2), generator=generator).tolist()
    return ids("".join(f"{a}+{b}={a + b};" for a, b in pairs))


def tags_of_neighbours() -> Corpus:
    """Of each symbol: to which of three kinds the one before and the one after belong; a twentieth are drawn at random.

    So the label asks for both neighbours, and is told by neither alone.
    """
    generator = torch.Generator().manual_seed(6)
    steps = torch.multinomial(torch.rand(NUM_TAGGED, generator=generator) ** 4, LENGTH, True, generator=generator)
    text = (steps.cumsum(0) + steps) % NUM_TAGGED
    kinds = torch.randint(3, (NUM_TAGGED,), generator=generator)
    tags = 3 * kinds[text.roll(1)] + kinds[text.roll(-1)]
    drawn = torch.randint(9, (LENGTH,), generator=generator)
    tags = torch.where(torch.rand(LENGTH, generator=generator) < 0.05, drawn, tags)
    cut = LENGTH * 9 // 10
    bounds = {"train": (1, cut), "validation": (cut, LENGTH - 1)}

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        low, high = bounds[part]
        starts = low + torch.randperm(high - low - CONTEXT, generator=torch.Generator().manual_seed(seed))[:n]
        rows = starts[:, None] + torch.arange(CONTEXT)
        return text[rows], tags[rows]

    return Corpus("tags", 9, draw)


def _grid() -> tuple[Tensor, Tensor]:
    return torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")


def _dots(labels: Tensor, phases: Tensor) -> Tensor:
    """A bright dot and a dark one, in one of eight directions from it; the bright one in any of nine places."""
    place = (phases * 9).long().clamp(max=8)
    directions = torch.tensor([(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)])
    bright = torch.stack((4 + place // 3, 4 + place % 3), 1)
    y, x = _grid()

    def dot(corner: Tensor) -> Tensor:
        down, right = y - corner[:, 0, None, None], x - corner[:, 1, None, None]
        return ((down >= 0) & (down < 2) & (right >= 0) & (right < 2)).float()

    return 3.0 * (dot(bright) - dot(bright + 4 * directions[labels]))[:, None]


_GLYPHS = torch.tensor(
    [[[c == "#" for c in row] for row in glyph.split("/")] for glyph in (
        "#####/#...#/#...#/#...#/#####", "..#../..#../#####/..#../..#..", "#...#/.#.#./..#../.#.#./#...#",
        "#####/..#../..#../..#../..#..", "#..../#..../#..../#..../#####", "#...#/#...#/#####/#...#/#...#",
        "#####/...#./..#../.#.../#####",
    )]
).float()  # fmt: skip


def _painted_glyphs(labels: Tensor, phases: Tensor) -> Tensor:
    """Seven signs of five by five points, in any of 64 places."""
    place = (phases * 64).long().clamp(max=63)
    pictures_ = torch.zeros(len(labels), 1, 12, 12)
    rows, columns = (place // 8)[:, None, None], (place % 8)[:, None, None]
    y, x = torch.arange(5)[None, :, None], torch.arange(5)[None, None, :]
    pictures_[torch.arange(len(labels))[:, None, None], 0, rows + y, columns + x] = _GLYPHS[labels]
    return pictures_ * 2


def _arm(x: Tensor) -> Tensor:
    """How far a robot's arm of three links reaches at its angles, and a product; about of mean 0 and variance 1.

    After An & Owen 2001, Journal of Complexity 17(4), section 5.
    """
    angles = (1.5 * x[:, :3]).cumsum(1)
    reach = (angles.cos().sum(1) ** 2 + angles.sin().sum(1) ** 2).sqrt()
    return (reach - 1.9) / 0.75 + 1.0 * x[:, 3] * x[:, 4]


def _clusters(name: str, weights: Tensor) -> Corpus:
    """Six classes of three Gaussian clusters each, in ten dimensions."""
    centres = torch.randn(6, 3, 10, generator=torch.Generator().manual_seed(7)) * 1.2

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(2 * seed + (part == "validation"))
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        chosen = torch.randint(3, (n,), generator=generator)
        return centres[labels, chosen] + torch.randn(n, 10, generator=generator), labels

    return Corpus(name, 6, draw)


MAKERS = {
    "phrases": lambda: from_text("phrases", _phrases()),
    "echoes": lambda: from_text("echoes", _echoes()),
    "sums": lambda: from_text("sums", sums()),
    "tags": tags_of_neighbours,
    "dots": lambda: pictures("dots", _dots, torch.ones(8), 0.9),
    "glyphs": lambda: pictures("glyphs", _painted_glyphs, torch.ones(7), 0.8),
    "arm": lambda: numbers("arm", _arm),
    "clusters": lambda: _clusters("clusters", torch.ones(6)),
    "uneven clusters": lambda: _clusters("uneven clusters", torch.tensor([20.0, 1, 1, 1, 1, 1])),
}
