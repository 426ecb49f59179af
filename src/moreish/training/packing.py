"""From trained weights to the self-describing model file."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from moreish.corpus import Corpus
from moreish.storage import ModelFile
from moreish.training.run import Run, environment


def pack_model(
    run: Run, corpus: Corpus, context: int, weights: Mapping[str, NDArray[Any]], training: Mapping[str, Any]
) -> ModelFile:
    """All that a model file holds of a model that sees `context` symbols; `training` says how far it was trained."""
    path = run.data_path.absolute()
    provenance = {"data": run.data | {"path": str(path)}, "training": dict(training), "environment": environment()}
    return ModelFile(
        weights=dict(weights),
        recipe=run.recipe.to_dict(),
        vocabulary=corpus.vocabulary.to_dict(),
        provenance=provenance,
        trained_items=corpus.trained_items,
        held_out_items=corpus.held_out_items,
        opening=corpus.opening(context),
    )
