"""Which engine carries out a recipe, and why."""

from dataclasses import dataclass

import torch
from torch import nn

from moreish.corpus import Corpus
from moreish.engines.autograd import AutogradEngine
from moreish.engines.contract import Engine, OptimizerSpec
from moreish.engines.manual import ManualEngine
from moreish.engines.native import NativeEngine, why_not_native
from moreish.errors import EngineError
from moreish.recipe import Recipe

# NumPy has no error function, so that GELU takes many passes over each array: from about here on, PyTorch is faster.
_LARGEST_BATCH_OF_GELU = 64


@dataclass(frozen=True)
class Choice:
    """An engine and the reason for which it was taken."""

    engine: Engine
    reason: str


def build_engine(recipe: Recipe, module: nn.Module, corpus: Corpus) -> Choice:
    """The engine that the recipe names; for "auto" the fastest that supports the model.

    Args:
        recipe: names engine and device, and is what the gradients by hand are written for.
        module: the recipe's network; its parameters are updated in place.
        corpus: whose stream the positions point into.

    Raises:
        EngineError: the engine that is named cannot use the device, or cannot train the network.
    """
    name, reason = _choose(recipe, corpus.vocabulary.vocab_size)
    optimizer = OptimizerSpec.from_recipe(recipe, dict(module.named_parameters()))
    if name in ("native", "manual"):
        weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
        kind = NativeEngine if name == "native" else ManualEngine
        return Choice(kind(recipe, weights, optimizer, corpus), reason)
    check_device(recipe.device)
    return Choice(AutogradEngine(module, recipe.context, optimizer, corpus, recipe.device), reason)


def _choose(recipe: Recipe, vocab_size: int) -> tuple[str, str]:
    """Name and reason. The rule was measured: benchmarks/engines.py, LOG.md."""
    if recipe.engine == "manual" and recipe.device != "cpu":
        raise EngineError(
            f"engine = 'manual' computes on cpu, not on {recipe.device!r}. Give device = 'cpu', or engine = 'autograd'."
        )
    if recipe.engine != "auto":
        return recipe.engine, "the recipe names it"
    if recipe.device != "cpu":
        return "autograd", f"it is the only engine that computes on {recipe.device}"
    why_not = why_not_native(recipe, vocab_size)
    if why_not is None:
        return "native", "it is the fastest for this network"
    if recipe.activation == "gelu" and recipe.batch > _LARGEST_BATCH_OF_GELU:
        fastest = "autograd", f"it is the fastest but native for GELU and batches above {_LARGEST_BATCH_OF_GELU}"
    else:
        fastest = "manual", "it is the fastest but native for this network"
    return fastest[0], f"{fastest[1]}; native: {why_not}"


def check_device(device: str) -> None:
    """See whether PyTorch can compute on a device.

    Raises:
        EngineError: it cannot.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EngineError(
            f"The device {device!r} is not available here. Use --device cpu, or another; a run that was begun on it "
            "can only go on where it is available."
        ) from error
