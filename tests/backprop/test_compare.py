"""Mistakes planted over the lecture's whole chain are named; right gradients never are.

The network is the lecture's, line by line in PyTorch; mistakes are lines of its backward pass as people write them.
"""

import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import moreish
from moreish.backprop.chain import mlp_chain, run_backward, run_forward
from moreish.backprop.comparing import Comparison
from moreish.errors import InputError, ShapeError

SHAPES = [  # B, V, T, E, H
    (32, 27, 3, 10, 64),
    (9, 5, 2, 3, 4),
    (16, 16, 4, 4, 16),  # every matrix is square
]
NAMES = (
    *("logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits", "logit_maxes", "logits", "h"),
    *("hpreact", "bnraw", "bnvar_inv", "bnvar", "bndiff2", "bndiff", "bnmeani", "hprebn", "embcat", "emb"),
    *("C", "W1", "b1", "W2", "b2", "bngain", "bnbias"),
)


class Network(NamedTuple):
    """Tensors by name, their gradients by autograd, and both as a namespace for lines of code."""

    values: dict[str, Any]
    gradients: dict[str, torch.Tensor]
    space: dict[str, Any]


def lecture(shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> Network:
    B, V, T, E, H = shape
    g = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=g, dtype=torch.float64).to(dtype)

    v: dict[str, Any] = {
        "C": normal(V, E),
        "W1": normal(T * E, H) * (5 / 3) / (T * E) ** 0.5,
        "b1": normal(H) * 0.1,
        "W2": normal(H, V) * 0.3,
        "b2": normal(V) * 0.1,
        "bngain": normal(1, H) * 0.1 + 1,
        "bnbias": normal(1, H) * 0.1,
        "Xb": torch.randint(0, V, (B, T), generator=g),
        "Yb": torch.randint(0, V, (B,), generator=g),
    }
    for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias"):
        v[name].requires_grad_()
    v["emb"] = v["C"][v["Xb"]]
    v["embcat"] = v["emb"].view(B, -1)
    v["hprebn"] = v["embcat"] @ v["W1"] + v["b1"]
    v["bnmeani"] = 1 / B * v["hprebn"].sum(0, keepdim=True)
    v["bndiff"] = v["hprebn"] - v["bnmeani"]
    v["bndiff2"] = v["bndiff"] ** 2
    v["bnvar"] = 1 / (B - 1) * v["bndiff2"].sum(0, keepdim=True)
    v["bnvar_inv"] = (v["bnvar"] + 1e-5) ** -0.5
    v["bnraw"] = v["bndiff"] * v["bnvar_inv"]
    v["hpreact"] = v["bngain"] * v["bnraw"] + v["bnbias"]
    v["h"] = torch.tanh(v["hpreact"])
    v["logits"] = v["h"] @ v["W2"] + v["b2"]
    v["logit_maxes"] = v["logits"].max(1, keepdim=True).values
    v["norm_logits"] = v["logits"] - v["logit_maxes"]
    v["counts"] = v["norm_logits"].exp()
    v["counts_sum"] = v["counts"].sum(1, keepdim=True)
    v["counts_sum_inv"] = v["counts_sum"] ** -1
    v["probs"] = v["counts"] * v["counts_sum_inv"]
    v["logprobs"] = v["probs"].log()
    v["loss"] = -v["logprobs"][range(B), v["Yb"]].mean()
    for name in NAMES:
        v[name].retain_grad()
    v["loss"].backward()
    gradients = {name: v[name].grad for name in NAMES}
    plain = {name: tensor.detach() for name, tensor in v.items()}
    space = plain | {f"d{name}": gradient for name, gradient in gradients.items()}
    space |= {"torch": torch, "n": B, "onehot": torch.eye(V, dtype=dtype)[plain["Yb"]]}
    space["dy"], space["xhat"], space["rstd"] = space["dhpreact"], plain["bnraw"], plain["bnvar_inv"]
    return Network(v, gradients, space)


# --- The catalogue ----------------------------------------------------------------------------------------------------
# {what was done: {gradient: lines of code, separated by |}}

LINES: dict[str, dict[str, str]] = {
    "not summed": {
        "logit_maxes": "-dnorm_logits",
        "counts_sum_inv": "counts * dprobs",
        "bnmeani": "-dbndiff",
        "bnvar_inv": "bndiff * dbnraw",
        "bngain": "bnraw * dhpreact",
        "bnbias": "dhpreact",
        "b1": "dhprebn",
        "b2": "dlogits",
        "W1": "torch.einsum('bi,bo->bio', embcat, dhprebn)",
        "W2": "torch.einsum('bi,bo->bio', h, dlogits)",
    },
    "summed over the wrong axis": {
        "logit_maxes": "-dnorm_logits.sum(0, keepdim=True)",
        "counts_sum_inv": "(counts * dprobs).sum(0, keepdim=True)",
        "bnmeani": "-dbndiff.sum(1, keepdim=True)",
        "bnvar_inv": "(bndiff * dbnraw).sum(1, keepdim=True) | (bndiff * dbnraw).sum(1)",
        "bngain": "(bnraw * dhpreact).sum(1, keepdim=True) | (bnraw * dhpreact).sum(1)",
        "bnbias": "dhpreact.sum(1, keepdim=True)",
        "b1": "dhprebn.sum(1) | dhprebn.sum(1, keepdim=True)",
        "b2": "dlogits.sum(1) | dlogits.sum(1, keepdim=True)",
    },
    "overwritten": {
        "logits": "torch.eye(logits.shape[1], dtype=logits.dtype)[logits.max(1).indices] * dlogit_maxes",
        "counts": "torch.ones_like(counts) * dcounts_sum",
        "bndiff": "2 * bndiff * dbndiff2",
        "hprebn": "1 / n * torch.ones_like(hprebn) * dbnmeani",
        "C": "torch.zeros_like(C).index_put((Xb,), demb) | torch.zeros_like(C).index_put((Xb.flip(0),), demb.flip(0))",
    },
    "term missing": {
        "counts": "counts_sum_inv * dprobs",
        "bndiff": "bnvar_inv * dbnraw",
        "hprebn": "dbndiff.clone() | bngain*rstd/n * (n*dy - n/(n-1)*xhat*(dy*xhat).sum(0)) "
        "| bngain*rstd/n * (n*dy - dy.sum(0)) | bngain*rstd/n * (-dy.sum(0) - n/(n-1)*xhat*(dy*xhat).sum(0))",
        "logits": "probs / n | -onehot / n",
    },
    "term with the wrong sign": {
        "counts": "counts_sum_inv * dprobs - dcounts_sum | -counts_sum_inv * dprobs + dcounts_sum",
        "bndiff": "bnvar_inv * dbnraw - 2 * bndiff * dbndiff2",
        "hprebn": "dbndiff - dbnmeani / n | bngain*rstd/n * (n*dy + dy.sum(0) - n/(n-1)*xhat*(dy*xhat).sum(0)) "
        "| bngain*rstd/n * (n*dy - dy.sum(0) + n/(n-1)*xhat*(dy*xhat).sum(0))",
        "logits": "(probs + onehot) / n",
    },
    "term with the wrong factor": {
        "counts": "counts_sum_inv * dprobs + dcounts_sum / n | counts_sum_inv * dprobs + 2 * dcounts_sum",
        "bndiff": "bnvar_inv * dbnraw + bndiff * dbndiff2",
        "hprebn": "dbndiff + dbnmeani | bngain*rstd/n * (n*dy - dy.sum(0) - xhat*(dy*xhat).sum(0)) "
        "| bngain*rstd/n * (dy - dy.sum(0) - n/(n-1)*xhat*(dy*xhat).sum(0))",
        "logits": "probs / n - onehot | probs - onehot / n",
        "C": "dC / Xb.flatten().bincount(minlength=len(C)).clamp(min=1)[:, None]",
    },
    "upstream gradient missing": {
        "probs": "1 / probs",
        "counts_sum_inv": "counts.sum(1, keepdim=True)",
        "counts_sum": "-counts_sum**-2",
        "counts": "counts_sum_inv * torch.ones_like(counts) + dcounts_sum",
        "norm_logits": "counts",
        "h": "torch.ones_like(logits) @ W2.T",
        "W2": "h.T @ torch.ones_like(logits)",
        "b2": "torch.ones_like(logits).sum(0)",
        "hpreact": "1 - h**2",
        "bnraw": "bngain * torch.ones_like(bnraw)",
        "bngain": "bnraw.sum(0, keepdim=True)",
        "bnbias": "torch.ones_like(hpreact).sum(0, keepdim=True)",
        "bnvar_inv": "bndiff.sum(0, keepdim=True)",
        "bnvar": "-0.5 * (bnvar + 1e-5)**-1.5",
        "bndiff2": "1 / (n - 1) * torch.ones_like(bndiff2)",
        "bndiff": "bnvar_inv + 2 * bndiff * dbndiff2 | bnvar_inv * dbnraw + 2 * bndiff",
        "embcat": "torch.ones_like(hprebn) @ W1.T",
        "W1": "embcat.T @ torch.ones_like(hprebn)",
    },
    "derivative missing": {
        "probs": "dlogprobs",
        "counts_sum": "dcounts_sum_inv",
        "counts": "dprobs + dcounts_sum",
        "norm_logits": "dcounts",
        "hpreact": "dh",
        "bnraw": "dhpreact",
        "bnvar": "dbnvar_inv",
        "bndiff": "dbnraw + 2 * bndiff * dbndiff2 | bnvar_inv * dbnraw + dbndiff2",
    },
    "wrong derivative": {
        "hpreact": "(1 - h) * dh | (1 - hpreact**2) * dh | (1 + h**2) * dh | h * (1 - h) * dh "
        "| (1 - torch.tanh(h)**2) * dh | (1 - h)**2 * dh | h**2 * dh",
        "logits": "(probs - 1) / n",
        "logprobs": "torch.full_like(logprobs, -1 / n)",
    },
    "wrong array": {
        "probs": "dlogprobs / logprobs | dlogprobs / counts",
        "counts_sum_inv": "(probs * dprobs).sum(1, keepdim=True)",
        "counts_sum": "-counts_sum_inv**-2 * dcounts_sum_inv",
        "counts": "counts_sum * dprobs + dcounts_sum",
        "norm_logits": "norm_logits * dcounts | probs * dcounts",
        "W2": "hpreact.T @ dlogits | bnraw.T @ dlogits",
        "bnraw": "bnbias * dhpreact",
        "bngain": "(bndiff * dhpreact).sum(0, keepdim=True) | (h * dhpreact).sum(0, keepdim=True)",
        "bnvar_inv": "(bnraw * dbnraw).sum(0, keepdim=True) | (hprebn * dbnraw).sum(0, keepdim=True)",
        "bndiff": "bnvar * dbnraw + 2 * bndiff * dbndiff2 | bnvar_inv * dbnraw + 2 * bndiff2 * dbndiff2",
    },
    "value instead of gradient": {
        "h": "logits @ W2.T | probs @ W2.T",
        "W2": "h.T @ logits | h.T @ probs",
        "b2": "logits.sum(0) | probs.sum(0)",
        "hpreact": "(1 - h**2) * h",
        "bngain": "(bnraw * hpreact).sum(0, keepdim=True)",
        "bnbias": "hpreact.sum(0, keepdim=True)",
        "bnraw": "bngain * hpreact",
        "norm_logits": "counts * counts",
        "embcat": "hprebn @ W1.T",
        "W1": "embcat.T @ hprebn",
        "b1": "hprebn.sum(0)",
        "probs": "logprobs / probs",
    },
    "factor left over": {
        "probs": "dlogprobs * probs | dlogprobs / probs**2",
        "counts_sum": "-counts_sum**-1 * dcounts_sum_inv | -counts_sum**-3 * dcounts_sum_inv",
        "bnvar": "-0.5 * (bnvar + 1e-5)**-0.5 * dbnvar_inv | -0.5 * (bnvar + 1e-5)**-1 * dbnvar_inv",
        "bnraw": "bngain**2 * dhpreact",
        "hpreact": "(1 - h**2) * dh * h",
        "hprebn": "dhprebn / bngain | dhprebn / bnvar_inv | dhprebn * bngain",
    },
    "not reshaped": {"emb": "dembcat", "embcat": "demb"},
    "few digits": {
        name: f"d{name} * (1 + 3e-4 * torch.sign(d{name}) * d{name} / d{name}.abs().max())" for name in NAMES
    },
}

FACTORS: dict[str, Callable[[int], float]] = {
    "n": lambda n: n,
    "1/n": lambda n: 1 / n,
    "(n − 1)": lambda n: n - 1,
    "1/(n − 1)": lambda n: 1 / (n - 1),
    "n/(n − 1)": lambda n: n / (n - 1),
    "(n − 1)/n": lambda n: (n - 1) / n,
    "2": lambda n: 2,
    "1/2": lambda n: 1 / 2,
    "−n": lambda n: -n,
}

EQUIVALENT = {  # the same array, seen from two sides
    "derivative missing": {"another gradient"},
    "another gradient": {"derivative missing"},
}


class Plant(NamedTuple):
    """A mistake in one place: its name, the gradient's name, the wrong gradient, and what its evidence has to say."""

    mistake: str
    name: str
    mine: torch.Tensor | None
    is_evident: Callable[[dict[str, Any]], bool] = lambda evidence: True


def planted(network: Network, seed: int) -> Iterator[Plant]:
    for mistake, places in LINES.items():
        for name, lines in places.items():
            for line in lines.split("|"):
                yield Plant(mistake, name, eval(line.strip(), dict(network.space)))
    n = network.space["n"]
    draw = np.random.default_rng(seed)
    for name, gradient in network.gradients.items():
        yield Plant("sign flipped", name, -gradient)
        yield Plant("not computed", name, None)
        yield Plant("all zeros", name, torch.zeros_like(gradient))
        yield Plant("constant added", name, gradient + 0.1 * gradient.abs().max())
        for factor, value in FACTORS.items():
            yield Plant(f"constant factor {factor}", name, gradient * value(n), lambda e, f=factor: f in e["is"])
        yield Plant("constant factor, no usual one", name, gradient * 0.7321)
        where = tuple(int(draw.integers(size)) for size in gradient.shape)
        broken = gradient.clone()
        broken[where] = (torch.nan, torch.inf)[seed % 2]
        yield Plant("not finite", name, broken, lambda e, w=where: e["first"] == w)
        if 1 in gradient.shape:
            yield Plant("dimension lost", name, gradient.squeeze())
        elif gradient.ndim == 2:
            yield Plant("transposed", name, gradient.T)
            yield Plant("summed too far", name, gradient.sum(0, keepdim=True))
            yield Plant("summed too far", name, gradient.sum(1))
        if len(gradient) > 2:
            yield Plant("rows shuffled", name, gradient[torch.from_numpy(draw.permutation(len(gradient)))])
            half = gradient.clone()
            half[len(half) // 2 :] = 0
            yield Plant("partly right", name, half)
        for other in NAMES:
            if other != name and network.gradients[other].shape == gradient.shape:
                yield Plant("another gradient", name, network.gradients[other])
        yield Plant("value instead of gradient", name, network.space[name])


def has_an_effect(plant: Plant, right: torch.Tensor) -> bool:
    """A mistake occurs where it changes more than rounding does."""
    if plant.mine is None or plant.mine.shape != right.shape or not plant.mine.isfinite().all():
        return True
    difference = (plant.mine - right).abs().max()
    threshold = 1e-4 if plant.mistake == "few digits" else 1e-3
    return bool(difference > max(threshold * right.abs().max(), 1e-6))


def is_named(plant: Plant, comparison: Comparison) -> bool:
    found = comparison.mistake
    kind = plant.mistake
    if kind.startswith("constant factor"):
        kind = "constant factor"
    return (
        found is not None
        and found.name in {kind} | EQUIVALENT.get(kind, set())
        and (found.name != kind or plant.is_evident(found.evidence))
    )


def compared(network: Network, plant: Plant, knows_values: bool = True) -> Comparison:
    values = network.values if knows_values else None
    return moreish.compare_gradients(
        f"d{plant.name}", plant.mine, network.values[plant.name], values=values, file=io.StringIO()
    )


def test_each_mistake_is_named_in_nine_of_ten_places_where_it_can_occur() -> None:
    check_catalogue([SHAPES[0]], [torch.float32])


@pytest.mark.slow
def test_each_mistake_is_named_in_other_shapes_seeds_and_precisions(capsys: pytest.CaptureFixture[str]) -> None:
    table = check_catalogue(SHAPES * 2, [torch.float32, torch.float64])
    with capsys.disabled():
        print(f"\n{table}")


def check_catalogue(shapes: list[tuple[int, ...]], dtypes: list[torch.dtype]) -> str:
    """Plant every mistake in every place; the table of how many were named, after it has been held to nine of ten."""
    num_places: Counter[str] = Counter()
    num_named: Counter[str] = Counter()
    missed: list[str] = []
    for (seed, shape), dtype in itertools.product(enumerate(shapes), dtypes):
        network = lecture(shape, seed, dtype)
        for plant in planted(network, seed):
            if not has_an_effect(plant, network.gradients[plant.name]):
                continue
            comparison = compared(network, plant)
            assert not comparison.is_approximate, plant
            num_places[plant.mistake] += 1
            num_named[plant.mistake] += is_named(plant, comparison)
            if not is_named(plant, comparison):
                missed.append(f"{plant.mistake}, d{plant.name} {shape} {dtype}: {comparison.mistake}")
    table = "\n".join(f"{num_named[m]:5} of {num_places[m]:5}  {m}" for m in sorted(num_places))
    print(*missed, sep="\n")
    assert len(num_places) >= 15
    assert all(num_named[mistake] >= 0.9 * num_places[mistake] for mistake in num_places), table
    return table


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
            comparison = compared(network, Plant("none", name, mine), knows_values)
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
