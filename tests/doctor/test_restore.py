"""Whatever the doctor does, and whatever happens to it, everything is bit for bit as it was."""

import random
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net


def state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All that training depends on, as plain bytes and values."""
    return {
        "values": {name: value.numpy().tobytes() for name, value in model.state_dict().items()},
        "gradients": {
            name: None if p.grad is None else p.grad.numpy().tobytes() for name, p in model.named_parameters()
        },
        "requires": [p.requires_grad for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "optimizer": str(optimizer.state_dict()),
        "streams": (torch.get_rng_state().numpy().tobytes(), random.getstate(), np.random.get_state()[1].tobytes()),  # noqa: NPY002
    }


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt"])
def test_everything_is_as_it_was(name: str) -> None:
    make, batch, loss_fn = net.HEALTHY[name]
    results = []
    for is_examined in (False, True):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        model = make()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        inputs, targets = batch()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        next(model.parameters()).requires_grad_(False)
        list(model.modules())[-1].eval()
        if is_examined:
            moreish.diagnose(model, (inputs, targets), loss_fn, optimizer)
        results.append(state(model, optimizer))
    assert results[0] == results[1]


class Raising(net.CNN):
    """Raises in the third forward pass, when batch norm has already changed its statistics."""

    count = 0

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        self.count += 1
        if self.count == self.limit:
            raise ValueError("not today")
        return out

    limit = 1


def test_a_model_that_raises_is_one_clear_line_and_left_as_it_was() -> None:
    model = Raising()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = state(model, optimizer)
    with pytest.raises(
        moreish.MoreishError, match=r"Raising raised ValueError in forward .*: not today\. Pass a batch"
    ):
        moreish.diagnose(model, net.images(), F.cross_entropy, optimizer)
    assert state(model, optimizer) == before
    assert model.count == 0


@pytest.mark.parametrize(
    ("model", "batch", "loss_fn", "message"),
    [
        (nn.Tanh(), net.windows(), F.cross_entropy, "has no parameters"),
        (net.MLP(), net.windows(), lambda out, y: F.cross_entropy(out, y, reduction="none"), "expected one number"),
        (nn.LazyLinear(3), (torch.ones(2, 3), torch.ones(2, 3)), F.mse_loss, "is lazy"),
        (net.MLP(), net.windows()[0], F.cross_entropy, "expected a pair"),
        (net.MLP(), (3, 4), F.cross_entropy, "no tensor with at least one example"),
        (nn.Linear(3, 3, device="meta"), (torch.ones(2, 3), torch.ones(2, 3)), F.mse_loss, "one real device"),
        (net.MLP(), net.windows(), "mse", "expected a function"),
    ],
)
def test_bad_input_is_one_clear_line(model: Any, batch: Any, loss_fn: Any, message: str) -> None:
    with pytest.raises(moreish.MoreishError, match=message) as error:
        moreish.diagnose(model, batch, loss_fn)
    assert "\n" not in str(error.value)


def on_two_devices() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, device="meta"))


class Quantised(nn.Linear):
    """Stands for a quantised layer, whose classes live in a module of that name."""


Quantised.__module__ = "torch.ao.nn.quantized.modules.linear"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Tanh(), "has no parameters"),
        (nn.LazyLinear(3), "is lazy"),
        (on_two_devices(), "cpu and meta"),
        (nn.Sequential(nn.Linear(3, 3), Quantised(3, 3)), "Module 1 is quantised"),
        (torch.zeros(3), "expected a torch.nn.Module"),
    ],
)
def test_what_cannot_be_examined_cannot_be_watched_either(model: Any, message: str) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)
    for ask in (
        lambda: moreish.Doctor(model, optimizer),
        lambda: moreish.diagnose(model, (torch.ones(2, 3), torch.ones(2, 3)), F.mse_loss),
    ):
        with pytest.raises(moreish.MoreishError, match=message) as error:
            ask()
        assert "\n" not in str(error.value)


class RaisingInEvaluation(net.MLP):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            raise ValueError("only for training")
        return super().forward(x)


def test_a_model_that_raises_at_a_look_is_one_clear_line_and_left_as_it_was() -> None:
    model = RaisingInEvaluation()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = net.windows(32)
    before = state(model, optimizer)

    def train() -> None:
        with moreish.Doctor(model, optimizer, F.cross_entropy, (x, y)) as doctor:
            for _ in range(3):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                before.update(state(model, optimizer))
                doctor.step(loss, x, y)

    with pytest.raises(moreish.MoreishError, match="only for training"):
        train()
    before["hooks"] = [(0, 0, 0) for _ in model.modules()]
    assert state(model, optimizer) == before


def test_no_seed_is_left_for_devices_that_are_not_in_use_yet() -> None:
    make, batch, loss_fn = net.HEALTHY["mlp"]
    model = make()
    torch.cuda.manual_seed_all(1234)  # waits until a device is in use
    waiting = torch.cuda._lazy_seed_tracker.get_calls()
    moreish.diagnose(model, batch(), loss_fn, torch.optim.SGD(model.parameters(), 0.1))
    assert torch.cuda._lazy_seed_tracker.get_calls() == waiting


def test_what_is_broadcast_is_warned_of_in_the_loop_alone() -> None:
    torch.manual_seed(0)
    x, y, model = torch.randn(300, 5), torch.randn(300), nn.Linear(5, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert "examples-mixed" in moreish.diagnose(model, (x, y), F.mse_loss, optimizer).names
        with moreish.Doctor(model, optimizer, F.mse_loss, train=(x, y), validation=(x[:7], y[:7])) as doctor:
            for _ in range(110):
                optimizer.zero_grad()
                loss = F.mse_loss(model(x[:32]), y[:32])
                loss.backward()
                optimizer.step()
                doctor.step(loss, x[:32], y[:32])
        doctor.report()
    messages = [str(item.message) for item in caught]
    assert len(messages) == 110
    assert all("target size (torch.Size([32]))" in message for message in messages)
