"""Half precision, and passes that differ in rounding, are no faults and hide none."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import moreish
from doctor import networks as net
from doctor.test_diagnose import Averaged, all_dead
from moreish.doctor import collect
from moreish.doctor.probes.trace import tracing


def unsteady(network: type[nn.Module]) -> nn.Module:
    """No two passes are equal bit for bit, as where sums are added up in any order."""

    class Unsteady(network):
        def forward(self, x: Tensor) -> Tensor:
            out = super().forward(x)
            return out + 2e-8 * out.detach().abs().max() * torch.rand_like(out)

    torch.manual_seed(0)
    return Unsteady().double()


@pytest.mark.parametrize(("network", "names"), [(net.MLP, ()), (Averaged, ("context-unused",))])
def test_rounding_that_changes_from_pass_to_pass_is_neither_dropout_nor_context(
    network: type[nn.Module], names: tuple[str, ...]
) -> None:
    assert moreish.diagnose(unsteady(network), net.windows(), F.cross_entropy).names == names


def test_the_entropy_of_attention_in_half_precision_is_a_number() -> None:
    torch.manual_seed(0)
    evidence = {
        dtype: collect(net.GPT().to(dtype), net.sequences(), net.sequence_loss)
        for dtype in (torch.float16, torch.float)
    }
    half, single = (
        [site.relative_entropy for site in item.looks[0].sites or () if site.relative_entropy]
        for item in evidence.values()
    )
    assert len(half) == len(single) == 2
    for ours, expected in zip(half, single, strict=True):
        assert ours == pytest.approx(expected, abs=0.1)


def test_what_is_measured_in_a_pass_is_as_precise_under_autocast() -> None:
    torch.manual_seed(0)
    model, (x, _) = all_dead(), net.windows(1000)
    seen = []
    for context in (nullcontext(), torch.autocast("cpu", dtype=torch.bfloat16)):
        with context, tracing(model, len(x)) as trace:
            model(x)
        (site,) = [site for site in trace.sites() if site.op == "relu"]
        assert site.num_dead == site.num_units
        seen.append(site.num_distinct)
    assert seen[1] > 0.9 * seen[0] > 500
