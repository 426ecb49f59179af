"""Steps a second of moreish's trainings on a GPU and on the processor: when does a GPU pay?

Usage: python benchmarks/devices.py [--device DEVICE] [--turns N]

Protocol: the autograd engine on the bundled names, the draw of the minibatch included, float32, one thread of the
processor; the native engine beside it where it was built. All take turns, after one that warms up, each for about a
fifth of a second; shown are medians over the turns. The losses are read at every step, so a step has ended when it is
counted.
"""

import argparse
import platform
import statistics
from dataclasses import replace

import torch
from measuring import Runner

from moreish.corpus import read_corpus
from moreish.engines.native import levels
from moreish.recipe import Recipe

SECONDS_A_TURN = 0.2
CASES = {
    "the default recipe": Recipe(),
    "with batch 2,048": Recipe(batch=2048),
    "with hidden layers of 1,024 and batch 2,048": Recipe(batch=2048, hidden=(1024, 1024)),
    "with dropout": Recipe(dropout=0.1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="beside the processor [cuda]")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name(arguments.device) if arguments.device.startswith("cuda") else arguments.device
    print(
        f"Python {platform.python_version()}, PyTorch {torch.__version__}; {platform.machine()}, {name}; steps a second"
    )
    columns = {"autograd, cpu": ("autograd", "cpu"), f"autograd, {arguments.device}": ("autograd", arguments.device)}
    columns |= {"native, cpu": ("native", "cpu")} if levels() else {}
    print("| network | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for case, recipe in CASES.items():
        corpus = read_corpus(None, recipe)
        runners = [Runner(name, replace(recipe, device=device), corpus, None) for name, device in columns.values()]
        counts = [max(2, round(SECONDS_A_TURN / (runner.seconds(5) / 5))) for runner in runners]
        turns = [
            [count / runner.seconds(count) for runner, count in zip(runners, counts, strict=True)]
            for _ in range(arguments.turns + 1)
        ][1:]
        medians = [statistics.median(rates) for rates in zip(*turns, strict=True)]
        print(f"| {case} | " + " | ".join(f"{median:,.0f}" for median in medians) + " |", flush=True)


if __name__ == "__main__":
    main()
