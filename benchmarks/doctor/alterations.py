"""What can be changed in a model before it is trained: its parameters (INITIAL) and its forward pass (WIRING)."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def part(model: nn.Module, name: str) -> nn.Module:
    """The module that is called as the "embed", "body" or "head" of a network, ours or another."""
    if name == "embed":
        return getattr(model, "embed", None) or model.embedding
    if name == "body":
        return model.body if hasattr(model, "body") else model.layers[-1]
    return model.head


def parameters_of(model: nn.Module, name: str) -> list[nn.Parameter]:
    """Parameters of a part; of "attention" those that make queries and keys."""
    if name == "attention":
        return [p for key, p in model.named_parameters() if key.split(".")[-2] in ("qkv", "q", "k", "self_attn")]
    module = model.layers if name == "body" and hasattr(model, "layers") else part(model, name)
    return list(module.parameters())


def _body_weights(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in parameters_of(model, "body") if p.ndim >= 2]


def _norms(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(getattr(m, "running_mean", None), Tensor)]


def _before_activation(model: nn.Module) -> list[nn.Module]:
    """What feeds the activations of the body: its batch norms, or where there are none, its linear layers."""
    return _norms(model) or [m for m in part(model, "body").modules() if isinstance(m, nn.Linear | nn.Conv2d)]


@torch.no_grad()
def _scale(parameters: list[nn.Parameter], factor: float) -> None:
    for p in parameters:
        p.mul_(factor)


@torch.no_grad()
def _excess(model: nn.Module, nats: float, inputs: Tensor, targets: Tensor) -> None:
    """Scale the output weights until the first loss is so many nats above even chances."""
    weights = [p for p in model.head.parameters() if p.ndim >= 2]
    low, high, kept = 1.0, 1e4, [p.clone() for p in weights]
    for _ in range(20):
        factor = (low * high) ** 0.5
        for p, value in zip(weights, kept, strict=True):
            p.copy_(value * factor)
        logits = model(inputs)
        loss = float(F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)))
        low, high = (factor, high) if loss < torch.tensor(logits.shape[-1]).log() + nats else (low, factor)


@torch.no_grad()
def _constant(model: nn.Module, which: str, *_: Any) -> None:
    """Equal units: last hidden layer and what reads it ("last"), body and head ("body"), everything zero ("all")."""
    weights = [p for p in model.head.parameters() if p.ndim >= 2]
    is_recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())  # its weights belong together
    weights += _body_weights(model)[-1 if which == "last" and not is_recurrent else 0 :]
    for name, p in model.named_parameters():
        if which == "all" or "bias" in name:
            p.zero_()
        elif any(p is weight for weight in weights):
            p.fill_(0.05)


def _slope(model: nn.Module, ratio: float, *_: Any) -> None:
    """Activations that grow (or shrink) by so much from the first hidden layer to the last."""
    weights = _body_weights(model)[1:]
    _scale(weights, ratio ** (1 / len(weights)))


@torch.no_grad()
def _saturate(model: nn.Module, factor: float, *_: Any) -> None:
    norms = _norms(model)
    _scale([norm.weight for norm in norms] if norms else _body_weights(model), factor)


@torch.no_grad()
def _silence(model: nn.Module, share: float, *_: Any) -> None:
    """Push a share of the units of every layer far below zero."""
    for module in _before_activation(model):
        module.bias[: round(share * len(module.bias))] = -30.0


@torch.no_grad()
def _pin(model: nn.Module, share: float, *_: Any) -> None:
    """Push a share of the units of every layer far to one side or the other."""
    for module in _before_activation(model):
        count = round(share * len(module.bias))
        module.bias[:count] = 30.0 * (-1.0) ** torch.arange(count)


@torch.no_grad()
def _rest_at(model: nn.Module, bias: float, *_: Any) -> None:
    for module in _before_activation(model):
        module.bias.fill_(bias)


@torch.no_grad()
def _stale(model: nn.Module, factor: float, *_: Any) -> None:
    """Running statistics as if they came from data that were larger by a factor, and move slowly."""
    for norm in _norms(model):
        norm.running_mean.fill_(factor)
        norm.running_var.fill_(factor**2)
        norm.momentum = 1e-3
        if hasattr(norm, "num_batches_tracked"):
            norm.num_batches_tracked.fill_(5000)


@torch.no_grad()
def _forget(model: nn.Module, factor: float, *_: Any) -> None:
    """Recurrent weights that pass on so small a share of the state."""
    for name, p in model.named_parameters():
        if "weight_hh" in name:
            p.mul_(factor)


def _momentum(model: nn.Module, setting: tuple[float | None, int], *_: Any) -> None:
    """Momentum of the first batch norms."""
    for norm in _norms(model)[: setting[1]]:
        norm.momentum = setting[0]


@torch.no_grad()
def _fresh(model: nn.Module, *_: Any) -> None:
    """Draw every weight anew with gain / sqrt(fan_in), reset norms, and leave biases at zero: the textbook's answer."""
    for name, p in model.named_parameters():
        module = model.get_submodule(name.rpartition(".")[0])
        if p.ndim >= 2:
            is_house = type(module).__module__.startswith("moreish")
            fan_in = p.shape[0] if is_house else p[0].numel()
            is_table = isinstance(module, nn.Embedding) or "embed" in name
            p.normal_(std=1.0 if is_table else 1.2 / fan_in**0.5)
        else:
            p.fill_(1.0 if "norm" in type(module).__name__.lower() and "weight" in name else 0.0)


INITIAL: dict[str, Callable[..., None]] = {
    "scale_head": lambda model, factor, *_: _scale([p for p in model.head.parameters() if p.ndim >= 2], factor),
    "scale_attention": lambda model, factor, *_: _scale(
        [p for p in parameters_of(model, "attention") if p.ndim >= 2], factor
    ),
    "excess": _excess,
    "constant": _constant,
    "slope": _slope,
    "saturate": _saturate,
    "silence": _silence,
    "pin": _pin,
    "rest_at": _rest_at,
    "stale": _stale,
    "forget": _forget,
    "momentum": _momentum,
    "fresh": _fresh,
}
"""Each is called with the model, an amount, and a batch of inputs and targets."""


def _rows_mixed(h: Tensor) -> Tensor:
    """A view where a transpose was meant."""
    shape = h.shape
    return h.reshape(shape[1], shape[0], *shape[2:]).transpose(0, 1).contiguous()


def _peek(h: Tensor, places: int) -> Tensor:
    """Features (B, T, E) that also hold those of so many places later."""
    return torch.cat((h[:, :-places] + h[:, places:], h[:, -places:]), 1)


def _logarithm(h: Tensor, share: float) -> Tensor:
    """The logarithm of some of the units; after a ReLU, often of zero."""
    count = max(round(share * h.shape[-1]), 1)
    return torch.cat((h[..., :count].log(), h[..., count:]), -1)


def _after(where: str, change: Callable[[Tensor, Any], Tensor]) -> Callable[[nn.Module, Any], None]:
    """A change of what comes out of a part of the model; the amount may name the part."""

    def install(model: nn.Module, amount: Any) -> None:
        module = part(model, {"named": amount, "cut": "embed" if amount == "embed" else "body"}.get(where, where))
        module.register_forward_hook(lambda _m, _a, out: change(out, amount))

    return install


def _deaf(model: nn.Module, places: int) -> None:
    """The first places of the context are overwritten before the model sees them."""

    def overwrite(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (torch.cat((torch.zeros_like(args[0][:, :places]), args[0][:, places:]), 1),)

    model.register_forward_pre_hook(overwrite)


WIRING: dict[str, Callable[[nn.Module, Any], None]] = {
    "detach": _after("cut", lambda out, how: (out * 8).round() / 8 if how == "rounded" else out.detach()),
    "mix": _after("named", lambda out, _: _rows_mixed(out)),
    "blind": _after("named", lambda out, _: out * 0),
    "peek": _after("embed", _peek),
    "deaf": _deaf,
    "always_drop": _after("body", lambda out, p: F.dropout(out, p)),
    "activate_output": _after(
        "head", lambda out, name: getattr(torch, name)(out, *([-1] if name == "softmax" else []))
    ),
    "log": _after("body", _logarithm),
    "scale_output": _after("head", lambda out, factor: out * factor),
}
"""Each is called with the model and an amount, and installs a hook."""
