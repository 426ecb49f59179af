"""How long the preparation of a list takes: moreish beside the loop of the notebooks.

Usage: python benchmarks/preparation.py [FILE]; without FILE, names.txt in the directory MOREISH_DATA.

Protocol: both start with the file on the disk (in the page cache) and end with the three splits in memory: moreish with
`read_corpus`, which also cleans, fingerprints and counts; the loop with X and Y of the three splits as tensors, as the
notebooks build them. The loop's shuffle is not timed, that of `--split published` is. A third row adds every window of
moreish as an array, which a training does not need. One core, one thread; the rows take turns, and the median of the
repetitions is shown, in processor time, so that other programs matter less. The ratio is the loop's over the row's.
"""

import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from moreish.corpus import SPLITS, contexts, read_corpus
from moreish.recipe import Recipe

CONTEXT = 3
NUM_TURNS = 9
RUNS_A_TURN = 5


def tensors_of(words: list[str], id_of: dict[str, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """One Python list a character, then tensors: what the notebooks do."""
    examples, targets = [], []
    for word in words:
        window = [0] * CONTEXT
        for character in word + ".":
            symbol = id_of[character]
            examples.append(window)
            targets.append(symbol)
            window = window[1:] + [symbol]  # noqa: RUF005 (as it stands there)
    return torch.tensor(examples), torch.tensor(targets)


def prepare_by_loop(path: Path, order: list[int]) -> None:
    with open(path, encoding="utf-8") as file:
        words = file.read().splitlines()
    id_of = {character: number for number, character in enumerate(sorted(set("".join(words))), start=1)}
    id_of["."] = 0
    words = [words[place] for place in order]
    first, second = int(0.8 * len(words)), int(0.9 * len(words))
    for part in (words[:first], words[first:second], words[second:]):
        tensors_of(part, id_of)


def prepare(path: Path, recipe: Recipe, with_windows: bool = False) -> None:
    corpus = read_corpus(path, recipe)
    for split in SPLITS if with_windows else ():
        positions = corpus.predicted(split, CONTEXT)
        contexts(corpus.stream, np.arange(positions.start, positions.stop), CONTEXT, corpus.has_boundary)


def seconds(task: Callable[[], None], num_runs: int) -> list[float]:
    times = []
    for _ in range(num_runs):
        begin = time.process_time()
        task()
        times.append(time.process_time() - begin)
    return times


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    directory = os.environ.get("MOREISH_DATA")
    if len(sys.argv) < 2 and not directory:
        sys.exit("Give a file with one item a line, or set MOREISH_DATA to a directory with names.txt.")
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(directory or "") / "names.txt"

    with open(path, encoding="utf-8") as file:
        order = list(range(len(file.read().splitlines())))
    random.Random(42).shuffle(order)
    recipes = {split: Recipe(split=split, context=CONTEXT) for split in ("distinct", "published")}
    loop = "the loop of the notebooks"
    tasks: dict[str, tuple[Callable[[], None], int]] = {
        loop: (lambda: prepare_by_loop(path, order), 1),
        "moreish, split distinct": (lambda: prepare(path, recipes["distinct"]), RUNS_A_TURN),
        "moreish, split published": (lambda: prepare(path, recipes["published"]), RUNS_A_TURN),
        "moreish, split distinct, and all windows": (lambda: prepare(path, recipes["distinct"], True), RUNS_A_TURN),
    }
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(NUM_TURNS + 1):
        for name, (task, num_runs) in tasks.items():
            measured = seconds(task, num_runs)
            if turn:  # the first warms up
                times[name] += measured

    print(
        f"{path.name}, {path.stat().st_size:,} bytes; {platform.machine()}, {platform.system()}, one core, one thread"
    )
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}")
    for name in tasks:
        median = statistics.median(times[name])
        print(f"{name:42}{median * 1e3:9.2f} ms{statistics.median(times[loop]) / median:8.1f} x")


if __name__ == "__main__":
    main()
