"""Models that are made by counting: no steps, the same model file."""

import time
from typing import Any

from moreish.corpus import Corpus
from moreish.models.counting import fit_additive
from moreish.models.kneser_ney import fit_ngram
from moreish.storage import MODEL_FILE, save_model
from moreish.training.packing import pack_model
from moreish.training.run import Run


def count_model(run: Run, corpus: Corpus) -> dict[str, Any]:
    """Count the bigram or n-gram model of a run, write its model file, and return the facts of its making.

    Raises:
        InputError: running text that is too short for the order.
    """
    began = time.perf_counter()
    recipe = run.recipe
    model = fit_additive(corpus, 2, recipe.smoothing) if recipe.model == "bigram" else fit_ngram(corpus, recipe.order)
    save_model(
        run.path / MODEL_FILE, pack_model(run, corpus, model.context, model.to_arrays(), {"order": model.context + 1})
    )
    seconds = time.perf_counter() - began
    return {
        "engine": "counting",
        "engine_reason": "the model is made by counting",
        "steps": 0,
        "seconds": seconds,
        "steps_per_second": 0.0,
        "parameters": model.num_parameters,
    }
