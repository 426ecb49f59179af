"""The multiply-adds a second that one core reaches with each instruction set, measured with peak.cpp."""

import ctypes
import subprocess
import tempfile
import time
from pathlib import Path

# Lanes of a vector, independent chains (two multipliers, four cycles each, some to spare), and the compiler's options.
SETS = {
    "avx512": (16, 12, ["-mavx512f", "-mfma"]),
    "avx2": (8, 12, ["-mavx2", "-mfma"]),
    "portable": (4, 12, []),
}


def peak(level: str, num_turns: int = 9) -> float:
    """GFLOP/s of one core, a multiply-add counted as two; the best of some turns, as a peak is."""
    lanes, chains, options = SETS[level]
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "peak.so"
        source = Path(__file__).with_name("peak.cpp")
        defined = [f"-DLANES={lanes}", f"-DCHAINS={chains}"]
        flags = ["-O3", "-shared", "-fPIC", "-ffp-contract=fast", *options, *defined]
        subprocess.run(["c++", *flags, str(source), "-o", str(library)], check=True)
        multiply_add = ctypes.CDLL(str(library)).multiply_add
    multiply_add.argtypes, multiply_add.restype = [ctypes.c_long], ctypes.c_float
    num_rounds, best = 1_000_000, 0.0
    for _ in range(num_turns):
        began = time.perf_counter()
        multiply_add(num_rounds)
        seconds = time.perf_counter() - began
        best = max(best, num_rounds * chains * lanes * 2 / seconds / 1e9)
    return best
