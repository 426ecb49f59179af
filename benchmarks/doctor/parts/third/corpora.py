"""The data of the third part: steps under noise, digits, topics, reversals, clouds, brackets, sums and harmony."""

import torch
from benchmarks.doctor.sources import CONTEXT, Corpus, Layout, from_text, ids, pictures
from torch import Tensor

LENGTH = 60_000
NUM_WORDS, NUM_TOPICS = 120, 5
"""Words of the documents, and topics that they may be about."""


def _generator(seed: int, part: str) -> torch.Generator:
    return torch.Generator().manual_seed(2 * seed + (part == "validation"))


def steps_under_noise() -> Corpus:
    """A step function of 32 places with two to four jumps, under noise → the step function; of standard deviation 1.

    After the blocks of Donoho & Johnstone 1994, Biometrika 81(3).
    """

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        heights = torch.randn(n, 5, generator=generator)
        is_jump = torch.rand(n, 4, 1, generator=generator) * 32 < torch.arange(32)
        clean = heights.gather(1, is_jump.sum(1))[:, None]
        noise = torch.randn(n, 1, 32, generator=generator)
        return (clean + 0.7 * noise) / 1.22, clean

    return Corpus("blocks", 1, draw)


_SEGMENTS = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111",
             "1111011")  # fmt: skip
"""Of each digit: top, upper left, upper right, middle, lower left, lower right, bottom."""


def _digits() -> Tensor:
    """The ten digits of a seven-segment display, 7 by 5 points."""
    bars = torch.zeros(7, 7, 5)
    for index, (rows, columns) in enumerate(
        ((0, slice(1, 4)), (slice(1, 3), 0), (slice(1, 3), 4), (3, slice(1, 4)), (slice(4, 6), 0), (slice(4, 6), 4),
         (6, slice(1, 4)))
    ):  # fmt: skip
        bars[index, rows, columns] = 1
    lit = torch.tensor([[float(segment) for segment in digit] for digit in _SEGMENTS])
    return torch.einsum("ds,syx->dyx", lit, bars)


def _displays(labels: Tensor, phases: Tensor) -> Tensor:
    """A digit in one of nine places."""
    place = (phases * 9).long().clamp(max=8)
    painted = torch.zeros(len(labels), 1, 12, 12)
    rows, columns = (place // 3)[:, None, None] + 1, (place % 3)[:, None, None] + 2
    y, x = torch.arange(7)[None, :, None], torch.arange(5)[None, None, :]
    painted[torch.arange(len(labels))[:, None, None], 0, rows + y, columns + x] = _digits()[labels]
    return painted * 1.8 - 0.25


def documents() -> Corpus:
    """Twenty words, half of them from one to three of five topics → which topics, each yes or no."""

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        order = torch.rand(n, NUM_TOPICS, generator=generator).argsort(1)
        counts = torch.randint(1, 4, (n, 1), generator=generator)
        is_topic = torch.zeros(n, NUM_TOPICS).scatter_(1, order, (torch.arange(NUM_TOPICS) < counts).float())
        chosen = order.gather(1, (torch.rand(n, 20, generator=generator) * counts).long())
        special = chosen * 20 + torch.randint(20, (n, 20), generator=generator)
        common = torch.randint(NUM_WORDS, (n, 20), generator=generator)
        return torch.where(torch.rand(n, 20, generator=generator) < 0.5, special, common), is_topic

    return Corpus("documents", NUM_TOPICS, draw)


def reversals(num_symbols: int = 12) -> Corpus:
    """Symbols, low ones more often → each exchanged for another, the last first; a twentieth of the labels is drawn."""
    other = torch.randperm(num_symbols, generator=torch.Generator().manual_seed(8))

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        symbols = (torch.rand(n, CONTEXT, generator=generator) ** 1.5 * num_symbols).long()
        drawn = torch.randint(num_symbols, (n, CONTEXT), generator=generator)
        is_drawn = torch.rand(n, CONTEXT, generator=generator) < 0.05
        return symbols, torch.where(is_drawn, drawn, other[symbols.flip(1)])

    return Corpus("reversals", num_symbols, draw)


def clouds(name: str, weights: Tensor) -> Corpus:
    """Sixteen points of a circle, a square, a cross, a line, an arc or two lines, turned, under noise → which it is."""

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        t = torch.rand(n, 16, generator=generator) * 2 - 1
        side = torch.randint(4, (n, 16), generator=generator)
        ones, sign = torch.ones_like(t), (side % 2 * 2 - 1).float()
        turned = torch.where(side < 2, torch.ones_like(t), torch.zeros_like(t)) > 0
        angle = torch.pi * t
        shapes = (
            (angle.cos(), angle.sin()),
            (torch.where(turned, t, sign) * 0.9, torch.where(turned, sign, t) * 0.9),
            (torch.where(turned, t, 0 * t) * 1.4, torch.where(turned, 0 * t, t) * 1.4),
            (t * 1.6, 0 * t),
            ((angle / 2).cos() * 1.6 - 0.9, (angle / 2).sin() * 1.3),
            (t * 1.2, sign * 0.6 * ones),
        )
        x = torch.stack([torch.stack(shape, -1) for shape in shapes])[labels, torch.arange(n)]
        turn = (torch.rand(n, generator=generator) - 0.5) * torch.pi / 4
        rotation = torch.stack((turn.cos(), -turn.sin(), turn.sin(), turn.cos()), -1).view(n, 2, 2)
        return (x @ rotation + 0.15 * torch.randn(n, 16, 2, generator=generator)) / 0.75, labels

    return Corpus(name, len(weights), draw)


def brackets() -> Tensor:
    """Three kinds of brackets, at most six deep, each with two letters of its own: closed by its own, too."""
    generator = torch.Generator().manual_seed(9)
    text, open_ = [], []
    for choice, which in torch.rand(LENGTH, 2, generator=generator).tolist():
        if not open_ or (choice < 0.3 and len(open_) < 6):
            open_.append(int(which**2 * 3))
            text.append("([{"[open_[-1]])
        elif choice < 0.7:
            text.append(")]}"[open_.pop()])
        else:
            text.append("abcdef"[2 * open_[-1] + (which < 0.2)])
    return ids("".join(text))


def marked_sums(places: int = 12) -> Corpus:
    """Numbers, two of them marked → the sum of these; Hochreiter & Schmidhuber 1997, Neural Computation 9(8), 5.4."""

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        values = (torch.rand(n, places, generator=generator) * 2 - 1) * 3**0.5
        marks = torch.zeros(n, places).scatter_(1, torch.rand(n, places, generator=generator).argsort(1)[:, :2], 1.0)
        noise = 0.1 * torch.randn(n, generator=generator)
        target = (values * marks).sum(1) / 2**0.5 + noise
        return torch.stack((values, (marks - 1 / 6) / 0.373), -1), target[:, None]

    return Corpus("marked sums", 1, draw)


def _harmony() -> Tensor:
    """Words of two to four syllables; all vowels of a word are front or all are back, as in Finnish."""
    generator = torch.Generator().manual_seed(10)
    onsets, codas = "ptkmnlsrvh", ["", "", "n", "s", "l"]
    draws = torch.rand(LENGTH, 4, generator=generator).tolist()
    parts, size = [], 0
    left, vowels = 0, "aou"
    for onset, vowel, coda, word in draws:
        if left == 0:
            parts.append(" ")
            left, vowels = 2 + int(word**2 * 3), "aou" if vowel < 0.5 else "eiy"
        syllable = onsets[int(onset**2 * 10)] + vowels[int(word * 3)] + codas[int(coda * 5)]
        parts.append(syllable)
        size += len(syllable)
        left -= 1
        if size > LENGTH:
            break
    return ids("".join(parts))


MAKERS = {
    "blocks": steps_under_noise,
    "displays": lambda: pictures("displays", _displays, torch.ones(10), 0.5),
    "documents": documents,
    "reversals": reversals,
    "clouds": lambda: clouds("clouds", torch.ones(6)),
    "uneven clouds": lambda: clouds("uneven clouds", torch.tensor([20.0, 1, 1, 1, 1, 1])),
    "brackets": lambda: from_text("brackets", brackets()),
    "marked sums": marked_sums,
    "harmony": lambda: from_text("harmony", _harmony()),
}
