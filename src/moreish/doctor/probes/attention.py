"""Attention: how evenly it looks, from its weights, or from what goes into an operation that hides them."""

import inspect
import math
from typing import Any

import torch
from torch import Tensor, nn

_MAX_SCORES = 2**24  # that are made at once to measure what fused attention hides


def relative_entropy(weights: Tensor) -> Tensor:
    """Entropy of attention weights over the largest possible among those not masked; rows with under 4 are left out."""
    weights = weights.float()  # in half precision the least below would be zero
    allowed = (weights > 0).sum(-1)
    entropy = -(weights * weights.clamp_min(1e-30).log()).sum(-1)
    usable = allowed >= 4
    relative = torch.where(usable, entropy / allowed.clamp_min(2).float().log(), torch.zeros_like(entropy))
    share = usable.float().flatten(1).mean(1).clamp_min(1e-9)
    return relative.flatten(1).mean(1) / share


def entropy_of_fused(args: Any, kwargs: Any) -> Tensor:
    """The same of `scaled_dot_product_attention`, called like this, over some of its queries where there are many."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    query, key, mask = given["query"], given["key"], given.get("attn_mask")
    scale = given.get("scale") or query.shape[-1] ** -0.5
    if given.get("enable_gqa"):  # a head of keys serves several of queries
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    num_queries, num_keys = query.shape[-2], key.shape[-2]
    # Fused attention does without the table of all scores, which may not fit into memory.
    apart = math.ceil(query[..., 0].numel() * num_keys / _MAX_SCORES)
    rows = torch.arange(num_queries - 1, -1, -apart, device=query.device)
    scores = query[..., rows, :].float() @ key.float().transpose(-1, -2) * scale
    if given.get("is_causal"):
        mask = torch.arange(num_keys, device=query.device) <= rows[:, None]
    elif mask is not None and mask.shape[-2] == num_queries:
        mask = mask[..., rows, :]
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return relative_entropy(scores.softmax(-1).nan_to_num())


def weights_of_heads(args: Any, kwargs: Any) -> Tensor | None:
    """The weights (n, heads, T, S) of `nn.MultiheadAttention`, which hides its operations: asked for once more."""
    asked = {"training": False, "need_weights": True, "average_attn_weights": False}
    forward: Any = nn.functional.multi_head_attention_forward
    try:
        given = inspect.signature(forward).bind(*args, **kwargs).arguments
        _, weights = forward(**(given | asked))
    except (TypeError, RuntimeError, AssertionError):
        return None
    return weights if weights is not None and weights.ndim == 4 else None


def axis_of(args: Any, kwargs: Any, out: Tensor) -> int:
    """Which axis a softmax runs over: softmax(x, dim)."""
    given = kwargs.get("dim", args[1] if len(args) > 1 else None)
    return given if isinstance(given, int) else (0 if out.ndim in (1, 3) else 1)  # as PyTorch itself guesses


def is_over_keys(args: Any, kwargs: Any, out: Tensor) -> bool:
    """Whether these are weights of attention among the positions of one sequence: (…, T, T), the last axis adds up."""
    is_square = out.ndim >= 3 and out.shape[-1] == out.shape[-2] > 1
    return is_square and axis_of(args, kwargs, out) in (-1, out.ndim - 1)
