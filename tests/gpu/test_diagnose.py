"""`diagnose` of a network on a GPU leaves everything as it was, and says what it says on the processor."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import moreish
from doctor import networks as net
from doctor.test_diagnose import FAULTS, HARD_HEALTHY
from gpu.trainings import NETWORKS, OPTIMISERS, on_gpu, state


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt", "lstm, dropout"])
def test_everything_is_as_it_was_and_training_goes_on_as_it_would(name: str, optimiser: str) -> None:
    make, draw, loss_fn = NETWORKS[name]
    results = []
    for is_examined in (False, True):
        torch.manual_seed(0)
        model = make().cuda()
        optimizer = OPTIMISERS[optimiser](model.parameters())
        seen = []
        for step in range(6):
            inputs, targets = on_gpu(draw(32, seed=step))
            if is_examined and step in (0, 3):
                moreish.diagnose(model, (inputs, targets), loss_fn, optimizer)
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            optimizer.step()
            seen.append(state(model, optimizer))
        if is_examined:
            moreish.diagnose(model, on_gpu(draw(32, seed=9)), loss_fn, optimizer)
        results.append([*seen, state(model, optimizer)])
    for step, (plain, examined) in enumerate(zip(*results, strict=True)):
        for part, content in plain.items():
            assert examined[part] == content, (step, part)


def examined(make: Any, batch: Any, loss: Any, learning_rate: float = 1e-3) -> moreish.doctor.Report:
    torch.manual_seed(1)
    model = make().cuda()
    return moreish.diagnose(model, batch, loss, torch.optim.AdamW(model.parameters(), learning_rate))


@pytest.mark.parametrize("name", NETWORKS)
def test_healthy_networks_are_left_in_peace(name: str) -> None:
    make, draw, loss = NETWORKS[name]
    report = examined(make, on_gpu(draw()), loss)
    assert report.names == (), str(report)
    failed = [item for item in report.not_examined if "failed" in item.why]
    assert failed == []


@pytest.mark.parametrize("name", HARD_HEALTHY)
def test_hard_healthy_cases_are_silent(name: str) -> None:
    make, draw, loss = HARD_HEALTHY[name]
    report = examined(make, on_gpu(draw()), loss)
    assert report.names == (), str(report)


@pytest.mark.parametrize(
    ("fault", "case"), [(fault, case) for fault, cases in FAULTS.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) else value[0],
)  # fmt: skip
def test_the_planted_fault_is_named_first(fault: str, case: Any) -> None:
    _, make, draw, loss = case
    report = examined(make, on_gpu(draw()), loss)
    assert report.names[:1] == (fault,), str(report)


def test_rates_far_too_high_and_far_too_low_are_named() -> None:
    assert examined(net.MLP, on_gpu(net.windows()), F.cross_entropy, 1.0).names[0] == "rate-too-high"
    assert examined(net.GPT, on_gpu(net.sequences()), net.sequence_loss, 1e-6).names == ("rate-too-low",)


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt"])
def test_a_batch_on_the_processor_is_moved(name: str) -> None:
    make, draw, loss = net.HEALTHY[name]
    here, there = examined(make, draw(), loss), examined(make, on_gpu(draw()), loss)
    assert (here.names, here.examined, here.not_examined) == (there.names, there.examined, there.not_examined)
    inputs, targets = draw()
    assert examined(make, (inputs.cuda(), targets), loss).names == ()


class Packed(nn.Module):
    """Sequences of different lengths; PyTorch wants these on the processor."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(net.VOCABULARY, 16), nn.LSTM(16, 32, batch_first=True)
        self.head = nn.Linear(32, net.VOCABULARY)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        h, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        return self.head(h[torch.arange(len(x), device=x.device), lengths.to(x.device) - 1])


def test_what_lies_on_the_processor_on_purpose_stays_there() -> None:
    torch.manual_seed(0)
    model, (x, y) = Packed().cuda(), on_gpu(net.windows(128))
    lengths = torch.randint(4, net.CONTEXT + 1, (128,))
    report = moreish.diagnose(model, ((x, lengths), y), F.cross_entropy)
    assert not any("failed" in item.why for item in report.not_examined), str(report)


def test_sums_in_any_order_are_not_taken_for_dropout() -> None:
    """What is added atomically differs in rounding from one pass to the next."""

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 64), nn.Linear(64, 3)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.tanh(self.first(x))
            mixed = torch.zeros_like(h).index_add(0, torch.zeros(len(x), dtype=torch.long, device=x.device), h)
            return self.second(h + 0.01 * mixed)

    torch.use_deterministic_algorithms(False)
    torch.manual_seed(0)
    x, y = torch.randn(4096, 8), torch.randint(3, (4096,))
    assert "dropout-in-evaluation" not in examined(Graph, (x, y), F.cross_entropy).names
