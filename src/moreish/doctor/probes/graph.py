"""The graph that autograd records: which tensors it reaches that nobody registered, and what spoils its gradients."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import Graph, Unregistered
from moreish.doctor.structures import tensors
from moreish.doctor.subject import Subject


def measure_graph(subject: Subject, strangers: list[Tensor], optimizers: tuple[torch.optim.Optimizer, ...]) -> Graph:
    """One pass forward and backward, with every derivative looked at. Gradients change.

    Args:
        strangers: of `leaves_of`.
        optimizers: whether these hold them.
    """
    loss = subject.loss(subject.forward())
    spoiled: list[str] = []
    handles = [node.register_hook(_looks_at(node, spoiled)) for node in _nodes([loss])]
    try:
        if loss.requires_grad:
            loss.backward()
    finally:
        for handle in handles:
            handle.remove()
    return Graph(_described(strangers, optimizers), spoiled[0] if spoiled else None, loss.requires_grad)


def leaves_of(subject: Subject) -> tuple[list[Tensor], list[Tensor]]:
    """Every tensor that a backward pass gives a gradient; and of these the strangers, which nobody registered.

    Strangers are what the outputs depend on and is no parameter of the model. Left out are the inputs, and what is made
    anew in each pass and is no `nn.Parameter`: it is there to be derived by, as in networks that solve differential
    equations.
    """
    known = {id(item) for item in (*subject.model.parameters(), *tensors(subject.inputs), *tensors(subject.targets))}
    first, second = subject.forward(), subject.forward()
    everything = _leaves([subject.loss(second)])
    lasting = {id(leaf) for leaf in _leaves_between(first, subject.inputs)}
    strangers = [leaf for leaf in _leaves_between(second, subject.inputs) if id(leaf) not in known]
    return everything, [leaf for leaf in strangers if id(leaf) in lasting or isinstance(leaf, nn.Parameter)]


@contextmanager
def strangers_noted(model: nn.Module, optimizer: torch.optim.Optimizer, found: list[Graph]) -> Iterator[None]:
    """The first pass with gradients inside is looked at for tensors that are not registered.

    One pass cannot tell what lasts, but a gradient of the step before can.
    """

    def note(_module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if found or not torch.is_grad_enabled():
            return
        known = {id(item) for item in (*model.parameters(), *tensors(args), *tensors(kwargs))}
        leaves = [leaf for leaf in _leaves_between(output, [args, kwargs]) if id(leaf) not in known]
        strangers = [leaf for leaf in leaves if isinstance(leaf, nn.Parameter) or leaf.grad is not None]
        found.append(Graph(_described(strangers, (optimizer,)), None, True))

    handle = model.register_forward_hook(note, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _described(leaves: list[Tensor], optimizers: tuple[torch.optim.Optimizer, ...]) -> tuple[Unregistered, ...]:
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    return tuple(Unregistered(tuple(leaf.shape), id(leaf) in held if optimizers else None) for leaf in leaves)


def _leaves_between(output: Any, inputs: Any) -> list[Tensor]:
    """The leaves that an output depends on by itself: what is behind the inputs belongs to whoever made them."""
    return _leaves(tensors(output) or tensors(getattr(output, "logits", None)), tensors(inputs))


def _leaves(outputs: list[Tensor], ends: list[Tensor] | None = None) -> list[Tensor]:
    """The tensors at the ends of the graph, where gradients are kept."""
    leaves = [getattr(node, "variable", None) for node in _nodes(outputs, ends)]
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def _nodes(outputs: list[Tensor], ends: list[Tensor] | None = None) -> list[Any]:
    """Every node of the graph behind some tensors, up to those that made others."""
    waiting: list[Any] = [output.grad_fn for output in outputs]
    beyond = {end.grad_fn for end in ends or ()}
    seen: dict[Any, None] = {}
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen and node not in beyond:
            seen[node] = None
            waiting += [following for following, _ in node.next_functions]
    return list(seen)


def _looks_at(node: Any, spoiled: list[str]) -> Any:
    def look(made: tuple[Tensor | None, ...], given: tuple[Tensor | None, ...]) -> None:
        if not spoiled and not _are_finite(made) and _are_finite(given):
            spoiled.append(re.sub(r"Backward\d*$", "", node.name()).lower())

    return look


def _are_finite(gradients: tuple[Tensor | None, ...]) -> bool:
    return all(bool(torch.isfinite(item).all()) for item in gradients if item is not None and not item.is_sparse)
