"""Folding for networks in plain PyTorch: BatchNorm1d absorbed into the Linear before it, in every Sequential."""

import copy
from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn

from moreish.errors import InputError


def fold_module(module: nn.Module) -> nn.Module:
    """A copy of a network in which every BatchNorm1d is absorbed into the Linear before it.

    The order of the layers is that of `nn.Sequential`, nested ones included; a norm anywhere else cannot be folded,
    because a module does not tell in which order it calls its parts. The inputs of the layers are (B, C): given
    (B, L, C), BatchNorm1d normalises another axis than Linear writes, and folding is wrong.

    Args:
        module: of PyTorch; it is not changed.

    Returns:
        The copy, in evaluation mode: with `nn.Identity` where the norms were, so that names and indices stay, and
        biases in the layers before them. W' and b' are computed in float64.

    Raises:
        InputError: there is nothing to fold, or a norm that cannot be folded; the message names it.
    """
    folded = copy.deepcopy(module).eval()
    num_uses = Counter(id(part) for _, part in folded.named_modules(remove_duplicate=False))
    num_folded = 0
    for sequence in [part for part in folded.modules() if isinstance(part, nn.Sequential)]:
        before: nn.Module | None = None
        for parent, name, part in list(_leaves(sequence)):
            if isinstance(part, nn.BatchNorm1d) and _can_fold(before, part, num_uses):
                assert isinstance(before, nn.Linear)
                _absorb(before, part)
                setattr(parent, name, nn.Identity())
                num_folded += 1
            else:
                before = part
    left = [name for name, part in folded.named_modules() if _is_norm(part)]
    if left:
        raise InputError(
            f"The norm {left[0] or type(folded).__name__} cannot be folded: only a BatchNorm1d with running statistics "
            "can that follows directly on a Linear of its size in an nn.Sequential, each used once and without hooks."
        )
    if not num_folded:
        raise InputError("There is nothing to fold: the network has no batch norm.")
    return folded


def _leaves(sequence: nn.Sequential) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """The layers of a Sequential in their order, those of Sequentials inside it too: parent, name, layer."""
    for name, part in sequence._modules.items():  # named_children leaves out what stands there a second time
        assert part is not None
        if isinstance(part, nn.Sequential):
            yield from _leaves(part)
        else:
            yield sequence, name, part


def _can_fold(before: nn.Module | None, norm: nn.BatchNorm1d, num_uses: Counter[int]) -> bool:
    # The exact type: a parametrised Linear (weight norm, ...) is a subclass, and would undo what is written into it.
    return (
        type(before) is nn.Linear
        and before.out_features == norm.num_features
        and norm.running_mean is not None
        and num_uses[id(before)] == num_uses[id(norm)] == 1
        and not any((part._forward_hooks or part._forward_pre_hooks) for part in (before, norm))
    )


@torch.no_grad()
def _absorb(linear: nn.Linear, norm: nn.BatchNorm1d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    scale = torch.rsqrt(variance + norm.eps)
    if norm.affine:
        scale = scale * norm.weight.double()
    bias = -mean if linear.bias is None else linear.bias.double() - mean
    bias = bias * scale
    if norm.affine:
        bias = bias + norm.bias.double()
    dtype = linear.weight.dtype
    linear.weight = nn.Parameter((linear.weight.double() * scale[:, None]).to(dtype))
    linear.bias = nn.Parameter(bias.to(dtype))


def _is_norm(part: nn.Module) -> bool:
    kinds = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
    return isinstance(part, kinds)
