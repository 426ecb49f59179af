"""Models that are made by counting: no steps, the same model file."""

from moreish.corpus import Corpus
from moreish.models.counting import fit_additive
from moreish.models.kneser_ney import fit_ngram
from moreish.storage import MODEL_FILE, save_model
from moreish.training.packing import pack_model
from moreish.training.run import Run


def count_model(run: Run, corpus: Corpus) -> int:
    """Count the bigram or n-gram model of a run, write its model file, and return how many n-grams it holds.

    Raises:
        InputError: running text that is too short for the order.
    """
    recipe = run.recipe
    model = fit_additive(corpus, 2, recipe.smoothing) if recipe.model == "bigram" else fit_ngram(corpus, recipe.order)
    save_model(run.path / MODEL_FILE, pack_model(run, corpus, model.to_arrays(), {"order": model.context + 1}))
    return model.num_parameters
