"""Examples go to the device of the model; "meta", which every machine has, stands for a GPU."""

from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import moreish
from doctor import networks as net
from moreish.doctor.devices import beside

HERE, THERE = torch.zeros(3), torch.zeros(3, device="meta")
Pair = namedtuple("Pair", ["a", "b"])


def devices(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.device.type
    if isinstance(value, dict):
        return {key: devices(item) for key, item in value.items()}
    return [devices(item) for item in value] if isinstance(value, list | tuple) else value


def test_structures_of_tensors_are_moved_and_keep_their_form() -> None:
    model = nn.Linear(3, 3, device="meta")
    assert devices(beside(model, HERE)) == "meta"
    given = {"x": HERE, "more": [HERE, Pair(HERE, 5)], "name": "text"}
    moved = beside(model, given)
    assert devices(moved) == {"x": "meta", "more": ["meta", ["meta", 5]], "name": "text"}
    assert type(moved["more"][1]) is Pair


def test_what_is_there_already_stays_with_what_was_left_elsewhere_on_purpose() -> None:
    model = nn.Linear(3, 3, device="meta")
    mixed = (THERE, HERE)
    assert beside(model, mixed) is mixed
    here = (HERE, [HERE])
    assert beside(nn.Linear(3, 3), here) is here
    assert beside(model, None) is None


@pytest.fixture
def _elsewhere_by_default() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


BATCHES = {
    name: [draw(512, seed=900), draw(128, seed=901), *(draw(32, seed=step) for step in range(120))]
    for name, (_, draw, _) in net.HEALTHY.items()
    if name in ("mlp", "cnn", "lstm", "gpt")
}


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.usefixtures("_elsewhere_by_default")
def test_where_tensors_are_made_by_default_does_not_matter(name: str) -> None:
    make, _, loss_fn = net.HEALTHY[name]
    train, validation, *batches = BATCHES[name]
    torch.manual_seed(1)
    with torch.device("cpu"):
        model = make()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-6)
    before = moreish.diagnose(model, validation, loss_fn, optimizer)
    with moreish.Doctor(model, optimizer, loss_fn, train, validation) as doctor:
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    assert not [item for item in before.not_examined if "failed" in item.why]
    assert "overfitting" in doctor.report().examined
    assert any(look.rates is not None for look in doctor.evidence().looks)
