"""What lecture 2 shows on a few numbers comes out as plain loops and PyTorch say."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from moreish.experiments import Request, experiments
from moreish.experiments.demonstrations import (
    embedding_as_product,
    joining,
    largest_logit,
    naive_loss,
    naive_softmax,
)

SHAPE = {"batch": 32, "context": 3, "embedding": 2}


@pytest.fixture
def request_for(tmp_path):
    return lambda settings=SHAPE: Request(None, 1, "auto", settings, tmp_path)


def gradient_of(loss_of, logit, target, dtype=torch.float32):
    logits = torch.zeros((1, 27), dtype=dtype)
    logits[0, 0] = logit
    logits.requires_grad_()
    loss = loss_of(logits, torch.tensor([target]))
    return loss.item(), torch.autograd.grad(loss, logits)[0][0]


def test_a_lookup_and_a_product_give_the_same_rows_and_gradients(request_for):
    values = embedding_as_product(request_for())
    assert values["difference of outputs"] == 0
    assert values["difference of gradients"] <= 1e-6
    # The gradient itself, by a plain loop over the same draws.
    generator = torch.Generator().manual_seed(1)
    torch.randn((27, 2), generator=generator)
    ids = torch.randint(0, 27, (32, 3), generator=generator).numpy()
    demb = torch.randn((32, 3, 2), generator=generator).double().numpy()
    dtable = np.zeros((27, 2))
    for place in np.ndindex(32, 3):
        dtable[ids[place]] += demb[place]
    assert values["largest gradient"] == pytest.approx(np.abs(dtable).max(), rel=1e-6)


def test_a_view_shares_its_memory_and_the_others_copy(request_for):
    values = joining(request_for())
    assert values["largest difference"] == 0
    assert values["bytes, view"] == 0
    assert values["bytes, cat"] == values["bytes, unbind"] == 32 * 3 * 2 * 4


def test_the_naive_loss_bears_what_exp_bears(request_for):
    values = naive_softmax(request_for({}))
    assert values["naive loss, float32"] == pytest.approx(math.log(np.finfo(np.float32).max), rel=1e-6)
    assert values["naive loss, float64"] == pytest.approx(math.log(np.finfo(np.float64).max), rel=1e-12)
    assert {value for name, value in values.items() if name.startswith("cross-entropy")} == {"every one"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("is_gradient", [False, True])
def test_a_search_in_small_steps_finds_the_same_edge(dtype, is_gradient):
    found = largest_logit(naive_loss, dtype, is_gradient=is_gradient)
    step = 0.25
    logit = 0.0
    while True:
        pairs = [(gradient_of(naive_loss, logit, t, dtype), gradient_of(F.cross_entropy, logit, t)) for t in (0, 1)]
        if not all(np.allclose(a[is_gradient], b[is_gradient], rtol=1e-3, atol=1e-3) for a, b in pairs):
            break
        logit += step
    assert logit - step <= found <= logit


def test_the_naive_gradient_goes_wrong_while_the_loss_is_right():
    loss, gradient = gradient_of(naive_loss, 60.0, 1)
    expected_loss, expected = gradient_of(F.cross_entropy, 60.0, 1)
    assert loss == pytest.approx(expected_loss)
    assert gradient.isfinite().all()
    assert expected[0].item() == pytest.approx(1.0)
    assert gradient[0].item() == 0.0


def test_they_stand_among_the_experiments():
    assert {"embedding-one-hot", "joining", "naive-softmax"} <= experiments().keys()
