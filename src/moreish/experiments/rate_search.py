"""Lecture 2 and notebook 5: one step at each of many rates; the loss has its valley where the rate is right."""

import numpy as np

from moreish.corpus import read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.experiments.steps import Steps
from moreish.experiments.trained import recipe_of


def rate_search(request: Request) -> dict[str, Value]:
    """The valley of the loss over the rates.

    Settings: `recipe`, `init_seed`; `lowest`, `highest` and `num_rates`, which lie evenly in their logarithm.
    """
    settings = request.settings
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    positions = corpus.predicted("train", recipe.context)
    steps = Steps(recipe, corpus, positions, settings["init_seed"], request.seed)
    found = steps.search(np.geomspace(settings["lowest"], settings["highest"], settings["num_rates"]))
    valley = int(found.smoothed.argmin())
    return {
        "log10 of the rate in the valley": float(np.log10(found.rates[valley])),
        "loss at first": float(found.smoothed[0]),
        "loss in the valley": float(found.smoothed[valley]),
        "loss at the highest rates": float(found.smoothed[-1]),
    }
