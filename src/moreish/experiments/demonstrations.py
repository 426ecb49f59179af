"""What lecture 2 shows on a few numbers: embedding as a product, three ways of joining, softmax that overflows."""

import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from moreish.experiments.experiment import Request, Value

Loss = Callable[[Tensor, Tensor], Tensor]

_VOCAB_SIZE = 27
_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_ROUNDS = 15
_CALLS = 50


def embedding_as_product(request: Request) -> dict[str, Value]:
    """C[ids] beside one_hot(ids) @ C: the largest difference of outputs and of gradients with respect to C.

    Settings: `batch`, `context`, `embedding`.
    """
    generator = torch.Generator().manual_seed(request.seed)
    B, T, E = (request.settings[name] for name in ("batch", "context", "embedding"))
    C = torch.randn((_VOCAB_SIZE, E), generator=generator)
    ids = torch.randint(0, _VOCAB_SIZE, (B, T), generator=generator)
    demb = torch.randn((B, T, E), generator=generator)
    rows, drows = _with_gradient(lambda table: table[ids], C, demb)
    product, dproduct = _with_gradient(lambda table: F.one_hot(ids, _VOCAB_SIZE).float() @ table, C, demb)
    one_hot_seconds, row_seconds = _seconds([lambda: F.one_hot(ids, _VOCAB_SIZE).float() @ C, lambda: C[ids]])
    return {
        "difference of outputs": float((rows - product).abs().max()),
        "difference of gradients": float((drows - dproduct).abs().max()),
        "largest gradient": float(drows.abs().max()),
        "time of the product, in lookups": one_hot_seconds / row_seconds,
    }


def joining(request: Request) -> dict[str, Value]:
    """The T embedded characters (B, T, E) in one row (B, T·E): by view, by cat of slices, by cat of unbind.

    For each way: whether the result is equal, the memory that it takes anew, and the time. Settings: `batch`,
    `context`, `embedding`.
    """
    B, T, E = (request.settings[name] for name in ("batch", "context", "embedding"))
    emb = torch.randn((B, T, E), generator=torch.Generator().manual_seed(request.seed))
    ways: dict[str, Callable[[], Tensor]] = {
        "view": lambda: emb.view(B, T * E),
        "cat": lambda: torch.cat([emb[:, position, :] for position in range(T)], 1),
        "unbind": lambda: torch.cat(torch.unbind(emb, 1), 1),
    }
    joined = {name: way() for name, way in ways.items()}
    values: dict[str, Value] = {
        "largest difference": max(float((rows - joined["view"]).abs().max()) for rows in joined.values())
    }
    for (name, rows), seconds in zip(joined.items(), _seconds(list(ways.values())), strict=True):
        is_shared = rows.untyped_storage().data_ptr() == emb.untyped_storage().data_ptr()
        values[f"bytes, {name}"] = 0.0 if is_shared else float(rows.untyped_storage().nbytes())
        values[f"microseconds, {name}"] = seconds * 1e6
    return values


def naive_softmax(request: Request) -> dict[str, Value]:
    """The largest logit that −log(exp(l) / Σ exp(l)) and its gradient bear, found by search, for each float type.

    The symbol of that logit is the target, or another one is, whose probability then vanishes; what comes first counts.
    Cross-entropy, which subtracts the largest logit first, is put to the same search.
    """
    values: dict[str, Value] = {}
    for name, dtype in _DTYPES.items():
        values[f"naive loss, {name}"] = largest_logit(naive_loss, dtype)
        values[f"naive gradient, {name}"] = largest_logit(naive_loss, dtype, is_gradient=True)
        for is_gradient, which in enumerate(("loss", "gradient")):
            largest = largest_logit(F.cross_entropy, dtype, is_gradient=bool(is_gradient))
            is_any = largest == torch.finfo(dtype).max
            values[f"cross-entropy's {which}, {name}"] = "every one" if is_any else largest
    return values


def naive_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean of −log(exp(l) / Σ exp(l)) at the targets, as the lectures write it first: logits (B, V), targets (B,)."""
    counts = logits.exp()
    probs = counts / counts.sum(1, keepdim=True)
    return -probs[torch.arange(len(targets)), targets].log().mean()


def largest_logit(loss_of: Loss, dtype: torch.dtype, *, is_gradient: bool = False) -> float:
    """The largest logit with which a loss (or its gradient) is within a thousandth of cross-entropy's in float64.

    One of V = 27 logits has that value, the others are 0. Found by bisection over the numbers of the type, to the last
    bit, on the assumption that what has once gone wrong stays wrong.

    Args:
        loss_of: logits (1, V), targets (1,) → loss in nats.
        dtype: of the logits.
        is_gradient: whether the gradient is looked at, instead of the loss.
    """
    whole = np.int32 if dtype == torch.float32 else np.int64
    real = np.float32 if dtype == torch.float32 else np.float64
    right, wrong = 0, int(real(np.inf).view(whole))
    while wrong - right > 1:
        middle = (right + wrong) // 2  # positive floats, read as whole numbers, stand in the same order
        logits = torch.zeros((1, _VOCAB_SIZE), dtype=dtype)
        logits[0, 0] = float(whole(middle).view(real))
        if all(_is_right(loss_of, logits, torch.tensor([target]), is_gradient) for target in (0, 1)):
            right = middle
        else:
            wrong = middle
    return float(whole(right).view(real))


def _is_right(loss_of: Loss, logits: Tensor, targets: Tensor, is_gradient: bool) -> bool:
    found = _with_gradient(lambda leaf: loss_of(leaf, targets), logits)[is_gradient].double()
    expected = _with_gradient(lambda leaf: F.cross_entropy(leaf, targets), logits.double())[is_gradient]
    return bool(found.isfinite().all()) and torch.allclose(found, expected, rtol=1e-3, atol=1e-3)


def _with_gradient(
    function: Callable[[Tensor], Tensor], x: Tensor, dout: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The function's value, and the gradient of it with respect to x; `dout` where the value is more than a number."""
    leaf = x.clone().requires_grad_()
    out = function(leaf)
    out.backward(dout)
    assert leaf.grad is not None
    return out.detach(), leaf.grad


def _seconds(functions: list[Callable[[], object]]) -> list[float]:
    """Median time of a call of each, measured in turn, so that other programs slow all of them alike."""
    taken = np.empty((_ROUNDS, len(functions)))
    for turn in range(_ROUNDS):
        for index, function in enumerate(functions):
            began = time.perf_counter()
            for _ in range(_CALLS):
                function()
            taken[turn, index] = time.perf_counter() - began
    return (np.median(taken, axis=0) / _CALLS).tolist()
