"""Figures of a split: against plain arithmetic, and against what is published of the lecture's names."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from moreish.corpus import SPLITS, read_corpus
from moreish.errors import InputError
from moreish.models.predictor import WindowPredictor
from moreish.recipe import Recipe
from moreish.training.evaluation import baselines, evaluate, evaluate_blocks


class Half(WindowPredictor):
    """Gives the boundary one half, and shares the rest equally."""

    def logits(self, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
        logits = np.full((len(contexts), self.vocab_size), -math.log(2 * (self.vocab_size - 1)))
        logits[:, 0] = -math.log(2)
        return logits


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    file = tmp_path / "items.txt"
    file.write_text("\n".join("ab" * (index % 7 + 1) + "cde"[index % 3] for index in range(100)))
    return file


def test_nll_of_a_split_is_the_mean_over_its_characters(small_file: Path) -> None:
    corpus = read_corpus(small_file, Recipe())
    model = Half(corpus.vocabulary.vocab_size, 3)
    for split in SPLITS:
        lengths = [len(item) for item in corpus.items(split)]
        totals = [math.log(2) + length * math.log(2 * (model.vocab_size - 1)) for length in lengths]
        measured = evaluate(model, corpus, split)
        num_characters = sum(lengths) + len(lengths)
        ratio = sum(totals) / num_characters
        assert measured.nats_per_character == pytest.approx(ratio)
        assert (measured.num_characters, measured.num_items) == (num_characters, len(lengths))
        squares = sum((total - ratio * (length + 1)) ** 2 for total, length in zip(totals, lengths, strict=True))
        expected = math.sqrt(squares * len(lengths) / (len(lengths) - 1)) / num_characters
        assert measured.standard_error == pytest.approx(expected)


def test_a_long_split_is_represented_by_a_sample(small_file: Path) -> None:
    corpus = read_corpus(small_file, Recipe())
    model = Half(corpus.vocabulary.vocab_size, 3)
    measured = evaluate(model, corpus, "train", limit=100)
    assert measured.is_sample
    assert 0 < measured.num_characters <= 100
    assert measured == evaluate(model, corpus, "train", limit=100)
    assert measured == evaluate_blocks(model, corpus, corpus.blocks("train", 3, 100))


def test_text_shorter_than_the_context_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text("abcd" * 5)
    corpus = read_corpus(file, Recipe(kind="text"))
    with pytest.raises(InputError):
        evaluate(Half(corpus.vocabulary.vocab_size, 10), corpus, "validation")


def test_baselines_of_text_cover_every_split(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("she sells sea shells by the sea shore. " * 60)
    rows = baselines(read_corpus(file, Recipe(kind="text")))
    name = list(rows)[-1]
    assert name.startswith("n-gram (order ")
    assert rows[name]["test"].nats_per_character < rows["bigram"]["test"].nats_per_character
    assert all(row.keys() == set(SPLITS) for row in rows.values())


def test_baselines_of_the_published_split_are_the_known_figures(names_file: Path) -> None:
    rows = baselines(read_corpus(names_file, Recipe(split="published")))
    assert list(rows) == ["uniform", "single characters", "bigram", "n-gram (order 6)"]
    for split, num_characters in zip(SPLITS, (182_625, 22_655, 22_866), strict=True):
        assert rows["uniform"][split].nats_per_character == pytest.approx(math.log(27))
        assert all(row[split].num_characters == num_characters for row in rows.values())
    assert rows["single characters"]["train"].nats_per_character == pytest.approx(2.82, abs=0.005)
    assert rows["bigram"]["train"].nats_per_character == pytest.approx(2.4540, abs=0.005)
    assert rows["bigram"]["validation"].nats_per_character == pytest.approx(2.4540, abs=0.005)
    ngram = [rows["n-gram (order 6)"][split].nats_per_character for split in SPLITS]
    assert ngram == pytest.approx([1.6178, 1.9746, 1.9778], abs=5e-5)
