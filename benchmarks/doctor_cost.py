"""What the doctor costs: watching a training, examining before it, and the memory of watching.

Usage: python benchmarks/doctor_cost.py [--turns N] [--steps N] [--pairs] [--device DEVICE] [--memory] [NETWORK ...]

Protocol: plain loops with autograd, one core, one thread, processor time (`time.process_time`). A turn is a whole
training, because looks grow apart: without a doctor and with one, in turn first, from the same initialisation and on
the same batches; the cost is the median over the turns of the ratio of the two, minus one. The examination before
training is given in training steps on the batch that it was handed, 256 examples (64 sequences): the median over the
turns of its time over that of a step. With --pairs the doctor gets `loss_fn`, `train` and `validation` too. With
--device cuda networks and examples are on the GPU, and the time is that of the clock on the wall, from one
`torch.cuda.synchronize` to the next, on all cores. With --memory, the peak of resident memory (`ru_maxrss`) of one
process with a doctor over that of one without, each with 20 million parameters, less what PyTorch itself takes; on the
processor.

Networks: mlp (the lecture's: context 3, embedding 10, hidden 200, SGD; case B of engines.py, batch 32) and the plain
CNN, LSTM and GPT of tests/doctor/networks.py (AdamW, batch 32); and wide, a perceptron of 50 million parameters that
keeps a GPU busy (AdamW, batch 1,024), which is left out where no network is named.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "doctor"))
import networks

PARAMETERS = 20_000_000


class MLP(nn.Module):
    """Case B as the lecture writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.C = nn.Parameter(torch.randn(27, 10))
        self.W1 = nn.Parameter(torch.randn(30, 200) * (5 / 3) / 30**0.5)
        self.b1 = nn.Parameter(torch.zeros(200))
        self.W2 = nn.Parameter(torch.randn(200, 27) * 0.01)
        self.b2 = nn.Parameter(torch.zeros(27))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.C[x].flatten(1) @ self.W1 + self.b1) @ self.W2 + self.b2


class Wide(nn.Module):
    """Three large layers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(64, 5120), nn.ReLU(), nn.Linear(5120, 5120), nn.ReLU(), nn.Linear(5120, 5120), nn.ReLU(),
            nn.Linear(5120, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def numbers(n: int = 4096, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 64, generator=generator)
    return x, x[:, :10].argmax(1)


def windows(n: int = 256, seed: int = 0) -> tuple[Tensor, Tensor]:
    return networks.windows(n, 3, seed)


# name → how it is made, examples, loss, optimiser
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Any, Any, Any]] = {
    "mlp": (MLP, windows, F.cross_entropy, lambda p: torch.optim.SGD(p, 0.1)),
    "cnn": (networks.CNN, networks.images, F.cross_entropy, lambda p: torch.optim.AdamW(p, 1e-3)),
    "lstm": (networks.LSTM, networks.sequences, networks.sequence_loss, lambda p: torch.optim.AdamW(p, 1e-3)),
    "gpt": (networks.GPT, networks.sequences, networks.sequence_loss, lambda p: torch.optim.AdamW(p, 1e-3)),
    "wide": (Wide, numbers, F.cross_entropy, lambda p: torch.optim.AdamW(p, 1e-4)),
}
SHOWN = ("mlp", "cnn", "lstm", "gpt")


def seconds_on(device: str) -> float:
    """The clock: of the processor; where another device computes, the one on the wall, when that has done its work."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def train(name: str, num_steps: int, is_watched: bool, has_pairs: bool, device: str) -> float:
    """Time of one training, seconds."""
    make, batch, loss_fn, optimise = NETWORKS[name]
    torch.manual_seed(1)
    size = 1024 if name == "wide" else 32
    inputs, targets = (item.to(device) for item in batch(4096, seed=1))
    model = make().to(device)
    optimizer = optimise(model.parameters())
    given = {"loss_fn": loss_fn, "train": (inputs, targets), "validation": batch(1024, seed=2)} if has_pairs else {}
    began = seconds_on(device)
    doctor = moreish.Doctor(model, optimizer, **given) if is_watched else None
    if doctor is not None:
        doctor.__enter__()
    for _ in range(num_steps):
        rows = torch.randint(len(inputs), (size,), device=device)
        x, y = inputs[rows], targets[rows]
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        if doctor is not None:
            doctor.step(loss, x, y)
    if doctor is not None:
        doctor.__exit__(None, None, None)
    return seconds_on(device) - began


def examine(name: str, device: str) -> float:
    """An examination before training over one training step on the same batch."""
    make, batch, loss_fn, optimise = NETWORKS[name]
    torch.manual_seed(1)
    given = tuple(item.to(device) for item in batch())
    model = make().to(device)
    optimizer = optimise(model.parameters())
    began = seconds_on(device)
    for _ in range(50):
        optimizer.zero_grad()
        loss_fn(model(given[0]), given[1]).backward()
        optimizer.step()
    step = (seconds_on(device) - began) / 50
    began = seconds_on(device)
    moreish.diagnose(model, given, loss_fn, optimizer)
    return (seconds_on(device) - began) / step


def peak(is_watched: bool) -> None:
    """Train a large network for 60 steps and print the peak of resident memory above that before it, bytes."""
    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = int((PARAMETERS / 4) ** 0.5)
    model = nn.Sequential(*(nn.Linear(size, size, bias=False) for _ in range(4)))
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(60):
            x = torch.randn(64, size, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), x)
            loss.backward()
            optimizer.step()
            if is_watched:
                doctor.step(loss, x, x)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the doctor costs.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--pairs", action="store_true", help="with train and validation")
    parser.add_argument("--device", default="cpu", help="such as cuda [cpu]")
    parser.add_argument("--memory", action="store_true", help="measure the memory only")
    parser.add_argument("--peak", choices=["plain", "watched"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        return peak(arguments.peak == "watched")
    if unknown := set(arguments.networks) - NETWORKS.keys():
        parser.error(f"no such network: {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}")
    if arguments.memory:
        command = [sys.executable, __file__, "--peak"]
        plain, watched = (
            statistics.median(int(subprocess.check_output([*command, which])) for _ in range(3))
            for which in ("plain", "watched")
        )
        return print(
            f"peak of memory: {plain / 1e6:,.0f} MB plain, {watched / 1e6:,.0f} MB watched: {watched / plain:.3f}"
        )
    if arguments.device == "cpu" and hasattr(os, "sched_setaffinity"):  # a GPU's gradients have a thread of their own
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    print(
        f"Python {platform.python_version()}, PyTorch {torch.__version__}; {platform.machine()}, "
        + ("one core, one thread" if arguments.device == "cpu" else torch.cuda.get_device_name(arguments.device))
    )
    print(f"medians (range) of {arguments.turns} turns of {arguments.steps:,} steps")
    print("| network | µs a step | watching | examining, in steps |")
    print("|---|---|---|---|")
    for name in arguments.networks or SHOWN:
        train(name, 60, True, arguments.pairs, arguments.device)
        costs, plain = [], []
        for turn in range(arguments.turns):
            seconds = {}
            for is_watched in (False, True) if turn % 2 else (True, False):
                seconds[is_watched] = train(name, arguments.steps, is_watched, arguments.pairs, arguments.device)
            costs.append(seconds[True] / seconds[False] - 1)
            plain.append(seconds[False] / arguments.steps * 1e6)
        steps = [examine(name, arguments.device) for _ in range(arguments.turns)]
        print(
            f"| {name} | {statistics.median(plain):.0f} | {_spread(costs, '+.1%')} | {_spread(steps, '.0f')} |",
            flush=True,
        )
    return None


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
