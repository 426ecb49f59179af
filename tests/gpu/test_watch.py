"""A training on a GPU that is watched is bit for bit the unwatched one, and its faults are named."""

import gc
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from doctor.loops import sgd, watched
from doctor.test_loop import Overflow
from doctor.test_rate import CLASSES, NUMBERS, optimiser, pairs
from gpu.trainings import NETWORKS, OPTIMISERS, on_gpu, state


def trained(name: str, optimise: Any, steps: int = 120, **given: Any) -> tuple[dict[str, Any], Any]:
    """A training on a GPU, with a doctor where anything is given: its state, and the doctor's report."""
    make, draw, loss_fn = NETWORKS[name]
    torch.manual_seed(1)
    model = make().cuda()
    optimizer = optimise(model.parameters())
    doctor = moreish.Doctor(model, optimizer, loss_fn, **given) if given else None
    if doctor is not None:
        doctor.__enter__()
    for step in range(steps):
        inputs, targets = on_gpu(draw(32, seed=step))
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if doctor is not None:
            doctor.step(loss, inputs, targets)
    if doctor is not None:
        doctor.__exit__(None, None, None)
    return state(model, optimizer), None if doctor is None else doctor.report()


def given(name: str, is_on_gpu: bool) -> dict[str, Any]:
    draw = NETWORKS[name][1]
    both = {"train": draw(512, seed=900), "validation": draw(128, seed=901)}
    return {key: on_gpu(pair) for key, pair in both.items()} if is_on_gpu else both


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt", "lstm, dropout", "grouped queries", "shared activation"])
@pytest.mark.parametrize("is_on_gpu", [True, False], ids=["examples on the GPU", "examples on the processor"])
def test_a_watched_training_is_the_same_bit_for_bit_and_healthy(name: str, is_on_gpu: bool) -> None:
    optimise = OPTIMISERS["AdamW"]
    plain, _ = trained(name, optimise)
    seen, report = trained(name, optimise, **given(name, is_on_gpu))
    for part, content in plain.items():
        assert seen[part] == content, part
    assert report.names == (), str(report)
    assert {"gradients-not-cleared", "never-moves", "overfitting"} <= set(report.examined), str(report)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_way_to_step_is_watched(name: str) -> None:
    optimise = OPTIMISERS[name]
    plain, _ = trained("mlp", optimise)
    seen, report = trained("mlp", optimise, **given("mlp", True))
    for part, content in plain.items():
        assert seen[part] == content, part
    assert report.names == (), str(report)


def test_branches_leave_everything_as_it_was() -> None:
    """They are made where the loss has stalled, and draw on dropout."""
    optimise = lambda p: torch.optim.AdamW(p, 1e-6)  # noqa: E731
    for name in ("cnn", "lstm, dropout"):
        plain, _ = trained(name, optimise, 210)
        seen, report = trained(name, optimise, 210, **given(name, False))
        for part, content in plain.items():
            assert seen[part] == content, (name, part)
        assert "rate-too-low" in report.names, str(report)


@pytest.mark.parametrize(
    ("of", "optimise", "name"),
    [
        (CLASSES, optimiser(torch.optim.SGD, 1.0, momentum=0.9), "rate-too-high"),
        (NUMBERS, optimiser(torch.optim.Adam, 0.3), "rate-too-high"),
        (NUMBERS, optimiser(torch.optim.Adam, 1e-6), "rate-too-low"),
        (CLASSES, optimiser(torch.optim.SGD, 0.05, weight_decay=1.0), "weight-decay"),
    ],
)
def test_faults_of_the_step_are_named(of: Any, optimise: Any, name: str) -> None:
    assert watched(of, 420, optimise, device="cuda", **pairs(of[1])).names[:1] == (name,)


@pytest.mark.parametrize("of", [CLASSES, NUMBERS])
def test_usual_steps_are_left_in_peace(of: Any) -> None:
    assert watched(of, 420, optimiser(torch.optim.Adam, 1e-3), device="cuda", **pairs(of[1])).names == ()


def test_clipping_that_binds_is_named() -> None:
    report = watched("mlp", 420, sgd(0.1), clip=0.01, device="cuda", train=net.windows(512, seed=901))
    assert "clipping-binds" in report.names, str(report)


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt"])
def test_gradients_that_are_not_cleared_are_named(name: str) -> None:
    make, draw, loss_fn = net.HEALTHY[name]
    torch.manual_seed(1)
    model = make().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    with moreish.Doctor(model, optimizer) as doctor:
        for step in range(60):
            inputs, targets = on_gpu(draw(32, seed=step))
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    assert doctor.report().names[0] == "gradients-not-cleared"


def test_the_step_that_made_nan_is_named() -> None:
    def each_step(step: int, model: Any, *_: Any) -> None:
        model.is_bad = step == 36

    finding = watched((Overflow, net.windows, F.cross_entropy), 60, each_step=each_step, device="cuda").findings[0]
    assert (finding.name, finding.step) == ("not-finite", 38)


def test_a_doctor_lets_go_of_the_memory_that_it_took() -> None:
    def remaining(**given: Any) -> int:
        trained("gpt", OPTIMISERS["AdamW"], 60, **given)
        gc.collect()
        return torch.cuda.memory_allocated()

    remaining(**given("gpt", False))  # loads what is loaded once
    assert remaining(**given("gpt", False)) == remaining()


@pytest.mark.slow
def test_a_compiled_network_is_watched_as_it_runs() -> None:
    results = []
    for is_watched in (False, True):
        torch.compiler.reset()
        torch.manual_seed(1)
        network = net.MLP().cuda()
        model = torch.compile(network)
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        pair = net.windows(256, seed=900)
        doctor = moreish.Doctor(model, optimizer, F.cross_entropy, pair, net.windows(256, seed=901))
        with doctor if is_watched else torch.enable_grad():
            for step in range(60):
                x, y = on_gpu(net.windows(32, seed=step))
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                if is_watched:
                    doctor.step(loss, x, y)
        results.append(state(network, optimizer))
    assert results[0] == results[1]
    assert doctor.report().names == ()


def test_inputs_are_handed_to_step_as_the_loader_gives_them() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1)).cuda()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(n, 4)
        return x, x.sum(1, keepdim=True)

    with moreish.Doctor(model, optimizer, F.mse_loss, draw(512), draw(128)) as doctor:
        for _ in range(120):
            x, y = draw(32)
            optimizer.zero_grad()
            loss = F.mse_loss(model(x.cuda()), y.cuda())
            loss.backward()
            optimizer.step()
            doctor.step(loss, x, y)
    assert doctor.report().names == ()


class Placed(net.GPT):
    """Makes its positions where PyTorch makes tensors by default."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        return self.head(self.norm(h))


def test_tensors_may_be_made_on_the_gpu_by_default() -> None:
    train, validation, *batches = [
        on_gpu(net.sequences(n, seed=seed)) for seed, n in enumerate([512, 128, *[32] * 210])
    ]
    torch.set_default_device("cuda")
    try:
        model = Placed()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        before = moreish.diagnose(model, validation, net.sequence_loss, optimizer)
        with moreish.Doctor(model, optimizer, net.sequence_loss, train, validation) as doctor:
            for inputs, targets in batches:
                optimizer.zero_grad()
                loss = net.sequence_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                doctor.step(loss, inputs, targets)
        report = doctor.report()
    finally:
        torch.set_default_device(None)
    assert not [item for item in before.not_examined if "failed" in item.why]
    assert "overfitting" in report.examined


def test_inputs_on_the_gpu_may_have_targets_on_the_processor() -> None:
    torch.manual_seed(0)
    model = net.MLP().cuda()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = net.windows(512, seed=900)
    with moreish.Doctor(model, optimizer, F.cross_entropy, (x.cuda(), y), (x[:128], y[:128].cuda())) as doctor:
        for step in range(60):
            inputs, targets = on_gpu(net.windows(32, seed=step))
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            doctor.step(loss, inputs, targets)
    assert doctor.report().names == ("split-overlap",)
