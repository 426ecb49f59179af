"""How the autograd engine looks into a step: hooks on the layers, and copies of the parameters."""

from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from moreish.engines.measuring import Row, layer_row, parameter_rows
from moreish.models.mlp import ACTIVATIONS, Layer

_NAMES = {function: name for name, function in ACTIVATIONS.items()}


class Watch:
    """Measures one step of a module: entered around the forward pass, called before and after the update.

    Args:
        module: of any kind; those of its parts that are a `Layer` are seen as layers.
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = dict(module.named_parameters())
        self._layers = {name: part for name, part in module.named_modules() if isinstance(part, Layer)}
        self._handles: list[RemovableHandle] = []
        self._preactivations: dict[str, Tensor] = {}
        self._outputs: dict[str, Tensor] = {}

    def __enter__(self) -> "Watch":
        for name, layer in self._layers.items():
            before = layer.linear if layer.norm is None else layer.norm
            self._handles.append(before.register_forward_hook(partial(self._keep, self._preactivations, name)))
            self._handles.append(layer.register_forward_hook(partial(self._keep, self._outputs, name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        for output in self._outputs.values():
            output.retain_grad()

    def before_update(self) -> None:
        """Take note of values and gradients; clipping and update write over them."""
        self._before = {name: _copy(parameter) for name, parameter in self._parameters.items()}
        self._gradients = {
            name: np.zeros_like(self._before[name]) if parameter.grad is None else _copy(parameter.grad)
            for name, parameter in self._parameters.items()
        }

    def after_update(self) -> Row:
        """What was measured."""
        after = {name: _array(parameter) for name, parameter in self._parameters.items()}
        row = parameter_rows(self._before, self._gradients, after)
        for name, layer in self._layers.items():
            output = self._outputs[name]
            assert output.grad is not None
            activation = None if layer.activation is None else _NAMES[layer.activation]
            row |= layer_row(name, activation, *map(_array, (self._preactivations[name], output, output.grad)))
        return row

    @staticmethod
    def _keep(kept: dict[str, Tensor], name: str, part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept[name] = output


def _array(value: Tensor) -> NDArray[Any]:
    return value.detach().cpu().numpy()


def _copy(value: Tensor) -> NDArray[Any]:
    return _array(value.detach().clone())
