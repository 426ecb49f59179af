"""The reference engine: any PyTorch module, any device, gradients by autograd."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from moreish.corpus import Corpus, contexts
from moreish.engines.contract import ADAM_EPSILON, ChunkResult, OptimizerSpec
from moreish.engines.measuring import Rows
from moreish.engines.watching import Watch
from moreish.models.mlp import CounterDropout


class AutogradEngine:
    """Carries out steps with autograd; see `Engine` for the contract.

    Args:
        module: contexts (B, T) → logits (B, V).
        context: T.
        optimizer: the rule of the update.
        corpus: whose stream the positions point into.
        device: where the module lives and the steps run.
    """

    name: str = "autograd"

    def __init__(self, module: nn.Module, context: int, optimizer: OptimizerSpec, corpus: Corpus, device: str) -> None:
        self._module = module.to(device).train()
        self._context = context
        self._spec = optimizer
        self._corpus = corpus
        self._device = device
        self._parameters = dict(module.named_parameters())
        self._decayed = [self._parameters[name] for name in sorted(optimizer.decayed)]
        self._dropouts = [part for part in module.modules() if isinstance(part, CounterDropout)]
        self._optimizer = self._make_optimizer()

    def run(
        self, positions: NDArray[np.int64], rates: NDArray[np.float64], first_step: int, every: int | None = None
    ) -> ChunkResult:
        stream, has_boundary = self._corpus.stream, self._corpus.vocabulary.has_boundary
        windows = contexts(stream, positions.ravel(), self._context, has_boundary)
        inputs = torch.from_numpy(windows.reshape(*positions.shape, self._context)).to(self._device)  # (k, B, T)
        targets = torch.from_numpy(stream[positions].astype(np.int64)).to(self._device)  # (k, B)
        losses = np.empty(len(positions), dtype=np.float32)
        rows = Rows(every)
        for index, rate in enumerate(rates):
            step = first_step + index
            for dropout in self._dropouts:
                dropout.step = step
            watch = Watch(self._module) if rows.are_due(step) else None
            with watch or nullcontext():
                loss = F.cross_entropy(self._module(inputs[index]), targets[index])
            losses[index] = loss.item()
            if not np.isfinite(losses[index]):
                return ChunkResult(losses[:index], float(losses[index]), rows.statistics())
            self._backward(loss)
            if watch is not None:
                watch.before_update()
            self._update(float(rate))
            if watch is not None:
                rows.append(step, watch.after_update())
        return ChunkResult(losses, statistics=rows.statistics())

    def weights(self) -> dict[str, NDArray[Any]]:
        return {name: _array(value) for name, value in self._module.state_dict().items()}

    def optimizer_state(self) -> dict[str, NDArray[Any]]:
        if self._optimizer is None:
            return {}
        return {
            f"{name}/{key}": _array(value)
            for name, parameter in self._parameters.items()
            for key, value in self._optimizer.state[parameter].items()
            if value is not None
        }

    def restore(self, weights: Mapping[str, NDArray[Any]], optimizer_state: Mapping[str, NDArray[Any]]) -> None:
        self._module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        if self._optimizer is None:
            return
        self._optimizer.state.clear()
        for full_name, array in optimizer_state.items():
            name, key = full_name.rsplit("/", 1)
            device = "cpu" if key == "step" and self._device == "cpu" else self._device
            self._optimizer.state[self._parameters[name]][key] = torch.from_numpy(array.copy()).to(device)

    def _make_optimizer(self) -> torch.optim.Optimizer | None:
        spec, parameters = self._spec, list(self._parameters.values())
        if spec.kind == "momentum":
            return torch.optim.SGD(parameters, lr=0.0, momentum=spec.momentum)
        if spec.kind == "adamw":
            betas = (spec.beta1, spec.beta2)
            # Decay is ours (see _update), so that one rule says for all optimisers which parameters decay.
            return torch.optim.AdamW(parameters, lr=0.0, betas=betas, eps=ADAM_EPSILON, weight_decay=0.0, fused=True)
        return None

    def _backward(self, loss: Tensor) -> None:
        for parameter in self._parameters.values():
            parameter.grad = None
        loss.backward()

    def _update(self, rate: float) -> None:
        if self._spec.clip is not None:
            nn.utils.clip_grad_norm_(self._parameters.values(), self._spec.clip)
        with torch.no_grad():
            if self._spec.weight_decay:
                for parameter in self._decayed:
                    parameter.mul_(1 - rate * self._spec.weight_decay)
            if self._optimizer is None:
                for parameter in self._parameters.values():
                    if parameter.grad is not None:
                        # Written as the notebooks write it, two rounded operations, so that the same digits come out.
                        parameter += -rate * parameter.grad
                return
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()


def _array(value: Tensor) -> NDArray[Any]:
    return value.detach().cpu().numpy()
