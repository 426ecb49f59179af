"""Training a network: module, engine, plan and loop are put together here, and nowhere else."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from moreish.corpus import SPLITS, Corpus
from moreish.draws import seed_for
from moreish.engines import Choice, build_engine
from moreish.errors import EngineError
from moreish.models.load import predictor
from moreish.models.mlp import MLP
from moreish.observers import Observer, Started
from moreish.recipe import Recipe
from moreish.training.checkpoint import Checkpoint
from moreish.training.evaluation import evaluate
from moreish.training.loop import Loop
from moreish.training.memory import SMALLER, memory_of, refuse_what_does_not_fit
from moreish.training.plan import Plan, Record, StepPlan, TimePlan
from moreish.training.run import Run

_SECONDS_TO_FINISH = 0.5  # writing results, and the first names after them


def train_network(run: Run, corpus: Corpus, observers: Sequence[Observer], began: float) -> dict[str, Any] | None:
    """Carry out a run's recipe, from its checkpoint where it has one.

    Args:
        began: `time.perf_counter()` when preparation began, which a time budget includes.

    Returns:
        The facts of the training; None where it was interrupted.

    Raises:
        DivergenceError: a loss was not finite.
        EngineError: the engine or device is not available.
    """
    with threads(run.recipe.threads):
        return _train(run, corpus, observers, began)


def _train(run: Run, corpus: Corpus, observers: Sequence[Observer], began: float) -> dict[str, Any] | None:
    recipe = run.recipe
    initialisation, minibatches = generators(recipe)
    module = build_module(recipe, corpus.vocabulary.vocab_size, initialisation)
    num_parameters = sum(parameter.numel() for parameter in module.parameters())
    choice = build_engine(recipe, module, corpus)
    checkpoint = Checkpoint.load(run.path)
    plan = _make_plan(run, corpus, choice, began)
    loop = Loop(run, corpus, choice.engine, minibatches, plan, observers, checkpoint)
    started = Started(
        *(loop.position.step, plan.num_steps, plan.seconds, num_parameters),
        engine=choice.engine.name,
        reason=choice.reason,
    )
    for observer in observers:
        observer.observe(started)
    if loop.carry_out() == "interrupted":
        return None
    position = loop.position
    seconds = position.seconds
    return {
        "engine": choice.engine.name,
        "engine_reason": choice.reason,
        "steps": position.step,
        "seconds": seconds,
        "steps_per_second": position.step / seconds,
        "parameters": num_parameters,
        "best_step": position.best_step,
    }


def build_module(recipe: Recipe, vocab_size: int, generator: torch.Generator) -> MLP:
    """The network of a recipe before its first step.

    Raises:
        EngineError: it does not fit in memory.
    """
    refuse_what_does_not_fit(recipe, vocab_size)
    try:
        return MLP(recipe, vocab_size, generator)
    except (RuntimeError, MemoryError) as error:  # PyTorch's allocator raises a plain RuntimeError
        memory = memory_of(recipe, vocab_size)
        raise EngineError(f"{memory} That is more than there is. {SMALLER}") from error


def generators(recipe: Recipe) -> tuple[torch.Generator, torch.Generator]:
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
        return StepPlan(recipe, len(corpus.predicted("train", recipe.context)))
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
def threads(count: int) -> Iterator[None]:
    """Hold PyTorch to a number of threads, and put back what was set before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
