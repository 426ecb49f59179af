"""Whether a text stands in the file that the model was trained on, known from fingerprints alone."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.fingerprints import fingerprint_texts


class KnownItems:
    """The items of a training file, as the model file remembers them.

    Args:
        trained: sorted fingerprints of the distinct items of the training split, (n,).
        held_out: the same of validation and test.
        normalization: Unicode normal form that the items were brought to before they were fingerprinted.
    """

    def __init__(self, trained: NDArray[np.uint64], held_out: NDArray[np.uint64], normalization: str) -> None:
        self._trained = trained
        self._held_out = held_out
        self._normalization = normalization

    def find(self, texts: Sequence[str]) -> tuple[list[bool], list[bool]]:
        """For each text whether it stands in the file at all, and whether it stands in the training split."""
        if not "".join(texts).isascii():
            texts = [normalise(text, self._normalization) for text in texts]
        fingerprints = fingerprint_texts(texts)
        is_trained = _contains(self._trained, fingerprints)
        return (is_trained | _contains(self._held_out, fingerprints)).tolist(), is_trained.tolist()


def normalise(text: str, normalization: str) -> str:
    """The text in the normal form of a recipe: "NFC", or as it is for "none"."""
    return unicodedata.normalize("NFC", text) if normalization == "NFC" and not text.isascii() else text


def _contains(ordered: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    if len(ordered) == 0:
        return np.zeros(len(wanted), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return ordered[places] == wanted
