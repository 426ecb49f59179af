"""A network is trained on words, and counting the same words stands beside it."""

import pytest

from moreish.corpus.words import split_words
from moreish.experiments import Request, experiments
from moreish.experiments.words import word_level

RECIPE = {"kind": "text", "context": 3, "embedding": 4, "hidden": [8], "steps": 30, "batch": 16}


@pytest.mark.parametrize("engine", ["auto", "native", "autograd"])
def test_words_are_learned_counted_and_made(tmp_path, engine):
    text = "All that glisters is not gold;\nOften have you heard that told.\n" * 60
    file = tmp_path / "text.txt"
    file.write_text(text, encoding="utf-8")
    settings = {"recipe": RECIPE, "num_words": 10, "num_made": 12}
    values = word_level(Request(file, 1, engine, settings, tmp_path))
    assert values["symbols"] == 11  # ten words, and one symbol for the rest
    assert values["parameters"] == 11 * 4 + 3 * 4 * 8 + 8 + 8 * 11 + 11
    assert 1 < values["test, Kneser-Ney trigram"] < values["test, network"] < 11
    made = values["words made"]
    assert isinstance(made, str)
    assert set(split_words(made.replace("<rare>", "").replace(" / ", "\n"))) <= set(split_words(text))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_on_tiny_shakespeare_the_network_beats_counting(shakespeare_file, tmp_path):
    settings = experiments()["word-level"].settings
    values = word_level(Request(shakespeare_file, 1, "auto", settings, tmp_path))
    assert values["symbols"] == 4_763
    assert values["validation, Kneser-Ney trigram"] == pytest.approx(76.0, abs=0.5)
    for split in ("validation", "test"):
        assert (
            values[f"{split}, network"] < values[f"{split}, Kneser-Ney 4-gram"] < values[f"{split}, Kneser-Ney trigram"]
        )
