"""Leave everything as it was: parameters, buffers, gradients, modes, hooks, attributes, optimiser, random streams."""

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from moreish.doctor.devices import making_tensors_on
from moreish.doctor.subject import is_compiled


@contextmanager
def untouched(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    values: bool = True,
    others: Sequence[Tensor] = (),
) -> Iterator[None]:
    """Whatever is done inside, everything is bit for bit as before afterwards, also after an error.

    Args:
        model: its parameters, buffers, gradients, `requires_grad`, modes, hooks and other attributes of its modules.
        optimizer: its state, the settings of its groups, and what it holds.
        values: whether values and gradients of parameters may change inside; without, only buffers are copied, which
            saves memory.
        others: tensors that are trained and that neither of them holds.
    """
    modules = [(module, _attributes(module)) for module in model.modules()]
    parameters = [
        (p, p.requires_grad, p.grad, _copy(p.grad) if values else None, _copy(p) if values else None)
        for p in _trained(model, optimizer, others)
    ]
    buffers = [(buffer, _copy(buffer)) for buffer in model.buffers()]
    groups, state = _optimizer_state(optimizer)
    streams = _random_streams()
    try:
        yield
    finally:
        for module, attributes in modules:
            _put_back(module.__dict__, attributes)
        for p, requires_grad, grad, grad_copy, value in parameters:
            p.requires_grad_(requires_grad)
            p.grad = grad
            _write(grad, grad_copy)
            _write(p, value)
        for buffer, value in buffers:
            _write(buffer, value)
        if optimizer is not None:
            _restore_optimizer(optimizer, groups, state)
        _restore_streams(streams)


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Dropout switched off inside, and only dropout."""
    modules = [m for m in model.modules() if m.training and "dropout" in type(m).__name__.lower()]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module in modules:
            module.training = True


def seed(number: int) -> None:
    """Random numbers begin anew, on the devices whose streams `untouched` puts back.

    `torch.manual_seed` leaves a seed for devices that are not in use yet, which nothing would take back, and keeps the
    call stack for each of them: half a millisecond, as much as two steps of a small network.
    """
    torch.default_generator.manual_seed(number)
    for generator in _generators_in_use():
        generator.graphsafe_set_state(torch.Generator(generator.device).manual_seed(number))


@contextmanager
def plainly(model: nn.Module) -> Iterator[None]:
    """For the doctor's own passes: what of the model is compiled runs as it is written, so that nothing is compiled.

    Tensors are made on the processor, but for those that the model makes.

    Between the layers of a recurrent network on a GPU, cuDNN drops out by a random stream of its own, which nobody can
    put back: then PyTorch's own kernels take its place.

    PyTorch warns of sizes that are broadcast; here they are looked at, and are of examples that nobody chose.
    """
    is_random = any(isinstance(m, nn.RNNBase) and m.dropout > 0 for m in model.modules())
    stance = torch.compiler.set_stance("force_eager") if is_compiled(model) else nullcontext()
    with stance, making_tensors_on(torch.device("cpu")), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using a target size")
        if not is_random or not torch.backends.cudnn.enabled:
            yield
            return
        torch.backends.cudnn.enabled = False
        try:
            yield
        finally:
            torch.backends.cudnn.enabled = True


def _trained(model: nn.Module, optimizer: torch.optim.Optimizer | None, others: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Parameters of the model, what the optimiser holds besides, and others; each once."""
    held = [p for group in optimizer.param_groups for p in group["params"]] if optimizer is not None else []
    return tuple({id(p): p for p in (*model.parameters(), *held, *others)}.values())


def _attributes(module: nn.Module) -> dict[str, tuple[Any, Any]]:
    """Each attribute and, where it is a container (parameters, buffers, hooks, lists), a copy of its content."""
    return {key: (value, _content(value)) for key, value in module.__dict__.items()}


def _content(value: Any) -> Any:
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        return value.detach().clone()
    return value.copy() if isinstance(value, dict | list | set) else None


def _put_back(target: dict[str, Any], attributes: dict[str, tuple[Any, Any]]) -> None:
    for key in [key for key in target if key not in attributes]:
        del target[key]
    for key, (value, content) in attributes.items():
        if isinstance(value, dict | set) and content is not None:
            value.clear()
            value.update(content)
        elif isinstance(value, list) and content is not None:
            value[:] = content
        elif isinstance(value, Tensor):
            _write(value, content)
        target[key] = value


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def _write(tensor: Tensor | None, value: Tensor | None) -> None:
    if tensor is not None and value is not None:
        tensor.data.copy_(value)  # by way of .data, so that a graph that is still needed is not disturbed


def _optimizer_state(optimizer: torch.optim.Optimizer | None) -> tuple[list[dict[str, Any]], dict[Any, dict[str, Any]]]:
    if optimizer is None:
        return [], {}
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    state = {
        p: {key: (item, _copy(item) if isinstance(item, Tensor) else None) for key, item in entries.items()}
        for p, entries in optimizer.state.items()
    }
    return groups, state


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, groups: list[dict[str, Any]], state: dict[Any, dict[str, Any]]
) -> None:
    for group, settings in zip(optimizer.param_groups, groups, strict=True):
        for key in [key for key in group if key != "params" and key not in settings]:
            del group[key]
        group.update(settings)
    for p in [p for p in optimizer.state if p not in state]:
        del optimizer.state[p]
    for p, entries in state.items():
        target = optimizer.state[p]
        target.clear()
        for key, (item, value) in entries.items():
            _write(item if isinstance(item, Tensor) else None, value)
            target[key] = item


def _random_streams() -> tuple[Any, ...]:
    """Where they stand. On GPUs copies are used from here on: set anew, a stream would seed cuDNN's dropout again."""
    cuda = [(generator, generator.graphsafe_get_state()) for generator in _generators_in_use()]
    for generator, state in cuda:
        generator.graphsafe_set_state(state.clone_state())
    return torch.get_rng_state(), cuda, random.getstate(), np.random.get_state()  # noqa: NPY002


def _restore_streams(streams: tuple[Any, ...]) -> None:
    cpu, cuda, python, legacy = streams
    torch.set_rng_state(cpu)
    for generator, state in cuda:
        generator.graphsafe_set_state(state)
    random.setstate(python)
    np.random.set_state(legacy)  # noqa: NPY002


def _generators_in_use() -> tuple[torch.Generator, ...]:
    """Of the GPUs, where any is in use."""
    return torch.cuda.default_generators if torch.cuda.is_initialized() else ()
