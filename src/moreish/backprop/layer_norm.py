"""Layer norm: every example is brought to mean 0 and spread 1 over its own units, then stretched and shifted."""

from typing import NamedTuple

import numpy as np

from moreish.backprop.arrays import Floats, check_shape


class LayerNormCache(NamedTuple):
    """What the forward pass keeps: xhat (…, H), gamma (H,), rstd (…, 1)."""

    xhat: Floats
    gamma: Floats
    rstd: Floats


def layer_norm_forward(x: Floats, gamma: Floats, beta: Floats, epsilon: float = 1e-5) -> tuple[Floats, LayerNormCache]:
    """y = gamma * xhat + beta,  xhat = (x − mean) * rstd,  rstd = 1/√(var + epsilon), over the last axis.

    Args:
        x: (…, H).
        gamma: gain, (H,).
        beta: bias, (H,).
        epsilon: added to the variance, which is divided by H.

    Returns:
        y in the shape of `x`, and what `layer_norm_backward` needs.
    """
    H = x.shape[-1]
    diff = x - x.sum(-1, keepdims=True) / H  # (…, H)
    var = (diff * diff).sum(-1, keepdims=True) / H  # (…, 1)
    rstd = 1 / np.sqrt(var + epsilon)  # (…, 1)
    xhat = np.multiply(diff, rstd, out=diff)  # (…, H)
    y = gamma * xhat  # (…, H)
    y += beta
    return y, LayerNormCache(xhat, gamma, rstd)


def layer_norm_backward(dy: Floats, cache: LayerNormCache) -> tuple[Floats, Floats, Floats]:
    """Gradient of layer norm, in one expression.

    dx = rstd / H * (H * g − sum(g) − xhat * sum(g * xhat)),  g = gamma * dy

    It is batch norm's with the sums along the other axis; gamma differs along that axis, so it stays inside them.

    Args:
        dy: gradient of the loss with respect to the output, (…, H).
        cache: what `layer_norm_forward` kept; read, not changed.

    Returns:
        dx in the shape of `dy`, dgamma (H,), dbeta (H,).

    Raises:
        ShapeError: `dy` does not have the shape that was normalised.

    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450, section 3.
    """
    xhat, gamma, rstd = cache
    check_shape("dy", dy.shape, xhat.shape, "the output of layer norm")
    axes, H = tuple(range(dy.ndim - 1)), dy.shape[-1]
    dbeta = dy.sum(axes)  # (H,)
    dgamma = (dy * xhat).sum(axes)  # (H,)
    g = gamma * dy  # (…, H)
    sums = g.sum(-1, keepdims=True), (g * xhat).sum(-1, keepdims=True)  # (…, 1)
    dx = xhat * (sums[1] / H)  # (…, H), and from here in place
    np.subtract(g, dx, out=dx)
    dx -= sums[0] / H
    dx *= rstd
    return dx, dgamma, dbeta
