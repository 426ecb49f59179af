"""A recipe's rule of the update on plain tensors, in the form in which the doctor tries a learning rate out.

`torch.optim` has these rules too, but loads PyTorch's compiler when it is first used: a second, for a few dozen steps.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moreish.engines import OptimizerSpec
from moreish.engines.contract import ADAM_EPSILON
from moreish.recipe import Recipe


class RuleOfRecipe:
    """Stands for a `torch.optim.Optimizer`: groups with a rate each, a state for each parameter, `step`.

    Args:
        recipe: its optimiser, top rate and decay.
        module: whose parameters are updated in place.
    """

    def __init__(self, recipe: Recipe, module: nn.Module) -> None:
        named = dict(module.named_parameters())
        self._spec = OptimizerSpec.from_recipe(recipe, named)
        decayed, others = ([p for n, p in named.items() if (n in self._spec.decayed) is does] for does in (True, False))
        self.param_groups: list[dict[str, Any]] = [
            {"params": decayed, "lr": recipe.learning_rate, "weight_decay": recipe.weight_decay},
            {"params": others, "lr": recipe.learning_rate, "weight_decay": 0.0},
        ]
        self._named = named
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    def restore(self, state: Mapping[str, NDArray[Any]], rate: float) -> None:
        """Go on from where an engine stood.

        Args:
            state: of its optimiser, as a checkpoint holds it.
            rate: that it takes.
        """
        for full_name, array in state.items():
            name, key = full_name.rsplit("/", 1)
            self.state.setdefault(self._named[name], {})[key] = torch.from_numpy(np.array(array))
        for group in self.param_groups:
            group["lr"] = rate

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient; see `OptimizerSpec`."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(self._direction(p, p.grad), alpha=group["lr"])

    def _direction(self, p: nn.Parameter, gradient: Tensor) -> Tensor:
        if self._spec.kind == "sgd":
            return gradient
        state = self.state.setdefault(p, {})
        if self._spec.kind == "momentum":
            velocity = state.setdefault("momentum_buffer", torch.zeros_like(p))
            return velocity.mul_(self._spec.momentum).add_(gradient)
        beta1, beta2 = self._spec.beta1, self._spec.beta2
        step = state.setdefault("step", torch.zeros((), dtype=torch.float64)).add_(1)
        mean = state.setdefault("exp_avg", torch.zeros_like(p)).lerp_(gradient, 1 - beta1)
        square = state.setdefault("exp_avg_sq", torch.zeros_like(p)).lerp_(gradient**2, 1 - beta2)
        return mean / (1 - beta1**step) / ((square / (1 - beta2**step)).sqrt() + ADAM_EPSILON)
