"""The exact figures in full: to the digit in PyTorch's arithmetic, within rounding in the fastest.

A last digit may still depend on the processor, because PyTorch adds in another order with AVX-512 than with AVX2: the
lecture's own code, typed out here, is the judge of that.
"""

import random
from decimal import Decimal

import pytest
import torch
import torch.nn.functional as F

from moreish.engines.native import levels
from moreish.experiments import experiments, reproduce

TRAINED = [each.id for each in experiments().values() if each.kind == "exact" and each.settings.get("recipe")]

# Of a loss near 2, printed with seven digits: two steps of float32. The lecture's own code gives 2.0376642 as the NLL
# of mlp-kaiming with AVX-512 and 2.0376647 with AVX2 (LOG.md).
OF_THE_PROCESSOR = Decimal("5e-7")

# How lecture 3 scales W1, operation by operation.
SCALES = {"mlp-unsaturated": lambda W1: W1 * 0.2, "mlp-kaiming": lambda W1: W1 * (5 / 3) / 30**0.5}


def published(row):
    return {figure.name: figure for figure in row.figures if figure.published is not None}


@pytest.mark.slow
@pytest.mark.parametrize("id", TRAINED)
def test_every_digit_comes_out_with_autograd(id, names_file, tmp_path):
    (row,) = reproduce([id], out=tmp_path, data=[names_file], engine="autograd", num_processes=1)
    for name, figure in published(row).items():
        if name == "minibatch losses":  # one of lecture 3's lies on the edge between two digits (LOG.md)
            assert figure.verdict in ("exact", "within 5e-4")
        elif figure.verdict != "exact":
            assert abs(Decimal(f"{figure.mean:.7f}") - Decimal(figure.published)) <= OF_THE_PROCESSOR, name


@pytest.mark.slow
@pytest.mark.parametrize("id", SCALES)
def test_with_autograd_they_are_those_of_the_lectures_own_code(id, names_file, tmp_path):
    (row,) = reproduce([id], out=tmp_path, data=[names_file], engine="autograd", num_processes=1)
    expected = lecture_3(names_file, SCALES[id])
    assert [published(row)[split].mean for split in ("train", "validation")] == expected


@pytest.mark.slow
@pytest.mark.parametrize("id", TRAINED)
def test_the_native_engine_is_within_rounding(id, names_file, tmp_path):
    if not levels():
        pytest.skip("the native engine was not built: no C++ compiler")
    (row,) = reproduce([id], out=tmp_path, data=[names_file], engine="native", num_processes=1)
    assert {figure.verdict for figure in published(row).values()} <= {"exact", "within 5e-4"}


def lecture_3(names_file, scaled):
    """The NLL of train and validation, by the lecture's cells: 200,000 steps of plain PyTorch."""
    words = names_file.read_text().splitlines()
    ids = {symbol: index for index, symbol in enumerate([".", *sorted(set("".join(words)))])}
    random.seed(42)
    random.shuffle(words)
    n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
    (Xtr, Ytr), validation = windows(words[:n1], ids), windows(words[n1:n2], ids)
    g = torch.Generator().manual_seed(2147483647)
    C = torch.randn((27, 10), generator=g)
    W1 = scaled(torch.randn((30, 200), generator=g))
    b1 = torch.randn(200, generator=g) * 0.01
    W2 = torch.randn((200, 27), generator=g) * 0.01
    b2 = torch.randn(27, generator=g) * 0
    parameters = [C, W1, b1, W2, b2]
    for p in parameters:
        p.requires_grad = True

    def loss_of(X, Y):
        h = torch.tanh(C[X].view(X.shape[0], -1) @ W1 + b1)
        return F.cross_entropy(h @ W2 + b2, Y)

    for i in range(200_000):
        ix = torch.randint(0, Xtr.shape[0], (32,), generator=g)
        loss = loss_of(Xtr[ix], Ytr[ix])
        for p in parameters:
            p.grad = None
        loss.backward()
        lr = 0.1 if i < 100_000 else 0.01
        for p in parameters:
            p.data += -lr * p.grad
    with torch.no_grad():
        return [loss_of(X, Y).item() for X, Y in ((Xtr, Ytr), validation)]


def windows(words, ids):
    X, Y = [], []
    for word in words:
        context = [0] * 3
        for character in word + ".":
            X.append(context)
            Y.append(ids[character])
            context = [*context[1:], ids[character]]
    return torch.tensor(X), torch.tensor(Y)
