"""Each scheme gives weights of the spread, norm or geometry that its source promises."""

import math

import pytest
import torch

from moreish.models.initialisation import draw_bias, draw_weight, recommended_gain


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize(
    ("scheme", "std"),
    [
        ("normal", 2.0),
        ("kaiming", 2 / math.sqrt(400)),
        ("xavier", 2 * math.sqrt(2 / 700)),
        ("unit-columns", 2 / math.sqrt(400)),
    ],
)
def test_spread(scheme, std):
    weight = draw_weight(scheme, 400, 300, 2.0, generator())
    assert weight.shape == (400, 300)
    assert weight.std().item() == pytest.approx(std, rel=0.01)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(8, 5), (5, 8), (6, 6), (1, 3)])
def test_orthogonal_keeps_lengths(fan_in, fan_out):
    weight = draw_weight("orthogonal", fan_in, fan_out, 1.0, generator())
    product = weight @ weight.T if fan_in < fan_out else weight.T @ weight
    assert torch.allclose(product, torch.eye(min(fan_in, fan_out)), atol=1e-5)


def test_unit_columns_have_the_norm_of_the_gain():
    weight = draw_weight("unit-columns", 65, 128, 1.0, generator())
    assert torch.allclose(weight.norm(dim=0), torch.ones(128))
    assert draw_bias("unit-columns", 128, 1.0, generator()).norm().item() == pytest.approx(1.0)


def test_kaiming_keeps_the_spread_of_what_passes_through():
    x = torch.randn((1000, 10), generator=generator())
    grown = x @ draw_weight("normal", 10, 200, 1.0, generator())
    kept = x @ draw_weight("kaiming", 10, 200, 1.0, generator())
    assert (grown.std() / x.std()).item() == pytest.approx(math.sqrt(10), rel=0.1)
    assert (kept.std() / x.std()).item() == pytest.approx(1, rel=0.1)


def test_a_bias_of_scale_zero_is_drawn_all_the_same():
    first, second = generator(), generator()
    assert not draw_bias("normal", 27, 0.0, first).any()
    assert not draw_bias("normal", 27, None, second).any()
    torch.randn(27, generator=second)
    assert torch.equal(torch.randn(3, generator=first), torch.randn(3, generator=second))


def test_gains_follow_the_activation_where_the_scheme_scales():
    assert recommended_gain("kaiming", "tanh") == pytest.approx(torch.nn.init.calculate_gain("tanh"))
    assert recommended_gain("kaiming", "relu") == pytest.approx(torch.nn.init.calculate_gain("relu"))
    assert recommended_gain("normal", "tanh") == 1
