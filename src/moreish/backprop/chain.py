"""The whole network as a chain of single operations, under the names of the lecture, forward and backward.

    emb → embcat → hprebn → bnmeani, bndiff, bndiff2, bnvar, bnvar_inv, bnraw → hpreact → h → logits
        → logit_maxes, norm_logits, counts, counts_sum, counts_sum_inv, probs, logprobs → loss

A chain is a list of operations, whose derivatives stand beside them in `moreish.backprop.operations`. `run_forward`
computes one value after the other. `run_backward` walks the same list from its end and *adds* what every operation says
about its inputs: a value that was used twice receives two gradients.

Further hidden layers number their names: hprebn_2, bnraw_2, h_2, … (bndiff2 is the square of bndiff). Layer norm has
the operations of batch norm along the other axis, and its names begin with ln. W1, b1, W2, b2, … are the linear layers
from the first to the output.

Source: Karpathy, "Neural networks: zero to hero", lecture 4.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.backprop import operations
from moreish.backprop.activations import ACTIVATIONS
from moreish.backprop.arrays import Floats, Ids
from moreish.backprop.operations import Joining, Operation
from moreish.errors import InputError
from moreish.recipe import Norm

Values = dict[str, NDArray[Any]]


def run_forward(chain: Sequence[Operation], parameters: Mapping[str, Floats], Xb: Ids, Yb: Ids) -> Values:
    """Every value of the forward pass by name, parameters, Xb and Yb among them; the last is the loss, nats.

    Args:
        chain: from `mlp_chain`.
        parameters: C (V, E); W1 (fan_in, H), b1 (H,), …; bngain and bnbias (1, H) or (H,) where the norm is batch norm.
        Xb: contexts, (B, T).
        Yb: targets, (B,).

    Raises:
        ShapeError: a batch of one under batch norm, or an odd number of positions to be joined in pairs.
    """
    values: Values = {**parameters, "Xb": Xb, "Yb": Yb}
    for operation in chain:
        values[operation.name] = operation.forward(*(values[name] for name in operation.inputs))
    return values


def run_backward(chain: Sequence[Operation], values: Mapping[str, NDArray[Any]]) -> Values:
    """The gradient of the loss with respect to every value that has one, by the value's name."""
    gradients: Values = {chain[-1].name: np.ones_like(values[chain[-1].name])}
    for operation in reversed(chain):
        inputs = [values[name] for name in operation.inputs]
        dinputs = operation.backward(gradients[operation.name], values[operation.name], *inputs)
        for name, dinput in zip(operation.inputs, dinputs, strict=True):
            if dinput is not None:
                gradients[name] = gradients[name] + dinput if name in gradients else dinput
    return gradients


def mlp_chain(
    num_hidden: int = 1,
    norm: Norm = "batch",
    activation: str = "tanh",
    joining: Joining = "flat",
    correction: int = 1,
    epsilon: float = 1e-5,
) -> list[Operation]:
    """The chain of an MLP; by default that of the lecture.

    Args:
        num_hidden: hidden layers, at least 1.
        norm: between linear layer and activation: "none", "batch" or "layer".
        activation: "tanh", "relu", "gelu" or "gelu_tanh".
        joining: of the context: all at once before the first layer, or in pairs before every hidden layer.
        correction: batch norm divides its variance by n − correction; the lecture has 1. Layer norm divides by H.
        epsilon: of the norm.

    Raises:
        InputError: there is no hidden layer, or an activation of that name.
    """
    if num_hidden < 1 or activation not in ACTIVATIONS:
        raise InputError(
            f"A chain of {num_hidden} hidden layers with {activation} was asked for; "
            f"expected at least 1 and one of {', '.join(ACTIVATIONS)}."
        )
    chain = [operations.embedding()]
    x = "emb"
    for layer in range(1, num_hidden + 1):
        s = "" if layer == 1 else f"_{layer}"  # what the names of this layer end with
        if layer == 1 or joining == "pairs":
            joined = "embcat" if layer == 1 else f"hcat{s}"
            chain.append(operations.join(joined, x, joining))
            x = joined
        chain.append(operations.linear(f"hpreact{s}" if norm == "none" else f"hprebn{s}", x, f"W{layer}", f"b{layer}"))
        if norm == "batch":
            chain += operations.norm("bn", s, correction, epsilon)
        elif norm == "layer":
            chain += operations.norm("ln", s, 0, epsilon)
        chain.append(operations.activation(f"h{s}", f"hpreact{s}", activation))
        x = f"h{s}"
    if joining == "pairs":
        chain.append(operations.join("hflat", x, "flat"))  # (B, 1, H) → (B, H) where the pairs have met
        x = "hflat"
    chain.append(operations.linear("logits", x, f"W{num_hidden + 1}", f"b{num_hidden + 1}"))
    return chain + operations.LOSS
