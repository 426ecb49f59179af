"""How much memory a training takes, from the recipe alone; what is said of much, and what does not fit."""

import dataclasses
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from moreish.corpus import Corpus
from moreish.corpus.windows import item_spans
from moreish.errors import EngineError, MoreishWarning
from moreish.models.arrays import values_per_layer, weight_shapes
from moreish.recipe import Recipe

MUCH = 1e9
"""Bytes from which on a training says what it takes."""

NUM_FIRST_STEPS = 10
"""Steps of the first call of an engine, whose windows are all made at once."""

SMALLER = "Give a smaller --context, --hidden, --embedding or --batch."

_KEPT = {"sgd": 0, "momentum": 1, "adamw": 2}  # arrays that the optimiser keeps of every parameter
_NUMBER, _ID = 4, 8  # bytes
_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Memory:
    """What a training takes at least.

    Attributes:
        num_parameters: of the network.
        num_copies: arrays of that size: values, gradients, what the optimiser keeps, and a checkpoint while it is
            written, which has all but the gradients once more.
        parameter_bytes: all of these.
        minibatch_bytes: windows of the first steps, and the activations of one minibatch with their gradients.
    """

    num_parameters: int
    num_copies: int
    parameter_bytes: int
    minibatch_bytes: int

    @property
    def num_bytes(self) -> int:
        """Both together."""
        return self.parameter_bytes + self.minibatch_bytes

    def __str__(self) -> str:
        return (
            f"Training this network takes {size(self.num_bytes)} of memory or more: {self.num_parameters:,} parameters "
            f"in {self.num_copies} copies (values, gradients, optimiser, checkpoint) are {size(self.parameter_bytes)}, "
            f"the minibatches {size(self.minibatch_bytes)}."
        )


def memory_of(recipe: Recipe, vocab_size: int) -> Memory:
    """The memory of a training, not counting the corpus and the program itself, some 300 MB."""
    num_parameters = sum(math.prod(shape) for shape in weight_shapes(recipe, vocab_size).values())
    num_copies = 3 + 2 * _KEPT[recipe.optimizer]
    num_values = sum(values_per_layer(recipe, vocab_size)) + vocab_size
    windows = NUM_FIRST_STEPS * recipe.batch * recipe.context * _ID
    return Memory(
        num_parameters,
        num_copies,
        parameter_bytes=num_copies * num_parameters * _NUMBER,
        minibatch_bytes=windows + 2 * recipe.batch * num_values * _NUMBER,
    )


def mind_memory(recipe: Recipe, corpus: Corpus) -> None:
    """Warn of a training that takes much memory, before any of it is taken.

    Raises:
        EngineError: it takes more than the machine has.
    """
    if recipe.is_counted:
        return
    memory = memory_of(recipe, corpus.vocabulary.vocab_size)
    if memory.num_bytes >= MUCH:
        advice = _advice(recipe, corpus)
        refuse_what_does_not_fit(recipe, corpus.vocabulary.vocab_size, advice)
        warnings.warn(f"{memory} {advice}", MoreishWarning, stacklevel=3)


def refuse_what_does_not_fit(recipe: Recipe, vocab_size: int, advice: str = SMALLER) -> None:
    """See that a training on the processor fits into the memory of the machine, or of the container.

    Raises:
        EngineError: it does not.
    """
    memory, there_is = memory_of(recipe, vocab_size), machine_bytes()
    if recipe.device == "cpu" and there_is is not None and memory.num_bytes > there_is:
        raise EngineError(f"{memory} This machine has {size(there_is)}. {advice}")


def machine_bytes() -> int | None:
    """Memory that this process could have at most; None where the system does not say."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not everywhere
        return None
    try:
        return min(machine, int(_OF_CONTAINER.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return machine


def size(num_bytes: int) -> str:
    """ "240 MB", "9.2 GB"."""
    return f"{num_bytes / 1e6:,.0f} MB" if num_bytes < 1e9 else f"{num_bytes / 1e9:,.1f} GB"


def _advice(recipe: Recipe, corpus: Corpus) -> str:
    """What would be sensible: no longer context than a list's longest item needs, where that is what takes most."""
    if not corpus.has_boundary or recipe.model == "hierarchical":
        return SMALLER
    spans = item_spans(corpus.stream, corpus.cuts[0], corpus.cuts[-1])
    longest = max(int((stops - starts).max()) for starts, stops in spans)
    sensible = dataclasses.replace(recipe, context=min(recipe.context, longest))
    vocab_size = corpus.vocabulary.vocab_size
    if memory_of(sensible, vocab_size).num_bytes > memory_of(recipe, vocab_size).num_bytes / 2:
        return SMALLER
    name = corpus.source.name
    return f"No item of {name} has more than {longest - 1:,} characters: --context {longest} sees all that there is."
