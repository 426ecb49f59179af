"""The model, the batch and the loss, called in one way whatever form they have, and checked before anything is done."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.devices import beside, making_tensors_on
from moreish.doctor.structures import (
    are_targets,
    first_tensor,
    is_sparse,
    named_tensors,
    replaced_tensors,
    rows_per_example,
    take,
)
from moreish.errors import InputError, MoreishError


class ModelError(MoreishError, RuntimeError):
    """A module that the doctor cannot examine, or that raised while it was examined."""


LossFunction = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class Subject:
    """What is examined.

    Attributes:
        inputs: a tensor, or a tuple (positional arguments) or dict (keyword arguments) of them; where `forward` does
            not take them so, it gets the tuple or dict as it is.
        targets: whatever `loss_fn` takes second.
        device: on which `model` and `loss_fn` make tensors for which they name none.
    """

    model: nn.Module
    inputs: Any
    targets: Any
    loss_fn: LossFunction
    device: torch.device = field(default_factory=torch.get_default_device)

    @property
    def primary(self) -> Tensor:
        """The first input that is a tensor with an axis of examples."""
        return first_tensor(self.inputs)

    @property
    def num_examples(self) -> int:
        return self.primary.shape[0]

    def forward(self, inputs: Any = None) -> Any:
        """The model's output; what it raises becomes one line.

        Raises:
            ModelError: the module raised.
        """
        inputs = self.inputs if inputs is None else inputs
        call = self._call
        try:
            with making_tensors_on(self.device):
                if call == "**inputs":
                    return self.model(**inputs)
                return self.model(*inputs) if call == "*inputs" else self.model(inputs)
        except MoreishError:
            raise
        except Exception as error:
            shape = tuple(first_tensor(inputs).shape)
            called = f", called as model({call})," if isinstance(inputs, Mapping | tuple | list) else ""
            raise ModelError(
                f"{type(self.model).__name__} raised {type(error).__name__} in forward{called} on inputs of shape "
                f"{shape}: {_one_line(error)}. Pass a batch that the model accepts; nothing was changed."
            ) from error

    @cached_property
    def _call(self) -> str:
        """How inputs are handed on, told by the signature of `forward`: what it raises inside is another matter."""
        args: tuple[Any, ...] = ()
        kwargs: dict[Any, Any] = {}
        if isinstance(self.inputs, Mapping):
            unpacked, kwargs = "**inputs", dict(self.inputs)
        elif isinstance(self.inputs, tuple | list):
            unpacked, args = "*inputs", tuple(self.inputs)
        else:
            return "inputs"
        fits_whole = _binds(self.model, (self.inputs,), {})
        return "inputs" if fits_whole and not _binds(self.model, args, kwargs) else unpacked

    def loss(self, output: Any) -> Tensor:
        """The loss as a scalar tensor.

        Raises:
            ModelError: `loss_fn` raised.
            InputError: it returned something else than one number.
        """
        try:
            with making_tensors_on(self.device):
                loss = self.loss_fn(output, self.targets)
        except Exception as error:
            raise ModelError(
                f"loss_fn raised {type(error).__name__}: {_one_line(error)}. It is called as loss_fn(output, targets); "
                "nothing was changed."
            ) from error
        return scalar(loss)

    def moved(self) -> "Subject":
        """The same with examples on the device of the model."""
        return replace(self, inputs=beside(self.model, self.inputs), targets=beside(self.model, self.targets))

    def selected(self, rows: Tensor) -> "Subject":
        """The same with some of the examples only, on the device of the model."""
        n = self.num_examples
        per_example = rows_per_example(self.targets, n)
        targets = self.targets
        if per_example > 1 and isinstance(targets, Tensor):
            targets = targets.reshape(n, per_example, *targets.shape[1:])[rows].flatten(0, 1)
        else:
            targets = take(targets, rows, n)
        return replace(self, inputs=take(self.inputs, rows, n), targets=targets).moved()

    @property
    def named_inputs(self) -> dict[str, Tensor]:
        """Every input that is a tensor with an axis of examples, by its key or number, the first one first.

        Targets that a model is handed, to compute its own loss, are none; nor are sparse tensors.
        """
        n, first = self.num_examples, self.primary
        return {
            name: item
            for name, item in named_tensors(self.inputs)
            if item.ndim
            and len(item) == n
            and (item is first or not are_targets(item, self.targets))
            and not is_sparse(item)
        }

    def spoken(self, name: str) -> str:
        """An input of `named_inputs`, called as the signature of `forward` calls it."""
        head, *rest = name.split(".")
        if isinstance(self.inputs, tuple | list):
            named = _argument_names(self.model, len(self.inputs)) if self._call == "*inputs" else []
            head = named[int(head)] if int(head) < len(named) else f"inputs[{head}]"
        return ".".join([head, *rest])

    def replaced(self, values: Mapping[str, Tensor]) -> Any:
        """The inputs with other tensors in the place of those of these names."""
        return replaced_tensors(self.inputs, values)


def make_subject(model: nn.Module, batch: Any, loss_fn: LossFunction) -> Subject:
    """Check what was handed in.

    Raises:
        InputError: `batch` is no pair, or has no tensor with examples.
        ModelError: the module cannot be examined.
    """
    check_model(model)
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        got = f"{len(batch)} things" if isinstance(batch, tuple | list) else type(batch).__name__
        raise InputError(
            f"batch is {got}; expected a pair (inputs, targets). Several inputs go into a tuple: ((a, b), targets)."
        )
    if not callable(loss_fn):
        raise InputError(f"loss_fn is a {type(loss_fn).__name__}; expected a function of (output, targets).")
    first_tensor(batch[0])
    return Subject(unwrapped(model), batch[0], batch[1], loss_fn)


def check_model(model: nn.Module) -> None:
    """Refuse what cannot be examined.

    Raises:
        ModelError: no module, no parameters, lazy, quantised, or on several devices.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(f"model is a {type(model).__name__}; expected a torch.nn.Module.")
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            "The model is compiled by TorchScript, which hides its operations. Pass the module it was made of."
        )
    for name, p in model.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise ModelError(f"Parameter {name} is lazy: it has no shape yet. Call the model once on a batch first.")
    for name, module in model.named_modules():
        if "quantized" in type(module).__module__:
            raise ModelError(
                f"Module {name} is quantised ({type(module).__name__}) and has no gradients. Examine the model that "
                "was "
                "quantised."
            )
    parameters = list(model.parameters())
    if not parameters:
        raise ModelError(f"{type(model).__name__} has no parameters: there is nothing to train. Pass the whole model.")
    devices = sorted({str(p.device) for p in parameters})
    if len(devices) > 1 or devices == ["meta"]:
        raise ModelError(
            f"The parameters are on {' and '.join(devices)}; expected one real device. Move the model first."
        )


def check_optimizer(optimizer: Any) -> None:
    """Refuse what does not step.

    Raises:
        InputError: no optimiser, or its class.
    """
    if isinstance(optimizer, type):
        name = optimizer.__name__
        raise InputError(
            f"optimizer is the class {name}; expected one that was made: {name}(model.parameters(), lr=…)."
        )
    if not hasattr(optimizer, "param_groups"):
        raise InputError(f"optimizer is a {type(optimizer).__name__}; expected a torch.optim.Optimizer.")


def unwrapped(model: nn.Module) -> nn.Module:
    """The module that `torch.compile` was given; any other as it is."""
    original = model._modules.get("_orig_mod")
    return model if original is None else original


def is_compiled(model: nn.Module) -> bool:
    """Whether the module or a part of it runs compiled by `torch.compile`."""
    return any("_orig_mod" in module._modules or module._compiled_call_impl is not None for module in model.modules())


def scalar(loss: Any) -> Tensor:
    """The loss, if it is one number.

    Raises:
        InputError: it is not.
    """
    if not isinstance(loss, Tensor):
        raise InputError(f"The loss is a {type(loss).__name__}; expected a tensor with one number.")
    if loss.numel() != 1 or loss.is_complex():
        raise InputError(
            f"The loss has shape {tuple(loss.shape)}; expected one number. Take its mean, or use reduction='mean'."
        )
    return loss.reshape(())


def _binds(model: nn.Module, args: tuple[Any, ...], kwargs: dict[Any, Any]) -> bool:
    """Whether `forward` takes these arguments, by its signature."""
    try:
        inspect.signature(model.forward).bind(*args, **kwargs)
    except (TypeError, ValueError):  # it does not; or it has no signature
        return False
    return True


def _argument_names(model: nn.Module, number: int) -> list[str]:
    """Names of the first positional arguments of `forward`; of those of `*args` with their number there."""
    names: list[str] = []
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # it has no signature
        return names
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{index}]" for index in range(number - len(names))]
        elif parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return names


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:200]
