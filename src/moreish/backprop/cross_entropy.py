"""Softmax and cross-entropy in one: the mean negative log-likelihood of the targets."""

import numpy as np

from moreish.backprop.arrays import Floats, Ids
from moreish.errors import InputError, ShapeError

CrossEntropyCache = tuple[Floats, Ids]


def cross_entropy_forward(logits: Floats, targets: Ids) -> tuple[float, CrossEntropyCache]:
    """loss = −mean log softmax(logits)[target].

    Args:
        logits: (…, V).
        targets: 0 … V−1, (…).

    Returns:
        The loss in nats, mean over all examples, and what `cross_entropy_backward` needs.

    Raises:
        ShapeError: there is not one target for each row of logits.
        InputError: there is no example.
    """
    if targets.shape != logits.shape[:-1]:
        raise ShapeError(
            f"targets have shape {targets.shape}; expected {logits.shape[:-1]}: "
            f"one id for each row of the logits {logits.shape}."
        )
    if targets.size == 0:
        raise InputError("The mean loss of 0 examples was asked for; pass at least one context and its target.")
    n = targets.size
    flat = logits.reshape(n, -1)  # (n, V)
    shifted = flat - flat.max(axis=1, keepdims=True)  # (n, V), at most 0: exp cannot overflow
    chosen = shifted[np.arange(n), targets.reshape(-1)]  # (n,)
    counts = np.exp(shifted, out=shifted)
    counts_sum = counts.sum(axis=1, keepdims=True)  # (n, 1)
    loss = float(np.log(counts_sum).sum() - chosen.sum()) / n
    probs = np.divide(counts, counts_sum, out=counts)
    return loss, (probs.reshape(logits.shape), targets)


def cross_entropy_backward(cache: CrossEntropyCache, dloss: float = 1.0) -> Floats:
    """dlogits = (softmax(logits) − onehot(target)) / n.

    Args:
        cache: what `cross_entropy_forward` kept.
        dloss: gradient of what is minimised with respect to this loss; 1 where the loss itself is.

    Returns:
        dlogits (…, V); every row sums to zero.
    """
    probs, targets = cache
    n = targets.size
    dlogits = probs * (dloss / n)
    dlogits.reshape(n, -1)[np.arange(n), targets.reshape(-1)] -= dloss / n
    return dlogits
