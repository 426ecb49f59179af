"""What fused attention hides is measured beside it, whatever form it is called in; a pass never fails for it."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from moreish.doctor.probes import attention, trace
from moreish.doctor.probes.trace import tracing

CAUSAL = torch.ones(12, 12, dtype=torch.bool).tril()


def entropies(weights: Tensor) -> tuple[float, ...]:
    """Of attention weights made explicitly: PyTorch's softmax is seen like any other."""
    with tracing(nn.Identity(), len(weights)) as seen:
        F.softmax(weights, -1)
    return seen.sites()[0].relative_entropy


@pytest.mark.parametrize(
    ("given", "mask"),
    [({}, None), ({"is_causal": True}, CAUSAL), ({"attn_mask": CAUSAL}, CAUSAL), ({"attn_mask": CAUSAL[-1:]}, None)],
)
@pytest.mark.parametrize("num_heads_of_keys", [4, 2, 1])
def test_heads_of_queries_may_share_their_keys(given: Any, mask: Tensor | None, num_heads_of_keys: int) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(8, heads, 12, 6) for heads in (4, num_heads_of_keys, num_heads_of_keys))
    with tracing(nn.Identity(), 8) as seen:
        F.scaled_dot_product_attention(q, k, v, enable_gqa=num_heads_of_keys < 4, **given)
    scores = q @ k.repeat_interleave(4 // num_heads_of_keys, 1).mT / 6**0.5
    expected = entropies(scores if mask is None else scores.masked_fill(~mask, -torch.inf))
    assert seen.sites()[0].relative_entropy == pytest.approx(expected, rel=1e-5)


def test_no_table_of_all_scores_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(4, 2, 256, 8) for _ in range(3))
    seen = []
    for most in (2**24, 2**16):
        monkeypatch.setattr(attention, "_MAX_SCORES", most)
        with tracing(nn.Identity(), 4) as trial:
            F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(256, 256, dtype=torch.bool).tril())
        seen.append(trial.sites()[0].relative_entropy)
    assert seen[1] == pytest.approx(seen[0], abs=0.05)
    assert seen[1] != seen[0]


class Grouped(nn.Module):
    """Attention whose heads share their keys, as in most language models of today."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(net.VOCABULARY, 32), nn.Linear(32, net.VOCABULARY)
        self.query, self.pair = nn.Linear(32, 32), nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        q = self.query(h).unflatten(-1, (4, 8)).transpose(1, 2)
        k, v = self.pair(h).unflatten(-1, (2, 2, 8)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.head(h + mixed.transpose(1, 2).flatten(2))


def test_a_network_with_shared_keys_is_examined_and_watched() -> None:
    torch.manual_seed(0)
    model, (x, y) = Grouped(), net.sequences()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    report = moreish.diagnose(model, (x, y), net.sequence_loss, optimizer)
    assert report.names == ()
    assert "attention-scale" in report.examined
    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(3):
            loss = net.sequence_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            doctor.step(loss, x, y)
    assert doctor.report().names == ()


def test_a_measurement_that_fails_ends_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Tensor:
        raise RuntimeError("no such form is known")

    monkeypatch.setattr(trace, "entropy_of_fused", fails)
    torch.manual_seed(0)
    model, (x, y) = Grouped(), net.sequences()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    report = moreish.diagnose(model, (x, y), net.sequence_loss)
    with moreish.Doctor(model, optimizer) as doctor:
        for _ in range(3):
            loss = net.sequence_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            doctor.step(loss, x, y)
    for seen in (report, doctor.report()):
        assert seen.names == ()
        why = {item.name: item.why for item in seen.not_examined}
        assert why["attention-scale"] == "measuring scaled_dot_product_attention failed with RuntimeError"


class Pooled(nn.Module):
    """Weights over the positions of a sequence stand in its second axis, (n, T, E), as in linear attention."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.embed, self.key = nn.Embedding(net.VOCABULARY, 16), nn.Linear(16, 16)
        self.head, self.scale = nn.Linear(16, net.VOCABULARY), scale

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        return self.head(((self.key(h) * self.scale).softmax(1) * h).sum(1))


@pytest.mark.parametrize(("scale", "names"), [(1.0, ()), (100.0, ("saturated-tanh",))])
def test_a_softmax_is_measured_along_its_own_axis(scale: float, names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    report = moreish.diagnose(Pooled(scale), net.windows(), F.cross_entropy)
    assert report.names == names, str(report)
    for finding in report.findings:
        assert 1 / 3 < finding.evidence.value <= 1
