"""A list of made-up names, large enough to be split and to learn from."""

from pathlib import Path

import numpy as np
import pytest

ONSETS = ["b", "d", "k", "l", "m", "n", "r", "s", "t", "v", "br", "tr"]
VOWELS = ["a", "e", "i", "o", "ai", "ou"]


@pytest.fixture(scope="session")
def syllables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 900 different names of two or three syllables."""
    numbers = np.random.default_rng(0)

    def name() -> str:
        return "".join(numbers.choice(ONSETS) + numbers.choice(VOWELS) for _ in range(numbers.integers(2, 4)))

    path = tmp_path_factory.mktemp("lists") / "syllables.txt"
    path.write_text("\n".join(dict.fromkeys(name() for _ in range(1000))) + "\n", encoding="utf-8")
    return path
