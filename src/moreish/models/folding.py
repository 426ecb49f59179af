"""Folding: batch norm absorbed into the linear layer before it, so that inference needs it no longer.

In evaluation batch norm is y = γ · (x − mean) / s + β with fixed mean and s, and x = h @ W + b; so y = h @ W' + b' with
W' = W · γ/s (each column by its own) and b' = (b − mean) · γ/s + β.

Source: Jacob et al. 2018, arXiv:1712.05877, section 3.2, equation 14; notebook 2 asks for it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.errors import InputError
from moreish.models.arrays import layer_names
from moreish.models.conventions import CONVENTIONS
from moreish.recipe import Recipe


def fold_batch_norm(
    recipe: Recipe, weights: Mapping[str, NDArray[Any]]
) -> tuple[Recipe, dict[str, NDArray[Any]], tuple[str, ...]]:
    """A network without norms that gives the same logits as one with batch norm does in evaluation.

    Args:
        recipe: of the network.
        weights: its parameters and buffers by name; they are not changed.

    Returns:
        The recipe of the folded network (no norm, biases everywhere), its weights, computed in float64 and of the dtype
        of the given ones, and the names of the layers whose norm was absorbed.

    Raises:
        InputError: there is no batch norm to fold, or the norm is layer norm.
    """
    if recipe.is_counted:
        raise InputError(f"There is nothing to fold: a model that counts ({recipe.model}) has no layers.")
    if recipe.norm == "layer":
        raise InputError(
            "Layer norm cannot be folded: it normalises every example by that example's own mean and variance, which "
            "no fixed weights can do. Only batch norm can, whose mean and variance are fixed after training."
        )
    norms = tuple(name for name in layer_names(recipe) if f"{name}.norm.running_mean" in weights)
    if not norms:
        raise InputError("There is nothing to fold: the network has no batch norm. Train one with --norm batch.")
    folded = {name: array.copy() for name, array in weights.items() if ".norm." not in name}
    for name in norms:
        old = folded[f"{name}.linear.weight"]
        weight, bias = _absorbed(recipe, weights, name)
        folded[f"{name}.linear.weight"] = weight.astype(old.dtype)
        folded[f"{name}.linear.bias"] = bias.astype(old.dtype)
    without = dataclasses.replace(recipe, norm="none", norm_output=False, norm_convention="pytorch", bias="all")
    return without, folded, norms


def _absorbed(
    recipe: Recipe, weights: Mapping[str, NDArray[Any]], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """W' (fan_in, fan_out) and b' (fan_out,) of a layer."""

    def get(part: str) -> NDArray[np.float64]:
        return weights[f"{name}.{part}"].astype(np.float64)

    convention = CONVENTIONS[recipe.norm_convention]
    spread = get(f"norm.{convention.spread}")
    std = spread if convention.keeps_std else np.sqrt(spread + convention.epsilon)
    scale = get("norm.weight") / std
    bias = get("linear.bias") if f"{name}.linear.bias" in weights else 0.0
    return get("linear.weight") * scale, (bias - get("norm.running_mean")) * scale + get("norm.bias")
