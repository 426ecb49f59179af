"""How long a training step takes: our engines beside each other and beside what one would write without them.

Usage: python benchmarks/engines.py [--turns N] [--rivals] [CASE ...]; without CASE, all of them. The rivals
(`rivals.py`: the notebooks' eager loop, torch.compile, jax.lax.scan) need `pip install -r benchmarks/requirements.txt`.

Protocol: a step is everything that it takes, the draw of the minibatch too, on the bundled names, in float32; one core,
one thread. All take turns, each with the same number of steps from the same initialisation, after one turn that warms
up (and compiles). Shown are medians over the turns; a ratio is the median of the ratios of each turn, so that a slow
phase of the machine, which all feel, drops out. A rival that does not train (the loss of 200 steps stays near ln 27)
stops the benchmark.
"""

import argparse
import os
import platform
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from rivals import RIVALS
from threadpoolctl import threadpool_limits

from moreish.corpus import Corpus, read_corpus
from moreish.corpus.windows import contexts
from moreish.engines import Engine, build_engine
from moreish.engines.native import levels
from moreish.models.mlp import MLP
from moreish.recipe import EngineName, Recipe

ENGINES: tuple[EngineName, ...] = ("autograd", "manual", "native")
EXAMPLES_A_TURN = 10_000
LEAST_STEPS = 20

B = Recipe(
    context=3,
    embedding=10,
    hidden=(200,),
    activation="tanh",
    head_scale=0.01,
    optimizer="sgd",
    learning_rate=0.1,
    weight_decay=0.0,
    batch=32,
)
CASES: dict[str, tuple[str, Recipe]] = {
    "A": ("context 3, embedding 2, hidden 300, batch 32, SGD", replace(B, embedding=2, hidden=(300,))),
    "B": ("embedding 10, hidden 200", B),
    "C": ("B with batch norm", replace(B, norm="batch", norm_convention="notebook")),
    "D": (
        "five hidden layers of 100 with batch norm",
        replace(B, hidden=(100,) * 5, norm="batch", norm_output=True, norm_convention="lecture"),
    ),
    "F": ("B with batch 256", replace(B, batch=256)),
    "G": ("B with context 8", replace(B, context=8)),
    "AdamW": ("B with AdamW", replace(B, optimizer="adamw", learning_rate=1e-3, weight_decay=0.01)),
    "wavenet": (
        "lecture 5's hierarchical network",
        replace(
            B,
            model="hierarchical",
            context=8,
            embedding=24,
            hidden=(128,) * 3,
            norm="batch",
            norm_convention="lecture",
        ),
    ),
    "ReLU": ("B with ReLU", replace(B, activation="relu")),
    "GELU": ("B with GELU", replace(B, activation="gelu")),
    "GELU-64": ("B with GELU and batch 64", replace(B, activation="gelu", batch=64)),
    "GELU-128": ("B with GELU and batch 128", replace(B, activation="gelu", batch=128)),
    "layer": ("B with layer norm", replace(B, norm="layer")),
    "dropout": ("B with dropout", replace(B, dropout=0.2)),
    "default": ("the default recipe", Recipe()),
    "4096": ("B with batch 4,096", replace(B, batch=4096)),
    "4096-bn": ("C with batch 4,096", replace(B, batch=4096, norm="batch")),
    "4096-layer": ("B with layer norm and batch 4,096", replace(B, batch=4096, norm="layer")),
}


class Rival:
    """A step written without moreish, on one case: carries out steps and says how long each took."""

    def __init__(self, name: str, recipe: Recipe, corpus: Corpus) -> None:
        predicted = corpus.predicted("train", recipe.context)
        positions = np.arange(predicted.start, predicted.stop)
        seen = contexts(corpus.stream, positions, recipe.context, True)
        self._steps = RIVALS[name](recipe, seen, corpus.stream[positions], corpus.vocabulary.vocab_size)
        loss = sum(self._steps(20) for _ in range(10)) / 10
        if not loss < 3.1:
            raise SystemExit(f"{name} does not train: its loss is {loss:.3f} after 200 steps")

    def microseconds(self, num_steps: int) -> float:
        began = time.perf_counter()
        self._steps(num_steps)
        return (time.perf_counter() - began) / num_steps * 1e6


class Runner:
    """One engine on one case: carries out steps and says how long each took."""

    def __init__(self, name: EngineName, recipe: Recipe, corpus: Corpus) -> None:
        recipe = replace(recipe, engine=name)
        module = MLP(recipe, corpus.vocabulary.vocab_size, torch.Generator().manual_seed(1))
        self._engine: Engine = build_engine(recipe, module, corpus).engine
        self._generator = torch.Generator().manual_seed(2)
        self._recipe = recipe
        self._predicted = corpus.predicted("train", recipe.context)
        self._num_done = 0

    def microseconds(self, num_steps: int) -> float:
        rates = np.full(num_steps, self._recipe.learning_rate)
        began = time.perf_counter()
        drawn = torch.randint(0, len(self._predicted), (num_steps, self._recipe.batch), generator=self._generator)
        self._engine.run(drawn.numpy() + self._predicted.start, rates, self._num_done)
        self._num_done += num_steps
        return (time.perf_counter() - began) / num_steps * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a training step takes.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--rivals", action="store_true", help=f"beside {', '.join(RIVALS)} too")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    torch.set_num_threads(1)

    with threadpool_limits(limits=1):
        measure(arguments.cases or list(CASES), arguments.turns, list(RIVALS) if arguments.rivals else [])


def measure(cases: list[str], num_turns: int, rivals: list[str]) -> None:
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}, ", end="")
    print(f"native with {levels()[0]}; " if levels() else "no native engine; ", end="")
    print(f"{platform.machine()}, {platform.system()}, one core, one thread; medians of {num_turns} turns")
    names = [*rivals, *ENGINES]
    print("| case | | " + " | ".join(f"{name} µs" for name in names) + " |", end="")
    print("".join(f" {name}/native |" for name in names[:-1]))
    print("|---|---|" + "---|" * (2 * len(names) - 1))
    for case in cases:
        description, recipe = CASES[case]
        corpus = read_corpus(None, recipe)
        runners = [
            *(Rival(name, recipe, corpus) for name in rivals),
            *(Runner(name, recipe, corpus) for name in ENGINES),
        ]
        num_steps = max(LEAST_STEPS, EXAMPLES_A_TURN // recipe.batch)
        turns = [[runner.microseconds(num_steps) for runner in runners] for _ in range(num_turns + 1)][1:]
        medians = [f"{statistics.median(times):.1f}" for times in zip(*turns, strict=True)]
        ratios = [f"{statistics.median(turn[i] / turn[-1] for turn in turns):.2f}" for i in range(len(names) - 1)]
        print(f"| {case} | {description} | " + " | ".join(medians + ratios) + " |", flush=True)


if __name__ == "__main__":
    main()
