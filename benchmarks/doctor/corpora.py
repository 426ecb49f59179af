"""The corpora by name: those of the first part, made here, and those of the parts that joined it."""

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from benchmarks.doctor.parts.fifth import corpora as fifth
from benchmarks.doctor.parts.fourth import corpora as fourth
from benchmarks.doctor.parts.second import corpora as second
from benchmarks.doctor.parts.third import corpora as third
from benchmarks.doctor.sources import Corpus, from_text, ids, markov, numbers, pictures
from torch import Tensor

from moreish.corpus import bundled_names


def _bars(labels: Tensor, _: Tensor) -> Tensor:
    columns = torch.arange(12)[None, None, None, :] // 2
    return 1.2 * (columns == labels[:, None, None, None]).float().expand(-1, 1, 12, 12)


def _gratings(labels: Tensor, phases: Tensor) -> Tensor:
    """Stripes in eight directions, of any phase."""
    angles = labels.float() * torch.pi / 8
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    along = x * angles.cos()[:, None, None] + y * angles.sin()[:, None, None]
    return torch.sin(along * 1.4 + 2 * torch.pi * phases[:, None, None])[:, None]


def _waves(x: Tensor) -> Tensor:
    return torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3]


def _friedman(x: Tensor) -> Tensor:
    """Friedman 1991, Annals of Statistics 19(1), section 4.3, brought to mean 0 and standard deviation 1."""
    u = (x + 1) / 2
    y = 10 * torch.sin(torch.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]
    return (y - 14.4) / 4.9


def _names() -> Corpus:
    return from_text("names", ids("." + ".".join(bundled_names().read_text("utf-8").split()) + "."))


@functools.cache
def running_text() -> tuple[str, str]:
    """What it is and the text itself: Tiny Shakespeare where MOREISH_DATA has it, else this repository's documents."""
    directory = os.environ.get("MOREISH_DATA")
    path = Path(directory or "") / "tinyshakespeare.txt"
    if directory and path.exists():
        return "Tiny Shakespeare", path.read_text("utf-8")[:200_000]
    documents = sorted(Path(__file__).parents[2].glob("docs/*.md"))
    text = "".join(document.read_text("utf-8") for document in documents)
    return "docs/*.md in the place of Tiny Shakespeare", text.encode("ascii", "ignore").decode()


@functools.cache
def text_in_words() -> str:
    """Which running text the networks read, and the beginning of its hash."""
    name, text = running_text()
    return f"{name}, {len(text):,} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"


_MAKERS: dict[str, Callable[[], Corpus]] = {
    "names": _names,
    "markov": lambda: from_text("markov", markov(27, 4, seed=0)),
    "binary": lambda: from_text("binary", markov(2, 5, seed=1)),
    "bigrams": lambda: from_text("bigrams", markov(20, 1, seed=2)),
    "bars": lambda: pictures("bars", _bars, torch.ones(6), 2.5),
    "uneven bars": lambda: pictures("uneven bars", _bars, torch.tensor([20.0, 1, 1, 1, 1, 1]), 1.5),
    "waves": lambda: numbers("waves", _waves),
    "shakespeare": lambda: from_text("shakespeare", ids(running_text()[1])),
    "gratings": lambda: pictures("gratings", _gratings, torch.ones(8), 1.5),
    "friedman": lambda: numbers("friedman", _friedman),
    **second.MAKERS,
    **third.MAKERS,
    **fourth.MAKERS,
    **fifth.MAKERS,
}
HELD_OUT = tuple(fifth.MAKERS)


@functools.cache
def corpus(name: str) -> Corpus:
    """The corpus with this name; made once a process."""
    return _MAKERS[name]()
