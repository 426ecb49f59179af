"""The network that a recipe draws is examined: planted faults are named first, healthy recipes left in peace."""

from pathlib import Path
from typing import Any

import pytest
import torch

from moreish.corpus import read_corpus
from moreish.doctor import judge
from moreish.doctor.trainings.examination import examine
from moreish.recipe import Recipe

SMALL: dict[str, Any] = {"context": 3, "embedding": 8, "hidden": (32,), "steps": 100}


def found(file: Path, **changes: Any) -> tuple[str, ...]:
    recipe = Recipe().with_changes(**(SMALL | changes))
    return judge(examine(recipe, read_corpus(file, recipe))).names


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("initial-loss", {"head_scale": 3.0}),
        ("saturated-tanh", {"activation": "tanh", "init": "normal", "head_init": "kaiming"}),
        ("symmetric-units", {"init": "zeros"}),
        ("rate-too-high", {"learning_rate": 3.0}),
        ("rate-too-low", {"learning_rate": 1e-6}),
        ("bias-before-norm", {"norm": "batch", "bias": "all"}),
        ("vanishing", {"hidden": (40,) * 6, "activation": "tanh", "gain": 0.3}),
    ],
)
def test_a_planted_fault_is_named_first(syllables: Path, fault: str, changes: dict[str, Any]) -> None:
    assert found(syllables, **changes)[0] == fault


def test_a_few_huge_losses_do_not_hide_that_most_examples_lose() -> None:
    """At this rate the losses of examples differ so much that their mean alone proves nothing."""
    assert found(Path("names"), context=8, embedding=24, hidden=(64,), learning_rate=3.0)[0] == "rate-too-high"


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"activation": "relu"}, {"activation": "tanh"}, {"norm": "batch"}, {"norm": "layer", "dropout": 0.3},
        {"model": "hierarchical", "context": 8, "hidden": (24, 24, 24), "norm": "batch"}, {"hidden": ()},
        {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.0}, {"embedding": "onehot"},
        {"optimizer": "momentum", "learning_rate": 0.02}, {"batch": 2}, {"kind": "text"},
    ],
)  # fmt: skip
def test_healthy_recipes_are_left_in_peace(syllables: Path, changes: dict[str, Any]) -> None:
    assert found(syllables, **changes) == ()


def test_copies_across_the_published_split_are_named(tmp_path: Path, syllables: Path) -> None:
    names = syllables.read_text(encoding="utf-8")
    doubled = tmp_path / "doubled.txt"
    doubled.write_text(names + names, encoding="utf-8")
    assert "split-overlap" in found(doubled, split="published")
    assert found(doubled) == ()


def test_random_streams_are_left_alone(syllables: Path) -> None:
    before = torch.get_rng_state()
    found(syllables)
    assert torch.equal(before, torch.get_rng_state())
