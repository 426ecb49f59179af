"""The model as a person holds it: found from a path, evaluated, near to its training items, without PyTorch."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moreish.corpus import read_corpus
from moreish.errors import FileError, InputError
from moreish.generation import Model, load
from moreish.recipe import Recipe
from moreish.storage import ModelFile, load_model, save_model

WORDS = ["abc", "bad", "cab", "dé", "bead", "ace", "deed", "café".replace("f", "b"), "added", "ebb", "babe", "é"]


@pytest.fixture
def words_file(tmp_path: Path) -> Path:
    path = tmp_path / "letters.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return path


def with_data(file: ModelFile, path: Path, /, **changes: Any) -> ModelFile:
    data: dict[str, Any] = {
        "name": path.name,
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    return replace(file, provenance={"data": data | {"is_copy": False} | changes})


@pytest.fixture
def trained(saved_model: Path, words_file: Path) -> Model:
    return Model(with_data(load_model(saved_model), words_file))


def test_a_model_is_loaded_from_a_file_a_directory_and_what_stands_for_a_path(model: Model, saved_model: Path) -> None:
    class Run:
        def __fspath__(self) -> str:
            return str(saved_model.parent)

    for path in (saved_model, str(saved_model), saved_model.parent, Run()):
        assert list(map(str, load(path).generate(5))) == list(map(str, model.generate(5)))


def test_a_missing_file_and_an_empty_directory_end_with_a_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="There is no file .*absent"):
        load(tmp_path / "absent")
    with pytest.raises(FileError, match=r"holds no model\.safetensors"):
        load(tmp_path)


def test_loading_and_generating_never_imports_pytorch(saved_model: Path) -> None:
    program = (
        "import sys; from moreish.generation import load; model = load(sys.argv[1]);"
        "print(len(model.generate(5)), len(model.score(['ab'])), 'torch' in sys.modules, 'rapidfuzz' in sys.modules)"
    )
    path = os.pathsep.join(sys.path)
    result = subprocess.run(
        [sys.executable, "-c", program, str(saved_model)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert result.stdout.split() == ["5", "1", "False", "False"]


def test_the_parameters_are_counted(model: Model) -> None:
    assert model.num_parameters == 7 * 4 + 12 * 16 + 16 + 16 * 7 + 7


def test_the_splits_of_the_training_file_are_evaluated(trained: Model, words_file: Path) -> None:
    results = trained.evaluate()
    corpus = read_corpus(words_file, trained.recipe)
    assert list(results) == ["train", "validation", "test"]
    for split, nll in results.items():
        scores = trained.score(corpus.items(split))  # type: ignore[arg-type]
        num_characters = sum(len(scored.character_nlls) for scored in scores)
        assert (nll.num_characters, nll.num_items) == (num_characters, len(scores))
        assert nll.nats_per_character == pytest.approx(sum(each.nll_nats for each in scores) / num_characters, rel=1e-5)


def test_another_file_is_evaluated_as_a_whole(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "others.txt"
    path.write_text("ed\nbed\n\nbed\nace\n", encoding="utf-8")  # fewer symbols, so other ids than the model's
    (nll,) = model.evaluate(path).values()
    scores = model.score(["ed", "bed", "bed", "ace"])
    assert (nll.num_items, nll.num_characters) == (4, 15)
    assert nll.nats_per_character == pytest.approx(sum(each.nll_nats for each in scores) / 15, rel=1e-5)


def test_another_running_text_is_evaluated_as_a_whole(text_model: Model, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    text = "abcdeedcba" * 30
    path.write_text(text, encoding="utf-8")
    (nll,) = text_model.evaluate(path).values()
    model_nlls = text_model.predictor.nll(
        text_model.vocabulary.encode(text).astype(np.uint8), np.arange(3, len(text)), has_boundary=False
    )
    assert nll.num_characters == len(text) - 3
    assert nll.nats_per_character == pytest.approx(float(model_nlls.mean()), rel=1e-5)


def test_a_file_with_unknown_characters_is_refused_with_their_number(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "others.txt"
    path.write_text("zed\nbuzz\nace\n", encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"others.txt has 2 kinds of characters \(4 in all\) that .* not know: 'u' 'z'\..* 2 of 3 items",
    ):
        model.evaluate(path)
    with pytest.raises(InputError, match="unknown is 'ignore'; expected refuse or skip"):
        model.evaluate(path, unknown="ignore")  # type: ignore[arg-type]


def test_items_with_unknown_characters_are_skipped_where_that_is_asked_for(model: Model, tmp_path: Path) -> None:
    path, without = tmp_path / "others.txt", tmp_path / "without.txt"
    known = ["ed", "bed", "ace"] * 30_000  # longer than what is gone through at a time
    strange = ["zed", "buzz", "cozy", "xa", "ax"]
    mixed = [*known[:50_000], *strange, *known[50_000:], "z"]
    path.write_text("\n".join(mixed), encoding="utf-8")
    without.write_text("\n".join(known), encoding="utf-8")
    (nll,), (expected,) = model.evaluate(path, unknown="skip").values(), model.evaluate(without).values()
    assert nll == replace(expected, num_left_out=6)
    assert (nll.num_items, nll.to_dict()["num_left_out"]) == (90_000, 6)
    assert model.evaluate(without, unknown="skip")["whole"].num_left_out == 0


def test_where_all_would_be_skipped_or_nothing_can_be_the_file_is_refused(
    model: Model, text_model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "others.txt"
    path.write_text("zed\nbuzz\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"Every item of others.txt has characters .*such as 'u'"):
        model.evaluate(path, unknown="skip")
    with pytest.raises(InputError, match=r"has 3 kinds of characters \(6 in all\).* Leave them out of the file"):
        text_model.evaluate(path, unknown="skip")


def test_the_nearest_training_item_comes_with_its_distance(trained: Model, words_file: Path) -> None:
    training = set(read_corpus(words_file, trained.recipe).items("train"))
    items = trained.generate(10, nearest=True)
    assert all(item.nearest in training and item.distance is not None for item in items)
    assert all((item.distance == 0) == (item.text in training) for item in items)
    assert list(map(str, items)) == list(map(str, trained.generate(10)))


def test_a_training_file_that_is_gone_or_changed_is_named(trained: Model, model: Model, words_file: Path) -> None:
    with pytest.raises(FileError, match=r"The model does not say where .*letters.txt"):
        model.evaluate()
    words_file.write_text("abc\nbad\ncab\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"letters.txt has changed since the model was trained"):
        trained.evaluate()
    words_file.unlink()
    with pytest.raises(FileError, match=r"The training file .*letters.txt is gone") as caught:
        trained.generate(nearest=True)
    assert "\n" not in str(caught.value)


def test_a_copy_of_standard_input_is_found_in_a_run_that_was_moved(saved_model: Path, words_file: Path) -> None:
    moved = saved_model.parent / "moved"
    moved.mkdir()
    gone = Path("/nowhere") / "input.txt"
    save_model(
        moved / "model.safetensors", with_data(load_model(saved_model), words_file, path=str(gone), is_copy=True)
    )
    words_file.rename(moved / "input.txt")
    assert len(load(moved).evaluate()) == 3


def test_the_recipe_and_the_vocabulary_are_at_hand(model: Model) -> None:
    assert model.recipe == Recipe(context=3, embedding=4, hidden=(16,), activation="tanh")
    assert "".join(model.vocabulary.symbols) == "abcdeé"
