"""What a network learns, or does not: named against what counting reaches, and silent where it learns."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor import networks as net
from doctor.loops import sgd, watched
from moreish.doctor import Evidence, judge
from moreish.doctor.evidence import History, Look, Loss, Reference
from moreish.doctor.probes.reference import measure_reference

WINDOWS: dict[str, Any] = {"train": net.windows(4096, seed=901), "validation": net.windows(1024, seed=902)}
SEQUENCES: dict[str, Any] = {"train": net.sequences(1024, seed=901), "validation": net.sequences(256, seed=902)}
IMAGES: dict[str, Any] = {"train": net.images(1024, seed=901), "validation": net.images(256, seed=902)}
PAIRS = {"mlp": WINDOWS, "cnn": IMAGES, "lstm": SEQUENCES, "gpt": SEQUENCES}


def adamw(rate: float, decay: float = 0.0) -> Any:
    return lambda parameters: torch.optim.AdamW(parameters, rate, weight_decay=decay)


def shuffled(name: str) -> Any:
    """Targets of other examples: nothing can be learned from the inputs."""

    def batches(n: int, step: int) -> tuple[Tensor, Tensor]:
        inputs, targets = net.HEALTHY[name][1](n, seed=step)
        return inputs, targets[torch.randperm(n, generator=torch.Generator().manual_seed(step))]

    return batches


def test_targets_of_other_examples_are_named() -> None:
    report = watched("lstm", 820, batches=shuffled("lstm"), **PAIRS["lstm"])
    assert report.names[:1] == ("inputs-ignored",), str(report)


@pytest.mark.parametrize("name", PAIRS)
def test_a_network_that_learns_is_left_in_peace(name: str) -> None:
    report = watched(name, 420, **PAIRS[name])
    assert report.names == ()
    assert {"inputs-ignored", "underfitting", "weight-decay", "spikes"} <= set(report.examined)


def test_where_nothing_can_be_learned_nothing_is_claimed() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(27, (2048, 8), generator=generator), torch.randint(27, (2048,), generator=generator)
    network = (net.MLP, lambda n, seed: (noise[0][seed : seed + n], noise[1][seed : seed + n]), F.cross_entropy)
    report = watched(network, 420, train=noise)
    assert report.names == ()
    why = {item.name: item.why for item in report.not_examined}
    assert "there may be nothing to learn" in why["inputs-ignored"]
    assert "there may be nothing to learn" in why["underfitting"]


def test_a_network_too_small_for_what_counting_reaches_is_named() -> None:
    network = (lambda: net.MLP(hidden=1), net.windows, F.cross_entropy)
    assert watched(network, 820, adamw(1e-2), **WINDOWS).names == ("underfitting",)


@pytest.mark.parametrize(
    ("name", "optimise"),
    [
        ("mlp", adamw(3e-3, 30)),
        ("mlp", lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.3)),
        ("cnn", adamw(1e-3, 50)),
        ("gpt", adamw(1e-3, 30)),
    ],
)
def test_too_much_weight_decay_is_named(name: str, optimise: Any) -> None:
    report = watched(name, 420, optimise, **PAIRS[name])
    assert report.names[:1] == ("weight-decay",), str(report)


@pytest.mark.parametrize("name", ["mlp", "gpt"])
def test_usual_weight_decay_is_left_in_peace(name: str) -> None:
    assert watched(name, 420, adamw(3e-3, 0.1), **PAIRS[name]).names == ()


def test_a_rate_that_is_far_off_is_named_in_training() -> None:
    assert watched("mlp", 420, adamw(0.1), **WINDOWS).names[:1] == ("rate-too-high",)
    assert watched("mlp", 420, sgd(20.0), **WINDOWS).names[:1] == ("rate-too-high",)
    assert watched("lstm", 220, adamw(1e-7), **SEQUENCES).names[:1] == ("rate-too-low",)


def test_branches_leave_the_trajectory_bit_for_bit() -> None:
    """A training that stalls is branched from; it is the same as without a doctor."""
    kept: list[nn.Module] = []
    for given in (WINDOWS, {}):
        report = watched("mlp", 120, adamw(1e-7), each_step=lambda _step, model, *_: kept.append(model), **given)
        assert ("rate-too-low" in report.examined) == bool(given)
    for a, b in zip(kept[0].state_dict().values(), kept[-1].state_dict().values(), strict=True):
        assert torch.equal(a, b)


def chance(
    fitted: list[tuple[tuple[int, ...], int]],
    p: float,
    context: tuple[int, ...],
    label: int,
    ks: list[float],
    without: int = 0,
) -> float:
    """Of a label after a context: counts given one symbol more and more, each mixed with the shorter ones."""
    for order, k in enumerate(ks, 1):
        after = [y for other, y in fitted if other[-order:] == context[-order:]]
        p = (after.count(label) - without + k * p) / (len(after) - without + k)
    return p


def test_the_reference_is_what_a_plain_loop_counts() -> None:
    """Held against loops over dictionaries: the label given two symbols, mixed with one, mixed with none."""
    inputs, targets = net.windows(400, seed=3)
    rows = torch.arange(0, 400, 7)
    reference = measure_reference((inputs, targets), rows)
    assert isinstance(reference, Reference)
    num_labels = int(targets.max()) + 1
    for half in (0, 1):
        fitted = [(tuple(inputs[i].tolist()), int(targets[i])) for i in range(1 - half, 400, 2)]
        labels = [label for _, label in fitted]
        share = {y: (labels.count(y) + 0.5) / (len(labels) + 0.5 * num_labels) for y in range(num_labels)}

        ks: list[float] = []
        for _ in range(2):  # each example left out of the counts that it is measured with
            scores = {
                k: sum(math.log(chance(fitted, share[y], x, y, [*ks, k], without=1)) for x, y in fitted)
                for k in (1.0, 3.0, 10.0, 30.0, 100.0, 1e9)
            }
            ks.append(max(scores, key=lambda k: scores[k]))
        for place, row in enumerate(rows.tolist()):
            if row % 2 == half:
                context, label = tuple(inputs[row].tolist()), int(targets[row])
                assert reference.marginal[place] == pytest.approx(-math.log(share[label]), rel=1e-5)
                assert reference.losses[place] == pytest.approx(
                    -math.log(chance(fitted, share[label], context, label, ks)), rel=1e-5
                )


def test_the_reference_of_sequences_counts_at_every_place() -> None:
    """A label that the symbol two places back decides: counting finds it, from the third place on."""
    symbols = torch.randint(6, (600, 8), generator=torch.Generator().manual_seed(0))
    targets = torch.cat((symbols[:, :1], symbols[:, :-1]), 1)
    reference = measure_reference((symbols, targets), torch.arange(0, 600, 3))
    assert isinstance(reference, Reference)
    assert sum(reference.losses) / len(reference.losses) < 0.1 < sum(reference.marginal) / len(reference.marginal)


def test_the_reference_of_numbers_is_a_ridge_regression_that_bends() -> None:
    """Of a straight line it leaves hardly more than the noise, and of a bend, which no line follows, little."""
    x = torch.randn(1024, 4, generator=torch.Generator().manual_seed(0))
    noise = 0.1 * torch.randn(1024, 1, generator=torch.Generator().manual_seed(1))
    rows = torch.arange(0, 1024, 3)
    line = measure_reference((x, x.sum(1, keepdim=True) + noise), rows)
    bend = measure_reference((x, x[:, :1].abs() + noise), rows)
    assert isinstance(line, Reference)
    assert isinstance(bend, Reference)
    assert line.loss == "squared error"
    assert line.unit == pytest.approx(4, rel=0.2)
    assert sum(line.losses) / len(line.losses) < 0.1
    assert sum(bend.losses) < 0.3 * sum(bend.marginal)


def test_pictures_are_held_against_a_linear_model() -> None:
    reference = measure_reference(net.images(512, seed=3), torch.arange(0, 512, 2))
    assert isinstance(reference, Reference)
    assert sum(reference.losses) / len(reference.losses) < 0.2
    assert abs(sum(reference.marginal) / len(reference.marginal) - 1.79) < 0.05


@pytest.mark.parametrize(("decay", "names"), [(10.0, ("weight-decay",)), (1e-3, ())])
def test_decay_that_leaves_nothing_is_named_where_no_simplest_model_is_at_hand(
    decay: float, names: tuple[str, ...]
) -> None:
    def numbers(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
        return x, x.sum(1, keepdim=True)

    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))

    optimizer = lambda parameters: torch.optim.SGD(parameters, 0.01, weight_decay=decay)  # noqa: E731
    network = (make, numbers, F.mse_loss)
    assert watched(network, 220, optimizer, train=numbers(512, 901), validation=numbers(256, 902)).names == names


def numbers(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Five numbers, and a noisy function of two of them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 5, generator=generator)
    return x, (x[:, :1] * x[:, 1:2]).sin() + 0.3 * torch.randn(n, 1, generator=generator)


@pytest.mark.parametrize(("num_examples", "names"), [(40, ("overfitting",)), (4000, ())])
def test_numbers_that_are_known_by_heart_are_named(num_examples: int, names: tuple[str, ...]) -> None:
    """Their validation loss hardly rises: it is the gap that tells."""
    train = numbers(num_examples, 1)
    network = (
        lambda: nn.Sequential(nn.Linear(5, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 1)),
        lambda n, seed: tuple(
            part[torch.randint(num_examples, (n,), generator=torch.Generator().manual_seed(seed))] for part in train
        ),
        F.mse_loss,
    )
    assert watched(network, 850, train=train, validation=numbers(500, 2)).names == names


@pytest.mark.parametrize(
    ("train", "validation", "names"),
    [
        ((2.0, 1.0, 0.8, 0.5), (2.0, 1.05, 1.0, 1.1), ("overfitting",)),
        ((2.0, 1.0, 0.8, 0.5), (2.0, 1.05, 1.0, 1.02), ()),  # it rests, and training is not twice as good
        ((2.0, 1.0, 0.8, 0.8), (2.0, 1.05, 1.0, 1.1), ()),  # training falls no more
        ((2.0, 1.0, 0.98, 0.95), (2.0, 1.05, 1.0, 1.1), ()),  # training is hardly better
    ],
)
def test_validation_that_has_turned_is_named_where_training_left_it_behind(
    train: tuple[float, ...], validation: tuple[float, ...], names: tuple[str, ...]
) -> None:
    noise = torch.randn(2, 256, generator=torch.Generator().manual_seed(5)).mul(0.3).exp().double()
    jitter = torch.randn(4, 256, generator=torch.Generator().manual_seed(6)).mul(0.2).exp().double()

    def losses(level: float, part: int, look: int) -> tuple[float, ...]:
        values = noise[part] * jitter[look]
        return tuple((level * values / values.mean()).tolist())

    looks = tuple(
        Look(step, train_losses=losses(train[k], 0, k), validation_losses=losses(validation[k], 1, k))
        for k, step in enumerate((2, 100, 200, 400))
    )
    report = judge(Evidence(looks, history=History(losses=tuple([2.0] * 16 + [1.0] * 400))))
    assert report.names == names, str(report)


def looks_of(validation: tuple[float, ...], train: tuple[float, ...], formula: str) -> Evidence:
    """A training whose validation has come down from 2.3 to what it is at step 200."""
    loss = Loss(2.3, formula, "mean", 10, 256, (), 2.3, 2.3, "logits")
    looks = (
        Look(2, loss=loss, train_losses=(2.3,) * 256, validation_losses=(2.3,) * 256),
        Look(100, train_losses=(0.3,) * 256, validation_losses=(0.9,) * 256),
        Look(200, train_losses=train, validation_losses=validation),
    )
    return Evidence(looks, history=History((2.3,) * 200))


RARE = (4.0,) * 30 + (0.001,) * 226  # most examples are right, and some are wrong and sure
NEARLY = (0.01,) * 256


@pytest.mark.parametrize(
    ("validation", "train", "formula", "names"),
    [
        (RARE, NEARLY, "cross entropy", ("overfitting",)),
        (RARE, NEARLY, "unknown", ()),  # as of distances with a margin
        (RARE, RARE, "cross entropy", ()),
        (RARE, (0.15,) * 256, "cross entropy", ()),  # it still falls, and there is more to learn
        (tuple(loss - 0.3 for loss in RARE), (-0.5,) * 256, "cross entropy", ()),  # a density
    ],
)
def test_examples_known_by_heart_are_told_by_how_often_a_loss_is_large(
    validation: tuple[float, ...], train: tuple[float, ...], formula: str, names: tuple[str, ...]
) -> None:
    assert judge(looks_of(validation, train, formula)).names == names
