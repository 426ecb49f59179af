"""A watched training is bit for bit the unwatched one, and its faults are named."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from moreish.doctor import Evidence, Report, judge
from moreish.doctor.judge import joined
from moreish.doctor.probes.predictions import per_example_losses
from moreish.doctor.subject import make_subject


def trained(
    name: str, steps: int = 120, watch: bool = True, clears: bool = True, **given: Any
) -> tuple[Any, Report | None]:
    make, batch, loss_fn = net.HEALTHY[name]
    torch.manual_seed(1)
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    doctor = moreish.Doctor(model, optimizer, loss_fn, **given) if watch else None
    for step in range(steps):
        inputs, targets = batch(32, seed=step)
        if clears:
            optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if doctor is not None:
            doctor.step(loss, inputs, targets)
    return model, None if doctor is None else doctor.report()


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt"])
def test_a_watched_training_is_the_same_bit_for_bit_and_healthy(name: str) -> None:
    batch = net.HEALTHY[name][1]
    plain, _ = trained(name, watch=False)
    streams = torch.get_rng_state()
    watched, report = trained(name, train=batch(64, seed=900), validation=batch(64, seed=901))
    assert torch.equal(torch.get_rng_state(), streams)
    for a, b in zip(plain.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in watched.modules())
    assert report is not None
    assert report.names == ()
    assert "gradients-not-cleared" in report.examined


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt"])
def test_gradients_that_are_not_cleared_are_named(name: str) -> None:
    _, report = trained(name, clears=False)
    assert report is not None
    assert report.names[0] == "gradients-not-cleared"


def test_clipping_and_accumulation_are_not_taken_for_gradients_left_over() -> None:
    torch.manual_seed(0)
    model = net.MLP()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(60):
            optimizer.zero_grad()
            for half in range(2):
                inputs, targets = net.windows(32, seed=2 * step + half)
                loss = F.cross_entropy(model(inputs), targets) / 2
                loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            doctor.step(loss, inputs, targets)
    assert doctor.report().names == ()
    assert judge(Evidence.from_json(doctor.evidence().to_json())) == doctor.report()


@pytest.mark.parametrize(("is_held", "name"), [(True, "never-moves"), (False, "not-in-optimizer")])
def test_a_parameter_that_never_moves_is_named_by_its_cause(is_held: bool, name: str) -> None:
    torch.manual_seed(0)
    model = net.MLP()
    groups = [{"params": [p for name, p in model.named_parameters() if name != "W_out"]}]
    groups += [{"params": [model.W_out], "lr": 0.0}] if is_held else []
    optimizer = torch.optim.SGD(groups, 0.1)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(60):
            inputs, targets = net.windows(32, seed=step)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    assert [(item.name, item.layer) for item in doctor.report().findings] == [(name, "W_out")]


def test_a_loss_that_applies_softmax_twice_is_named_while_it_trains() -> None:
    model = net.MLP()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    pair = net.windows(256, seed=5)

    def loss_fn(output: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(output.softmax(-1), targets)

    with moreish.Doctor(model, optimizer, loss_fn, train=pair) as doctor:
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_fn(model(pair[0]), pair[1])
            loss.backward()
            optimizer.step()
            doctor.step(loss, *pair)
    assert doctor.report().names == ("softmax-twice",)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"optimizer": 0.1}, "optimizer is a float; expected a torch.optim.Optimizer."),
        ({"train": torch.zeros(3)}, "train is a Tensor; expected a pair"),
        ({"validation": (1, 2, 3)}, "validation is a tuple; expected a pair"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_line(arguments: dict[str, Any], line: str) -> None:
    model = net.MLP()
    given: dict[str, Any] = {"optimizer": torch.optim.SGD(model.parameters(), 0.1)} | arguments
    with pytest.raises(moreish.MoreishError, match=line):
        moreish.Doctor(model, **given)


def test_validation_that_stands_in_training_is_named() -> None:
    batch = net.windows(256, seed=5)
    _, report = trained("mlp", 60, train=batch, validation=(batch[0][:64], batch[1][:64]))
    assert report is not None
    assert "split-overlap" in report.names


def test_a_loss_that_is_not_one_number_is_one_clear_line() -> None:
    model = net.MLP()
    doctor = moreish.Doctor(model, torch.optim.SGD(model.parameters(), 0.1))
    with pytest.raises(moreish.MoreishError, match="expected one number"):
        doctor.step(torch.zeros(3))


def test_a_gradient_of_one_value_and_parameters_not_held_do_not_decide_what_is_cleared() -> None:
    """Any two numbers are multiples of each other; and zero_grad() clears what the optimiser holds."""
    for held, clears, expected in (("all", False, True), ("all", True, False), ("without bias", True, False)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
        given = list(model.parameters())[: 4 if held == "all" else 3]
        optimizer = torch.optim.SGD(given, 0.01)
        with moreish.Doctor(model, optimizer) as doctor:
            for _ in range(4):
                x = torch.randn(32, 4)
                if clears:
                    optimizer.zero_grad()
                loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
                loss.backward()
                optimizer.step()
                doctor.step(loss, x)
        assert ("gradients-not-cleared" in doctor.report().names) is expected, (held, clears)


def test_evaluation_mode_that_was_not_left_again_is_named() -> None:
    torch.manual_seed(0)
    model = net.CNN()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(101):
            if step == 30:
                model.eval()
            x, y = net.images(16, seed=step)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            doctor.step(loss, x, y)
    finding = doctor.report().findings[0]
    assert (finding.name, finding.step) == ("trained-in-eval-mode", 50)


@pytest.mark.parametrize(("rate", "breaks", "expected"), [(1.0, False, "rate-too-high"), (0.01, True, "not-finite")])
def test_a_loss_that_grew_until_it_was_no_number_speaks_of_the_rate(rate: float, breaks: bool, expected: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(60):
            x = torch.randn(32, 4)
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), 3 * x.sum(1, keepdim=True))
            if breaks and step == 20:
                loss = loss + torch.log(loss * 0)
            loss.backward()
            optimizer.step()
            doctor.step(loss, x)
    assert doctor.report().names[0] == expected


def test_a_loop_that_never_steps_is_named() -> None:
    torch.manual_seed(0)
    model = net.MLP()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(40):
            inputs, targets = net.windows(32, seed=step)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            doctor.step(loss, inputs, targets)
    report = doctor.report()
    assert report.names == ("never-moves",)
    assert "never made one" in report.findings[0].cause


@pytest.mark.parametrize("share", [2, 3, 4])
def test_accumulation_that_is_told_of_every_share_is_left_in_peace(share: int) -> None:
    """`step` is called after each backward pass, and the optimiser steps after some of them."""
    torch.manual_seed(0)
    model = net.MLP()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(240):
            inputs, targets = net.windows(16, seed=step)
            loss = F.cross_entropy(model(inputs), targets)
            (loss / share).backward()
            if (step + 1) % share == 0:
                optimizer.step()
                optimizer.zero_grad()
            doctor.step(loss, inputs, targets)
    report = doctor.report()
    assert report.names == ()
    assert "never-moves" in report.examined


def test_the_end_of_a_training_is_a_look_of_its_own() -> None:
    torch.manual_seed(0)
    model = net.MLP()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    pairs = net.windows(512, seed=1), net.windows(256, seed=2)
    with moreish.Doctor(model, optimizer, F.cross_entropy, *pairs) as doctor:
        for step in range(150):
            inputs, targets = net.windows(32, seed=step)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    looks = doctor.evidence().looks
    assert [look.step for look in looks] == [2, 50, 100, 150]
    with torch.no_grad():
        expected = F.cross_entropy(model(pairs[1][0]), pairs[1][1], reduction="none").tolist()
    assert looks[-1].validation_losses == pytest.approx(expected, rel=1e-5)


LOSSES: dict[str, Any] = {
    "likelihood": F.binary_cross_entropy_with_logits,
    "likelihood, summed": lambda out, y: F.binary_cross_entropy_with_logits(out, y, reduction="sum"),
    "likelihood, weighted": nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)),
    "squared error": F.mse_loss,
    "distance": F.l1_loss,
    "Huber's": nn.SmoothL1Loss(),
    "margin": lambda out, y: F.relu(1 - out * (2 * y - 1)).mean(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_examples_are_those_of_the_loss_that_was_given(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    x = 4 * torch.randn(64, 4)
    y = (x[:, :1] > 0).float()
    subject = make_subject(model, (x, y), LOSSES[name])
    output = model(x).detach()
    losses = per_example_losses(output, subject)
    assert losses is not None
    expected = torch.stack([LOSSES[name](output[i : i + 1], y[i : i + 1]) for i in range(64)])
    torch.testing.assert_close(losses, expected)


def test_a_loss_that_does_not_come_apart_by_example_is_not_measured() -> None:
    x = torch.randn(64, 4)
    subject = make_subject(nn.Linear(4, 1), (x, x[:, :1]), lambda out, y: (out.mean() - y.mean()).square())
    assert per_example_losses(subject.forward(), subject) is None


def test_the_forward_pass_is_seen_where_the_optimizer_makes_it() -> None:
    torch.manual_seed(1)
    model, (inputs, targets) = net.MLP(), net.windows(64)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=2)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss

    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(3):
            doctor.step(optimizer.step(closure), inputs, targets)
    (look,) = doctor.evidence().looks[:1]
    assert [site.op for site in look.sites or ()] == ["matmul", "tanh", "matmul"]


def test_what_follows_the_step_is_no_part_of_its_forward_pass() -> None:
    torch.manual_seed(1)
    model, (inputs, targets) = net.MLP(), net.windows(64)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(2):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                model(inputs)
            doctor.step(loss, inputs, targets)
    sites = doctor.evidence().looks[0].sites or ()
    assert [site.num_calls for site in sites] == [1, 1, 1]


def unseen(steps: int, loss_fn: Any, is_stepped: bool = True) -> dict[str, str]:
    """Of a watched regression, why what was not examined was not."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1)), torch.randn(256, 5)
    y = x.sum(1, keepdim=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with moreish.Doctor(model, optimizer, loss_fn, train=(x, y), validation=(x[:64], y[:64])) as doctor:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_fn(model(x[:32]), y[:32])
            loss.backward()
            if is_stepped:
                optimizer.step()
            doctor.step(loss, x[:32], y[:32])
    return {item.name: item.why for item in doctor.report().not_examined}


def test_reasons_for_what_was_not_examined_are_true() -> None:
    assert "use moreish.diagnose" in unseen(60, F.mse_loss)["initial-loss"]
    of_both = unseen(60, lambda outputs, targets: 1 - torch.corrcoef(torch.cat((outputs, targets), 1).T)[0, 1])
    assert of_both["overfitting"] == "the loss cannot be taken apart by example"
    assert "not recognised" in of_both["underfitting"]
    idle = unseen(120, F.mse_loss, is_stepped=False)
    assert "never stepped" in idle["not-in-optimizer"]
    assert not any("first look" in why for why in idle.values())


def test_a_report_of_both_folds_what_one_saw_into_what_the_other_did() -> None:
    inputs, targets = net.windows(256, seed=900)
    torch.manual_seed(1)
    model = net.MLP()
    optimizer = torch.optim.AdamW([p for name, p in model.named_parameters() if name != "W.0"], 1e-3)
    before = moreish.diagnose(model, (inputs, targets), F.cross_entropy, optimizer)
    with moreish.Doctor(model, optimizer, F.cross_entropy) as doctor:
        for _ in range(60):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    during, both = doctor.report(), doctor.report(before)
    assert both.names == before.names == ("not-in-optimizer",)
    assert {"initial-loss", "gradients-not-cleared"} <= set(both.examined)
    assert set(both.examined) == set(before.examined) | set(during.examined)
    assert not {item.name for item in both.not_examined} & set(both.examined)
    assert both.alpha == before.alpha + during.alpha
    assert both.step == during.step == 60
    why = {item.name: item.why for item in both.not_examined}
    assert why["spikes"] == "it takes 72 steps"


def test_what_only_one_report_names_stands_in_that_of_both() -> None:
    torch.manual_seed(1)
    model = net.MLP()
    batch = net.windows(256, seed=900)
    with torch.no_grad():
        model.W_out.mul_(40)
    before = moreish.diagnose(model, batch, F.cross_entropy)
    _, during = trained("mlp", 60, clears=False)
    assert during is not None
    assert joined(before, during).names == (*during.names, *before.names) == ("gradients-not-cleared", "initial-loss")


def test_a_report_of_both_takes_a_report() -> None:
    model = net.MLP()
    doctor = moreish.Doctor(model, torch.optim.SGD(model.parameters(), 0.1))
    with pytest.raises(moreish.MoreishError, match="before is a Evidence; expected the Report that moreish.diagnose"):
        doctor.report(doctor.evidence())  # type: ignore[arg-type]
