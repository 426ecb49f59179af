"""Dropout: some activations become zero, the others grow so that the mean stays."""

from moreish.backprop.arrays import Floats, check_shape


def dropout_forward(x: Floats, mask: Floats) -> tuple[Floats, Floats]:
    """y = x · mask.

    Args:
        x: activations, (…, H).
        mask: of the same shape: 0 where dropped, else 1/(1 − rate); from `moreish.draws.dropout_mask`.

    Returns:
        y, and the mask.

    Raises:
        ShapeError: the mask does not have the shape of `x`.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 4.
    """
    check_shape("mask", mask.shape, x.shape, "the activations")
    return (x * mask).astype(x.dtype, copy=False), mask


def dropout_backward(dy: Floats, cache: Floats) -> Floats:
    """dx = dy · mask: what was dropped had no part in the loss.

    Raises:
        ShapeError: `dy` does not have the shape of the mask.
    """
    mask = cache
    check_shape("dy", dy.shape, mask.shape, "the activations")
    return (dy * mask).astype(dy.dtype, copy=False)
