"""Lecture 2's search for a learning rate: one step at each of many rates, and where the loss is least."""

import numpy as np

from moreish.corpus import read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.experiments.steps import Steps
from moreish.experiments.trained import recipe_of


def rate_search(request: Request) -> dict[str, Value]:
    """The valley of the loss over the rates.

    Settings: `recipe`, `init_seed`; `lowest`, `highest` and `num_rates`, which lie evenly in their logarithm;
    `num_averaged`, neighbouring losses that are averaged.
    """
    settings = request.settings
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    positions = corpus.predicted("train", recipe.context)
    steps = Steps(recipe, corpus, positions, settings["init_seed"], request.seed)
    exponents = np.linspace(np.log10(settings["lowest"]), np.log10(settings["highest"]), settings["num_rates"])
    losses = steps.losses_at(10**exponents).astype(np.float64)
    width = settings["num_averaged"]
    smooth = np.convolve(losses, np.full(width, 1 / width), mode="valid")
    centres = exponents[width // 2 : width // 2 + len(smooth)]
    valley = int(smooth.argmin())
    return {
        "log10 of the rate in the valley": float(centres[valley]),
        "loss at first": float(smooth[0]),
        "loss in the valley": float(smooth[valley]),
        "loss at the highest rates": float(smooth[-1]),
    }
