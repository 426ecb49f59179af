"""`compare_gradients`: exact, approximate, largest difference; and where it fails, the likeliest mistake."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.comparing.context import Context, recognise
from moreish.backprop.comparing.diagnose import diagnose
from moreish.backprop.comparing.mistakes import Array, Case, Mistake, largest
from moreish.errors import InputError, ShapeError

# PyTorch has types that NumPy lacks; what is handed in as one of them has no more digits than this.
_EPS = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
_ALIASES = {"h_pre_bn": "hprebn", "h_pre_act": "hpreact"}  # of the notebooks


@dataclass(frozen=True)
class Comparison:
    """How a gradient compares with the right one.

    Attributes:
        name: as it was handed in.
        is_exact: equal bit for bit.
        is_approximate: right but for rounding, of the size that the less precise of the two types makes.
        largest_difference: of two entries; NaN where the shapes do not allow one, or an entry is NaN.
        where: index of the largest difference, or of the first NaN; None where the shapes do not allow one.
        num_eps: the largest difference in units of eps · largest entry: how many roundings it amounts to.
        mistake: the likeliest, None where the gradient is right.
    """

    name: str
    is_exact: bool
    is_approximate: bool
    largest_difference: float
    where: tuple[int, ...] | None
    num_eps: float
    mistake: Mistake | None

    def __str__(self) -> str:
        line = (
            f"{self.name:15s} | exact: {self.is_exact!s:5s} | approximate: {self.is_approximate!s:5s} | "
            f"maxdiff: {self.largest_difference:.4g}"
        )
        if self.mistake is None:
            return line if self.is_exact else f"{line} ({self._rounding()})"
        at = f" at {self.where}" if self.where else ""
        return f"{line}{at}\n    {self.mistake.name}: {self.mistake.explanation}\n    hint: {self.mistake.hint}"

    def _rounding(self) -> str:
        return f"rounding: {self.num_eps:.2g} eps" if self.num_eps < 1000 else "zero but for rounding"


def compare_gradients(
    name: str,
    mine: Any,
    reference: Any,
    *,
    values: Mapping[str, Any] | None = None,
    terms: Mapping[str, Any] | None = None,
    file: TextIO | None = None,
) -> Comparison:
    """Print and return how a gradient compares with the right one, and what is likely wrong with it.

    With `values` more is known: which terms a gradient consists of, which arrays could have been mixed up, and how
    large its rounding errors are. "Approximate" is then |mine − reference| ≤ 1e-8 + 1e-5 · |reference| in single
    precision, as with `torch.allclose` (1e-12 and 1e-9 in double), or the rounding of this gradient, which is measured.
    Without them it is 5e-7 + 7e-5 · |reference| (1e-12 and 4e-10), or 64 roundings of the largest entry.

    Args:
        name: of the gradient, with or without the d: "dhprebn" or "hprebn". Printed.
        mine: array, tensor or number; None where it was not computed.
        reference: the right gradient; or the tensor that it belongs to, whose `.grad` is taken.
        values: the forward pass under the lecture's names, with at least the parameters, Xb and Yb.
        terms: arrays by name whose sum is the reference, where an expression of several terms is compared.
        file: where it is printed; None for standard output.

    Raises:
        InputError: the reference has no gradient yet, or something is no array of numbers.
        ShapeError: a term does not have the reference's shape.
    """
    comparison = compare(name, mine, reference, values=values, terms=terms)
    print(comparison, file=file or sys.stdout)
    return comparison


def compare(
    name: str,
    mine: Any,
    reference: Any,
    *,
    values: Mapping[str, Any] | None = None,
    terms: Mapping[str, Any] | None = None,
    context: Context | None = None,
) -> Comparison:
    """What `compare_gradients` prints; a network that is known already can be handed in as `context`."""
    right, reference_eps = _as_array(_gradient_of(reference, name), f"The reference of {name}")
    if mine is None:
        mistake = Mistake("not computed", "There is no gradient: it is None.", {}, "Assign it before it is compared.")
        return Comparison(name, False, False, float("nan"), None, float("nan"), mistake)
    got, eps = _as_array(mine, name)
    eps = max(eps, reference_eps)
    if got.shape == right.shape and np.array_equal(got, right):
        return Comparison(name, True, True, 0.0, None, 0.0, None)
    difference, where = _largest_difference(got, right)
    num_eps = difference / (eps * (largest(right) or 1))
    bare = _bare(name)
    if got.shape == right.shape and _is_close(got, right, eps, knows_noise=context is not None or values is not None):
        return Comparison(name, False, True, difference, where, num_eps, None)
    if context is None and values is not None:
        context = recognise(_plain(values), bare, right, eps)
    if context is not None and bare not in context.gradients:
        context = None
    if context is not None and got.shape == right.shape and difference <= context.rounding(f"d{bare}", eps):
        return Comparison(name, False, True, difference, where, num_eps, None)
    case = Case(bare, got, right, eps, context, _checked_terms(terms, right))
    return Comparison(name, False, False, difference, where, num_eps, diagnose(case))


def _bare(name: str) -> str:
    bare = name[1:] if name.startswith("d") else name
    return _ALIASES.get(bare, bare)


def _is_close(mine: Array, reference: Array, eps: float, knows_noise: bool) -> bool:
    """Right but for rounding, as far as the numbers alone tell.

    Where the network is known, its rounding is measured afterwards. Where it is not, more has to be let pass: rounding
    errors of the forward pass have grown on their way back, and where the true gradient is zero, both arrays are errors
    of what cancelled. Gradients of a mean loss are at most about 1, and their errors then a few eps.
    """
    single = _EPS["float32"]
    relative, absolute = (1e-5, 1e-8) if eps == single else (1e-9, 1e-12) if eps < single else (8 * eps, 8 * eps)
    num_eps = 8
    if not knows_noise:
        relative, absolute, num_eps = max(relative, eps**0.6), max(absolute, 4 * eps), 64
    tolerance = np.maximum(absolute + relative * np.abs(reference), num_eps * eps * largest(reference))
    return bool((np.abs(mine - reference) <= tolerance).all())


def _largest_difference(mine: Array, reference: Array) -> tuple[float, tuple[int, ...] | None]:
    try:
        differences = np.abs(mine - reference)
    except ValueError:  # they cannot be broadcast
        return float("nan"), None
    if differences.size == 0:
        return 0.0, None
    where = tuple(int(index) for index in np.unravel_index(np.argmax(differences), differences.shape))
    return float(differences[where]), where  # argmax stops at the first NaN


def _gradient_of(reference: Any, name: str) -> Any:
    """The `.grad` of a tensor that has one; anything else as it is."""
    if not getattr(reference, "requires_grad", False):
        return reference
    has_gradient = reference.is_leaf or reference.retains_grad  # PyTorch warns where one asks others for it
    if not has_gradient or reference.grad is None:
        raise InputError(
            f"The reference of {name} is a tensor without .grad. Call loss.backward() first, and before that "
            f"retain_grad() on every tensor that is not a parameter."
        )
    return reference.grad


def _plain(values: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """NumPy arrays of whatever is an array; numbers and other things are left out."""
    arrays = {}
    for key, value in values.items():
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            array = np.asarray(_detached(value))
            if array.dtype.kind in "fiu":
                arrays[_ALIASES.get(key, key)] = array
    return arrays


def _as_array(value: Any, what: str) -> tuple[Array, float]:
    """The numbers in float64, and the rounding of the type that they came in."""
    value = _detached(value)
    eps = _EPS.get(str(getattr(value, "dtype", "float64")).removeprefix("torch."), _EPS["float64"])
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError
        return array.astype(np.float64), eps
    except (TypeError, ValueError):
        raise InputError(
            f"{what} is a {type(value).__name__}, not an array of numbers. Pass a NumPy array or a PyTorch tensor."
        ) from None


def _detached(value: Any) -> Any:
    """A tensor's value, which NumPy takes; without importing PyTorch."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()


def _checked_terms(terms: Mapping[str, Any] | None, reference: Array) -> dict[str, Array] | None:
    if terms is None:
        return None
    checked: dict[str, Array] = {}
    for name, term in terms.items():
        array, _ = _as_array(term, name)
        try:
            checked[name] = np.broadcast_to(array, reference.shape)
        except ValueError:
            raise ShapeError(
                f"Term {name} has shape {array.shape}; expected {reference.shape}, that of the reference. "
                "Pass terms whose sum is the reference."
            ) from None
    return checked
