"""Targets that do not belong to their inputs: between the data and the loop, and in the data themselves."""

from typing import Any

import pytest
import torch
from torch import Tensor

from doctor import networks as net
from doctor.loops import watched
from moreish.corpus.datasets import bundled_names
from moreish.doctor import Evidence, judge
from moreish.doctor.probes.data import measure_data, rows_of

DRAWN = {"mlp": net.windows, "cnn": net.images, "lstm": net.sequences}


def from_train(train: tuple[Tensor, Tensor], share: float = 0.0) -> Any:
    """Minibatches of training examples; a share of their targets dealt out among each other by the loop."""

    def batches(n: int, step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(step)
        rows = torch.randint(len(train[0]), (n,), generator=generator)
        inputs, targets = train[0][rows], train[1][rows].clone()
        dealt = torch.randperm(n, generator=generator)[: round(share * n)]
        targets[dealt] = targets[dealt.roll(1)]
        return inputs, targets

    return batches


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_loop_that_exchanges_targets_is_named(name: str, share: float) -> None:
    train = DRAWN[name](1024, seed=901)
    report = watched(name, 60, batches=from_train(train, share), train=train)
    assert report.names[:1] == ("labels-mismatched",), str(report)
    assert report.findings[0].evidence.value > share / 2


@pytest.mark.parametrize("name", DRAWN)
def test_a_loop_that_trains_on_the_data_is_left_in_peace(name: str) -> None:
    train = DRAWN[name](1024, seed=901)
    report = watched(name, 60, batches=from_train(train), train=train)
    assert report.names == ()
    assert "labels-mismatched" in report.examined


def test_short_contexts_that_recur_with_other_labels_are_left_in_peace() -> None:
    """Where `train` is but a part of what the loop draws from, its contexts of two symbols have other labels there."""

    def short(n: int, seed: int) -> tuple[Tensor, Tensor]:
        inputs, targets = net.windows(n, seed=seed)
        return inputs[:, -2:], targets

    everything = short(8192, 901)
    part = everything[0][:2048], everything[1][:2048]
    looped = [row for start in range(2048, 8192, 192) for row in rows_of(*(item[start:] for item in everything))]
    data = measure_data(part, None, looped)
    assert data.num_found > 100
    assert data.num_relabelled > 0.05 * data.num_found
    assert abs(data.num_relabelled / data.num_looked_up - data.relabelled_by_chance) < 0.1


def test_data_whose_targets_were_shuffled_before_training_are_named() -> None:
    inputs, targets = net.windows(4096, seed=901)
    wrong = inputs, targets[torch.randperm(4096, generator=torch.Generator().manual_seed(0))]
    report = watched("mlp", 60, batches=from_train(wrong), train=wrong, validation=net.windows(1024, seed=902))
    assert report.names[:1] == ("labels-mismatched",), str(report)
    assert "in train" in report.findings[0].cause


@pytest.mark.parametrize("num_train", [64, 4096])
def test_fewer_or_as_many_examples_as_validation_has_are_left_in_peace(num_train: int) -> None:
    train = net.windows(num_train, seed=901)
    report = watched("mlp", 60, batches=from_train(train), train=train, validation=net.windows(1024, seed=902))
    assert "labels-mismatched" not in report.names


def copied(x: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Of the examples a share in copies of others; labels follow from the inputs."""
    n = len(x)
    kept = round(n * (1 - share))
    chosen = torch.randint(kept, (n - kept,), generator=torch.Generator().manual_seed(2))
    rows = torch.cat([torch.arange(kept), chosen])
    return x[rows], x.sum(1)[rows] % 7


@pytest.mark.parametrize(("num_symbols", "num_places"), [(16, 14), (4, 10), (2, 20)])
@pytest.mark.parametrize("share", [0.0, 0.6, 0.8])
def test_copies_are_named_where_chance_repeats_fewer(num_symbols: int, num_places: int, share: float) -> None:
    x = torch.randint(num_symbols, (2400, num_places), generator=torch.Generator().manual_seed(1))
    data = measure_data(copied(x, share))
    assert data.repeats_by_chance < (0.25 if share else 1.01)
    evidence = Evidence((), data, None, {})
    assert judge(evidence).names == (("duplicates",) if share else ())


@pytest.mark.parametrize("context", [3, 5, 8, 10])
@pytest.mark.parametrize("num_examples", [500, 5000, 50000])
def test_contexts_of_names_recur_by_themselves(context: int, num_examples: int) -> None:
    codes = torch.tensor(list(bundled_names().read_bytes()))
    evidence = Evidence((), measure_data(net.windows(num_examples, context, of=codes)), None, {})
    assert judge(evidence).names == ()


def test_phrases_of_a_small_language_recur_at_any_length() -> None:
    generator = torch.Generator().manual_seed(4)
    words = [torch.randint(14, (1 + length,), generator=generator) for length in (4, 5, 6, 7) * 3]
    shares = 1 / torch.arange(1.0, 13.0)
    text = torch.cat([words[k] for k in torch.multinomial(shares, 3000, True, generator=generator).tolist()])
    starts = torch.randperm(len(text) - 16, generator=generator)[:1200]
    data = measure_data(copied(text[starts[:, None] + torch.arange(16)], 0.0))
    assert data.spread > 40  # nats, were places independent
    assert data.context_repeats > 0.1
    assert judge(Evidence((), data, None, {})).names == ()


def test_what_recurs_in_held_out_data_too_is_a_language() -> None:
    """Four thousand windows of a text of twenty phrases: nearly all of them stand there twice."""
    generator = torch.Generator().manual_seed(8)
    phrases = torch.randint(12, (20, 8), generator=generator)

    def windows(n: int) -> tuple[Tensor, Tensor]:
        text = phrases[torch.randint(20, (4000,), generator=generator)].flatten()
        starts = torch.randint(len(text) - 9, (n,), generator=generator)
        return text[starts[:, None] + torch.arange(8)], text[starts + 8]

    train, validation = windows(4000), windows(512)
    data = measure_data(train, validation)
    assert data.context_repeats > 0.7
    assert data.num_overlapping is not None
    assert data.num_overlapping > 0.7 * 512
    assert judge(Evidence((), data, None, {})).names == ()
