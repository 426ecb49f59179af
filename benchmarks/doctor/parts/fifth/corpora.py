"""The data held out: tunes, a diary of the weather, chemical formulae, badges, molecules and sensors."""

import torch
from benchmarks.doctor.sources import Corpus, Layout, from_text, ids
from torch import Tensor

LENGTH = 60_000
NUM_ATOMS, NUM_KINDS = 10, 4
"""Atoms of a molecule, and the kinds that there are."""
NUM_SENSORS, NUM_CAUSES = 16, 3
"""Sensors, and what moves them."""


def _generator(seed: int, part: str) -> torch.Generator:
    return torch.Generator().manual_seed(2 * seed + (part == "validation"))


def tunes() -> Tensor:
    """Notes: half of them as four places back, the others a step up or down in a chord, which changes now and then."""
    generator = torch.Generator().manual_seed(21)
    chords = ((0, 2, 4, 7, 9, 11), (1, 3, 5, 7, 8, 10), (0, 3, 5, 6, 9, 10))
    chord, place, text = 0, 0, [0, 2, 4, 7]
    for change, again, way in torch.rand(LENGTH, 3, generator=generator).tolist():
        if change < 1 / 16:
            chord = int(change * 48)
        place = (place + (1 if way < 0.8 else -1)) % 6
        text.append(text[-4] if again < 0.5 else chords[chord][place])
    return torch.tensor(text)


def diary() -> Tensor:
    """Of each day its name, its number and its weather, which likes to stay as it is: mo17c tu18r we19r"""
    generator = torch.Generator().manual_seed(22)
    parts, day, weather = [], 0, 0
    for other, end, which in torch.rand(LENGTH // 6, 3, generator=generator).tolist():
        weather = weather if other < 0.5 else int(which**2 * 5)
        parts.append(f"{('mo', 'tu', 'we', 'th', 'fr', 'sa', 'su')[len(parts) % 7]}{day + 1:02}{'scrwf'[weather]} ")
        day = 0 if day == 30 or (day == 29 and end < 0.5) else day + 1
    return ids("".join(parts))


def formula(carbons: int, group: str) -> str:
    """Of a saturated chain that ends in a group, or in none: C3H7OH, C3H8."""
    hydrogens = 2 * carbons + (1 if group else 2)
    return f"C{carbons if carbons > 1 else ''}H{hydrogens}{group}"


def _formulae() -> Tensor:
    """Formulae of organic chemistry, and how many of each: 3C2H5OH+12CH4+"""
    groups = ("", "OH", "COOH", "NH2", "Cl", "Br", "CHO", "CN", "NO2", "SH")
    parts = []
    for many, carbons, group in torch.rand(LENGTH // 8, 3, generator=torch.Generator().manual_seed(23)).tolist():
        written = formula(1 + int(carbons**1.5 * 20), groups[int(group**1.5 * 10)])
        parts.append(f"{1 + int(many**2 * 40)}{written}+")
    return ids("".join(parts))


def badges(name: str, weights: Tensor) -> Corpus:
    """A square of one of three colours with a rim of another, in any of 49 places, under noise → which of which."""
    pairs = torch.tensor([(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)])
    rim = torch.ones(6, 6)
    rim[1:5, 1:5] = 0
    patterns = torch.zeros(6, 3, 6, 6)
    patterns[torch.arange(6), pairs[:, 0]] = 1 - rim
    patterns[torch.arange(6), pairs[:, 1]] = rim

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        x = torch.randn(n, 3, 12, 12, generator=generator)
        rows, columns = torch.randint(7, (2, n, 1, 1), generator=generator)
        y, z = torch.arange(6)[None, :, None], torch.arange(6)[None, None, :]
        x[torch.arange(n)[:, None, None], :, rows + y, columns + z] += 1.5 * patterns[labels].permute(0, 2, 3, 1)
        return x, labels

    return Corpus(name, len(weights), draw)


def molecules() -> Corpus:
    """Atoms of four kinds, and which of them are bound (B, N, kinds + N) → an energy of variance 1, under noise.

    Each bond has one by the kinds at its ends, and so has an atom that has more or fewer bonds than its kind wants.
    """
    generator = torch.Generator().manual_seed(24)
    bond = torch.randn(NUM_KINDS, NUM_KINDS, generator=generator)
    bond, wanted = bond + bond.T, torch.tensor([1.0, 2, 3, 2])

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        kinds = torch.nn.functional.one_hot(torch.randint(NUM_KINDS, (n, NUM_ATOMS), generator=generator)).float()
        bonds = (torch.rand(n, NUM_ATOMS, NUM_ATOMS, generator=generator) < 0.22).float().triu(1)
        bonds = bonds + bonds.transpose(1, 2)
        energy = torch.einsum("nij,nik,kl,njl->n", bonds, kinds, bond, kinds) / 2
        strain = ((bonds.sum(2) - kinds @ wanted) ** 2).sum(1)
        noise = torch.randn(n, generator=generator)
        return torch.cat((kinds, bonds), 2), ((energy + 0.3 * strain - 9.3) / 5.3 + 0.4 * noise)[:, None]

    return Corpus("molecules", 1, draw)


def sensors() -> Corpus:
    """Sixteen sensors that three causes move, each along a bent curve, under noise → the same without noise."""
    generator = torch.Generator().manual_seed(25)
    inward = torch.randn(NUM_CAUSES, NUM_SENSORS, generator=generator)
    shift = torch.randn(NUM_SENSORS, generator=generator)

    def draw(_: Layout, n: int, part: str, __: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = _generator(seed, part)
        clean = 1.4 * torch.sin(torch.randn(n, NUM_CAUSES, generator=generator) @ inward / 2 + shift)
        return clean + 0.4 * torch.randn(n, NUM_SENSORS, generator=generator), clean

    return Corpus("sensors", 1, draw)


MAKERS = {
    "tunes": lambda: from_text("tunes", tunes()),
    "diary": lambda: from_text("diary", diary()),
    "formulae": lambda: from_text("formulae", _formulae()),
    "badges": lambda: badges("badges", torch.ones(6)),
    "uneven badges": lambda: badges("uneven badges", torch.tensor([20.0, 1, 1, 1, 1, 1])),
    "molecules": molecules,
    "sensors": sensors,
}
