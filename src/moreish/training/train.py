"""The public way to train: from a file and a recipe to a run with its figures."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from moreish.corpus import Corpus, read_corpus, spool_standard_input
from moreish.draws import seed_for
from moreish.engines import Choice, build_engine
from moreish.errors import RecipeError, RunError
from moreish.models.load import predictor
from moreish.models.mlp import MLP
from moreish.observers import Observer, Prepared, Started
from moreish.recipe import Recipe
from moreish.storage import load_model, write_json
from moreish.training.checkpoint import Checkpoint
from moreish.training.counted import count_model
from moreish.training.evaluation import SPLITS, baselines, evaluate
from moreish.training.loop import Loop
from moreish.training.plan import Plan, Record, StepPlan, TimePlan
from moreish.training.run import RESULTS_FILE, Run, free_directory, is_run, make_directory

_SECONDS_TO_FINISH = 0.5  # writing results, and the first names after them


def train(
    file: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    recipe: Recipe | str | os.PathLike[str] | None = None,
    observers: Sequence[Observer] = (),
    **changes: Any,
) -> Run:
    """Train a model on a text file.

    Args:
        file: a path, "-" for standard input, or the name of a data set; None takes that of a run to be repeated, else the
            bundled names.
        out: directory of the run; None takes the next free `runs/NAME-N`.
        resume: go on with the run in `out` to the same end as if it had not been stopped; where `out` holds no run yet,
            begin.
        recipe: to start from: a `Recipe`, a run to be repeated, or a TOML file; None takes the default.
        observers: hear what happens.
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
        run = _reopen(Path(str(out)), file, recipe, changes)
        if run.results is not None:
            return run
        corpus = _read_again(run, run.recipe)
    else:
        run, corpus = _begin(file, out, recipe, changes)
    with _threads(run.recipe.threads):
        _train(run, corpus, observers, began)
    return run


def _begin(
    file: str | os.PathLike[str] | None,
    out: str | os.PathLike[str] | None,
    origin: Recipe | str | os.PathLike[str] | None,
    changes: dict[str, Any],
) -> tuple[Run, Corpus]:
    recipe = _resolve_recipe(origin).with_changes(**changes)
    repeated = Run.open(origin) if isinstance(origin, str | os.PathLike) and is_run(Path(origin)) else None
    if out is not None:
        make_directory(Path(out))
    spooled = spool_standard_input() if file == "-" else None
    try:
        if file is None and repeated is not None:
            corpus = _read_again(repeated, recipe)
        else:
            corpus = read_corpus(spooled or (None if file is None else str(file)), recipe)
        for split in SPLITS:
            corpus.predicted(split, recipe.context)
        stem = "input" if spooled else Path(corpus.source.name).name.split(".")[0]
        run = Run.create(Path(out) if out is not None else free_directory(stem), recipe, corpus, spooled)
    finally:
        if spooled is not None:
            spooled.unlink()
    if repeated is not None and recipe.minutes is not None and repeated.recipe == recipe:
        Record.read(repeated.path).save(run.path)  # what the clock decided there is done again here
    return run, corpus


def _resolve_recipe(origin: Recipe | str | os.PathLike[str] | None) -> Recipe:
    if origin is None or isinstance(origin, Recipe):
        return origin or Recipe()
    path = Path(origin)
    return Run.open(path).recipe if path.is_dir() else Recipe.from_toml(path)


def _reopen(
    out: Path,
    file: str | os.PathLike[str] | None,
    origin: Recipe | str | os.PathLike[str] | None,
    changes: dict[str, Any],
) -> Run:
    run = Run.open(out)
    base = run.recipe if origin is None else _resolve_recipe(origin)
    if base.with_changes(**changes) != run.recipe:
        raise RecipeError(
            f"The run in {out} has another recipe than the one asked for; resuming goes on with the run's own. "
            "Leave the other options out, or train a new run."
        )
    begun_with = {run.data["name"], str(run.data_path), "-" if run.data["is_copy"] else ""}
    if file is not None and not begun_with & {str(file), str(Path(file).absolute())}:
        raise RunError(f"The run in {out} was begun with {run.data['name']}, not with {file}. Leave the file out.")
    return run


def _read_again(run: Run, recipe: Recipe) -> Corpus:
    corpus = read_corpus(str(run.data_path), recipe)
    if corpus.source.sha256 != run.data["sha256"]:
        raise RunError(
            f"{run.data_path} has changed since the run in {run.path} began (SHA-256 {corpus.source.sha256[:12]}…, "
            f"then {run.data['sha256'][:12]}…). Put the old file back, or train a new run."
        )
    return corpus


def _train(run: Run, corpus: Corpus, observers: Sequence[Observer], began: float) -> None:
    counted = baselines(corpus)
    prepared = Prepared(
        name=corpus.source.name,
        notes=corpus.summary.notes,
        vocab_size=corpus.vocabulary.vocab_size,
        num_predicted={split: len(corpus.predicted(split, run.recipe.context)) for split in SPLITS},
        baselines={
            name: {split: nll.nats_per_character for split, nll in row.items()} for name, row in counted.items()
        },
    )
    for observer in observers:
        observer.observe(prepared)
    facts = _count(run, corpus) if run.recipe.is_counted else _train_network(run, corpus, observers, began)
    if facts is None:
        return
    model = load_model(run.path)
    kept = predictor(run.recipe, corpus.vocabulary.vocab_size, model.weights)
    nlls = {split: evaluate(kept, corpus, split) for split in SPLITS}
    results = {"run": str(run.path), **facts, "nll": {split: nll.nats_per_character for split, nll in nlls.items()}}
    for name in ("standard_error", "bits_per_character", "perplexity", "num_characters", "is_sample"):
        results[name] = {split: getattr(nll, name) for split, nll in nlls.items()}
    write_json(run.path / RESULTS_FILE, results | {"baselines": prepared.baselines})


def _count(run: Run, corpus: Corpus) -> dict[str, Any]:
    began = time.perf_counter()
    num_parameters = count_model(run, corpus)
    seconds = time.perf_counter() - began
    return _facts("counting", "the model is made by counting", 0, seconds, num_parameters)


def _train_network(run: Run, corpus: Corpus, observers: Sequence[Observer], began: float) -> dict[str, Any] | None:
    recipe = run.recipe
    initialisation, minibatches = _generators(recipe)
    module = MLP(recipe, corpus.vocabulary.vocab_size, initialisation)
    num_parameters = sum(parameter.numel() for parameter in module.parameters())
    choice = build_engine(recipe, module, corpus)
    checkpoint = Checkpoint.load(run.path)
    plan = _make_plan(run, corpus, choice, began)
    loop = Loop(run, corpus, choice.engine, minibatches, plan, observers, checkpoint)
    started = Started(
        *(run.path, loop.position.step, plan.num_steps, plan.seconds, num_parameters),
        engine=choice.engine.name,
        reason=choice.reason,
    )
    for observer in observers:
        observer.observe(started)
    if loop.carry_out() == "interrupted":
        return None
    position = loop.position
    facts = _facts(choice.engine.name, choice.reason, position.step, position.seconds, num_parameters)
    return facts | {"best_step": position.best_step}


def _facts(engine: str, reason: str, steps: int, seconds: float, num_parameters: int) -> dict[str, Any]:
    speed = steps / seconds if seconds > 0 else 0.0
    return {
        "engine": engine,
        "engine_reason": reason,
        "steps": steps,
        "seconds": seconds,
        "steps_per_second": speed,
        "parameters": num_parameters,
    }


def _generators(recipe: Recipe) -> tuple[torch.Generator, torch.Generator]:
    """Of initialisation and minibatches: one each, or the same one in the order of the notebooks."""
    if recipe.draws == "lecture":
        generator = torch.Generator().manual_seed(recipe.seed)
        return generator, generator
    purposes = ("initialisation", "minibatches")
    first, second = (torch.Generator().manual_seed(seed_for(recipe.seed, purpose)) for purpose in purposes)
    return first, second


def _make_plan(run: Run, corpus: Corpus, choice: Choice, began: float) -> Plan:
    recipe = run.recipe
    if recipe.minutes is None:
        return StepPlan(recipe)
    before = time.perf_counter()
    untrained = predictor(recipe, corpus.vocabulary.vocab_size, choice.engine.weights())
    num_validated = evaluate(untrained, corpus, "validation").num_characters
    seconds = time.perf_counter() - before
    num_evaluated = sum(
        int((blocks.stops - blocks.starts).sum())
        for blocks in (corpus.blocks(split, recipe.context) for split in SPLITS)
    )
    reserve = before - began + seconds * (1 + num_evaluated / num_validated) + _SECONDS_TO_FINISH
    return TimePlan(recipe, run.path, reserve, Record.read(run.path))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Hold PyTorch and NumPy to a number of threads, and put back what was set before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(limits=count):
            yield
    finally:
        torch.set_num_threads(before)
