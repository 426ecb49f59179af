"""Right gradients are never accused; what the numbers, the values and the terms tell of wrong ones."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import moreish
from backprop.lecture import SHAPES, Network, lecture
from moreish.backprop.chain import mlp_chain, run_backward, run_forward
from moreish.backprop.comparing import Comparison
from moreish.errors import InputError, ShapeError

# --- Right gradients --------------------------------------------------------------------------------------------------


def hand_made(network: Network, dtype: type, has_own_forward: bool) -> dict[str, Any]:
    """The gradients of the same network by hand, from the same values or from those of a forward pass of their own."""
    chain = mlp_chain()
    values = {name: network.space[name].numpy() for name in network.values}
    values = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in values.items()}
    if has_own_forward:
        leaves = {name: values[name] for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")}
        values = run_forward(chain, leaves, values["Xb"], values["Yb"])
    return run_backward(chain, values)


@given(
    st.tuples(st.integers(2, 40), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 9)),
    st.integers(0, 2**31),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)
@settings(max_examples=100)
def test_a_right_gradient_is_never_accused(
    shape: tuple[int, ...], seed: int, theirs: torch.dtype, ours: type, knows_values: bool
) -> None:
    assume(knows_values or shape[0] >= 6)  # of two examples batch norm leaves a sign; the gradient is what cancels
    network = lecture(shape, seed, theirs)
    zero_but_for_rounding = {"logit_maxes", "b1"}  # how much has cancelled there, only the network can tell
    for name, mine in hand_made(network, ours, has_own_forward=knows_values).items():
        if name != "loss" and (knows_values or name not in zero_but_for_rounding):
            comparison = moreish.compare_gradients(
                f"d{name}",
                mine,
                network.values[name],
                values=network.values if knows_values else None,
                file=io.StringIO(),
            )
            assert comparison.is_approximate, comparison
            assert comparison.mistake is None


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 30.0])
def test_a_right_gradient_is_not_accused_where_rounding_is_large_or_gradients_are_tiny(scale: float) -> None:
    draw = np.random.default_rng(0)
    leaves = {
        "C": draw.normal(size=(27, 10)) * scale,
        "W1": draw.normal(size=(30, 64)) * scale,
        "b1": draw.normal(size=64),
        "W2": draw.normal(size=(64, 27)) * scale,
        "b2": draw.normal(size=27),
        "bngain": draw.normal(size=(1, 64)) * scale,
        "bnbias": np.zeros((1, 64)),
    }
    ids = draw.integers(0, 27, (32, 3)), draw.integers(0, 27, 32)
    single = {name: array.astype(np.float32) for name, array in leaves.items()}
    double = {name: array.astype(np.float64) for name, array in single.items()}
    chain = mlp_chain()
    with np.errstate(all="ignore"):
        values = run_forward(chain, single, *ids)
        mine_by_name = run_backward(chain, values)
        right = run_backward(chain, run_forward(chain, double, *ids))
    for name, mine in mine_by_name.items():
        if np.isfinite(mine).all() and np.isfinite(right[name]).all():  # log 0 where logits are in the hundreds
            comparison = moreish.compare_gradients(name, mine, right[name], values=values, file=io.StringIO())
            assert comparison.is_approximate, comparison


@pytest.mark.parametrize("reference", [np.float64(1.0), np.zeros((3, 2)), np.zeros((0, 2)), np.array([[1e-300]])])
def test_a_gradient_that_is_the_same_is_exact(reference: Any) -> None:
    comparison = moreish.compare_gradients("dx", reference, reference, file=io.StringIO())
    assert comparison == Comparison("dx", True, True, 0.0, None, 0.0, None)


def test_exact_and_approximate_are_those_of_the_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    network = lecture(SHAPES[0], 0, torch.float32)
    logits, targets = network.values["logits"], network.values["Yb"]
    n = len(targets)
    dlogits = torch.softmax(logits, 1)
    dlogits[range(n), targets] -= 1
    dlogits /= n
    comparison = moreish.compare_gradients("dlogits", dlogits, logits)
    assert comparison.is_exact == bool((dlogits == logits.grad).all())
    assert comparison.is_approximate == torch.allclose(dlogits, logits.grad)
    assert comparison.largest_difference == pytest.approx((dlogits - logits.grad).abs().max().item(), rel=1e-6)
    printed = capsys.readouterr().out
    assert printed.startswith("dlogits         | exact: False | approximate: True  | maxdiff: ")
    assert printed.count("\n") == 1


# --- What is known without the network, and with others than the lecture's --------------------------------------------


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (lambda g: -g, "sign flipped"),
        (lambda g: g * 6, "constant factor"),
        (lambda g: g.T, "transposed"),
        (lambda g: g * 0, "all zeros"),
        (lambda g: g[::-1], "rows shuffled"),
        (lambda g: g + 1, "constant added"),
        (lambda g: g.astype(np.float16).astype(np.float64), "few digits"),
        (lambda g: np.tile(g / 3, (3, 1, 1)), "not summed"),
        (lambda g: g.sum(0), "summed too far"),
        (lambda g: g.reshape(-1), "not reshaped"),
        (lambda g: g[:, :2], "wrong shape"),
        (lambda g: g[:, :, None], "dimension lost"),
        (lambda g: np.where(np.arange(4) < 2, g, 5), "partly right"),
        (lambda g: g * np.arange(2, 6), "factor left over"),
        (lambda g: np.random.default_rng(1).normal(size=g.shape), "unknown"),
    ],
)
def test_the_numbers_alone_tell_much(change: Callable[[Any], Any], mistake: str) -> None:
    right = np.random.default_rng(0).normal(size=(6, 4))
    found = moreish.compare_gradients("dx", change(right), right, file=io.StringIO()).mistake
    assert found is not None
    assert found.name == mistake, found


def test_where_nothing_fits_it_says_how_far_away_the_gradient_is() -> None:
    draw = np.random.default_rng(0)
    right = draw.normal(size=(20, 20))
    comparison = moreish.compare_gradients("dx", right + draw.normal(size=(20, 20)), right, file=io.StringIO())
    assert comparison.mistake is not None
    assert comparison.mistake.name == "unknown"
    assert comparison.mistake.evidence["correlation"] == pytest.approx(0.7, abs=0.1)
    assert comparison.where == tuple(np.unravel_index(0, right.shape)) or comparison.where is not None


def test_terms_that_are_handed_in_are_looked_at_one_by_one() -> None:
    draw = np.random.default_rng(0)
    terms = {name: draw.normal(size=(6, 4)) for name in ("direct", "through the mean", "through the variance")}
    right = sum(terms.values())
    for name, term in terms.items():
        for mine, mistake in (
            (right - term, "term missing"),
            (right - 2 * term, "term with the wrong sign"),
            (right + term, "term with the wrong factor"),
        ):
            found = moreish.compare_gradients("dx", mine, right, terms=terms, file=io.StringIO()).mistake
            assert found is not None
            assert (found.name, found.evidence["term"]) == (mistake, name)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "gelu_tanh"])
@pytest.mark.parametrize(("norm", "bn"), [("batch", "bn"), ("layer", "ln")])
@pytest.mark.parametrize(("joining", "num_hidden"), [("flat", 2), ("pairs", 2)])
def test_the_network_is_recognised_by_its_values(
    activation: str, norm: Any, bn: str, joining: Any, num_hidden: int
) -> None:
    draw = np.random.default_rng(0)
    V, T, E, H, B = 5, 4, 3, 6, 8
    fan_in = (2 * E, 2 * H) if joining == "pairs" else (T * E, H)
    leaves = {"C": draw.normal(size=(V, E)), "W3": draw.normal(size=(H, V)), "b3": draw.normal(size=V)}
    for layer, s in enumerate(("", "_2"), start=1):
        leaves |= {f"W{layer}": draw.normal(size=(fan_in[layer - 1], H)), f"b{layer}": draw.normal(size=H)}
        leaves |= {f"{bn}gain{s}": 1 + draw.normal(size=(1, H)) / 10, f"{bn}bias{s}": draw.normal(size=(1, H)) / 10}
    chain = mlp_chain(num_hidden, norm, activation, joining)
    values = run_forward(chain, leaves, draw.integers(0, V, (B, T)), draw.integers(0, V, B))
    gradients = run_backward(chain, values)
    assert named("dhpreact_2", gradients["h_2"], gradients["hpreact_2"], values) == "derivative missing"
    without_mean = gradients[f"{bn}diff_2"]
    assert named("dhprebn_2", without_mean, gradients["hprebn_2"], values) == "term missing"
    squares_alone = 2 * values[f"{bn}diff_2"] * gradients[f"{bn}diff2_2"]
    assert named(f"d{bn}diff_2", squares_alone, gradients[f"{bn}diff_2"], values) == "overwritten"


def named(name: str, mine: Any, reference: Any, values: Any) -> str | None:
    mistake = moreish.compare_gradients(name, mine, reference, values=values, file=io.StringIO()).mistake
    return mistake and mistake.name


def test_values_of_another_network_are_not_believed() -> None:
    network, other = lecture(SHAPES[1], 0, torch.float64), lecture(SHAPES[1], 1, torch.float64)
    mistake = moreish.compare_gradients(
        "dhprebn", network.gradients["bndiff"], network.gradients["hprebn"], values=other.space, file=io.StringIO()
    ).mistake
    assert mistake is not None
    assert mistake.name != "term missing"


def test_the_notebook_s_names_are_understood() -> None:
    network = lecture(SHAPES[1], 0, torch.float32)
    values = {name: value for name, value in network.values.items() if name not in ("hprebn", "hpreact")}
    values["h_pre_bn"], values["h_pre_act"] = network.values["hprebn"], network.values["hpreact"]
    assert named("dh_pre_bn", network.gradients["bndiff"], values["h_pre_bn"], values) == "term missing"


# --- What is handed in ------------------------------------------------------------------------------------------------


def test_tensors_arrays_lists_and_numbers_are_compared() -> None:
    for mine in (torch.tensor([1.0, 2.0]), np.array([1, 2]), [1.0, 2.0], torch.tensor([1.0, 2.0]).bfloat16()):
        assert moreish.compare_gradients("dx", mine, np.array([1.0, 2.0]), file=io.StringIO()).is_exact
    assert moreish.compare_gradients("dx", 2.0, torch.tensor(2.0), file=io.StringIO()).is_exact


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(InputError, match="dx is a str, not an array of numbers"):
        moreish.compare_gradients("dx", "W", np.ones(2))
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(InputError, match=r"reference of dx is a tensor without \.grad.*retain_grad"):
        moreish.compare_gradients("dx", x, x)
    y = x * 2  # PyTorch warns where one asks for the .grad of a result that does not keep it
    y.sum().backward()
    with pytest.raises(InputError, match=r"without \.grad"):
        moreish.compare_gradients("dy", y, y)
    with pytest.raises(ShapeError, match=r"Term mean has shape \(3,\); expected \(2,\)"):
        moreish.compare_gradients("dx", np.ones(2), np.zeros(2), terms={"mean": np.ones(3)})


def test_a_failure_is_printed_with_its_evidence_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    right = np.random.default_rng(0).normal(size=(4, 3))
    moreish.compare_gradients("dW2", 4 * right, right)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("dW2             | exact: False | approximate: False | maxdiff: ")
    assert second.startswith(
        "    constant factor: Off by a constant factor: mine = 4 · reference, everywhere; that is "
    )
    assert third.startswith("    hint: ")
