"""The search for a learning rate: one step at each of many rates, and everything put back."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from moreish.corpus import read_corpus
from moreish.errors import DivergenceError, InputError, RecipeError
from moreish.recipe import Recipe
from moreish.training.interrupts import Interrupts
from moreish.training.memory import mind_memory
from moreish.training.origin import read_again, recipe_for, repeated_run
from moreish.training.valley import WIDTH, Divergence, smooth, suggest

if TYPE_CHECKING:
    from moreish.engines import Engine
    from moreish.training.minibatches import Minibatches

LOWEST, HIGHEST, NUM_RATES = 1e-4, 10.0, 1_000

_STEPS_A_CALL = 10  # so that Ctrl-C is heard and nothing is drawn long after the loss has exploded


@dataclass(frozen=True)
class RateSearch:
    """What a search found.

    Attributes:
        rates: that were tried, one step each, (n,).
        losses: minibatch NLL before the step at each, (n,), nats.
        smoothed: the same, averaged with their neighbours on both sides, (n,), nats.
        suggestion: the rate where `smoothed` lies lowest; None where that is no valley.
        why_none: then, why; "" otherwise.
        ended: with the last rate ("finished"), because the loss "diverged", or "interrupted".
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    suggestion: float | None
    why_none: str
    ended: Literal["finished", "diverged", "interrupted"]


@dataclass(frozen=True)
class Tried:
    """Where a search stands: rates tried, of how many; the last of them; the mean of the last few losses, nats."""

    num_done: int
    num_rates: int
    rate: float
    loss: float


Report = Callable[[Tried], None]


def find_rate(
    file: str | os.PathLike[str] | None = None,
    *,
    recipe: Recipe | str | os.PathLike[str] | None = None,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    num_rates: int = NUM_RATES,
    report: Report | None = None,
    **changes: Any,
) -> RateSearch:
    """Search a learning rate for a network that has not been trained: which one lets the loss fall fastest?

    The network, its minibatches and its optimiser are those that `moreish.train` begins with; the schedule and the
    number of steps of the recipe play no part.

    Args:
        file: as for `moreish.train`.
        recipe: likewise; of a run the file is taken too, where none is given, but not the weights.
        lowest, highest: rates to try.
        num_rates: how many, evenly spaced in their logarithm; one step each.
        report: told what was tried.
        **changes: fields of the recipe to be changed.

    Returns:
        The search; Ctrl-C ends it, and what was tried until then is returned.

    Raises:
        MoreishError: the file or the recipe cannot be used.
        InputError: rates that cannot be searched.
        DivergenceError: the loss is not finite before the first step.

    Source: the rule and where it comes from stand in `moreish.training.valley`.
    """
    rates = spaced(lowest, highest, num_rates)
    settled = recipe_for(file, recipe, changes)
    if settled.is_counted:
        raise RecipeError(f"model = {settled.model!r} counts and takes no steps: it has no learning rate to be found.")
    repeated = repeated_run(recipe) if file is None else None
    corpus = read_corpus(file, settled) if repeated is None else read_again(repeated, settled)
    positions = corpus.predicted("train", settled.context)
    mind_memory(settled, corpus)

    from moreish.engines import build_engine  # loads PyTorch, as the network does
    from moreish.training.minibatches import Minibatches
    from moreish.training.network import build_module, generators, threads

    with threads(settled.threads), threadpool_limits(limits=settled.threads):
        initialisation, stream = generators(settled)
        module = build_module(settled, corpus.vocabulary.vocab_size, initialisation)
        engine = build_engine(settled, module, corpus).engine
        return search(engine, Minibatches(positions, settled.batch, stream), rates, report)


def spaced(lowest: float, highest: float, num_rates: int) -> NDArray[np.float64]:
    """Rates that rise geometrically, (n,).

    Raises:
        InputError: no numbers; they span less than a decade; or they are too few to be averaged.
    """
    for name, value in (("lowest", lowest), ("highest", highest), ("num_rates", num_rates)):
        if not isinstance(value, int if name == "num_rates" else int | float) or isinstance(value, bool):
            what = "a whole number" if name == "num_rates" else "a number"
            raise InputError(f"{name} is {value!r}; expected {what}.")
    if not 0 < lowest <= highest / 10 < np.inf:
        raise InputError(
            f"lowest = {lowest:g} and highest = {highest:g} cannot be searched; expected a highest rate that is at "
            "least 10 times the lowest, and both greater than 0."
        )
    fewest = int(np.ceil(4 * np.log10(highest / lowest) / WIDTH))
    if num_rates < fewest:
        raise InputError(f"num_rates is {num_rates}; expected at least {fewest}, for {lowest:g} to {highest:g}.")
    return np.geomspace(lowest, highest, num_rates)


def search(
    engine: "Engine", minibatches: "Minibatches", rates: NDArray[np.float64], report: Report | None = None
) -> RateSearch:
    """Carry out one step at each rate, and put parameters, buffers, optimiser and random stream back.

    Args:
        engine: whose network is looked at.
        minibatches: are drawn from it.
        rates: rising geometrically, (n,).
        report: told what was tried.

    Raises:
        DivergenceError: the loss is not finite before the first step.
    """
    width = WIDTH / float(np.log10(rates[1] / rates[0]))
    divergence, losses, ended = Divergence(width), list[float](), "finished"
    with _put_back(engine, minibatches), Interrupts() as interrupts:
        while len(losses) < len(rates) and ended == "finished":
            call_rates = rates[len(losses) : len(losses) + _STEPS_A_CALL]
            result = engine.run(minibatches.draw(len(call_rates)), call_rates, len(losses))
            for loss in result.losses.tolist():
                losses.append(loss)
                if divergence.is_reached(loss):
                    ended = "diverged"
                    break
            if result.failed_loss is not None:
                ended = "diverged"
            if report is not None and losses:
                recent = float(np.mean(losses[-_STEPS_A_CALL:]))
                report(Tried(len(losses), len(rates), float(rates[len(losses) - 1]), recent))
            if interrupts.is_requested and ended == "finished":
                ended = "interrupted"
    if not losses:
        raise DivergenceError("The loss is not finite before the first step: no rate can help. Change the network.")
    tried, found = rates[: len(losses)], np.array(losses)
    smoothed = smooth(found, width)
    lowest, why_none = suggest(tried, found, smoothed, width, ended == "diverged")
    if why_none and ended == "interrupted":
        why_none = f"it was interrupted at {tried[-1]:.2g}, before the loss showed a valley."
    suggestion = None if why_none else float(tried[lowest])
    return RateSearch(tried, found, smoothed, suggestion, why_none, ended)


@contextmanager
def _put_back(engine: "Engine", minibatches: "Minibatches") -> Iterator[None]:
    weights = {name: array.copy() for name, array in engine.weights().items()}
    optimizer = {name: array.copy() for name, array in engine.optimizer_state().items()}
    stream = minibatches.state()
    try:
        yield
    finally:
        engine.restore(weights, optimizer)
        minibatches.restore(stream)
