"""The network around a gradient: its chain, every value and gradient in double precision, and who uses what.

Which chain it is (activation, norm, correction) is found out: it is the one that makes the given values and leads to
the reference.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.activations import ACTIVATIONS
from moreish.backprop.chain import Values, mlp_chain, run_backward, run_forward
from moreish.backprop.operations import Operation
from moreish.errors import MoreishError
from moreish.recipe import Norm

Array = NDArray[np.float64]

_AGREES = 1e-3  # of values and gradients that are to be the same network's


@dataclass(frozen=True)
class Use:
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
    """

    chain: Sequence[Operation]
    values: Values
    gradients: Mapping[str, Array]
    activation: str

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
        """How large rounding errors of a gradient are: those of single precision, measured, and scaled to `eps`."""
        leaves = {key: _single(self.values[key]) for key in self.values if key not in _made_by(self.chain)}
        ids = leaves.pop("Xb"), leaves.pop("Yb")
        single = run_backward(self.chain, run_forward(self.chain, leaves, *ids))[name]
        return float(np.abs(single - self.gradients[name]).max(initial=0.0) * eps / np.finfo(np.float32).eps)


def recognise(values: Mapping[str, NDArray[Any]], name: str, reference: Array) -> Context | None:
    """The network that makes these values and this gradient; None where it is not one of ours.

    Args:
        values: at least the parameters, Xb and Yb under the lecture's names; others are compared.
        name: of a value.
        reference: its gradient.
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
            with np.errstate(all="ignore"):
                made = run_forward(chain, leaves, values["Xb"], values["Yb"])
                gradients = run_backward(chain, made)
        except (MoreishError, ValueError, IndexError, KeyError):  # shapes that do not fit, or a name that is not there
            return None
        context = Context(chain, made, gradients, activation)
        if name in gradients and _is_same(gradients[name], reference, context.rounding(name, 1e-5)):
            agree = [_is_same(made[key], array) for key, array in values.items() if key in made.keys() - {"Xb", "Yb"}]
            if all(agree):
                return context
    return None


def _is_same(made: Array, given: NDArray[Any], noise: float = 0.0) -> bool:
    if made.size != given.size or not np.isfinite(made).all():
        return False
    difference = np.abs(made.reshape(-1) - given.reshape(-1)).max(initial=0.0)
    return bool(difference <= max(_AGREES * np.abs(made).max(initial=0.0), noise, 1e-12))


def _made_by(chain: Sequence[Operation]) -> set[str]:
    return {operation.name for operation in chain}


def _single(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype.kind == "f" else array
