"""Which engine carries out a recipe, and why."""

from dataclasses import dataclass

import torch
from torch import nn

from moreish.corpus import Corpus
from moreish.engines.autograd import AutogradEngine
from moreish.engines.contract import Engine, OptimizerSpec
from moreish.errors import EngineError
from moreish.recipe import Recipe


@dataclass(frozen=True)
class Choice:
    """An engine and the reason for which it was taken."""

    engine: Engine
    reason: str


def build_engine(recipe: Recipe, module: nn.Module, corpus: Corpus) -> Choice:
    """The engine that the recipe names; for "auto" the fastest that supports the model.

    Raises:
        EngineError: the device does not exist here.
    """
    _check_device(recipe.device)
    optimizer = OptimizerSpec.from_recipe(recipe, dict(module.named_parameters()))
    engine = AutogradEngine(module, recipe.context, optimizer, corpus, recipe.device)
    reason = "it is the only engine so far" if recipe.engine == "auto" else "the recipe names it"
    return Choice(engine, reason)


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EngineError(
            f"The device {device!r} cannot be used here ({str(error).splitlines()[0]}). Use cpu."
        ) from error
