"""What is measured, defined once: NLL and its standard error, saturation, dead units, update-to-data ratio."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SATURATION_THRESHOLD = 0.97


@dataclass(frozen=True)
class NLL:
    """Mean negative log-likelihood of a split, in nats per character.

    Attributes:
        nats_per_character: total NLL over total number of predicted symbols.
        standard_error: of that ratio, over items (lists) or blocks (running text); nan for a single item.
        num_characters: predicted symbols, boundaries included.
        num_items: items or blocks.
        is_sample: whether a seeded sample of the split was measured instead of all of it.
        num_left_out: items that were not measured, because they hold characters that the model does not know. It gives
            them no probability at all: with them the NLL is infinite.
    """

    nats_per_character: float
    standard_error: float
    num_characters: int
    num_items: int
    is_sample: bool = False
    num_left_out: int = 0

    @property
    def bits_per_character(self) -> float:
        return self.nats_per_character / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp(NLL), per character; infinite where it exceeds what a float holds."""
        return math.exp(self.nats_per_character) if self.nats_per_character < 700 else math.inf

    def to_dict(self) -> dict[str, float | int | bool]:
        return {
            "nats_per_character": self.nats_per_character,
            "standard_error": self.standard_error,
            "bits_per_character": self.bits_per_character,
            "perplexity": self.perplexity,
            "num_characters": self.num_characters,
            "num_items": self.num_items,
            "is_sample": self.is_sample,
            "num_left_out": self.num_left_out,
        }


def mean_nll(nlls: NDArray[np.float64], lengths: NDArray[np.int64], is_sample: bool = False) -> NLL:
    """NLL per character from one total per item, with the standard error of a ratio over items.

    Args:
        nlls: total NLL of each item, (n,), nats.
        lengths: predicted symbols of each item, (n,).
        is_sample: kept in the result.

    Source: Cochran 1977, "Sampling Techniques", section 2.11 (ratio estimate, without the finite-population term).
    """
    num_items, num_characters = len(nlls), int(lengths.sum())
    ratio = float(nlls.sum() / num_characters)
    if num_items > 1 and math.isfinite(ratio):
        residuals = nlls - ratio * lengths
        variance = float(residuals @ residuals) / (num_items - 1)
        standard_error = math.sqrt(variance * num_items) / num_characters
    else:
        standard_error = math.nan
    return NLL(ratio, standard_error, num_characters, num_items, is_sample)


def saturation(activations: NDArray[np.floating], threshold: float = SATURATION_THRESHOLD) -> float:
    """Share of |tanh| above the threshold."""
    return float((np.abs(activations) > threshold).mean())


def dead_units(gradients: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Units whose gradient is zero over every example looked at: gradients (n, H) → (H,)."""
    return np.logical_not((gradients != 0).any(axis=0))


def update_to_data_ratio(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """std(Δθ)/std(θ), Δθ measured after the step; nan where θ has no spread."""
    spread = float(before.std())
    return float((after - before).std()) / spread if spread > 0 else math.nan
