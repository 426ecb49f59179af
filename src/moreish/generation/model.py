"""A trained model, as a person holds it: generate, score, evaluate. Nothing here needs PyTorch."""

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.vocabulary import Vocabulary
from moreish.errors import ImpossibleRequestError, InputError, ScoringError
from moreish.generation.collect import Generated, collect
from moreish.generation.draw import begin, draw_items
from moreish.generation.novelty import KnownItems, normalise
from moreish.generation.request import Draws, Request
from moreish.generation.score import Scored, character_nlls, complaint, problem
from moreish.generation.walk import Walker, can_walk
from moreish.measures import NLL
from moreish.models.load import predictor
from moreish.models.predictor import Predictor
from moreish.recipe import Recipe
from moreish.storage import ModelFile, load_model

if TYPE_CHECKING:
    from moreish.generation.training_file import Unknown

# Weights of the symbols (B, V) in float64 stay below 32 MB.
_MAX_WEIGHTS = 2**22
_MAX_BATCH = 16_384


class Model:
    """A model and what it remembers of its training.

    Args:
        file: what the model file holds.
        origin: directory of the model file, where a run keeps what it was trained on; None if there is none.

    Attributes:
        recipe: of the training.
        vocabulary: that it reads and writes.
        provenance: the file it was trained on, how far, and with which versions.
        predictor: the model itself.
        file: what the model file holds.
        origin: directory of the model file; None if there is none.

    Raises:
        ModelFileError: the file's parts do not belong together.
    """

    def __init__(self, file: ModelFile, origin: Path | None = None) -> None:
        self.recipe: Recipe = Recipe.from_dict(file.recipe, origin="The model's recipe")
        self.vocabulary: Vocabulary = Vocabulary.from_dict(file.vocabulary)
        self.provenance: dict[str, Any] = file.provenance
        # In float64, so that no last bit of a probability, and so no item, depends on the batch that it is drawn in.
        weights = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in file.weights.items()}
        self.predictor: Predictor = predictor(self.recipe, self.vocabulary.vocab_size, weights)
        self.file: ModelFile = file
        self.origin: Path | None = origin
        self._walker: Walker | None = None

    @property
    def num_parameters(self) -> int:
        """Parameters of a network, or the counts that a counting model holds; buffers are none."""
        return self.predictor.num_parameters

    def generate(
        self,
        num_items: int | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        start: str = "",
        min_length: int | None = None,
        max_length: int | None = None,
        length: int | None = None,
        seed: int = 1,
        new_only: bool = False,
        allow_repeats: bool = False,
        nearest: bool = False,
        draws: Draws = "streams",
        batch_size: int | None = None,
    ) -> list[Generated]:
        """Make more like the training file: distinct items of a list, or running text.

        Args:
            num_items: how many; None for 20 items, or one text.
            temperature: below 1 for likelier items, above 1 for bolder ones.
            top_k: draw only from the k most probable characters.
            top_p: draw only from the smallest set of most probable characters whose probability reaches p.
            start: prefix of every item.
            min_length: characters that an item has at least, prefix included; lists only.
            max_length: characters at which an item is cut and marked, prefix included; lists only; None for 1,000.
            length: characters of a running text, prefix included; None for 500.
            seed: item i depends on (seed, i) alone.
            new_only: leave out items that stand in the training file.
            allow_repeats: the items need not be distinct.
            nearest: find the closest item of the training split for each; needs the training file.
            draws: "streams", or "lecture" to draw as the lectures do, one character at a time, with PyTorch.
            batch_size: most items drawn at once; it changes memory and speed, but no item.

        Raises:
            InputError: values out of range or contradictory, or a prefix with a character that the model does not know.
            ImpossibleRequestError: the model hardly ever makes what is asked for; `items` of the error are those that
                were found.
            FileError: `nearest`, and the training file is gone or has changed.
        """
        request = Request(
            num_items=num_items,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            start=normalise(start, self.recipe.normalization),
            min_length=min_length,
            max_length=max_length,
            length=length,
            seed=seed,
            new_only=new_only,
            allow_repeats=allow_repeats,
            draws=draws,
        )
        has_boundary = self.vocabulary.has_boundary
        request = request.for_lines() if has_boundary else request.for_text()
        if nearest and not has_boundary:
            raise InputError("nearest is for models of a list; running text has no items to be near to. Leave it out.")
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size is {batch_size}; expected a whole number of at least 1.")
        training_items = self._training_items() if nearest else []

        prefix = self.vocabulary.encode(request.start, where="the prefix")
        beginning = begin(self.predictor, self.opening, prefix, has_boundary)
        draw = partial(draw_items, self.predictor, beginning, request)
        if can_walk(self.predictor):
            if self._walker is None or self._walker.predictor is not self.predictor:
                self._walker = Walker(self.predictor)
            draw = partial(self._walker.draw, beginning, request)
        if draws == "lecture":
            from moreish.generation.lecture import lecture_draws  # loads PyTorch

            draw = lecture_draws(self.predictor, beginning, request)

        size = batch_size or max(1, min(_MAX_BATCH, _MAX_WEIGHTS // self.vocabulary.vocab_size))
        try:
            items = collect(draw, request, self.vocabulary, self._known, size)
        except ImpossibleRequestError as error:
            error.items = _with_nearest(error.items, training_items)
            raise
        return _with_nearest(items, training_items)

    def score(self, texts: str | Iterable[str]) -> list[Scored]:
        """How probable the model finds each text: items with their closing boundary, running text after the opening.

        Raises:
            ScoringError: an `InputError`: some have characters that the model does not know; `items` of the error are
                the others, scored.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        normalised = [normalise(text, self.recipe.normalization) for text in given]
        problems = [problem(self.vocabulary, text) for text in normalised]
        if not any(problems):
            return self._score(normalised)
        scored = iter(self._score([text for text, why in zip(normalised, problems, strict=True) if not why]))
        raise ScoringError(
            complaint(self.vocabulary, normalised, problems),
            items=[None if why else next(scored) for why in problems],
            problems=problems,
        )

    def evaluate(self, file: str | os.PathLike[str] | None = None, *, unknown: "Unknown" = "refuse") -> dict[str, NLL]:
        """NLL of a file by split: of the training file its "train", "validation" and "test", of another the "whole".

        Args:
            file: a path, "-" for standard input, or the name of a data set; None for the training file, which must
                still be where it was.
            unknown: what becomes of another list's items with characters that the model does not know: "refuse" the
                file, or "skip" them, and count them in `num_left_out`.

        Raises:
            FileError: the training file is gone or has changed.
            InputError: the file holds characters that the model does not know, or cannot be read as its recipe says.
        """
        from moreish.generation.training_file import training_corpus, whole_file
        from moreish.training.evaluation import SPLITS, evaluate

        if unknown not in ("refuse", "skip"):
            raise InputError(f"unknown is {unknown!r}; expected refuse or skip.")
        if file is not None:
            corpus, num_left_out = whole_file(os.fspath(file), self.vocabulary, self.recipe, unknown)
            return {"whole": replace(evaluate(self.predictor, corpus, "test"), num_left_out=num_left_out)}
        corpus = training_corpus(self.provenance.get("data", {}), self.origin, self.recipe)
        return {split: evaluate(self.predictor, corpus, split) for split in SPLITS}

    @cached_property
    def opening(self) -> NDArray[np.int64]:
        """Ids that stand before every item or text: one boundary, or the training file's opening."""
        if self.vocabulary.has_boundary:
            return np.zeros(1, dtype=np.int64)
        opening = self.file.opening if self.file.opening is not None else np.zeros(0, dtype=np.int64)
        # An n-gram may see more than the recipe's context; before the opening a model has seen zeros, as at `start`.
        missing = max(self.predictor.context, 1) - len(opening)
        return np.pad(opening.astype(np.int64), (max(missing, 0), 0))

    @cached_property
    def _known(self) -> KnownItems | None:
        if not self.vocabulary.has_boundary:
            return None
        nothing = np.zeros(0, dtype=np.uint64)
        trained, held_out = self.file.trained_items, self.file.held_out_items
        return KnownItems(
            nothing if trained is None else trained,
            nothing if held_out is None else held_out,
            self.recipe.normalization,
        )

    def _score(self, texts: list[str]) -> list[Scored]:
        nlls = character_nlls(self.predictor, self.vocabulary, self.opening, texts)
        in_file, in_split = self._known.find(texts) if self._known else ([None] * len(texts),) * 2
        return [
            Scored(text, float(each.sum()), float(each.mean()), tuple(each.tolist()), *is_known)
            for text, each, *is_known in zip(texts, nlls, in_file, in_split, strict=True)
        ]

    def _training_items(self) -> list[str]:
        from moreish.generation.training_file import training_corpus

        corpus = training_corpus(self.provenance.get("data", {}), self.origin, self.recipe)
        return list(dict.fromkeys(corpus.items("train")))


def _with_nearest(items: list[Generated], training_items: list[str]) -> list[Generated]:
    if not training_items:
        return items
    from moreish.generation.nearest import nearest_item  # loads RapidFuzz

    found = [nearest_item(item.text, training_items) for item in items]
    return [item._replace(nearest=near, distance=far) for item, (near, far) in zip(items, found, strict=True)]


def load(path: str | os.PathLike[str]) -> Model:
    """The model of a run, or of one model file.

    Args:
        path: a run directory, a model file, or a `Run`.

    Raises:
        FileError: there is none, or it cannot be read.
        ModelFileError: it is damaged, foreign, or from a newer version.
    """
    place = Path(path)
    return Model(load_model(place), place if place.is_dir() else place.parent)
