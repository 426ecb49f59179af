"""How long each kernel of the native engine takes, on every instruction set, and the products' share of the peak.

Usage: python benchmarks/kernels.py [--turns N]. Sizes are those of case B (28 rows, 200 hidden units, 27 symbols; 40
pairs of 10 numbers in the first layer), where everything fits into the first caches. Protocol: one core, one thread; a
turn carries a kernel out 200 times in one call; the levels take turns. Shown is the fastest turn, because a median
would tell of whatever else ran; and the peak too is the best of some (peak.py).
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peak import peak

from moreish.engines import _native

REPEAT = 200
ROWS, HIDDEN, VOCAB, PAIRS, EMBEDDING, CONTEXT = 28, 200, 27, 40, 10, 3
draw = np.random.default_rng(1)


def padded(rows: int, columns: int) -> NDArray[np.float32]:
    """Random numbers in rows as the engine pads them: an odd number of cache lines apart."""
    ld = 16 * ((columns + 15) // 16 | 1)
    room = np.zeros(rows * ld + 16, np.float32)
    skipped = -room.ctypes.data % 64 // 4
    view = room[skipped : skipped + rows * ld].reshape(rows, ld)[:, :columns]
    view[...] = draw.normal(size=(rows, columns))
    return view


def cases() -> dict[str, tuple[Callable[[Any], Any], int]]:
    """By the kernel's name: what calls it, and its floating-point operations where it is a product, else 0."""
    x, dy, slope, dx, xhat = padded(ROWS, HIDDEN), padded(ROWS, VOCAB), *(padded(ROWS, HIDDEN) for _ in range(3))
    W, b, logits, transposed = padded(HIDDEN, VOCAB), padded(1, VOCAB), padded(ROWS, VOCAB), padded(VOCAB, HIDDEN)
    dpairs, W1, dembedded = padded(PAIRS, HIDDEN), padded(EMBEDDING, HIDDEN), padded(PAIRS, EMBEDDING)
    first, second, nothing = padded(HIDDEN, VOCAB), padded(HIDDEN, VOCAB), padded(ROWS, VOCAB)
    second[...] = nothing[...] = 0
    index = draw.integers(0, PAIRS, ROWS * CONTEXT).astype(np.int32)
    firsts = np.unique(index, return_index=True)[1]
    marked = index.copy()
    marked[firsts] = ~marked[firsts]
    ones, of_rows = np.ones(ROWS, np.float32), np.zeros(ROWS, np.float32)
    gamma, beta, mean, variance, rstd, dgamma, dbeta, sums = (padded(1, HIDDEN) for _ in range(8))
    sgd = _native.Rule("sgd", 0.0)  # type: ignore[attr-defined]
    adamw = _native.Rule("adamw", 0.0, beta1=0.9, beta2=0.999)  # type: ignore[attr-defined]
    head = 2 * ROWS * HIDDEN * VOCAB
    return {
        "product": (lambda k: k.product(x, W, logits, b), head),
        # Of zeros, since what stands in the result is multiplied again and again.
        "product_times": (lambda k: k.product_times(nothing, transposed, slope), head),
        "product_transposed": (lambda k: k.product_transposed(dpairs, W1, dembedded), 2 * PAIRS * HIDDEN * EMBEDDING),
        "product_update (SGD)": (lambda k: k.product_update(x.T, dy, W, None, None, sgd), head),
        "product_update (AdamW)": (lambda k: k.product_update(x.T, dy, W, first, second, adamw), head),
        "update (SGD)": (lambda k: k.update(W, first, None, None, sgd), 0),
        "square_sum": (lambda k: k.square_sum(W), 0),
        "transpose": (lambda k: k.transpose(W, transposed), 0),
        "gather_sum": (lambda k: k.gather_sum(dpairs, index, beta, x), 0),
        "scatter_sum": (lambda k: k.scatter_sum(x, marked, dpairs), 0),
        "column_sums": (lambda k: k.column_sums(x, sums), 0),
        **{
            f"activate ({kind})": (lambda k, kind=kind: k.activate(kind, x, slope), 0)
            for kind in ("tanh", "relu", "gelu")
        },
        "batch_norm": (lambda k: k.batch_norm(x, xhat, ones, gamma, beta, mean, variance, rstd, ROWS, 1, 1e-5), 0),
        "batch_norm_backward": (
            lambda k: k.batch_norm_backward(dx, xhat, ones, gamma, rstd, dgamma, dbeta, ROWS, 1),
            0,
        ),
        "layer_norm": (lambda k: k.layer_norm(x, xhat, of_rows, gamma, beta, 1e-5), 0),
        "layer_norm_backward": (lambda k: k.layer_norm_backward(dx, xhat, of_rows, gamma, dgamma, dbeta), 0),
        "softmax": (lambda k: k.softmax(logits, of_rows, ones, ROWS), 0),
        "moments": (lambda k: k.moments(x, 0.0), 0),
    }


def microseconds(call: Callable[[Any], Any], kernels: Any) -> float:
    began = time.perf_counter()
    call(kernels)
    return (time.perf_counter() - began) / REPEAT * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="How long each kernel takes.")
    parser.add_argument("--turns", type=int, default=25)
    num_turns = parser.parse_args().turns
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    names = _native.levels()
    peaks = [peak(name) for name in names]
    levels = [_native.Kernels(name, REPEAT) for name in names]  # type: ignore[attr-defined]
    print(f"peak of one core: {', '.join(f'{n} {p:.0f} GFLOP/s' for n, p in zip(names, peaks, strict=True))}")
    print("| kernel | " + " | ".join(f"{name} µs | of the peak" for name in names) + " |")
    print("|---|" + "---|" * 2 * len(names))
    for kernel, (call, operations) in cases().items():
        turns = [[microseconds(call, level) for level in levels] for _ in range(num_turns + 1)][1:]
        fastest = [min(times) for times in zip(*turns, strict=True)]
        shares = [
            f"{operations / time / 1e3 / top:.0%}" if operations else ""
            for time, top in zip(fastest, peaks, strict=True)
        ]
        print(f"| {kernel} | " + " | ".join(f"{t:.2f} | {s}" for t, s in zip(fastest, shares, strict=True)) + " |")


if __name__ == "__main__":
    main()
