"""How far back a recurrent network remembers: the gradient of the last prediction at every position of its input."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from moreish.doctor.evidence import NUM_GROUPS, Memory
from moreish.doctor.probes.predictions import layout
from moreish.doctor.subject import Subject

MIN_POSITIONS = 6


def measure_memory(subject: Subject) -> Memory | str:
    """One pass forward and backward; or a sentence on why there is nothing to measure."""
    cell = _cell(subject.model)
    if cell is None:
        return "no recurrent cell in the model"
    inputs = subject.primary
    if inputs.is_floating_point():
        source = inputs.detach().clone().requires_grad_()
        output = subject.forward(subject.replaced({next(iter(subject.named_inputs)): source}))
    else:
        with _Embedded() as embedded:
            output = subject.forward()
        if embedded.first is None:
            return "the inputs do not go through an embedding"
        source = embedded.first
    if source.ndim != 3 or source.shape[0] != subject.num_examples or source.shape[1] < MIN_POSITIONS:
        return f"inputs with {MIN_POSITIONS} positions or more are needed, (examples, positions, features)"
    predictions = layout(output, subject)
    if predictions is None:
        return "the output cannot be taken for predictions"
    last = predictions.outputs[:, -1]
    loss = nn.functional.cross_entropy(last.float(), predictions.labels[:, -1], reduction="sum")
    (gradient,) = torch.autograd.grad(loss, source, allow_unused=True)
    if gradient is None:
        return "the last prediction does not depend on the inputs"
    groups = min(NUM_GROUPS, len(gradient))
    size = len(gradient) // groups
    squares = _from_the_end(gradient.double().square().sum(2))[: groups * size]
    return Memory(cell, tuple(tuple(row) for row in squares.reshape(groups, size, -1).nanmean(1).sqrt().T.tolist()))


def _from_the_end(squares: Tensor) -> Tensor:
    """(n, T), each example moved so that what it reads last comes last; not a number before its beginning.

    Texts of several lengths end with padding, which no prediction reads.
    """
    num_positions = squares.shape[1]
    places = torch.arange(num_positions, device=squares.device)
    lengths = torch.where(squares != 0, places + 1, 0).amax(1, keepdim=True)
    origin = places - (num_positions - lengths)
    return squares.gather(1, origin.clamp_min(0)).masked_fill(origin < 0, torch.nan)


class _Embedded(TorchFunctionMode):
    """Keeps the first embedding that has a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        is_embedding = getattr(func, "__name__", "") == "embedding"
        if is_embedding and self.first is None and isinstance(out, Tensor) and out.requires_grad:
            self.first = out
        return out


def _cell(model: nn.Module) -> str | None:
    """Name of the first module that is a recurrent cell, PyTorch's or by its name."""
    for name, module in model.named_modules():
        kind = type(module).__name__.lower()
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) or any(word in kind for word in ("rnn", "lstm", "gru")):
            return name or type(module).__name__
    return None
