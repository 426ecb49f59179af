"""How probable a model finds given texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.vocabulary import BOUNDARY_ID, Vocabulary
from moreish.errors import InputError
from moreish.models.predictor import Predictor


@dataclass(frozen=True)
class Scored:
    """The NLL of a text; `str` gives the text.

    Attributes:
        text: in the normal form of the model's recipe.
        nll_nats: total, closing boundary included for items of a list.
        nll_per_character: the same by the number of predicted symbols.
        character_nlls: of each character, and of the closing boundary for items of a list, nats.
        in_training_file: whether it stands in the file that the model was trained on, in whatever split; None for
            running text, which has no items.
        in_training_split: whether it stands in the part of the file that the model saw; likewise.
    """

    text: str
    nll_nats: float
    nll_per_character: float
    character_nlls: tuple[float, ...]
    in_training_file: bool | None
    in_training_split: bool | None

    def __str__(self) -> str:
        return self.text


def problem(vocabulary: Vocabulary, text: str) -> str:
    """Why a text cannot be scored; "" where it can."""
    if not text and not vocabulary.has_boundary:
        return "it is empty"
    unknown = [repr(character) for character in vocabulary.unknown_in(text)]
    if not unknown:
        return ""
    return f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not in the vocabulary"


def complaint(vocabulary: Vocabulary, texts: Sequence[str], problems: Sequence[str]) -> str:
    """What is said of texts some of which cannot be scored: how many, and the first in full."""
    first = next(number for number, why in enumerate(problems) if why)
    where = f"text {first + 1}" if len(texts) > 1 else "text"
    message = f"{where.capitalize()} is empty; expected running text to be scored. Give at least one character."
    if texts[first]:
        try:
            vocabulary.encode(texts[first], where)
        except InputError as error:
            message = str(error)
    num_problems = sum(map(bool, problems))
    return message if len(texts) == 1 else f"{num_problems:,} of {len(texts):,} texts cannot be scored. {message}"


def character_nlls(
    predictor: Predictor, vocabulary: Vocabulary, opening: NDArray[np.int64], texts: Sequence[str]
) -> list[NDArray[np.float64]]:
    """NLL of every predicted symbol of each text, nats.

    Args:
        predictor: the model.
        vocabulary: of the model.
        opening: ids that stand before each text: the boundary, or what running text begins after.
        texts: normalised; items are followed by a boundary, which is predicted too.

    Raises:
        InputError: a text that `problem` finds something in.
    """
    pieces: list[NDArray[np.int64]] = []
    for text in texts:
        ids = vocabulary.encode(text)
        pieces.append(np.append(ids, BOUNDARY_ID) if vocabulary.has_boundary else ids)
    if not pieces:
        return []
    stream = np.concatenate([part for piece in pieces for part in (opening, piece)]).astype(vocabulary.dtype)
    stops = np.cumsum([len(opening) + len(piece) for piece in pieces])
    positions = [np.arange(stop - len(piece), stop) for piece, stop in zip(pieces, stops, strict=True)]
    nlls = predictor.nll(stream, np.concatenate(positions), vocabulary.has_boundary)
    return np.split(nlls, np.cumsum([len(piece) for piece in pieces])[:-1])
