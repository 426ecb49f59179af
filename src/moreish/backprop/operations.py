"""The network's single operations, each with its derivative beside it, under the names of the lecture.

A derivative answers: if the loss changes by dvalue for every unit of the value, by how much does it change for every
unit of the inputs? Whatever was repeated on the way forward is summed on the way back.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moreish.backprop.activations import ACTIVATIONS
from moreish.backprop.arrays import Floats, sum_to_shape
from moreish.backprop.batch_norm import num_values
from moreish.backprop.embedding import embedding_backward
from moreish.backprop.joining import JOININGS

Joining = Literal["flat", "pairs"]


class Operation(NamedTuple):
    """One line of the forward pass, and its derivative.

    Attributes:
        name: of the value that it makes.
        inputs: names of what it is made from.
        forward: (*inputs) → value.
        backward: (dvalue, value, *inputs) → gradients of the inputs, in their order; None for what has no gradient.
    """

    name: str
    inputs: tuple[str, ...]
    forward: Callable[..., Floats]
    backward: Callable[..., tuple[Floats | None, ...]]


def embedding() -> Operation:
    """The rows of the table for the ids of the contexts."""
    return Operation(
        "emb",
        ("C", "Xb"),
        lambda C, Xb: C[Xb],  # (V, E) at (B, T) → (B, T, E)
        lambda demb, emb, C, Xb: (
            embedding_backward(demb, (Xb, C.shape)),  # dC[Xb[b, t]] += demb[b, t]
            None,  # ids have no gradient
        ),
    )


def join(name: str, x: str, joining: Joining) -> Operation:
    """What stands at neighbouring positions, side by side."""
    return Operation(
        name,
        (x,),
        lambda x: JOININGS[joining].forward(x)[0],  # (B, T, E) → (B, T·E), or in pairs (B, T/2, 2E)
        lambda dout, out, x: (dout.reshape(x.shape),),  # dx: the same numbers, as they stood before
    )


def linear(name: str, x: str, W: str, b: str) -> Operation:
    """x @ W + b over any leading axes."""
    return Operation(
        name,
        (x, W, b),
        lambda x, W, b: x @ W + b,  # (…, fan_in) @ (fan_in, fan_out) + (fan_out,)
        lambda dout, out, x, W, b: (
            dout @ W.T,  # dx
            x.reshape(-1, x.shape[-1]).T @ dout.reshape(-1, dout.shape[-1]),  # dW
            sum_to_shape(dout, b.shape),  # db
        ),
    )


def norm(bn: str, s: str, correction: int, epsilon: float) -> list[Operation]:
    """Batch norm (bn, over all axes but the last) or layer norm (ln, over the last), in seven operations."""
    hprebn, meani, diff, diff2 = f"hprebn{s}", f"{bn}meani{s}", f"{bn}diff{s}", f"{bn}diff2{s}"
    var, var_inv, raw, gain, bias = f"{bn}var{s}", f"{bn}var_inv{s}", f"{bn}raw{s}", f"{bn}gain{s}", f"{bn}bias{s}"

    def total(x: Floats) -> Floats:
        return x.sum(axis=tuple(range(x.ndim - 1)) if bn == "bn" else -1, keepdims=True)

    def n(x: Floats) -> int:
        return num_values(x) if bn == "bn" else x.shape[-1]

    return [
        Operation(
            meani,
            (hprebn,),
            lambda hprebn: total(hprebn) / n(hprebn),
            lambda dmeani, meani, hprebn: (
                dmeani / n(hprebn) * np.ones_like(hprebn),  # dhprebn, one of two: every value is 1/n of the mean
            ),
        ),
        Operation(
            diff,
            (hprebn, meani),
            lambda hprebn, meani: hprebn - meani,
            lambda ddiff, diff, hprebn, meani: (
                ddiff,  # dhprebn, two of two
                sum_to_shape(-ddiff, meani.shape),  # dmeani
            ),
        ),
        Operation(
            diff2,
            (diff,),
            lambda diff: diff**2,
            lambda ddiff2, diff2, diff: (2 * diff * ddiff2,),  # ddiff, one of two
        ),
        Operation(
            var,
            (diff2,),
            lambda diff2: total(diff2) / (n(diff2) - correction),
            lambda dvar, var, diff2: (dvar / (n(diff2) - correction) * np.ones_like(diff2),),  # ddiff2
        ),
        Operation(
            var_inv,
            (var,),
            lambda var: (var + epsilon) ** -0.5,
            lambda dvar_inv, var_inv, var: (-0.5 * (var + epsilon) ** -1.5 * dvar_inv,),  # dvar
        ),
        Operation(
            raw,
            (diff, var_inv),
            lambda diff, var_inv: diff * var_inv,
            lambda draw, raw, diff, var_inv: (
                draw * var_inv,  # ddiff, two of two
                sum_to_shape(draw * diff, var_inv.shape),  # dvar_inv
            ),
        ),
        Operation(
            f"hpreact{s}",
            (gain, raw, bias),
            lambda gain, raw, bias: gain * raw + bias,
            lambda dhpreact, hpreact, gain, raw, bias: (
                sum_to_shape(dhpreact * raw, gain.shape),  # dgain
                dhpreact * gain,  # draw
                sum_to_shape(dhpreact, bias.shape),  # dbias
            ),
        ),
    ]


def activation(name: str, hpreact: str, kind: str) -> Operation:
    """The nonlinearity `kind`, element by element."""
    if kind == "tanh":
        return Operation(name, (hpreact,), np.tanh, lambda dh, h, hpreact: ((1 - h**2) * dh,))  # dhpreact
    if kind == "relu":
        return Operation(
            name,
            (hpreact,),
            lambda hpreact: np.maximum(hpreact, 0),
            lambda dh, h, hpreact: ((hpreact > 0) * dh,),  # dhpreact; 0 at 0, as in PyTorch
        )
    pair = ACTIVATIONS[kind]  # the formulas of GELU stand there
    return Operation(
        name,
        (hpreact,),
        lambda hpreact: pair.forward(hpreact)[0],
        lambda dh, h, hpreact: (pair.backward(dh, pair.forward(hpreact)[1]),),  # dhpreact
    )


def _is_first_maximum(logits: Floats) -> NDArray[np.bool_]:
    """Where the maximum of each row stands; of several that tie, the first, as `torch.max(dim)` takes one of them.

    Any choice is right: the loss does not change when the same number is subtracted from a whole row of logits, so
    dlogit_maxes is zero but for rounding, and it does not matter where that zero goes.
    """
    return np.arange(logits.shape[-1]) == logits.argmax(axis=-1, keepdims=True)


LOSS: list[Operation] = [
    Operation(
        "logit_maxes",
        ("logits",),
        lambda logits: logits.max(axis=1, keepdims=True),  # (B, 1)
        lambda dlogit_maxes, logit_maxes, logits: (
            _is_first_maximum(logits) * dlogit_maxes,  # dlogits, one of two
        ),
    ),
    Operation(
        "norm_logits",
        ("logits", "logit_maxes"),
        lambda logits, logit_maxes: logits - logit_maxes,  # at most 0, so that exp cannot overflow
        lambda dnorm_logits, norm_logits, logits, logit_maxes: (
            dnorm_logits,  # dlogits, two of two
            -dnorm_logits.sum(axis=1, keepdims=True),  # dlogit_maxes: it was subtracted from all V of the row
        ),
    ),
    Operation(
        "counts",
        ("norm_logits",),
        np.exp,
        lambda dcounts, counts, norm_logits: (counts * dcounts,),  # dnorm_logits
    ),
    Operation(
        "counts_sum",
        ("counts",),
        lambda counts: counts.sum(axis=1, keepdims=True),  # (B, 1)
        lambda dcounts_sum, counts_sum, counts: (np.ones_like(counts) * dcounts_sum,),  # dcounts, one of two
    ),
    Operation(
        "counts_sum_inv",
        ("counts_sum",),
        lambda counts_sum: counts_sum**-1,
        lambda dcounts_sum_inv, counts_sum_inv, counts_sum: (-(counts_sum**-2) * dcounts_sum_inv,),  # dcounts_sum
    ),
    Operation(
        "probs",
        ("counts", "counts_sum_inv"),
        lambda counts, counts_sum_inv: counts * counts_sum_inv,
        lambda dprobs, probs, counts, counts_sum_inv: (
            counts_sum_inv * dprobs,  # dcounts, two of two
            (counts * dprobs).sum(axis=1, keepdims=True),  # dcounts_sum_inv: it was used for all V of the row
        ),
    ),
    Operation(
        "logprobs",
        ("probs",),
        np.log,
        lambda dlogprobs, logprobs, probs: (dlogprobs / probs,),  # dprobs
    ),
    Operation(
        "loss",
        ("logprobs", "Yb"),
        lambda logprobs, Yb: -logprobs[np.arange(len(Yb)), Yb].mean(),
        lambda dloss, loss, logprobs, Yb: (
            -dloss / len(Yb) * (np.arange(logprobs.shape[1]) == Yb[:, None]).astype(logprobs.dtype),  # dlogprobs
            None,  # ids have no gradient
        ),
    ),
]
