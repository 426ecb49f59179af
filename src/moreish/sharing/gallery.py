"""Which pictures there are of a run, how each is drawn from it, and why it may not fit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from moreish.errors import InputError
from moreish.sharing.comparisons import draw_parameter_gradients, draw_spread_by_depth
from moreish.sharing.curves import draw_losses, draw_update_ratios
from moreish.sharing.histograms import (
    draw_activation_histograms,
    draw_gradient_histograms,
    draw_spreads,
    draw_tanh,
)
from moreish.sharing.maps import draw_bigram_table, draw_embedding_map, draw_saturation_map
from moreish.sharing.material import Material

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One picture of a run.

    Attributes:
        what: it shows, in one line.
        draw: from the run's material; raises an `InputError` where it does not fit the run, and a `FileError` where the
            file trained on is gone.
    """

    what: str
    draw: "Callable[[Material], Figure]"


def _losses(material: Material) -> "Figure":
    history = material.history
    size = len(material.symbols)
    return draw_losses(history.all_losses(), history.evaluated_steps, history.validation_nll, size)


def _activations(material: Material) -> "Figure":
    _need_hidden(material)
    outputs = {name: array for name, array in material.inside.outputs.items() if name != "head"}
    return draw_activation_histograms(outputs, material.recipe.activation)


def _gradients(material: Material) -> "Figure":
    _need_hidden(material)
    gradients = {name: array for name, array in material.inside.gradients.items() if name != "head"}
    return draw_gradient_histograms(gradients)


def _parameter_gradients(material: Material) -> "Figure":
    gradients = material.inside.parameter_gradients
    return draw_parameter_gradients({name: float(gradient.std()) for name, gradient in gradients.items()})


def _tanh(material: Material) -> "Figure":
    _need_hidden(material)
    if material.recipe.activation != "tanh":
        raise InputError(f"The nonlinearity of this network is {material.recipe.activation}, not tanh.")
    return draw_tanh()


def _saturation(material: Material) -> "Figure":
    _need_hidden(material)
    if material.recipe.activation == "gelu":
        raise InputError("GELU has no flat part: no unit saturates.")
    return draw_saturation_map(material.inside.outputs["layers.0"], material.recipe.activation)


def _updates(material: Material) -> "Figure":
    statistics = material.statistics
    weights = {
        name: parameter.update_to_data
        for name, parameter in statistics.parameters.items()
        if name.endswith(("linear.weight", "embedding.weight"))  # biases begin at 0, where a ratio says little
    }
    return draw_update_ratios(statistics.steps, weights)


def _depth(material: Material) -> "Figure":
    _need_hidden(material)
    statistics = material.statistics
    layers = [name for name in statistics.layers if name != "head"]
    if len(layers) < 2:
        raise InputError("One hidden layer has no depth to compare.")
    rows = sorted({0, len(statistics) // 2, len(statistics) - 1})
    spreads, gradients = (
        {
            f"step {statistics.steps[row]:,}": np.array([getattr(statistics.layers[n], what)[row] for n in layers])
            for row in rows
        }
        for what in ("std", "gradient_std")
    )
    return draw_spread_by_depth(spreads, layers, gradients)


def _embedding(material: Material) -> "Figure":
    material.need_network()
    embedding = material.model.weights.get("embedding.weight")
    if embedding is None or embedding.shape[1] < 2:
        raise InputError("A map needs an embedding of at least two dimensions.")
    return draw_embedding_map(embedding, material.symbols)


def _bigrams(material: Material) -> "Figure":
    return draw_bigram_table(material.bigrams(), material.symbols)


def _spreads(material: Material) -> "Figure":
    material.need_network()
    weights = material.model.weights
    if "embedding.weight" not in weights:
        raise InputError("The network has no embedding: what comes in is one-hot.")
    first = weights["layers.0.linear.weight" if material.recipe.hidden else "head.linear.weight"]
    x = weights["embedding.weight"][material.contexts]  # (B, T, E)
    return draw_spreads(
        {"embedding, x": x, "weights, W": first, "x @ W, first layer": x.reshape(-1, len(first)) @ first}
    )


PICTURES: dict[str, Picture] = {
    "losses": Picture("the loss of every step, raw and smoothed, and validation; also on log axes", _losses),
    "activations": Picture("histograms of the activations, layer by layer", _activations),
    "gradients": Picture("histograms of the gradients, layer by layer", _gradients),
    "parameter-gradients": Picture(
        "how large the gradient of every parameter is, and which receive none", _parameter_gradients
    ),
    "tanh": Picture("tanh and its derivative, and where it saturates", _tanh),
    "saturation": Picture("which units pass no gradient at which examples, in black and white", _saturation),
    "updates": Picture("update-to-data ratios over time, parameter by parameter", _updates),
    "depth": Picture("the spread of activations and gradients from layer to layer", _depth),
    "embedding": Picture("the characters where the embedding puts them", _embedding),
    "bigrams": Picture("how often each character follows each other one", _bigrams),
    "spreads": Picture("the spread of the embedding, the first weights, and their product", _spreads),
}
"""Every picture of a run, by name, in the order in which they are drawn."""


def _need_hidden(material: Material) -> None:
    material.need_network()
    if not material.recipe.hidden:
        raise InputError("The network has no hidden layer.")
