"""What a training takes is known before it is taken: refused where it does not fit, told where it is much."""

import resource
from pathlib import Path

import pytest

import moreish
from moreish.corpus import read_corpus
from moreish.errors import EngineError, MoreishWarning
from moreish.recipe import Recipe
from moreish.training import memory as memory_room
from moreish.training.memory import memory_of, mind_memory


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """A list whose longest item has five characters."""
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{a}{b}{c}\n" for a in ("m", "no", "kat") for b in "aeiou" for c in "rlns"))
    return path


def test_it_is_counted_from_the_recipe() -> None:
    recipe = Recipe(context=100, embedding=10, hidden=(20,), optimizer="sgd", batch=2)
    memory = memory_of(recipe, vocab_size=5)
    assert memory.num_parameters == 5 * 10 + 100 * 10 * 20 + 20 + 20 * 5 + 5
    assert memory.parameter_bytes == 3 * 4 * memory.num_parameters  # values, gradients, a checkpoint
    assert memory.minibatch_bytes == 10 * 2 * 100 * 8 + 2 * 2 * 4 * (100 * 10 + 20 + 5)
    assert memory_of(recipe.with_changes(optimizer="adamw"), 5).num_copies == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"context": 100_000},
        {"context": 100_000, "embedding": "onehot"},
        {"context": 100_000, "embedding": 2, "hidden": (), "batch": 512},
        {"context": 2**16, "model": "hierarchical", "hidden": (24,) * 16},
        {"embedding": 10**6, "batch": 1_000},
        {"hidden": (100_000, 100_000)},
        {"batch": 10**6},
        {"engine": "manual", "context": 100_000},
        {"engine": "native", "hidden": (100_000, 100_000)},
    ],
)
@pytest.mark.parametrize("begin", [moreish.train, moreish.find_rate])
def test_what_does_not_fit_is_refused_before_it_is_taken(
    names: Path, changes: dict[str, object], begin: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(names.parent)
    monkeypatch.setattr(memory_room, "machine_bytes", lambda: 2 * 10**9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EngineError, match=r"Training this network takes [\d.,]+ GB of memory or more: .* has 2.0 GB"):
        begin(names, **changes)  # type: ignore[operator]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000  # KB
    assert not Path("runs").exists()


def test_a_context_beyond_the_longest_item_is_told(names: Path) -> None:
    corpus = read_corpus(names, Recipe())
    with pytest.warns(MoreishWarning, match=r"1\.\d GB .* names.txt has more than 5 characters: --context 6 sees all"):
        mind_memory(Recipe(context=5_000), corpus)
    with pytest.warns(MoreishWarning, match=r"Give a smaller --context, --hidden, --embedding or --batch"):
        mind_memory(Recipe(context=7, hidden=(7_000, 7_000)), corpus)


def test_of_little_nothing_is_said(names: Path) -> None:
    corpus = read_corpus(names, Recipe())
    for recipe in (Recipe(), Recipe(context=64, hidden=(1024, 1024)), Recipe(model="ngram", order=64)):
        mind_memory(recipe, corpus)  # a warning would be an error


def test_the_memory_of_this_machine_is_known() -> None:
    assert (memory_room.machine_bytes() or 10**9) > 10**8
