"""What a training begins with: a recipe from what was asked for, and a file, or those of a run to be repeated."""

import os
from pathlib import Path
from typing import Any

from moreish.corpus import DATA_SETS, Corpus, read_corpus
from moreish.errors import RunError
from moreish.recipe import Recipe
from moreish.training.run import Run, is_run

Origin = Recipe | str | os.PathLike[str] | None


def resolve_recipe(origin: Origin) -> Recipe:
    """A recipe itself, that of a run or of a TOML file, or the default."""
    if origin is None or isinstance(origin, Recipe):
        return origin or Recipe()
    path = Path(origin)
    return Run.open(path).recipe if path.is_dir() else Recipe.from_toml(path)


def recipe_for(file: str | os.PathLike[str] | None, origin: Origin, changes: dict[str, Any]) -> Recipe:
    """The recipe of a training on a file: running text where a data set is known by name to be that.

    Raises:
        RecipeError: a field that there is not, or a value that cannot be.
        FileError, RunError: the origin cannot be read.
    """
    if origin is None and isinstance(file, str) and file in DATA_SETS and not Path(file).exists():
        changes = {"kind": DATA_SETS[file].kind} | changes
    return resolve_recipe(origin).with_changes(**changes)


def repeated_run(origin: Origin) -> Run | None:
    """The run that is to be repeated, where the origin is one."""
    return Run.open(origin) if isinstance(origin, str | os.PathLike) and is_run(Path(origin)) else None


def read_again(run: Run, recipe: Recipe) -> Corpus:
    """The file of a run.

    Raises:
        RunError: it has changed since.
    """
    corpus = read_corpus(str(run.data_path), recipe, run.data["name"])
    if corpus.source.sha256 != run.data["sha256"]:
        raise RunError(
            f"{run.data_path} has changed since the run in {run.path} began (SHA-256 {corpus.source.sha256[:12]}…, "
            f"then {run.data['sha256'][:12]}…). Put the old file back, or train a new run."
        )
    return corpus
