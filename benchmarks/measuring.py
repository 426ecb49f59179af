"""What looking into a training costs: every engine with statistics and without, on the cases of engines.py.

Usage: python benchmarks/measuring.py [--turns N] [CASE ...]; without CASE, A, B, C, D, wavenet, default.

Protocol: as in engines.py, but an engine takes turns with itself: nothing measured, every hundredth step, every step. A
turn is a multiple of 100 steps, and at least a tenth of a second. The cost is the median over the turns of the ratio to
the turn without, minus one: of every hundredth step in percent, and of every step in steps, which is what one measured
step costs beyond itself; a hundredth of it is the first again, and less at the mercy of the machine.
"""

import argparse
import os
import platform
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from engines import CASES, ENGINES
from moreish.corpus import Corpus, read_corpus
from moreish.engines import Engine, build_engine
from moreish.models.mlp import MLP
from moreish.recipe import EngineName, Recipe

SHOWN = ("A", "B", "C", "D", "wavenet", "default")
EVERY = (None, 100, 1)
SECONDS_A_TURN = 0.1


class Runner:
    """One engine on one case, measuring every so many steps."""

    def __init__(self, name: EngineName, recipe: Recipe, corpus: Corpus, every: int | None) -> None:
        recipe = replace(recipe, engine=name)
        module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
        self._engine: Engine = build_engine(recipe, module, corpus).engine
        self._generator = torch.Generator().manual_seed(2)
        self._recipe, self._every = recipe, every
        self._predicted = corpus.predicted("train", recipe.context)
        self._num_done = 0

    def seconds(self, num_steps: int) -> float:
        """How long so many steps took."""
        rates = np.full(num_steps, self._recipe.learning_rate)
        began = time.perf_counter()
        drawn = torch.randint(0, len(self._predicted), (num_steps, self._recipe.batch), generator=self._generator)
        self._engine.run(drawn.numpy() + self._predicted.start, rates, self._num_done, self._every)
        self._num_done += num_steps
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="What looking into a training costs.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--turns", type=int, default=15)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        measure(arguments.cases or list(SHOWN), arguments.turns)


def measure(cases: list[str], num_turns: int) -> None:
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}; ", end="")
    print(f"{platform.machine()}, {platform.system()}, one core, one thread; medians of {num_turns} turns")
    print("| case | engine | µs a step | every hundredth step | a measured step, in steps |")
    print("|---|---|---|---|---|")
    for case in cases:
        _, recipe = CASES[case]
        corpus = read_corpus(None, recipe)
        for name in ENGINES:
            runners = [Runner(name, recipe, corpus, every) for every in EVERY]
            slowest = max(runner.seconds(100) for runner in runners)
            num_steps = 100 * max(1, round(SECONDS_A_TURN / slowest))
            turns = [[runner.seconds(num_steps) for runner in runners] for _ in range(num_turns)]
            microseconds = statistics.median(turn[0] for turn in turns) / num_steps * 1e6
            hundredth, each = (statistics.median(turn[i] / turn[0] for turn in turns) - 1 for i in (1, 2))
            print(f"| {case} | {name} | {microseconds:.0f} | {hundredth:+.1%} | {each:.2f} |", flush=True)


if __name__ == "__main__":
    main()
