"""Mistakes planted over the lecture's whole chain are named.

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

import moreish
from backprop.lecture import NAMES, SHAPES, Network, lecture
from moreish.backprop.comparing import Comparison

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
