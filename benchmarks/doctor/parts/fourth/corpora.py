"""The data of the fourth part: spoken numbers, a log, Roman numerals, pulses, tiles, ratings, a picture, regimes."""

import torch
from benchmarks.doctor.sources import Corpus, Layout, from_text, ids, pictures
from torch import Tensor

LENGTH = 60_000
NUM_USERS, NUM_ITEMS = 150, 100
PLACES = 32
"""Samples of a recording."""


def _generator(seed: int, part: str) -> torch.Generator:
    return torch.Generator().manual_seed(2 * seed + (part == "validation"))


_ONES = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(number: int) -> str:
    """A number from 1 to 999 as it is spoken."""
    if number >= 100:
        rest = number % 100
        return f"{_ONES[number // 100 - 1]} hundred" + (f" {in_words(rest)}" if rest else "")
    if number < 20:
        return _ONES[number - 1]
    return _TENS[number // 10 - 2] + (f"-{_ONES[number % 10 - 1]}" if number % 10 else "")


def spoken_numbers() -> Tensor:
    """Numbers in words, small ones more often, one after the other: forty-two;seven hundred six;"""
    drawn = torch.rand(LENGTH // 16, generator=torch.Generator().manual_seed(11))
    return ids("".join(in_words(1 + int(u**2 * 999)) + ";" for u in drawn.tolist()))


def _log() -> Tensor:
    """Lines of a log: a time that goes on, how grave it is, and who says what of whom."""
    generator = torch.Generator().manual_seed(12)
    said = {"info": ("started", "stopped", "idle"), "warn": ("slow", "retry"), "fail": ("lost", "denied")}
    minutes, parts = 0, []
    for later, grave, who, what in torch.rand(LENGTH // 20, 4, generator=generator).tolist():
        minutes = (minutes + 1 + int(later**3 * 20)) % 1440
        level = "info" if grave < 0.6 else "warn" if grave < 0.85 else "fail"
        unit = ("disk", "mail", "web", "sync")[int(who**1.5 * 4)]
        words = said[level]
        parts.append(f"{minutes // 60:02}:{minutes % 60:02} {level} {unit} {words[int(what * len(words))]}\n")
    return ids("".join(parts))


def roman(number: int) -> str:
    """A number from 1 to 399 as the Romans wrote it."""
    written = ""
    for value, letters in (
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ):
        written += letters * (number // value)
        number %= value
    return written


def _roman_numerals() -> Tensor:
    """Counting in Roman numerals by one or two, and now and then from another number: XIV XV XVII XVIII"""
    generator = torch.Generator().manual_seed(13)
    number, parts = 1, []
    for leap, where, step in torch.rand(LENGTH // 5, 3, generator=generator).tolist():
        number = 1 + int(where**2 * 390) if leap < 0.1 or number > 390 else number + 1 + (step < 0.3)
        parts.append(roman(number) + " ")
    return ids("".join(parts))


def pulses(name: str, weights: Tensor) -> Corpus:
    """Two channels of 32 samples under noise; three pulses, one of a kind, in each third of the time → their order.

    Kinds: up in the first channel, up in the second, down in both.
    """
    orders = torch.tensor([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
    kinds = torch.tensor([(1.0, 0.0), (0.0, 1.0), (-1.0, -1.0)])

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        centres = torch.tensor([2.0, 13.0, 23.0]) + torch.rand(n, 3, generator=generator) * 6
        shapes = torch.exp(-((torch.arange(PLACES) - centres[..., None]) ** 2) / 3)
        clean = torch.einsum("nkt,nkc->ntc", shapes, kinds[orders[labels]])
        return 2.5 * clean + 1.6 * torch.randn(n, PLACES, 2, generator=generator), labels

    return Corpus(name, len(weights), draw)


def _tiled(labels: Tensor, phases: Tensor) -> Tensor:
    """One of eight tiles of four by four points, laid side by side and shifted."""
    tiles = (torch.rand(8, 4, 4, generator=torch.Generator().manual_seed(14)) < 0.5).float()
    shift = (phases * 16).long().clamp(max=15)
    rows = (torch.arange(12) + (shift // 4)[:, None]) % 4
    columns = (torch.arange(12) + (shift % 4)[:, None]) % 4
    return 2 * tiles[labels[:, None, None], rows[:, :, None], columns[:, None, :]][:, None] - 1


def ratings() -> Corpus:
    """One of 150 users and one of 100 items → liked or not: by two traits that are never told, and how popular it is.

    Each pair stands in one of the parts, once.
    """
    generator = torch.Generator().manual_seed(15)
    tastes, traits = (torch.randn(n, 2, generator=generator) for n in (NUM_USERS, NUM_ITEMS))
    popular = torch.randn(NUM_ITEMS, generator=generator)
    pairs = torch.cartesian_prod(torch.arange(NUM_USERS), torch.arange(NUM_ITEMS))
    pairs = pairs[torch.randperm(len(pairs), generator=generator)]
    liking = 2.5 * (tastes[pairs[:, 0]] * traits[pairs[:, 1]]).sum(1) + 2.5 * popular[pairs[:, 1]]
    liked = (torch.rand(len(pairs), generator=generator) < liking.sigmoid()).float()[:, None]
    cut = len(pairs) * 5 // 6
    bounds = {"train": (0, cut), "validation": (cut, len(pairs))}

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        low, high = bounds[part]
        rows = low + torch.randperm(high - low, generator=torch.Generator().manual_seed(seed))[:n]
        return pairs[rows], liked[rows]

    return Corpus("ratings", 1, draw)


def picture() -> Corpus:
    """Two coordinates → how bright a picture is there: a disc, a bar and waves, under noise; of variance 1."""

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        at = torch.rand(n, 2, generator=generator) * 2 - 1
        x, y = at.unbind(1)
        disc = ((x - 0.4) ** 2 + (y - 0.3) ** 2 < 0.2).float()
        bar = ((x + y).abs() < 0.25).float()
        waves = torch.sin(5 * x) * torch.cos(4 * y)
        bright = (1.5 * disc - 1.2 * bar + waves) / 0.95
        return at * 3**0.5, (bright + 0.1 * torch.randn(n, generator=generator))[:, None]

    return Corpus("picture", 1, draw)


def regimes(name: str, weights: Tensor) -> Corpus:
    """Ten numbers, of which the signs of two choose the directions that tell four classes apart → the class."""
    directions = torch.randn(4, 4, 8, generator=torch.Generator().manual_seed(16))

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        x = torch.randn(n, 10, generator=generator)
        regime = 2 * (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
        x[:, 2:] += 0.9 * directions[regime, labels]
        return x, labels

    return Corpus(name, len(weights), draw)


MAKERS = {
    "spoken numbers": lambda: from_text("spoken numbers", spoken_numbers()),
    "log": lambda: from_text("log", _log()),
    "roman numerals": lambda: from_text("roman numerals", _roman_numerals()),
    "pulses": lambda: pulses("pulses", torch.ones(6)),
    "uneven pulses": lambda: pulses("uneven pulses", torch.tensor([20.0, 1, 1, 1, 1, 1])),
    "tiles": lambda: pictures("tiles", _tiled, torch.ones(8), 0.7),
    "ratings": ratings,
    "picture": picture,
    "regimes": lambda: regimes("regimes", torch.ones(4)),
    "uneven regimes": lambda: regimes("uneven regimes", torch.tensor([12.0, 1, 1, 1])),
}
