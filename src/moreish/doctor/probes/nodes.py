"""Batches whose examples are the nodes of one graph: told by what links them, and run as a whole only.

Nodes depend on their neighbours on purpose, and some of them without the others are another graph, or none.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from moreish.doctor.restore import untouched
from moreish.doctor.structures import named_tensors
from moreish.doctor.subject import Subject

ALL_TOGETHER = "it takes some of the examples without the others, and the network runs on all of them together only"
_MOST = 0.9  # of the examples: an index that a model holds for its columns or places seldom comes near them


def links(subject: Subject) -> str | None:
    """What links the examples to each other, with its shape; None where they are not the nodes of one graph.

    Either an index of edges among n nodes, handed in or held by the model outside its parameters; or what is square in
    n, where the network does not run on half of the examples, as it does with a square of any other meaning.
    """
    n = subject.num_examples
    handed = [(subject.spoken(name), item) for name, item in named_tensors(subject.inputs)]
    held = list(_held(subject.model))
    for named, least in ((handed, 0), (held, _MOST * n)):
        for name, item in named:
            if _is_index(item, n) and int(item.max()) >= least:
                return _described(name, item)
    squares = [(name, item) for name, item in (*handed, *held) if item.shape[:2] == (n, n) and item.ndim == 2]
    return _described(*squares[0]) if squares and not _runs_on_half(subject) else None


def _is_index(item: Tensor, n: int) -> bool:
    """Whether it is pairs of nodes, (2, edges) or (edges, 2)."""
    if item.is_floating_point() or item.is_complex() or item.dtype == torch.bool or item.layout != torch.strided:
        return False
    if item.ndim != 2 or 2 not in item.shape or len(item) == n or not item.numel():
        return False
    return int(item.min()) >= 0 and int(item.max()) < n


def _runs_on_half(subject: Subject) -> bool:
    with untouched(subject.model, values=False), torch.no_grad():
        subject.model.eval()
        try:
            subject.selected(torch.arange(subject.num_examples // 2)).forward()
        except Exception:  # also where no rows can be taken, as of a sparse tensor
            return False
    return True


def _held(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers and other attributes of all modules; what is trained links nobody."""
    for module in model.modules():
        attributes: dict[str, Any] = {**vars(module), **module._buffers}
        for name in ("_parameters", "_buffers", "_modules"):
            attributes.pop(name)
        for name, item in named_tensors(attributes):
            if not item.requires_grad:
                yield name, item


def _described(name: str, item: Tensor) -> str:
    return f"{name}, {tuple(item.shape)}"
