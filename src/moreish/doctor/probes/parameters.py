"""What a few steps of plain gradient descent do to each parameter; the caller puts the state back.

A zero gradient at the first step proves nothing: behind a branch that starts at zero, gradients arrive one step later.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from moreish.doctor.evidence import Parameter
from moreish.doctor.subject import Subject

NUM_STEPS = 4
_STEP_SIZE = 0.01  # of the norm of all parameters
_EQUAL = 1e-5  # of the largest gradient: what rounding makes of equal gradients


def measure_parameters(
    subject: Subject, optimizers: tuple[torch.optim.Optimizer, ...], feeds: Mapping[str, str]
) -> tuple[Parameter, ...]:
    """Take the trial steps, and say for each parameter what came of it. Parameters are changed."""
    model = subject.model
    named = dict(model.named_parameters())
    trained = {name: p for name, p in named.items() if p.requires_grad}
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    gates = _gates(model)
    equal = {name: p.ndim >= 2 and id(p) not in embeddings for name, p in trained.items()}
    axes = {
        name: [axis for axis in (0, 1) if p.shape[axis] > (gates.get(id(p), 1) if axis == 0 else 1)]
        for name, p in trained.items()
        if p.ndim >= 2
    }
    first: dict[str, float | None] = {}
    got, used = dict.fromkeys(named, False), dict.fromkeys(named, False)
    initial = {name: (_rms(p), bool(torch.isfinite(p).all())) for name, p in named.items()}
    for _ in range(NUM_STEPS if trained else 0):
        loss = subject.loss(subject.forward())
        if not loss.requires_grad:
            first, equal = dict.fromkeys(trained), {}  # without gradients it cannot be told what stays equal
            break
        gradients = dict(
            zip(trained, torch.autograd.grad(loss, list(trained.values()), allow_unused=True), strict=True)
        )
        for name, p in trained.items():
            gradient = gradients[name]
            if gradient is not None and gradient.is_sparse:
                gradient = gradients[name] = gradient.to_dense()
            first.setdefault(name, None if gradient is None else _rms(gradient))
            used[name] |= gradient is not None
            got[name] |= gradient is not None and bool((gradient != 0).any())
            if equal[name]:
                axes[name] = [axis for axis in axes[name] if _is_equal(p, gradient, axis, gates.get(id(p), 1))]
                equal[name] = bool(axes[name])
        _descend(trained, gradients)
    membership = _groups(optimizers)
    return tuple(
        Parameter(
            name=name,
            layer=name.rpartition(".")[0],
            shape=tuple(p.shape),
            requires_grad=p.requires_grad,
            in_optimizer=None if membership is None else id(p) in membership,
            weight_decay=0.0 if membership is None else membership.get(id(p), 0.0),
            rms=initial[name][0],
            gradient_rms=first.get(name),
            got_gradient=got[name],
            is_used=used[name],
            are_units_equal=equal.get(name, False) and bool(axes[name]),
            feeds_norm=feeds.get(name),
            is_finite=initial[name][1],
        )
        for name, p in named.items()
    )


@torch.no_grad()
def _descend(trained: Mapping[str, Tensor], gradients: Mapping[str, Tensor | None]) -> None:
    """One step of gradient descent, as long as a hundredth of all parameters together."""
    squares = sum(float(g.double().square().sum()) for g in gradients.values() if g is not None)
    size = sum(float(p.double().square().sum()) for p in trained.values())
    count = sum(p.numel() for p in trained.values())
    if not 0 < squares < float("inf"):
        return
    rate = _STEP_SIZE * max(size, 1e-4 * count) ** 0.5 / squares**0.5
    for name, p in trained.items():
        gradient = gradients[name]
        if gradient is not None:
            p.data.sub_(gradient, alpha=rate)


def _gates(model: nn.Module) -> dict[int, int]:
    """Weights that hold several for each unit, one below the other: those of the gates of an LSTM (4) or GRU (3)."""
    layers = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    return {
        id(p): p.shape[0] // layer.hidden_size
        for layer in layers
        for name, p in layer.named_parameters()
        if "weight_ih" in name or "weight_hh" in name
    }


def _is_equal(p: Tensor, gradient: Tensor | None, axis: int, num_gates: int) -> bool:
    """Whether all slices along an axis have equal values and equal gradients; along the first, gate by gate."""
    with torch.no_grad():
        values = p.detach()
        if axis == 0 and num_gates > 1:
            values = values.unflatten(0, (num_gates, -1))
            gradient = None if gradient is None else gradient.unflatten(0, (num_gates, -1))
            axis = 1
        spread = (values - values.narrow(axis, 0, 1)).abs().max()
        if float(spread) > _EQUAL * float(values.abs().max()):
            return False
        if gradient is None:
            return False
        difference = (gradient - gradient.narrow(axis, 0, 1)).abs().max()
        return float(difference) <= _EQUAL * float(gradient.abs().max())


def _groups(optimizers: tuple[torch.optim.Optimizer, ...]) -> dict[int, float] | None:
    """Weight decay by the identity of each parameter that one of the optimisers holds."""
    if not optimizers:
        return None
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    return {id(p): float(group.get("weight_decay") or 0.0) for group in groups for p in group["params"]}


def _rms(tensor: Tensor) -> float:
    return float(tensor.detach().double().square().mean().sqrt()) if tensor.numel() else 0.0
