"""The chain against the lecture's own lines in PyTorch: every value and every gradient under its name."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from moreish.backprop.chain import mlp_chain, run_backward, run_forward
from moreish.errors import InputError, ShapeError

NAMES_OF_THE_LECTURE = {
    *("logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits", "logit_maxes", "logits", "h"),
    *("hpreact", "bnraw", "bnvar_inv", "bnvar", "bndiff2", "bndiff", "bnmeani", "hprebn", "embcat", "emb"),
    *("C", "W1", "b1", "W2", "b2", "bngain", "bnbias"),
}

TORCH_ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}


def lecture_in_torch(parameters, Xb, Yb, num_hidden, norm, activation, joining):
    """The lecture's forward pass in float64, generic as the chain is; every tensor by name, with its gradient."""
    v = {name: torch.tensor(array, requires_grad=True) for name, array in parameters.items()}
    v["emb"] = x = v["C"][torch.tensor(Xb)]
    for layer in range(1, num_hidden + 1):
        s = "" if layer == 1 else f"_{layer}"
        if joining == "pairs":
            v["embcat" if layer == 1 else f"hcat{s}"] = x = x.view(x.shape[0], x.shape[1] // 2, -1)
        elif layer == 1:
            v["embcat"] = x = x.view(x.shape[0], -1)
        x = x @ v[f"W{layer}"] + v[f"b{layer}"]
        if norm != "none":
            bn = {"batch": "bn", "layer": "ln"}[norm]
            axes = tuple(range(x.ndim - 1)) if norm == "batch" else (-1,)
            n = x.numel() // x.shape[-1] if norm == "batch" else x.shape[-1]
            v[f"hprebn{s}"] = x
            v[f"{bn}meani{s}"] = 1 / n * x.sum(axes, keepdim=True)
            v[f"{bn}diff{s}"] = x - v[f"{bn}meani{s}"]
            v[f"{bn}diff2{s}"] = v[f"{bn}diff{s}"] ** 2
            v[f"{bn}var{s}"] = 1 / (n - (norm == "batch")) * v[f"{bn}diff2{s}"].sum(axes, keepdim=True)
            v[f"{bn}var_inv{s}"] = (v[f"{bn}var{s}"] + 1e-5) ** -0.5
            v[f"{bn}raw{s}"] = v[f"{bn}diff{s}"] * v[f"{bn}var_inv{s}"]
            x = v[f"{bn}gain{s}"] * v[f"{bn}raw{s}"] + v[f"{bn}bias{s}"]
        v[f"hpreact{s}"] = x
        v[f"h{s}"] = x = TORCH_ACTIVATIONS[activation](x)
    if joining == "pairs":
        v["hflat"] = x = x.view(x.shape[0], -1)
    v["logits"] = x @ v[f"W{num_hidden + 1}"] + v[f"b{num_hidden + 1}"]
    v["logit_maxes"] = v["logits"].max(1, keepdim=True).values
    v["norm_logits"] = v["logits"] - v["logit_maxes"]
    v["counts"] = v["norm_logits"].exp()
    v["counts_sum"] = v["counts"].sum(1, keepdim=True)
    v["counts_sum_inv"] = v["counts_sum"] ** -1
    v["probs"] = v["counts"] * v["counts_sum_inv"]
    v["logprobs"] = v["probs"].log()
    v["loss"] = -v["logprobs"][range(len(Yb)), torch.tensor(Yb)].mean()
    for tensor in v.values():
        tensor.retain_grad()
    v["loss"].backward()
    return v


def draw_parameters(draw, V, E, H, T, num_hidden, norm, joining):
    parameters = {"C": draw.normal(size=(V, E))}
    fan_in = T * E if joining == "flat" else 2 * E
    for layer in range(1, num_hidden + 2):
        fan_out = V if layer == num_hidden + 1 else H
        parameters[f"W{layer}"] = draw.normal(size=(fan_in, fan_out)) * fan_in**-0.5
        parameters[f"b{layer}"] = draw.normal(size=fan_out) * 0.1
        if norm != "none" and layer <= num_hidden:
            bn, s = {"batch": "bn", "layer": "ln"}[norm], "" if layer == 1 else f"_{layer}"
            parameters[f"{bn}gain{s}"] = draw.normal(size=(1, H)) * 0.1 + 1
            parameters[f"{bn}bias{s}"] = draw.normal(size=(1, H)) * 0.1
        fan_in = H if joining == "flat" or layer >= num_hidden else 2 * H
    return parameters


def check_against_torch(parameters, Xb, Yb, num_hidden, norm, activation, joining):
    chain = mlp_chain(num_hidden, norm, activation, joining)
    values = run_forward(chain, parameters, Xb, Yb)
    gradients = run_backward(chain, values)
    reference = lecture_in_torch(parameters, Xb, Yb, num_hidden, norm, activation, joining)
    assert gradients.keys() == reference.keys() == values.keys() - {"Xb", "Yb"}
    for name, tensor in reference.items():
        for mine, theirs in ((values[name], tensor.detach()), (gradients[name], tensor.grad)):
            theirs = np.asarray(theirs)
            assert np.shape(mine) == theirs.shape, name
            assert np.abs(mine - theirs).max() <= 1e-10 * max(np.abs(theirs).max(), 1e-3), name
    return values, gradients


def test_the_lecture_s_network_has_the_lecture_s_names_and_gradients():
    draw = np.random.default_rng(4)
    parameters = draw_parameters(draw, V=27, E=10, H=64, T=3, num_hidden=1, norm="batch", joining="flat")
    assert sum(array.size for array in parameters.values()) == 4137
    Xb, Yb = draw.integers(0, 27, (32, 3)), draw.integers(0, 27, 32)
    values, gradients = check_against_torch(parameters, Xb, Yb, 1, "batch", "tanh", "flat")
    assert gradients.keys() - {"loss"} == NAMES_OF_THE_LECTURE
    assert values["bnmeani"].shape == (1, 64)
    assert np.abs(gradients["logit_maxes"]).max() < 1e-16  # whatever is subtracted from all logits changes nothing


@pytest.mark.parametrize(
    ("norm", "activation", "joining"),
    list(itertools.product(("none", "batch", "layer"), TORCH_ACTIVATIONS, ("flat", "pairs"))),
)
@pytest.mark.parametrize("num_hidden", [1, 3])
def test_every_combination_equals_autograd(num_hidden, norm, activation, joining):
    draw = np.random.default_rng(num_hidden)
    T = 3 if joining == "flat" else 2**num_hidden
    parameters = draw_parameters(draw, V=5, E=3, H=6, T=T, num_hidden=num_hidden, norm=norm, joining=joining)
    Xb, Yb = draw.integers(0, 5, (7, T)), draw.integers(0, 5, 7)
    check_against_torch(parameters, Xb, Yb, num_hidden, norm, activation, joining)


@given(st.integers(1, 5), st.integers(2, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_any_size_of_one_and_more_equals_autograd(B, V, E, H, seed):
    draw = np.random.default_rng(seed)
    norm = "batch" if B > 2 else "none"
    parameters = draw_parameters(draw, V, E, H, T=2, num_hidden=1, norm=norm, joining="flat")
    Xb, Yb = draw.integers(0, V, (B, 2)), draw.integers(0, V, B)
    check_against_torch(parameters, Xb, Yb, 1, norm, "tanh", "flat")


def test_ties_saturated_and_dead_units_equal_autograd():
    draw = np.random.default_rng(0)
    parameters = draw_parameters(draw, V=5, E=3, H=6, T=3, num_hidden=1, norm="none", joining="flat")
    parameters["W2"][:] = 0
    parameters["b2"][:] = 1.5  # all logits tie
    Xb, Yb = draw.integers(0, 5, (7, 3)), draw.integers(0, 5, 7)
    check_against_torch(parameters, Xb, Yb, 1, "none", "tanh", "flat")
    parameters |= draw_parameters(draw, V=5, E=3, H=6, T=3, num_hidden=1, norm="none", joining="flat")
    parameters["b1"][:2] = 100  # saturated under tanh
    parameters["b1"][2:4] = -100  # dead under ReLU
    for activation in TORCH_ACTIVATIONS:
        _, gradients = check_against_torch(parameters, Xb, Yb, 1, "none", activation, "flat")
        assert activation == "tanh" or not gradients["hpreact"][:, 2:4].any()


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_gradients_of_the_parameters_equal_central_differences(norm):
    draw = np.random.default_rng(0)
    parameters = draw_parameters(draw, V=4, E=2, H=3, T=4, num_hidden=2, norm=norm, joining="pairs")
    Xb, Yb = draw.integers(0, 4, (5, 4)), draw.integers(0, 4, 5)
    chain = mlp_chain(2, norm, "gelu", "pairs", epsilon=1e-2)
    gradients = run_backward(chain, run_forward(chain, parameters, Xb, Yb))
    for name, array in parameters.items():
        for index in np.ndindex(array.shape):
            before, losses = array[index], []
            for move in (1e-5, -1e-5):
                array[index] = before + move
                losses.append(run_forward(chain, parameters, Xb, Yb)["loss"])
            array[index] = before
            assert gradients[name][index] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-5, abs=1e-9), name


def test_what_a_chain_cannot_do_is_said():
    with pytest.raises(InputError, match="0 hidden layers with swish"):
        mlp_chain(0, activation="swish")
    draw = np.random.default_rng(0)
    parameters = draw_parameters(draw, V=4, E=2, H=3, T=3, num_hidden=1, norm="batch", joining="flat")
    with pytest.raises(ShapeError, match="batch of one"):
        run_forward(mlp_chain(), parameters, np.array([[0, 1, 2]]), np.array([3]))
    with pytest.raises(ShapeError, match="odd number"):
        run_forward(mlp_chain(joining="pairs"), parameters, np.array([[0, 1, 2]]), np.array([3]))
