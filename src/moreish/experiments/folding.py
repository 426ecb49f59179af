"""Notebook 2's second question: batch norm folded into the linear layer before it."""

from moreish.corpus import read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.experiments.trained import carry_out, measured, recipe_of
from moreish.generation import fold as fold_model
from moreish.storage import load_model


def fold(request: Request) -> dict[str, Value]:
    """Train with batch norm, fold it, and compare both networks over the validation windows; and what is gained.

    Settings: `recipe`.
    """
    recipe = recipe_of(request)
    corpus = read_corpus(request.data_file, recipe)
    run, _ = carry_out(recipe, corpus, request.directory / "run")
    folded = fold_model(run)
    without, weights = folded.model.recipe, folded.model.file.weights
    (parameters, fewer), (size, smaller) = folded.num_parameters, folded.num_bytes
    return {
        "largest difference of logits": folded.largest_difference,
        "windows compared": folded.num_windows,
        "parameters, before": parameters,
        "parameters, folded": fewer,
        "bytes, before": size,
        "bytes, folded": smaller,
        "time of a forward pass, folded : before": folded.time_ratio,
        "validation, before": measured(recipe, load_model(run.path).weights, corpus, ("validation",))["validation"],
        "validation, folded": measured(without, weights, corpus, ("validation",))["validation"],
    }
