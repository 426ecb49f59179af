"""Tensors in whatever structure a model takes or gives: tuples, lists, dicts, objects."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from moreish.errors import InputError


def first_tensor(value: Any) -> Tensor:
    """The first tensor with at least one axis and one example in a structure of inputs.

    Raises:
        InputError: there is none.
    """
    for item in tensors(value):
        if item.ndim and item.shape[0]:
            return item
    raise InputError(
        f"The inputs ({type(value).__name__}) hold no tensor with at least one example; expected a tensor whose first "
        "axis counts the examples, or a tuple or dict of tensors."
    )


def first_float(output: Any) -> Tensor | None:
    """The first tensor of floats in an output: the output itself, of a tuple, a dict or an object, or its `logits`."""
    logits = getattr(output, "logits", None)
    for item in tensors(logits if isinstance(logits, Tensor) else _opened(output)):
        if item.is_floating_point() and item.ndim:
            return item
    return None


def all_floats(output: Any) -> list[Tensor]:
    """Every tensor of floats in an output; the one that `first_float` finds comes first."""
    first = first_float(output)
    rest = [item for item in tensors(_opened(output)) if item.is_floating_point() and item is not first]
    return rest if first is None else [first, *rest]


def _opened(output: Any) -> Any:
    """What an object holds; a structure as it is."""
    return output if isinstance(output, Tensor | Mapping | tuple | list) else getattr(output, "__dict__", ())


def with_floats(output: Any, values: Tensor) -> Any:
    """An output with other numbers in the place of those that `first_float` finds."""
    old, is_done = first_float(output), False

    def swap(item: Any) -> Any:
        nonlocal is_done
        if item is old and not is_done:
            is_done = True
            return values
        if isinstance(item, Mapping):
            return {key: swap(part) for key, part in item.items()}
        if isinstance(item, tuple | list):
            parts = [swap(part) for part in item]
            return type(item)(*parts) if hasattr(item, "_fields") else type(item)(parts)
        return item

    if getattr(output, "logits", None) is old and not isinstance(output, tuple):
        changed = copy.copy(output)
        changed.logits = values
        return changed
    if _opened(output) is not output:
        changed = copy.copy(output)
        vars(changed).update(swap(vars(output)))
        return changed
    return swap(output)


def are_targets(item: Tensor, targets: Any) -> bool:
    """Whether a tensor is the targets, value by value."""
    return (
        isinstance(targets, Tensor)
        and item.shape == targets.shape
        and item.dtype == targets.dtype
        and torch.equal(item, targets.to(item.device))
    )


def take(value: Any, rows: Tensor, n: int) -> Any:
    """Rows of every tensor in a structure whose first axis has n entries; anything else as it is."""
    if isinstance(value, Tensor):
        return value[rows.to(value.device)] if value.ndim and value.shape[0] == n else value
    if isinstance(value, Mapping):
        return {key: take(item, rows, n) for key, item in value.items()}
    return tuple(take(item, rows, n) for item in value) if isinstance(value, tuple | list) else value


def dense(value: Any) -> Any:
    """A structure without its sparse tensors, of which no rows can be taken."""
    if isinstance(value, Mapping):
        return {key: dense(item) for key, item in value.items() if not is_sparse(item)}
    return tuple(dense(item) for item in value if not is_sparse(item)) if isinstance(value, tuple | list) else value


def is_sparse(item: Any) -> bool:
    return isinstance(item, Tensor) and item.layout != torch.strided


def rows_per_example(targets: Any, n: int) -> int:
    if not isinstance(targets, Tensor) or not targets.ndim or targets.shape[0] == n or targets.shape[0] % n:
        return 1
    return targets.shape[0] // n


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in a structure of tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    items: Sequence[Any] = ()
    if isinstance(value, Mapping):
        items = list(value.values())
    elif isinstance(value, tuple | list):
        items = value
    return [tensor for item in items for tensor in tensors(item)]


def _parts(value: Any) -> list[tuple[str, Any]]:
    """The entries of a tuple, list or dict, each with its number or key; none of anything else."""
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items()]
    return [(str(number), item) for number, item in enumerate(value)] if isinstance(value, tuple | list) else []


def named_tensors(value: Any, name: str = "inputs") -> list[tuple[str, Tensor]]:
    """Every tensor in a structure, with the way to it."""
    if isinstance(value, Tensor):
        return [(name, value)]
    prefix = "" if name == "inputs" else f"{name}."
    return [found for key, item in _parts(value) for found in named_tensors(item, prefix + key)]


def replaced_tensors(value: Any, values: Mapping[str, Tensor], name: str = "inputs") -> Any:
    if isinstance(value, Tensor):
        return values.get(name, value)
    prefix = "" if name == "inputs" else f"{name}."
    parts = [replaced_tensors(item, values, prefix + key) for key, item in _parts(value)]
    if isinstance(value, Mapping):
        return dict(zip(value, parts, strict=True))
    return tuple(parts) if isinstance(value, tuple | list) else value
