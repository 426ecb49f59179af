"""Names per second: `Model.generate` against the notebook's loop of one character at a time.

Protocol: one core (the process pins itself where the system allows it) and one thread; the same weights for both
(context 3, embedding 10, hidden 200, 27 symbols), trained briefly on the bundled names, so that names have their usual
length. Each round times one request of 10,000 names (repeats allowed) and one loop of 300 names, in turn, so that a
busy moment meets both; medians over the rounds, and the ratio's range.

    python benchmarks/generation.py [--rounds 9]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn import functional as F

import moreish
from moreish.storage import load_model

NUM_NAMES = 10_000
NUM_LOOP_NAMES = 300


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
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    threadpool_limits(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    with tempfile.TemporaryDirectory() as directory:
        recipe = moreish.Recipe(context=3, embedding=10, hidden=(200,), activation="tanh", steps=3_000)
        run = moreish.train(out=Path(directory) / "run", recipe=recipe)
        model = moreish.load(run)
        weights = load_model(run).weights
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    generator = torch.Generator().manual_seed(1)

    ours, loops, lengths = [], [], []
    for number in range(rounds + 1):
        began = time.perf_counter()
        items = model.generate(NUM_NAMES, allow_repeats=True, seed=number)
        ours.append(NUM_NAMES / (time.perf_counter() - began))
        began = time.perf_counter()
        num_characters = loop(tensors, 3, NUM_LOOP_NAMES, generator)
        loops.append(NUM_LOOP_NAMES / (time.perf_counter() - began))
        lengths.append((np.mean([len(item.text) + 1 for item in items]), num_characters / NUM_LOOP_NAMES))
    ours, loops, lengths = ours[1:], loops[1:], lengths[1:]  # the first round warms up
    ratios = [mine / theirs for mine, theirs in zip(ours, loops, strict=True)]

    print(
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}"
    )
    print(f"characters a name, boundary included: {np.mean(lengths, axis=0).round(2).tolist()} (generate, loop)")
    print(f"generate: {statistics.median(ours):>9,.0f} names/s   {min(ours):,.0f} to {max(ours):,.0f}")
    print(f"loop:     {statistics.median(loops):>9,.0f} names/s   {min(loops):,.0f} to {max(loops):,.0f}")
    print(f"ratio:    {statistics.median(ratios):>9.1f}           {min(ratios):.1f} to {max(ratios):.1f}")


if __name__ == "__main__":
    main()
