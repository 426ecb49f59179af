"""The network around a gradient: its chain, every value and gradient in double precision, and who uses what.

Which chain it is (activation, norm, correction) is found out: it is the one that makes the given values and leads to
the reference.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.activations import ACTIVATIONS
from moreish.backprop.arrays import Ids
from moreish.backprop.chain import Values, mlp_chain, run_backward, run_forward
from moreish.backprop.operations import Operation
from moreish.errors import MoreishError
from moreish.recipe import Norm

Array = NDArray[np.float64]


_SINGLE = float(np.finfo(np.float32).eps)


class Use(NamedTuple):
    """One place where the forward pass uses a value, and the gradient that comes back from there.

    Attributes:
        operation: the line that uses it.
        position: the value's place among the operation's inputs.
        term: what it adds to the value's gradient.
    """

    operation: Operation
    position: int
    term: Array


@dataclass(frozen=True)
class Context:
    """Attributes:
    chain: the network's operations.
    values: of the forward pass, by name; float64, ids as they are.
    gradients: that flow back, by the name of their value; float64.
    activation: the nonlinearity's name.
    noise: rounding errors in single precision, measured, by the name of a value or gradient (d…).
    """

    chain: Sequence[Operation]
    values: Values
    gradients: Mapping[str, Array]
    activation: str
    noise: Mapping[str, Array]

    def uses(self, name: str) -> list[Use]:
        """Every use of a value, in the order in which the backward pass meets them."""
        return [
            Use(operation, position, self.carry_back(operation, position))
            for operation in reversed(self.chain)
            for position, used in enumerate(operation.inputs)
            if used == name
        ]

    def carry_back(self, operation: Operation, position: int, replaced: Mapping[int, Any] | None = None) -> Array:
        """The gradient that an operation gives one of its inputs.

        Args:
            operation: of the chain.
            position: of the input.
            replaced: other arguments than the right ones: 0 is the gradient from above, 1 the operation's value, and
                from 2 on its inputs.
        """
        arguments = [self.gradients[operation.name], *self.arguments(operation)]
        for place, array in (replaced or {}).items():
            arguments[place] = array
        with np.errstate(all="ignore"):
            term = operation.backward(*arguments)[position]
        assert term is not None, f"{operation.inputs[position]} has no gradient"
        return np.asarray(term, np.float64)

    def magnitude(self, operation: Operation, position: int, replaced: Mapping[int, Array] | None = None) -> float:
        """The largest sum of magnitudes in what `carry_back` returns, however much of it cancels."""
        right = [self.gradients[operation.name], *self.arguments(operation)]
        arrays = dict(enumerate(right)) | dict(replaced or {})
        sizes = {place: np.abs(array) for place, array in arrays.items() if array.dtype.kind == "f"}
        return _largest(np.nan_to_num(self.carry_back(operation, position, sizes)))

    def arguments(self, operation: Operation) -> list[NDArray[Any]]:
        """What an operation's derivative is made from, but for the gradient from above: its value and its inputs."""
        return [self.values[name] for name in (operation.name, *operation.inputs)]

    def unsummed(self, name: str) -> Array | None:
        """The gradient of a broadcast value before it is summed over its repetitions; None where there are none."""
        if name == "counts_sum_inv":
            return self.values["counts"] * self.gradients["probs"]
        if name == "logit_maxes":
            return -self.gradients["norm_logits"]
        for use in self.uses(name):
            full = self.values[use.operation.name].shape
            if self.values[name].shape != full and name[0] not in "CW":  # matrices are not broadcast
                try:
                    repeated = np.broadcast_to(self.values[name], full)
                    term = self.carry_back(use.operation, use.position, {use.position + 2: repeated})
                except ValueError:  # it was joined or summed, not broadcast
                    continue
                return term if term.shape == full else None
        return None

    def named_arrays(self) -> Iterator[tuple[str, Array]]:
        """Every value and gradient with its name; gradients begin with d."""
        for name, array in self.values.items():
            if array.dtype.kind == "f":
                yield name, array
        for name, array in self.gradients.items():
            yield f"d{name}", array

    def sizes(self) -> dict[str, int]:
        """What a factor may come from: n examples, T characters, E, H, V, and n·L values that are normalised."""
        ids, table = self.values["Xb"], self.values["C"]
        sizes = {"n": len(ids), "V": len(table), "T": ids.shape[-1], "E": table.shape[-1]}
        for name, array in self.values.items():
            if name == "h" or name.startswith("h_"):
                sizes["H"] = array.shape[-1]
                if array.ndim == 3:
                    sizes["n·L"] = array.size // array.shape[-1]
        return sizes

    def rounding(self, name: str, eps: float) -> float:
        """How far two right ways to compute a value or gradient (d…) may be apart where numbers are rounded to eps.

        The errors that were measured, of itself and of the gradients that flow into it, and those of summing up.
        """
        errors = 16 * _largest(self.noise[name])
        if name[0] == "d" and name[1:] in self.gradients:
            for operation, position, _ in self.uses(name[1:]):
                errors += 4 * self.magnitude(operation, position, {0: self.noise[f"d{operation.name}"]})
                errors += 4 * self.magnitude(operation, position) * _SINGLE
        return errors * eps / _SINGLE


def run(chain: Sequence[Operation], leaves: Mapping[str, Array], Xb: Ids, Yb: Ids, activation: str) -> Context:
    """The context of a network with these parameters."""
    with np.errstate(all="ignore"):
        values = run_forward(chain, leaves, Xb, Yb)
        gradients = run_backward(chain, values)
        single_leaves = {name: leaf.astype(np.float32) for name, leaf in leaves.items()}
        single_values = run_forward(chain, single_leaves, Xb, Yb)
        single_gradients = run_backward(chain, single_values)
        noise = {name: np.abs(single_values[name] - values[name]) for name in values}
        noise |= {f"d{name}": np.abs(single_gradients[name] - gradients[name]) for name in gradients}
    return Context(chain, values, gradients, activation, noise)


def recognise(values: Mapping[str, NDArray[Any]], name: str, reference: Array, eps: float) -> Context | None:
    """The network that makes these values and this gradient; None where it is not one of ours.

    Args:
        values: at least the parameters, Xb and Yb under the lecture's names; others are compared.
        name: of a value.
        reference: its gradient.
        eps: rounding of the reference.
    """
    num_layers = sum(key[0] == "W" and key[1:].isdigit() for key in values)
    needed = {"C", "Xb", "Yb", *(f"{letter}{layer}" for layer in range(1, num_layers + 1) for letter in "Wb")}
    if num_layers < 2 or not needed <= values.keys():
        return None
    norm: Norm = "batch" if "bngain" in values else "layer" if "lngain" in values else "none"
    is_flat = values["W1"].shape[0] == values["Xb"].shape[-1] * values["C"].shape[-1] and "hflat" not in values
    joining: Literal["flat", "pairs"] = "flat" if is_flat else "pairs"
    leaves = {
        key: np.asarray(array, np.float64)
        for key, array in values.items()
        if key in needed - {"Xb", "Yb"} or key.startswith(("bngain", "bnbias", "lngain", "lnbias"))
    }
    for epsilon, correction, activation in itertools.product((1e-5, 0.0), (1, 0), ACTIVATIONS):
        chain = mlp_chain(num_layers - 1, norm, activation, joining, correction, epsilon)
        try:
            context = run(chain, leaves, values["Xb"], values["Yb"], activation)
        except (MoreishError, ValueError, IndexError, KeyError):  # shapes that do not fit, or a name that is not there
            return None
        if name not in context.gradients:
            return None
        if _is_same(context.gradients[name], reference, eps, context.rounding(f"d{name}", eps)) and all(
            _is_same(context.values[key], values[key], _eps(values[key]), context.rounding(key, _eps(values[key])))
            for key in context.values.keys() & values.keys()
        ):
            return context
    return None


def _is_same(made: NDArray[Any], given: NDArray[Any], eps: float, noise: float) -> bool:
    if made.size != given.size:
        return False
    difference = _largest(made.reshape(-1) - given.reshape(-1))  # NaN where either is, and that is no agreement
    return difference <= max(eps**0.6 * _largest(made), noise, eps)


def _eps(array: NDArray[Any]) -> float:
    return float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


def _largest(array: NDArray[Any]) -> float:
    return float(np.abs(array).max(initial=0.0))
