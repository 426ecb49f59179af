"""Preparing a file takes at most three times its bytes beyond what importing takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")

# The high-water mark of the process itself: getrusage's would begin with what the tests themselves hold.
MEASURE = """
import sys
from pathlib import Path
import numpy as np
from moreish.corpus import contexts, read_corpus
from moreish.recipe import Recipe

def kilobytes(name):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(name))

before = kilobytes("VmRSS")
path, kind, split, symbols = sys.argv[1:]
corpus = read_corpus(path, Recipe(kind=kind, split=split))
blocks = corpus.blocks("train", 8)
contexts(corpus.stream, np.array(corpus.predicted("test", 8)[:1000]), 8, corpus.has_boundary)
corpus.trained_items
assert corpus.vocabulary.vocab_size == int(symbols)
print((kilobytes("VmHWM") - before) * 1024 / Path(path).stat().st_size)
"""


def peak_over_file(path: Path, kind: str, split: str, num_symbols: int) -> float:
    source = Path(__file__).parents[2] / "src"
    command = [sys.executable, "-c", MEASURE, str(path), kind, split, str(num_symbols)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(source)})
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_a_hundred_megabytes_of_text_with_one_emoji(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    letters = np.random.default_rng(0).choice(np.frombuffer(b"the quick brown fox jumps.\n", np.uint8), 1_000_000)
    with path.open("wb") as file:
        for number in range(100):
            file.write(letters.tobytes() + ("😀".encode() if number == 60 else b""))
    assert peak_over_file(path, "text", "distinct", num_symbols=len(set(letters.tolist())) + 1) < 3


@pytest.mark.parametrize("split", ["distinct", pytest.param("published", marks=pytest.mark.slow)])
def test_thirty_megabytes_of_short_lines(tmp_path: Path, split: str) -> None:
    path = tmp_path / "list.txt"
    numbers = np.random.default_rng(0)
    size = 30_000_000
    letters = numbers.integers(ord("a"), ord("z") + 1, size, np.uint8)
    letters[np.cumsum(numbers.integers(5, 10, size // 7)).clip(max=size - 1)] = ord("\n")
    path.write_bytes(letters.tobytes())
    assert peak_over_file(path, "lines", split, num_symbols=27) < 3
