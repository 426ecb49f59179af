"""Lecture 4: every gradient of the network by hand, beside autograd's, on one minibatch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from moreish.backprop.batch_norm import batch_norm_backward, batch_norm_forward
from moreish.backprop.chain import mlp_chain, run_backward, run_forward
from moreish.backprop.cross_entropy import cross_entropy_backward, cross_entropy_forward
from moreish.corpus import contexts, read_corpus
from moreish.experiments.experiment import Request, Value
from moreish.recipe import Recipe

_CONTEXT = 3
_TOLERANCE = 1e-12  # of float64


def chain(request: Request) -> dict[str, Value]:
    """How far the chain's gradients, in float64, and the two fused ones, in float32, are from autograd's.

    Settings: `init_seed`, of the parameters that the lecture seeds and of the minibatch (gain and bias of batch norm
    are drawn from the request's seed); `embedding`, `hidden`, `batch`.
    """
    settings = request.settings
    corpus = read_corpus(request.data_file, Recipe(split="published"))
    vocab_size, batch = corpus.vocabulary.vocab_size, settings["batch"]
    seeded = torch.Generator().manual_seed(settings["init_seed"])
    unseeded = torch.Generator().manual_seed(request.seed)
    parameters = _draw(vocab_size, settings["embedding"], settings["hidden"], seeded, unseeded)
    positions = corpus.predicted("train", _CONTEXT)
    drawn = torch.randint(0, len(positions), (batch,), generator=seeded).numpy() + positions.start
    Xb = contexts(corpus.stream, drawn, _CONTEXT, corpus.has_boundary)
    Yb = corpus.stream[drawn].astype(np.int64)

    targets = torch.from_numpy(Yb)
    exact = {name: parameter.double() for name, parameter in parameters.items()}
    expected = _lecture_loss(_values_to_logits(exact, torch.from_numpy(Xb)), targets)
    operations = mlp_chain()
    arrays = {name: parameter.numpy() for name, parameter in exact.items()}
    gradients = run_backward(operations, run_forward(operations, arrays, Xb, Yb))
    compared = {name: _gradient(value).reshape(gradients[name].shape) for name, value in expected.items()}
    differences = {name: float(np.abs(gradients[name] - grad).max()) for name, grad in compared.items()}

    single = _values_to_logits(parameters, torch.from_numpy(Xb))
    F.cross_entropy(single["logits"], targets).backward()
    loss, logits_cache = cross_entropy_forward(_array(single["logits"]), Yb)
    dlogits = cross_entropy_backward(logits_cache)
    return {
        "parameters": sum(parameter.numel() for parameter in parameters.values()),
        "loss": loss,
        "gradients compared": len(compared),
        "gradients unlike autograd's": sum(difference > _TOLERANCE for difference in differences.values()),
        "largest difference of all": max(differences.values()),
        "largest difference of dlogits": float(np.abs(dlogits - _gradient(single["logits"])).max()),
        "largest difference of fused batch norm": _fused_norm_difference(single),
        "the same in float64": _fused_norm_difference(expected),
    }


def _draw(
    vocab_size: int, embedding: int, hidden: int, seeded: torch.Generator, unseeded: torch.Generator
) -> dict[str, Tensor]:
    fan_in = _CONTEXT * embedding
    return {
        "C": torch.randn((vocab_size, embedding), generator=seeded),
        "W1": torch.randn((fan_in, hidden), generator=seeded) * (5 / 3) / fan_in**0.5,
        "b1": torch.randn(hidden, generator=seeded) * 0.1,
        "W2": torch.randn((hidden, vocab_size), generator=seeded) * 0.1,
        "b2": torch.randn(vocab_size, generator=seeded) * 0.1,
        "bngain": torch.randn((1, hidden), generator=unseeded) * 0.1 + 1.0,
        "bnbias": torch.randn((1, hidden), generator=unseeded) * 0.1,
    }


def _values_to_logits(parameters: Mapping[str, Tensor], Xb: Tensor) -> dict[str, Tensor]:
    """The lecture's forward pass up to the logits, one small step a line; every value keeps its gradient."""
    v = {name: parameter.clone().requires_grad_() for name, parameter in parameters.items()}
    n = len(Xb)
    v["emb"] = v["C"][Xb]  # (B, T, E)
    v["embcat"] = v["emb"].view(n, -1)  # (B, T·E)
    v["hprebn"] = v["embcat"] @ v["W1"] + v["b1"]  # (B, H)
    v["bnmeani"] = 1 / n * v["hprebn"].sum(0, keepdim=True)
    v["bndiff"] = v["hprebn"] - v["bnmeani"]
    v["bndiff2"] = v["bndiff"] ** 2
    v["bnvar"] = 1 / (n - 1) * v["bndiff2"].sum(0, keepdim=True)
    v["bnvar_inv"] = (v["bnvar"] + 1e-5) ** -0.5
    v["bnraw"] = v["bndiff"] * v["bnvar_inv"]
    v["hpreact"] = v["bngain"] * v["bnraw"] + v["bnbias"]
    v["h"] = torch.tanh(v["hpreact"])
    v["logits"] = v["h"] @ v["W2"] + v["b2"]  # (B, V)
    for value in v.values():
        value.retain_grad()
    return v


def _lecture_loss(v: dict[str, Tensor], targets: Tensor) -> dict[str, Tensor]:
    """The lecture's steps from the logits to the loss, and autograd's gradient in every value."""
    v["logit_maxes"] = v["logits"].max(1, keepdim=True).values
    v["norm_logits"] = v["logits"] - v["logit_maxes"]
    v["counts"] = v["norm_logits"].exp()
    v["counts_sum"] = v["counts"].sum(1, keepdim=True)
    v["counts_sum_inv"] = v["counts_sum"] ** -1
    v["probs"] = v["counts"] * v["counts_sum_inv"]
    v["logprobs"] = v["probs"].log()
    v["loss"] = -v["logprobs"][range(len(targets)), targets].mean()
    for value in v.values():
        value.retain_grad()
    v["loss"].backward()
    return v


def _fused_norm_difference(v: Mapping[str, Tensor]) -> float:
    """How far batch norm's gradient in one expression is from autograd's, given the same gradient of its output."""
    gain, bias = (_array(v[name]).reshape(-1) for name in ("bngain", "bnbias"))
    _, cache = batch_norm_forward(_array(v["hprebn"]), gain, bias, correction=1, epsilon=1e-5)
    dhprebn, _, _ = batch_norm_backward(_gradient(v["hpreact"]), cache)
    return float(np.abs(dhprebn - _gradient(v["hprebn"])).max())


def _gradient(tensor: Tensor) -> NDArray[Any]:
    assert tensor.grad is not None
    return tensor.grad.numpy()


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().numpy()
