"""How a native training step grows with the network, and what share of the core's peak it reaches.

Usage: python benchmarks/growth.py [--turns N] [--threads]. Case B of engines.py, with one size changed at a time.
Protocol: as there, but shown is the fastest of many short turns, in which all sizes of a table take part, because a
median would tell of whatever else ran; and the peak too is the best of some (peak.py). Operations are those that are
really executed in products: contexts that occur twice in a minibatch are counted once, and so are the characters that
the first layer meets in one place; sums, activations and norms are not counted.

--threads instead: two trainings of case B in two threads of one process, on two cores, beside each alone on its core.
"""

import argparse
import os
import platform
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from peak import peak
from threadpoolctl import threadpool_limits

from engines import B, Runner
from moreish.corpus import Corpus, read_corpus
from moreish.corpus.windows import contexts
from moreish.engines.native import levels
from moreish.models.joining import num_joined
from moreish.recipe import Recipe

EXAMPLES = 2000  # of a turn
LEAST_STEPS = 3
GROWTH = {
    "hidden size": {size: replace(B, hidden=(size,)) for size in (16, 32, 64, 100, 200, 300, 512, 1024)},
    "hidden layers of 100": {num: replace(B, hidden=(100,) * num) for num in (1, 2, 3, 5, 8)},
    "batch": {size: replace(B, batch=size) for size in (1, 8, 32, 64, 128, 256, 1024, 4096)},
    "vocabulary": dict.fromkeys((8, 27, 64, 128, 256, 512), B),
}


def with_vocabulary(vocab_size: int, folder: Path) -> tuple[Recipe, Corpus]:
    """Random text, whose symbols are equally frequent, so that few contexts occur twice."""
    ids = np.random.default_rng(0).integers(0, vocab_size, 100_000)
    path = folder / f"{vocab_size}.txt"
    path.write_text("".join(chr(0x4E00 + number) for number in [*range(vocab_size), *ids]))
    recipe = replace(B, kind="text")
    return recipe, read_corpus(str(path), recipe)


def operations(recipe: Recipe, corpus: Corpus, num_batches: int = 20) -> float:
    """Of the products in a step, a multiply-add counted as two; the mean over some minibatches."""
    predicted = corpus.predicted("train", recipe.context)
    draw = np.random.default_rng(1)
    joined = num_joined(recipe)
    vocab_size = corpus.vocabulary.vocab_size
    total = 0
    for _ in range(num_batches):
        positions = draw.integers(predicted.start, predicted.stop, recipe.batch)
        rows = np.unique(contexts(corpus.stream, positions, recipe.context, corpus.vocabulary.has_boundary), axis=0)
        places = np.arange(recipe.context) % joined[0]
        num_pairs = len(np.unique(places * vocab_size + rows.astype(np.int64)))
        # A layer's output, the gradient of its input, and that of its weight: three products of the same size.
        multiply_adds = 3 * num_pairs * recipe.embedding * recipe.hidden[0]
        fan_outs = [*recipe.hidden[1:], vocab_size]
        for fan_in, fan_out, segments in zip(recipe.hidden, fan_outs, joined[1:], strict=True):
            multiply_adds += 3 * len(rows) * segments * fan_in * fan_out
        total += 2 * multiply_adds
    return total / num_batches


def grow(num_turns: int, top: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for what, recipes in GROWTH.items():
            print(f"\n| {what} | µs | products' MFLOP | GFLOP/s | of the peak |\n|---|---|---|---|---|")
            pairs = {
                size: with_vocabulary(size, Path(folder))
                if what == "vocabulary"
                else (recipe, read_corpus(None, recipe))
                for size, recipe in recipes.items()
            }
            runners = {size: Runner("native", *pair) for size, pair in pairs.items()}
            steps = {size: max(LEAST_STEPS, EXAMPLES // recipe.batch) for size, (recipe, _) in pairs.items()}
            turns = [[run.microseconds(steps[size]) for size, run in runners.items()] for _ in range(num_turns + 1)]
            for size, times in zip(recipes, zip(*turns[1:], strict=True), strict=True):
                microseconds, work = min(times), operations(*pairs[size])
                rate = work / microseconds / 1e3
                print(
                    f"| {size:,} | {microseconds:.1f} | {work / 1e6:.3f} | {rate:.1f} | {rate / top:.0%} |", flush=True
                )


class Trainer:
    """Case B on one core: carries out steps in a thread of its own, and says how long they took."""

    def __init__(self, core: int, corpus: Corpus) -> None:
        self._core, self._runner = core, Runner("native", B, corpus)
        self.wall = self.worked = 0.0

    def start(self, num_steps: int) -> threading.Thread:
        def train() -> None:
            os.sched_setaffinity(threading.get_native_id(), {self._core})
            worked = time.thread_time()
            self.wall = self._runner.microseconds(num_steps)
            self.worked = (time.thread_time() - worked) / num_steps * 1e6

        thread = threading.Thread(target=train)
        thread.start()
        return thread


def two_threads(num_turns: int) -> None:
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("Two cores are needed; this process may use one.")
    corpus = read_corpus(None, B)
    trainers = [Trainer(core, corpus) for core in cores]
    walls: list[list[float]] = [[], []]
    works: list[list[float]] = [[], []]
    for turn in range(num_turns + 1):
        alone = []
        for trainer in trainers:
            trainer.start(3000).join()
            alone.append((trainer.wall, trainer.worked))
        for thread in [trainer.start(3000) for trainer in trainers]:
            thread.join()
        for i, trainer in enumerate(trainers):
            if turn:
                walls[i].append(alone[i][0] / trainer.wall)
                works[i].append(alone[i][1] / trainer.worked)
    print("| training | speed beside another, of its speed alone | by the time that it had the core |\n|---|---|---|")
    for i in range(2):
        print(f"| {i + 1} | {statistics.median(walls[i]):.0%} | {statistics.median(works[i]):.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="How a native training step grows.")
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--threads", action="store_true", help="two trainings in two threads instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, native with {levels()[0]}, ", end="")
    print(f"{platform.machine()}; {arguments.turns} turns; load {os.getloadavg()[0]:.1f}")
    with threadpool_limits(limits=1):
        if arguments.threads:
            two_threads(arguments.turns)
            return
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        top = peak(levels()[0])
        print(f"peak of one core: {top:.0f} GFLOP/s")
        grow(arguments.turns, top)


if __name__ == "__main__":
    main()
