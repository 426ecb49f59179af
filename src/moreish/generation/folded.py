"""A trained model without its batch norms: how much its logits differ, and what it gained."""

import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import contexts
from moreish.errors import FileError, InputError
from moreish.generation.model import Model, load
from moreish.generation.training_file import training_corpus
from moreish.models.counting import block_positions
from moreish.models.folding import fold_batch_norm
from moreish.models.predictor import WindowPredictor
from moreish.storage import MODEL_FILE, ModelFile, save_model

_CHUNK = 4_096
_ROUNDS = 15
_NUM_ITEMS, _LONGEST_ITEM, _TEXT_LENGTH = 1_000, 50, 2_000


@dataclass(frozen=True)
class Folded:
    """A folded model and what is known of it.

    Attributes:
        model: without norms; it generates, scores and evaluates as any other.
        norms: layers whose batch norm was absorbed.
        largest_difference: of any logit of any window from the original's.
        num_windows: that were compared.
        windows: of the "validation" split, or of text that the model "generated", where the training file is gone.
        note: why it is "generated"; "" otherwise.
        num_parameters: of the original and of the folded network.
        num_bytes: of their weights, running statistics included.
        time_ratio: time of a forward pass of the folded network over that of the original; median of rounds.
    """

    model: Model
    norms: tuple[str, ...]
    largest_difference: float
    num_windows: int
    windows: Literal["validation", "generated"]
    note: str
    num_parameters: tuple[int, int]
    num_bytes: tuple[int, int]
    time_ratio: float

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the folded model as a model file.

        Raises:
            FileError: there is such a file already, or it cannot be written.
        """
        place = Path(path)
        refuse_existing(place)
        save_model(place, self.model.file)


def refuse_existing(path: Path) -> None:
    """Nothing that exists is overwritten.

    Raises:
        FileError: it exists.
    """
    if path.exists():
        raise FileError(f"{path} exists and is not overwritten. Choose another --out.")


def fold(model: Model | str | os.PathLike[str]) -> Folded:
    """Absorb every batch norm of a model into the linear layer before it.

    Args:
        model: that `moreish.load` gave, or a run or model file. (`moreish.fold_module` is for networks in PyTorch.)

    Returns:
        The folded model, compared with the original over the validation windows.

    Raises:
        InputError: there is nothing to fold, or a norm that cannot be folded.
        FileError, ModelFileError: the model cannot be read.
    """
    source: dict[str, Any] = {}
    if not isinstance(model, Model):
        if not isinstance(model, str | os.PathLike):
            raise InputError(
                f"moreish.fold got a {type(model).__name__}; expected a model, a run or a model file. "
                "For a network in PyTorch there is moreish.fold_module."
            )
        place = Path(model)
        model = load(place)
        place = place / MODEL_FILE if place.is_dir() else place
        source = {"path": str(place.absolute()), "sha256": hashlib.sha256(place.read_bytes()).hexdigest()}
    recipe, weights, norms = fold_batch_norm(model.recipe, model.file.weights)
    source |= {"norms": list(norms), "norm_convention": model.recipe.norm_convention}
    file = replace(
        model.file,
        weights=weights,
        recipe=recipe.to_dict(),
        provenance=model.provenance | {"folded_from": source},
    )
    folded = Model(file, model.origin)
    seen, note = _windows(model)
    before, after = model.predictor, folded.predictor
    assert isinstance(before, WindowPredictor)
    assert isinstance(after, WindowPredictor)
    difference = max(
        float(np.abs(before.logits(chunk) - after.logits(chunk)).max())
        for chunk in (seen[start : start + _CHUNK] for start in range(0, len(seen), _CHUNK))
    )
    return Folded(
        folded,
        norms,
        largest_difference=difference,
        num_windows=len(seen),
        windows="generated" if note else "validation",
        note=note,
        num_parameters=(before.num_parameters, after.num_parameters),
        num_bytes=(_num_bytes(model.file), _num_bytes(file)),
        time_ratio=_time_ratio(before, after, seen[:_CHUNK]),
    )


def _windows(model: Model) -> tuple[NDArray[np.int64], str]:
    """Contexts (n, T) of the validation split, or of generated text, and then why."""
    try:
        corpus = training_corpus(model.provenance.get("data", {}), model.origin, model.recipe)
    except FileError as error:
        return _generated_windows(model), str(error)
    positions = block_positions(corpus.blocks("validation", model.recipe.context))
    return contexts(corpus.stream, positions, model.recipe.context, corpus.has_boundary), ""


def _generated_windows(model: Model) -> NDArray[np.int64]:
    vocabulary = model.vocabulary
    if vocabulary.has_boundary:
        made = model.generate(_NUM_ITEMS, allow_repeats=True, max_length=_LONGEST_ITEM)
        pieces = [np.append(vocabulary.encode(item.text, where="an item"), 0) for item in made]
        stream, first = np.concatenate([np.zeros(1, np.int64), *pieces]), 1
    else:
        (text,) = model.generate(1, length=_TEXT_LENGTH)
        stream = np.concatenate((model.opening, vocabulary.encode(text.text, where="the text")))
        first = len(model.opening)
    positions = np.arange(first, len(stream))
    return contexts(stream.astype(vocabulary.dtype), positions, model.recipe.context, vocabulary.has_boundary)


def _num_bytes(file: ModelFile) -> int:
    return sum(array.nbytes for array in file.weights.values())


def _time_ratio(before: WindowPredictor, after: WindowPredictor, seen: NDArray[np.int64]) -> float:
    """Median over rounds of (time after / time before), the two in turn, so that other programs slow both."""
    ratios: list[float] = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        before.logits(seen)
        between = time.perf_counter()
        after.logits(seen)
        ratios.append((time.perf_counter() - between) / (between - began))
    return float(np.median(ratios))
