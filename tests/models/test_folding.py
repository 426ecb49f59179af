"""A folded network gives what PyTorch gives with batch norm in evaluation mode, in every convention and place."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from moreish.errors import InputError
from moreish.models.conventions import CONVENTIONS
from moreish.models.folding import fold_batch_norm
from moreish.models.mlp import MLP
from moreish.models.module_folding import fold_module
from moreish.recipe import Recipe

FLAT = Recipe(context=3, embedding=4, hidden=(16, 12), activation="tanh", norm="batch")
PAIRED = dataclasses.replace(FLAT, model="hierarchical", context=8, hidden=(16, 16, 16))
V = 11


def network(recipe: Recipe) -> MLP:
    """With random parameters and running values, in float64 and evaluation mode."""
    generator = torch.Generator().manual_seed(5)
    module = MLP(recipe, V, generator).double().eval()
    with torch.no_grad():
        for name, values in module.state_dict().items():
            drawn = torch.randn(values.shape, generator=generator, dtype=torch.float64)
            values.copy_(drawn.abs() + 0.3 if name.endswith(("running_var", "running_std")) else drawn / 2)
    return module


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in module.state_dict().items()}


@pytest.mark.parametrize("norm_output", [False, True])
@pytest.mark.parametrize("bias", ["auto", "all"])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("recipe", [FLAT, PAIRED, dataclasses.replace(FLAT, embedding="onehot")])
def test_the_logits_stay_the_same(recipe: Recipe, convention: str, bias: str, norm_output: bool) -> None:
    recipe = dataclasses.replace(recipe, norm_convention=convention, bias=bias, norm_output=norm_output)  # type: ignore[arg-type]
    module = network(recipe)
    if recipe.embedding == "onehot":
        module.embedding.forward = lambda ids: nn.functional.one_hot(ids, V).double()  # type: ignore[method-assign]
    without, weights, norms = fold_batch_norm(recipe, arrays(module))
    assert len(norms) == len(recipe.hidden) + norm_output
    assert (without.norm, without.norm_output, without.bias) == ("none", False, "all")
    folded = MLP(without, V, torch.Generator()).double().eval()
    if recipe.embedding == "onehot":
        folded.embedding.forward = lambda ids: nn.functional.one_hot(ids, V).double()  # type: ignore[method-assign]
    folded.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    ids = torch.randint(0, V, (200, recipe.context), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(folded(ids), module(ids), rtol=0, atol=1e-12)
        difference = folded.float()(ids) - module.float()(ids) if recipe.embedding != "onehot" else torch.zeros(1)
    assert float(difference.abs().max()) < 1e-5


def test_weights_and_biases_are_pytorchs_own() -> None:
    module = network(dataclasses.replace(FLAT, bias="all"))
    _, weights, _ = fold_batch_norm(FLAT, arrays(module))
    layer = module.layers[0]
    linear, norm = nn.Linear(12, 16).double(), nn.BatchNorm1d(16).double()
    linear.load_state_dict({"weight": layer.linear.weight.T, "bias": layer.linear.bias})
    norm.load_state_dict(layer.norm.state_dict() | {"num_batches_tracked": torch.tensor(0)})
    fused = fuse_linear_bn_eval(linear.eval(), norm.eval())
    np.testing.assert_allclose(weights["layers.0.linear.weight"].T, fused.weight.detach(), rtol=1e-13)
    np.testing.assert_allclose(weights["layers.0.linear.bias"], fused.bias.detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"norm": "none"}, "nothing to fold"), ({"norm": "layer"}, "Layer norm cannot be folded")],
)
def test_what_cannot_be_folded_is_said(changes: dict[str, str], complaint: str) -> None:
    recipe = dataclasses.replace(FLAT, **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=complaint):
        fold_batch_norm(recipe, arrays(network(recipe)))


def test_a_counting_model_has_nothing_to_fold() -> None:
    with pytest.raises(InputError, match="nothing to fold"):
        fold_batch_norm(Recipe(model="bigram"), {})


def used(module: nn.Module) -> nn.Module:
    """The module after some batches in training mode, so that its norms have seen something."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(5):
        module(torch.randn((32, 10), generator=generator) * 2 + 1)
    return module.eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_network_in_pytorch_is_folded(affine: bool, bias: bool) -> None:
    torch.manual_seed(0)
    net = used(
        nn.Sequential(
            nn.Sequential(nn.Linear(10, 20, bias=bias), nn.BatchNorm1d(20, affine=affine), nn.ReLU()),
            nn.Dropout(0.2),
            nn.Linear(20, 5, bias=bias),
            nn.BatchNorm1d(5, affine=affine, eps=1e-3),
        )
    )
    x = torch.randn((64, 10))
    folded = fold_module(net)
    assert not any(isinstance(part, nn.BatchNorm1d) for part in folded.modules())
    torch.testing.assert_close(folded(x), net(x), rtol=0, atol=1e-5)
    torch.testing.assert_close(fold_module(net.double())(x.double()), net(x.double()), rtol=0, atol=1e-12)
    if affine:  # PyTorch cannot fuse the other
        fused = fuse_linear_bn_eval(net[2], net[3])
        torch.testing.assert_close(fold_module(net)[2].weight, fused.weight, rtol=1e-12, atol=0)  # type: ignore[index]


class Custom(nn.Module):
    """Norm and linear layer are called in an order that no one can see from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(10, 10)
        self.norm = nn.BatchNorm1d(10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.norm(x))


shared = nn.Linear(10, 10)
again = nn.ReLU()


@pytest.mark.parametrize(
    ("net", "complaint"),
    [
        (nn.Sequential(nn.BatchNorm1d(10), nn.Linear(10, 5)), "The norm 0 cannot be folded"),
        (nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.BatchNorm1d(10)), "The norm 2 cannot be folded"),
        (nn.Sequential(nn.Linear(10, 10), nn.LayerNorm(10)), "The norm 1 cannot be folded"),
        (nn.Sequential(nn.Linear(10, 10), nn.BatchNorm1d(10, track_running_stats=False)), "The norm 1"),
        (nn.Sequential(again, nn.Linear(10, 10), again, nn.BatchNorm1d(10)), "The norm 3 cannot be folded"),
        (nn.Sequential(shared, nn.BatchNorm1d(10), shared), "The norm 1 cannot be folded"),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(10, 10)), nn.BatchNorm1d(10)), "The norm 1"),
        (Custom(), "The norm norm cannot be folded"),
        (nn.BatchNorm1d(10), "The norm BatchNorm1d cannot be folded"),
        (nn.Sequential(nn.Linear(10, 10), nn.ReLU()), "nothing to fold"),
    ],
)
def test_a_norm_that_cannot_be_folded_is_named(net: nn.Module, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        fold_module(net)


def test_a_given_network_is_not_changed() -> None:
    net = used(nn.Sequential(nn.Linear(10, 4), nn.BatchNorm1d(4)))
    before = {name: values.clone() for name, values in net.state_dict().items()}
    fold_module(net)
    assert all(torch.equal(values, before[name]) for name, values in net.state_dict().items())
