"""The order in which mistakes are looked for: the plainest first, the vaguest last."""

from collections.abc import Callable

from moreish.backprop.comparing import arrangement, factors, forms, shapes, substitutions, terms
from moreish.backprop.comparing.mistakes import Case, Mistake

_LOOKS: tuple[Callable[[Case], Mistake | None], ...] = (
    arrangement.find_not_finite,
    shapes.find_shape,
    arrangement.find_zeros,
    factors.find_factor,
    terms.find_terms,
    forms.find_embedding,
    arrangement.find_transposed,
    shapes.find_wrong_axis,
    substitutions.find_omission,
    substitutions.find_array,
    substitutions.find_substitution,
    substitutions.find_leftover,
    arrangement.find_digits,
    factors.find_unnamed_factor,
    arrangement.find_shuffled,
    arrangement.find_offset,
    arrangement.find_part,
    arrangement.find_slices,
)


def diagnose(case: Case) -> Mistake:
    """The first mistake that explains the gradient; "unknown" with its correlation where none does."""
    for look in _LOOKS:
        mistake = look(case)
        if mistake is not None:
            return mistake
    return arrangement.describe_unknown(case)
