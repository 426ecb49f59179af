"""A folded model is a model like any other, and says truly how far it is from the original."""

from pathlib import Path

import numpy as np
import pytest

import moreish
from moreish.corpus import contexts
from moreish.errors import FileError, InputError

NAMES = "".join(f"{a}{b}{c}{d}\n" for a in "mnktl" for b in "aeiou" for c in "rlns" for d in "aeo")


@pytest.fixture(scope="module", params=["lines", "text"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with batch norm."""
    directory = tmp_path_factory.mktemp("folded")
    (directory / "data.txt").write_text(NAMES)
    settings = {"context": 4, "embedding": 4, "hidden": (16,), "norm": "batch", "steps": 60, "batch": 16}
    return moreish.train(directory / "data.txt", out=directory / "run", kind=request.param, **settings).path


def test_the_largest_difference_is_over_all_validation_windows(run: Path) -> None:
    folded, original = moreish.fold(run), moreish.load(run)
    assert folded.windows == "validation"
    assert 0 <= folded.largest_difference < 1e-5
    from moreish.generation.training_file import training_corpus

    corpus = training_corpus(original.provenance["data"], run, original.recipe)
    predicted = corpus.predicted("validation", 4)
    windows = contexts(corpus.stream, np.arange(predicted.start, predicted.stop), 4, corpus.has_boundary)
    expected = np.abs(original.predictor.logits(windows) - folded.model.predictor.logits(windows)).max()  # type: ignore[attr-defined]
    assert folded.num_windows == len(windows)
    assert folded.largest_difference == pytest.approx(float(expected), abs=1e-6)


def test_the_saved_model_generates_scores_and_evaluates(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "folded.safetensors"
    folded = moreish.fold(run)
    folded.save(path)
    model, original = moreish.load(path), moreish.load(run)
    assert model.recipe.norm == "none"
    assert model.num_parameters == original.num_parameters - 16 == folded.num_parameters[1]
    assert folded.num_bytes[0] - folded.num_bytes[1] == 4 * (4 * 16 - 16)
    assert model.provenance["folded_from"]["path"] == str((run / "model.safetensors").absolute())
    assert model.evaluate()["test"].nats_per_character == pytest.approx(
        original.evaluate()["test"].nats_per_character, abs=1e-5
    )
    assert model.score("mare")[0].nll_nats == pytest.approx(original.score("mare")[0].nll_nats, abs=1e-5)
    assert [str(item) for item in model.generate(2)] == [str(item) for item in original.generate(2)]
    with pytest.raises(FileError, match="is not overwritten"):
        folded.save(path)
    with pytest.raises(InputError, match="nothing to fold"):
        moreish.fold(path)


def test_without_the_training_file_generated_text_is_compared_and_that_is_said(run: Path, tmp_path: Path) -> None:
    model = moreish.load(run)
    model.provenance["data"] = {"name": "data.txt", "path": str(tmp_path / "gone.txt"), "sha256": ""}
    folded = moreish.fold(model)
    assert folded.windows == "generated"
    assert "is gone" in folded.note
    assert folded.largest_difference < 1e-5


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InputError, match="there is moreish.fold_module"):
        moreish.fold(3)  # type: ignore[arg-type]
