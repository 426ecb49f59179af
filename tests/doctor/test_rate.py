"""Rates, decay and what they leave of a network, on numbers in classes and on numbers to be predicted."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from doctor.loops import sgd, watched
from moreish.doctor import Evidence, judge
from moreish.doctor.evidence import Branch, History, Look, Rates, Update
from moreish.doctor.significance import clearly_above, mean_above

CENTRES = torch.randn(6, 12, generator=torch.Generator().manual_seed(7))


def clusters(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Twelve numbers around one of six centres that overlap, and which."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(6, (n,), generator=generator)
    return CENTRES[labels] + 1.2 * torch.randn(n, 12, generator=generator), labels


def curve(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Six numbers and a smooth function of three of them, with noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator)
    y = x[:, :1].sin() + 0.5 * x[:, 1:2] * x[:, 2:3] + 0.2 * torch.randn(n, 1, generator=generator)
    return x, y


def network(inputs: int, outputs: int) -> Any:
    return lambda: nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs))


CLASSES: tuple[Any, ...] = (network(12, 6), clusters, F.cross_entropy)
NUMBERS: tuple[Any, ...] = (network(6, 1), curve, F.mse_loss)


def pairs(draw: Any) -> dict[str, Any]:
    return {"train": draw(2048, 901), "validation": draw(512, 902)}


def optimiser(kind: Any, rate: float, **settings: Any) -> Any:
    return lambda parameters: kind(parameters, rate, **settings)


@pytest.mark.parametrize(
    ("of", "optimise"),
    [
        (CLASSES, optimiser(torch.optim.Adam, 0.1)),
        (CLASSES, optimiser(torch.optim.SGD, 1.0, momentum=0.9)),
        (NUMBERS, optimiser(torch.optim.Adam, 0.3)),
    ],
)
def test_a_rate_that_is_far_too_high_stands_above_the_units_it_killed(of: Any, optimise: Any) -> None:
    report = watched(of, 420, optimise, **pairs(of[1]))
    assert report.names[:1] == ("rate-too-high",), str(report)


@pytest.mark.parametrize(("of", "rate"), [(CLASSES, 1e-6), (NUMBERS, 1e-6), (NUMBERS, 1e-5)])
def test_a_rate_that_is_far_too_low_is_named_though_the_loss_falls(of: Any, rate: float) -> None:
    assert watched(of, 420, optimiser(torch.optim.Adam, rate), **pairs(of[1])).names[:1] == ("rate-too-low",)


@pytest.mark.parametrize("of", [CLASSES, NUMBERS])
@pytest.mark.parametrize(
    "optimise",
    [
        optimiser(torch.optim.Adam, 1e-3),
        optimiser(torch.optim.AdamW, 3e-3, weight_decay=0.1),
        optimiser(torch.optim.SGD, 0.02, momentum=0.9),
    ],
)
def test_usual_rates_and_decays_are_left_in_peace(of: Any, optimise: Any) -> None:
    assert watched(of, 420, optimise, **pairs(of[1])).names == ()


@pytest.mark.parametrize(("of", "rate"), [(CLASSES, 1e-4), (NUMBERS, 3e-4)])
def test_a_rate_is_too_low_for_so_few_steps(of: Any, rate: float) -> None:
    report = watched(of, 420, optimiser(torch.optim.Adam, rate), **pairs(of[1]))
    assert report.names == ("rate-too-low",), str(report)
    assert "or train many times as long" in report.findings[0].remedy


def test_a_low_rate_that_is_given_the_time_is_left_in_peace() -> None:
    steady = optimiser(torch.optim.Adam, 3e-4, weight_decay=1e-4)
    assert watched(CLASSES, 420, steady, **pairs(CLASSES[1])).names == ()
    assert watched(NUMBERS, 1300, steady, **pairs(NUMBERS[1])).names == ()


def test_a_rate_that_a_loop_still_raises_is_left_in_peace() -> None:
    """Without a scheduler nobody knows how far it will rise."""

    def each_step(step: int, _model: Any, optimizer: torch.optim.Optimizer, _scheduler: Any) -> None:
        optimizer.param_groups[0]["lr"] = 3e-4 * step / 250

    slow = optimiser(torch.optim.Adam, 1e-6)
    assert watched(NUMBERS, 250, slow, each_step=each_step, **pairs(NUMBERS[1])).names == ()


@pytest.mark.parametrize(
    "optimise",
    [optimiser(torch.optim.Adam, 1e-3, weight_decay=0.1), optimiser(torch.optim.SGD, 0.05, weight_decay=1.0)],
)
def test_decay_that_outweighs_the_gradient_is_named(optimise: Any) -> None:
    assert watched(CLASSES, 420, optimise, **pairs(clusters)).names[:1] == ("weight-decay",)


def test_a_sign_test_helps_where_a_few_huge_values_hide_what_most_show() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate((rng.normal(1, 1, 200), [300.0, -60.0]))
    n, above = len(values), int((values > 0).sum())
    sign = sum(math.comb(n, k) for k in range(above, n + 1)) / 2**n
    assert clearly_above(values.tolist(), 0.0) == pytest.approx(2 * sign, rel=1e-6)
    assert sign < 1e-12 < 1e-2 < mean_above(values.tolist(), 0.0)


def test_a_sign_test_does_not_speak_against_the_mean() -> None:
    assert clearly_above([1.0] * 90 + [-100.0] * 10, 0.0) == 1.0


def test_the_two_tests_together_keep_their_level() -> None:
    """With values that are symmetric around the bound, at most a share α of the p-values is below α."""
    rng = np.random.default_rng(1)
    values = [clearly_above(rng.standard_t(2, 64).tolist(), 0.0) for _ in range(2000)]
    assert np.mean(np.array(values) < 0.01) < 0.015


def test_a_rate_that_leaps_up_and_comes_back_is_named_as_what_it_is() -> None:
    def each_step(step: int, _model: Any, optimizer: torch.optim.Optimizer, _scheduler: Any) -> None:
        optimizer.param_groups[0]["lr"] = 10.0 if step % 100 == 98 else 0.1

    report = watched("mlp", 240, sgd(0.1), each_step=each_step, train=net.windows(4096, seed=901))
    finding = report.findings[0]
    assert finding.name == "spikes", str(report)
    assert "At steps 100, 200 the learning rate leaps to 100 times that of the step before" in finding.cause


def test_a_schedule_that_falls_in_stages_or_starts_again_leaps_nowhere() -> None:
    def each_step(step: int, _model: Any, optimizer: torch.optim.Optimizer, _scheduler: Any) -> None:
        optimizer.param_groups[0]["lr"] = 0.1 * (0.1 if step > 200 else 1.0) * (1 - step % 100 / 100)

    report = watched("mlp", 240, sgd(0.1), each_step=each_step, train=net.windows(4096, seed=901))
    assert not {"spikes", "rate-too-high"} & set(report.names), str(report)


def residual() -> nn.Module:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.up, self.down = nn.LayerNorm(48), nn.Linear(48, 96), nn.Linear(96, 48)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.down(self.up(self.norm(x)).relu())

    return nn.Sequential(nn.Linear(8, 48), Block(), Block(), Block(), nn.LayerNorm(48), nn.Linear(48, 2))


@pytest.mark.parametrize(("rate", "names"), [(0.06, ("rate-too-high",)), (0.002, ())])
def test_first_steps_that_replace_the_parameters_and_raise_the_loss_are_named(
    rate: float, names: tuple[str, ...]
) -> None:
    network = (residual, waves_of_two, F.mse_loss)
    report = watched(network, 60, lambda p: torch.optim.AdamW(p, rate), train=waves_of_two(2048, 901))
    assert report.names == names, str(report)


def waves_of_two(n: int, seed: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
    return x, torch.stack((torch.sin(x[:, :4].sum(1)), torch.cos(x[:, 4:].sum(1))), 1)


@pytest.mark.parametrize(("factor", "is_named"), [(10.0, True), (1.0, False)])
def test_a_tenth_of_the_rate_that_keeps_winning_names_the_rate(factor: float, is_named: bool) -> None:
    """Each gain by itself is what annealing may give."""
    report = watched("mlp", 420, sgd(0.2 * factor), train=net.windows(4096, seed=901))
    assert (report.names == ("rate-too-high",)) == is_named, str(report)


def test_what_the_first_step_saturates_did_not_start_saturated() -> None:
    report = watched("mlp", 60, lambda p: torch.optim.AdamW(p, 3.0), train=net.windows(4096, seed=901))
    assert "saturated-tanh" not in report.names, str(report)
    assert "before steps changed much" in {item.name: item.why for item in report.not_examined}["saturated-tanh"]

    for finding in report.findings:  # the evidence is that of the test that rejected
        measured = finding.evidence
        assert measured.null <= (measured.threshold or 0.0) < measured.value, str(report)


@pytest.mark.parametrize("rate", [0.003, 0.03, 0.1, 100.0])
def test_squared_errors_come_apart_alike_before_and_after_steps_at_any_rate(rate: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    x = torch.randn(256, 10)
    y = x[:, :1] * 2 + x[:, 1:2] * x[:, 2:3]
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    report = moreish.diagnose(model, (x, y), F.mse_loss, optimizer)
    assert "rate-too-high" in report.examined, str(report)
    assert report.names == (("rate-too-high",) if rate > 1 else ()), str(report)


@pytest.mark.parametrize(
    ("gains", "is_named"),
    [((0.008, 0.008), False), ((0.008, 0.02), True), ((0.055, 0.055), True), ((0.003, 0.005), False)],
)
def test_decay_that_costs_a_percent_is_named_only_where_that_grows(gains: tuple[float, ...], is_named: bool) -> None:
    noise = 0.01 * torch.randn(512, generator=torch.Generator().manual_seed(0)).double()
    pulled = (Update("weight", 0.001, True, 1.0, decay=3.0),)

    def look(step: int, gain: float) -> Look:
        before, after = (0.6 + noise).tolist(), (0.6 + noise.flip(0)).tolist()
        free = [loss - gain + d for loss, d in zip(after, (0.2 * noise).tolist(), strict=True)]
        branches = [Branch(1.0, tuple(before), tuple(losses), True, decay)
                    for losses, decay in ((after, 1.0), (free, 0.0))]  # fmt: skip
        return Look(step, updates=pulled, rates=Rates(0.01, 16, tuple(branches)))

    evidence = Evidence(tuple(look(100 * 2**n, gain) for n, gain in enumerate(gains)), None, None, {})
    assert ("weight-decay" in judge(evidence).names) == is_named


@pytest.mark.parametrize(("lower", "is_named"), [(0.05, True), (0.2, False)])
def test_decay_is_not_to_blame_where_a_tenth_of_the_rate_gains_as_much(lower: float, is_named: bool) -> None:
    noise = 0.01 * torch.randn(512, generator=torch.Generator().manual_seed(0)).double()
    gains = {(1.0, 1.0): 0.0, (0.1, 1.0): lower, (1.0, 0.0): 0.1}
    branches = [
        Branch(factor, (1.0,) * 512, tuple((1.0 - gain + gain * noise).tolist()), True, decay)
        for (factor, decay), gain in gains.items()
    ]
    pulled = (Update("weight", 0.06, True, 1.0, decay=3.0),)
    evidence = Evidence((Look(100, updates=pulled, rates=Rates(0.01, 16, tuple(branches))),), None, None, {})
    assert ("weight-decay" in judge(evidence).names) == is_named


@pytest.mark.parametrize(("moved", "after", "is_named"), [(0.5, 3.0, True), (0.5, 2.1, False), (0.2, 3.0, False)])
def test_first_steps_have_to_do_both_by_a_clear_margin(moved: float, after: float, is_named: bool) -> None:
    spread = torch.linspace(0.9, 1.1, 256).double()
    look = Look(
        2, updates=(Update("weight", moved, True, 1.0, size=1.0),), train_losses=tuple((after * spread).tolist())
    )
    history = History((2.0, after), before=tuple((2.0 * spread).tolist()))
    assert ("rate-too-high" in judge(Evidence((look,), history=history)).names) == is_named
