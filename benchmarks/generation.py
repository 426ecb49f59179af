"""Names per second: NumPy, C++ and `Model.generate` against the notebook's loop of one character at a time.

Protocol: one core (the process pins itself where the system allows it) and one thread; the same weights for all
(context 3, embedding 10, hidden 200, 27 symbols), trained briefly on the bundled names, so that names have their usual
length. Each round times every row in turn, so that a busy moment meets all; the first round warms up. Medians over the
rounds, and the median and range of the ratio to the loop of the same round. Rows count the seconds of processor time
that they took, which on one thread are those of the clock where nothing else runs, and do not count what others take.

Rows are of 10,000 names, the loop's of 300, "many names" of 300,000 in batches of 10,000. "forgotten" begins with an
empty memory of contexts, "remembered" with the one that rounds before, of other seeds, have filled.
The command line is timed by the clock, with starting, loading and writing the file, and in fewer rounds.

    python benchmarks/generation.py [--rounds 9] [--command-rounds 3]
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn import functional as F

import moreish
from moreish.generation import Request
from moreish.generation.draw import begin, draw_items
from moreish.generation.walk import Walker, can_walk
from moreish.storage import load_model

NUM_NAMES = 10_000
NUM_LOOP_NAMES = 300
NUM_MANY_NAMES = 300_000


def loop(weights: dict[str, torch.Tensor], context: int, num_names: int, generator: torch.Generator) -> int:
    """Draw names as the notebook does; returns the number of characters, boundaries included."""
    C = weights["embedding.weight"]
    W1, b1 = weights["layers.0.linear.weight"], weights["layers.0.linear.bias"]
    W2, b2 = weights["head.linear.weight"], weights["head.linear.bias"]
    num_characters = 0
    for _ in range(num_names):
        seen = [0] * context
        while True:
            embedded = C[torch.tensor([seen])]  # (1, T, E)
            h = torch.tanh(embedded.view(1, -1) @ W1 + b1)
            probs = F.softmax(h @ W2 + b2, dim=1)
            symbol = int(torch.multinomial(probs, num_samples=1, generator=generator).item())
            seen = [*seen[1:], symbol]
            num_characters += 1
            if symbol == 0:
                break
    return num_characters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--command-rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # of the command line's processes

    print(
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}"
    )
    with tempfile.TemporaryDirectory() as directory:
        recipe = moreish.Recipe(context=3, embedding=10, hidden=(200,), activation="tanh", steps=3_000)
        run = moreish.train(out=Path(directory) / "run", recipe=recipe).path
        compare(rows_of(run), arguments.rounds)
        time_command(run, Path(directory) / "names.txt", arguments.command_rounds)


def rows_of(run: Path) -> dict[str, tuple[int, Callable[[int], object]]]:
    """Of each row how many names it draws, and how, given a seed."""
    model = moreish.load(run)
    predictor = model.predictor
    tensors = {name: torch.from_numpy(array) for name, array in load_model(run).weights.items()}
    generator = torch.Generator().manual_seed(1)
    beginning = begin(predictor, np.zeros(1, np.int64), np.zeros(0, np.int64), has_boundary=True)
    items = np.arange(NUM_NAMES)

    def request(seed: int) -> Request:
        return Request(seed=seed, allow_repeats=True).for_lines()

    rows: dict[str, tuple[int, Callable[[int], object]]] = {
        "the notebook's loop": (NUM_LOOP_NAMES, lambda seed: loop(tensors, 3, NUM_LOOP_NAMES, generator)),
        "NumPy": (NUM_NAMES, lambda seed: draw_items(predictor, beginning, request(seed), items)),
    }
    if can_walk(predictor):
        kept = Walker(predictor)

        def draw_many(seed: int) -> None:
            walker = Walker(predictor)
            for first in range(0, NUM_MANY_NAMES, NUM_NAMES):
                walker.draw(beginning, request(seed), items + first)

        rows |= {
            "C++, forgotten": (NUM_NAMES, lambda seed: Walker(predictor).draw(beginning, request(seed), items)),
            "C++, forgotten, many names": (NUM_MANY_NAMES, draw_many),
            "C++, remembered": (NUM_NAMES, lambda seed: kept.draw(beginning, request(seed), items)),
        }
    rows["Model.generate, forgotten"] = (
        NUM_NAMES,
        lambda seed: moreish.load(run).generate(NUM_NAMES, allow_repeats=True, seed=seed),
    )
    rows["Model.generate, remembered"] = (
        NUM_NAMES,
        lambda seed: model.generate(NUM_NAMES, allow_repeats=True, seed=seed),
    )
    rows["Model.generate, new only"] = (NUM_NAMES, lambda seed: model.generate(NUM_NAMES, new_only=True, seed=seed))
    return rows


def compare(rows: dict[str, tuple[int, Callable[[int], object]]], num_rounds: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for seed in range(num_rounds + 1):
        for name, (num_names, draw) in rows.items():
            began = time.process_time()
            draw(seed)
            rates[name].append(num_names / (time.process_time() - began))
    loops = rates["the notebook's loop"][1:]
    print(f"{'':<28}{'names/s':>12}{'times the loop':>16}   range")
    for name, with_warmup in rates.items():
        measured = with_warmup[1:]
        ratios = [ours / theirs for ours, theirs in zip(measured, loops, strict=True)]
        spread = f"{min(ratios):,.1f} to {max(ratios):,.1f}"
        print(f"{name:<28}{statistics.median(measured):>12,.0f}{statistics.median(ratios):>16,.1f}   {spread}")


def time_command(run: Path, file: Path, num_rounds: int) -> None:
    """`moreish generate` in a process of its own: ten names, and a million into a file."""
    for num_names, repeats in ((10, 5 * num_rounds), (1_000_000, num_rounds)):
        command = [sys.executable, "-m", "moreish", "generate", str(run), "-n", str(num_names), "--allow-repeats"]
        seconds, processor = [], []
        for _ in range(repeats):
            with file.open("wb") as output:
                before, began = os.times(), time.perf_counter()
                subprocess.run(command, stdout=output, check=True)
                seconds.append(time.perf_counter() - began)
                after = os.times()
            processor.append(sum(after[2:4]) - sum(before[2:4]))  # of children, in the program and in the system
        print(
            f"moreish generate -n {num_names}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to "
            f"{max(seconds):.2f}, {repeats} times), of which {statistics.median(processor):.2f} s of processor time"
        )


if __name__ == "__main__":
    main()
