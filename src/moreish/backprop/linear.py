"""Linear layer: y = x W + b."""

from moreish.backprop.arrays import Floats, check_shape
from moreish.errors import ShapeError

LinearCache = tuple[Floats, Floats, bool]


def linear_forward(x: Floats, W: Floats, b: Floats | None = None) -> tuple[Floats, LinearCache]:
    """y = x W + b over any leading axes.

    Args:
        x: (…, fan_in).
        W: (fan_in, fan_out).
        b: (fan_out,), or None for no bias.

    Returns:
        y (…, fan_out), and what `linear_backward` needs.

    Raises:
        ShapeError: the last axis of `x` is not the fan-in of `W`.
    """
    if x.shape[-1] != W.shape[0]:
        raise ShapeError(
            f"x has shape {x.shape} and W {W.shape}; the last axis of x is to be W's first. Transpose or join."
        )
    # One product of all rows; NumPy would make a small one of every example.
    y = x.reshape(-1, W.shape[0]) @ W  # (n, fan_in) @ (fan_in, fan_out) → (n, fan_out)
    if b is not None:
        y += b
    return y.reshape(*x.shape[:-1], W.shape[1]), (x, W, b is not None)


def linear_backward(dy: Floats, cache: LinearCache) -> tuple[Floats, Floats, Floats | None]:
    """dx = dy Wᵀ, dW = xᵀ dy, db = Σ dy.

    Args:
        dy: gradient of the loss with respect to the output, (…, fan_out).
        cache: what `linear_forward` kept.

    Returns:
        dx (…, fan_in), dW (fan_in, fan_out), db (fan_out,) or None without a bias.

    Raises:
        ShapeError: `dy` does not have the shape of the output.
    """
    x, W, has_bias = cache
    check_shape("dy", dy.shape, (*x.shape[:-1], W.shape[1]), "the output of the linear layer")
    flat_x, flat_dy = x.reshape(-1, W.shape[0]), dy.reshape(-1, W.shape[1])
    dx = flat_dy @ W.T  # (n, fan_out) @ (fan_out, fan_in) → (n, fan_in)
    dW = flat_x.T @ flat_dy  # (fan_in, n) @ (n, fan_out) → (fan_in, fan_out)
    db = flat_dy.sum(axis=0) if has_bias else None  # b was repeated for each of the n rows
    return dx.reshape(x.shape), dW, db
