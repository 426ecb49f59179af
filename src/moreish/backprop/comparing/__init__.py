"""Compares a gradient with the right one and says what is likely wrong with it.

A mistake is a prediction: whoever made it would have got exactly this array. `diagnose` tries one kind after the other,
from the plainest to the rarest, and names the first whose prediction is what was handed in, but for rounding.
"""

from moreish.backprop.comparing.comparison import Comparison, compare_gradients
from moreish.backprop.comparing.mistakes import Mistake

__all__ = ["Comparison", "Mistake", "compare_gradients"]
