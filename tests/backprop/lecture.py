"""The lecture's network, line by line in PyTorch: every value on the way, and its gradient by autograd."""

from typing import Any, NamedTuple

import torch

SHAPES = [  # B, V, T, E, H
    (32, 27, 3, 10, 64),
    (9, 5, 2, 3, 4),
    (16, 16, 4, 4, 16),  # every matrix is square
]
NAMES = (
    *("logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits", "logit_maxes", "logits", "h"),
    *("hpreact", "bnraw", "bnvar_inv", "bnvar", "bndiff2", "bndiff", "bnmeani", "hprebn", "embcat", "emb"),
    *("C", "W1", "b1", "W2", "b2", "bngain", "bnbias"),
)


class Network(NamedTuple):
    """Tensors by name, their gradients by autograd, and both as a namespace for lines of code."""

    values: dict[str, Any]
    gradients: dict[str, torch.Tensor]
    space: dict[str, Any]


def lecture(shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> Network:
    B, V, T, E, H = shape
    g = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=g, dtype=torch.float64).to(dtype)

    v: dict[str, Any] = {
        "C": normal(V, E),
        "W1": normal(T * E, H) * (5 / 3) / (T * E) ** 0.5,
        "b1": normal(H) * 0.1,
        "W2": normal(H, V) * 0.3,
        "b2": normal(V) * 0.1,
        "bngain": normal(1, H) * 0.1 + 1,
        "bnbias": normal(1, H) * 0.1,
        "Xb": torch.randint(0, V, (B, T), generator=g),
        "Yb": torch.randint(0, V, (B,), generator=g),
    }
    for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias"):
        v[name].requires_grad_()
    v["emb"] = v["C"][v["Xb"]]
    v["embcat"] = v["emb"].view(B, -1)
    v["hprebn"] = v["embcat"] @ v["W1"] + v["b1"]
    v["bnmeani"] = 1 / B * v["hprebn"].sum(0, keepdim=True)
    v["bndiff"] = v["hprebn"] - v["bnmeani"]
    v["bndiff2"] = v["bndiff"] ** 2
    v["bnvar"] = 1 / (B - 1) * v["bndiff2"].sum(0, keepdim=True)
    v["bnvar_inv"] = (v["bnvar"] + 1e-5) ** -0.5
    v["bnraw"] = v["bndiff"] * v["bnvar_inv"]
    v["hpreact"] = v["bngain"] * v["bnraw"] + v["bnbias"]
    v["h"] = torch.tanh(v["hpreact"])
    v["logits"] = v["h"] @ v["W2"] + v["b2"]
    v["logit_maxes"] = v["logits"].max(1, keepdim=True).values
    v["norm_logits"] = v["logits"] - v["logit_maxes"]
    v["counts"] = v["norm_logits"].exp()
    v["counts_sum"] = v["counts"].sum(1, keepdim=True)
    v["counts_sum_inv"] = v["counts_sum"] ** -1
    v["probs"] = v["counts"] * v["counts_sum_inv"]
    v["logprobs"] = v["probs"].log()
    v["loss"] = -v["logprobs"][range(B), v["Yb"]].mean()
    for name in NAMES:
        v[name].retain_grad()
    v["loss"].backward()
    gradients = {name: v[name].grad for name in NAMES}
    plain = {name: tensor.detach() for name, tensor in v.items()}
    space = plain | {f"d{name}": gradient for name, gradient in gradients.items()}
    space |= {"torch": torch, "n": B, "onehot": torch.eye(V, dtype=dtype)[plain["Yb"]]}
    space["dy"], space["xhat"], space["rstd"] = space["dhpreact"], plain["bnraw"], plain["bnvar_inv"]
    return Network(v, gradients, space)
