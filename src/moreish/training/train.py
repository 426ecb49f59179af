"""The public way to train: from a file and a recipe to a run with its figures."""

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from moreish.corpus import SPLITS, Corpus, read_corpus, spool, spool_standard_input
from moreish.errors import InputError, RecipeError, RunError
from moreish.models.load import predictor
from moreish.observers import Observer, Prepared
from moreish.recipe import Recipe
from moreish.storage import load_model, write_json
from moreish.training.counted import count_model
from moreish.training.evaluation import baselines, evaluate
from moreish.training.memory import mind_memory
from moreish.training.origin import Origin, read_again, recipe_for, repeated_run, resolve_recipe
from moreish.training.plan import Record
from moreish.training.run import (
    RESULTS_FILE,
    STATISTICS_EVERY,
    Run,
    free_directory,
    held,
    is_run,
    kept_only_if_used,
)


def train(
    file: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    recipe: Recipe | str | os.PathLike[str] | None = None,
    observers: Sequence[Observer] = (),
    statistics_every: int | None = None,
    **changes: Any,
) -> Run:
    """Train a model on a text file.

    Args:
        file: a path, "-" for standard input, or the name of a data set; None takes that of a run to be repeated, else
            the bundled names.
        out: directory of the run; None takes the next free `runs/NAME-N`.
        resume: go on with the run in `out` to the same end as if it had not been stopped; where `out` holds no run yet,
            begin with `file`.
        recipe: to start from: a `Recipe`, a run to be repeated, or a TOML file; None takes the default.
        observers: hear what happens.
        statistics_every: measure every so many steps (`run.statistics`), 0 for none; it changes no other number. None
            takes 100, or goes on as the run began.
        **changes: fields of the recipe to be changed (`hidden=(200, 200)`, `minutes=0.5`, ...).

    Returns:
        The run. Its `results` are None if the training was interrupted.

    Raises:
        MoreishError: the file, the recipe or the directory cannot be used; nothing that exists is overwritten.
        DivergenceError: the loss stopped being finite.
    """
    began = time.perf_counter()
    if resume and out is None:
        raise RunError("resume needs the directory of the run to go on with: --out RUN --resume.")
    if resume and is_run(Path(str(out))):
        run = _reopen(Path(str(out)), file, recipe, changes, statistics_every)
        if run.results is not None:
            return run
        corpus = read_again(run, run.recipe)
        mind_memory(run.recipe, corpus)
    elif resume and file is None and recipe is None:
        raise RunError(f"There is no run in {out} to go on with. Give its directory, or a FILE to begin one there.")
    else:
        run, corpus = _begin(file, out, recipe, changes, statistics_every)
    with held(run), threadpool_limits(limits=run.recipe.threads):
        _train(run, corpus, observers, began)
    return run


def _begin(
    file: str | os.PathLike[str] | None,
    out: str | os.PathLike[str] | None,
    origin: Origin,
    changes: dict[str, Any],
    statistics_every: int | None,
) -> tuple[Run, Corpus]:
    every = STATISTICS_EVERY if statistics_every is None else statistics_every
    if not isinstance(every, int) or isinstance(every, bool) or every < 0:
        raise InputError(f"statistics_every is {every!r}; expected a whole number of steps, or 0 for no statistics.")
    recipe = recipe_for(file, origin, changes)
    repeated = repeated_run(origin)
    if recipe.device != "cpu":
        from moreish.engines import check_device  # loads PyTorch

        check_device(recipe.device)
    with nullcontext() if out is None else kept_only_if_used(Path(out)):
        run, corpus = _prepare(file, out, recipe, repeated, every)
    if repeated is not None and recipe.minutes is not None and repeated.recipe == recipe:
        Record.read(repeated.path).save(run.path)  # what the clock decided there is done again here
    return run, corpus


def _prepare(
    file: str | os.PathLike[str] | None,
    out: str | os.PathLike[str] | None,
    recipe: Recipe,
    repeated: Run | None,
    statistics_every: int,
) -> tuple[Run, Corpus]:
    """Read the file and make the directory of the run."""
    spooled = _spool(file)
    try:
        copied = spooled
        if spooled is not None:
            corpus = read_corpus(spooled, recipe, "standard input" if file == "-" else str(file))
        elif file is None and repeated is not None:
            corpus = read_again(repeated, recipe)
            copied = repeated.data_path if repeated.data["is_copy"] else None
        else:
            corpus = read_corpus(file, recipe)
        for split in SPLITS:
            corpus.predicted(split, recipe.context)
        mind_memory(recipe, corpus)
        stem = "input" if copied else Path(corpus.source.name).name.split(".")[0]
        directory = Path(out) if out is not None else free_directory(stem)
        return Run.create(directory, recipe, corpus, copied, statistics_every), corpus
    finally:
        if spooled is not None:
            spooled.unlink()


def _spool(file: str | os.PathLike[str] | None) -> Path | None:
    """A copy of what can be read only once: standard input, a pipe."""
    if file == "-":
        return spool_standard_input()
    if file is None or not Path(file).is_fifo():
        return None
    with Path(file).open("rb") as pipe:
        return spool(pipe)


def _reopen(
    out: Path,
    file: str | os.PathLike[str] | None,
    origin: Origin,
    changes: dict[str, Any],
    statistics_every: int | None,
) -> Run:
    run = Run.open(out)
    base = run.recipe if origin is None else resolve_recipe(origin)
    different = run.recipe.differences(base.with_changes(**changes))
    if different:
        raise RecipeError(
            f"The run in {out} has another recipe than the one asked for: "
            + "; ".join(f"{name} = {own!r}, not {asked!r}" for name, (own, asked) in different.items())
            + ". Resuming goes on with the run's own: leave the other options out, or train a new run."
        )
    if statistics_every not in (None, run.statistics_every):
        raise RunError(
            f"The run in {out} is measured every {run.statistics_every} steps, not every {statistics_every}; resuming "
            "goes on as it began. Leave statistics_every out."
        )
    begun_with = {run.data["name"], str(run.data_path), "-" if run.data["is_copy"] else ""}
    if file is not None and not begun_with & {str(file), str(Path(file).absolute())}:
        raise RunError(f"The run in {out} was begun with {run.data['name']}, not with {file}. Leave the file out.")
    return run


def _train(run: Run, corpus: Corpus, observers: Sequence[Observer], began: float) -> None:
    counted = baselines(corpus)
    prepared = Prepared(
        run=run.path,
        name=corpus.source.name,
        notes=corpus.summary.notes,
        vocab_size=corpus.vocabulary.vocab_size,
        num_predicted={split: len(corpus.predicted(split, run.recipe.context)) for split in SPLITS},
        baselines={
            name: {split: nll.nats_per_character for split, nll in row.items()} for name, row in counted.items()
        },
        corpus=corpus,
    )
    for observer in observers:
        observer.observe(prepared)
    if run.recipe.is_counted:
        facts = count_model(run, corpus)
    else:
        from moreish.training.network import train_network  # loads PyTorch, which nothing else here needs

        facts = train_network(run, corpus, observers, began)
    if facts is None:
        return
    model = load_model(run.path)
    kept = predictor(run.recipe, corpus.vocabulary.vocab_size, model.weights)
    nlls = {split: evaluate(kept, corpus, split) for split in SPLITS}
    results = {"run": str(run.path), **facts, "nll": {split: nll.nats_per_character for split, nll in nlls.items()}}
    for name in ("standard_error", "bits_per_character", "perplexity", "num_characters", "is_sample"):
        results[name] = {split: getattr(nll, name) for split, nll in nlls.items()}
    write_json(run.path / RESULTS_FILE, results | {"baselines": prepared.baselines})
