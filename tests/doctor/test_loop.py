"""Faults of the loop are named first; loops that only look like them are left in peace."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler

from doctor import networks as net
from doctor.loops import sgd, watched
from moreish.doctor import Evidence, judge
from moreish.doctor.evidence import History, Look, Site


def stepping(every: int = 1) -> Any:
    return lambda step, _model, _optimizer, scheduler: scheduler.step() if step % every == every - 1 else None


SCHEDULES: dict[str, Any] = {
    "steps": lambda optimizer: lr_scheduler.StepLR(optimizer, 1000),
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 100),
    "sequence": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.ConstantLR(optimizer, 0.5, 20), lr_scheduler.ExponentialLR(optimizer, 0.99)],
        milestones=[20],
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_that_is_never_stepped_is_named(name: str) -> None:
    assert watched("mlp", scheduled=SCHEDULES[name]).names == ("schedule-not-applied",)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("every", [1, 60])
def test_a_schedule_that_is_stepped_each_step_or_each_epoch_is_left_in_peace(name: str, every: int) -> None:
    report = watched("mlp", scheduled=SCHEDULES[name], each_step=stepping(every))
    assert report.names == ()
    assert "schedule-not-applied" in report.examined


def test_clipping_that_takes_the_place_of_the_learning_rate_is_named() -> None:
    assert watched("mlp", 500, sgd(0.1), clip=0.01).names[:1] == ("clipping-binds",)


def test_clipping_is_seen_in_a_training_too_short_for_four_looks() -> None:
    """Between looks, the gradient's arrival and use are noted at the steps at which minibatches are."""
    report = watched("mlp", 120, sgd(0.1), clip=0.01)
    assert report.names[:1] == ("clipping-binds",)
    assert (report.findings[0].evidence.num_examples or 0) > 10


@pytest.mark.parametrize("clip", [0.5, 5.0, None])
def test_clipping_that_binds_at_times_is_left_in_peace(clip: float | None) -> None:
    report = watched("mlp", 500, sgd(0.1), clip=clip)
    assert report.names == ()
    assert "clipping-binds" in report.examined


def test_gradients_scaled_by_one_factor_are_not_taken_for_clipped() -> None:
    make, draw, loss_fn = net.HEALTHY["mlp"]
    small = (make, draw, lambda out, y: loss_fn(out, y) * 64)

    def optimise(parameters: Any) -> torch.optim.Optimizer:
        held = list(parameters)
        optimizer = torch.optim.SGD(held, 0.1)

        def unscale(*_: Any) -> None:
            for p in held:
                p.grad /= 64

        optimizer.register_step_pre_hook(unscale)
        return optimizer

    assert watched(small, 500, optimise).names == ()


def passes(is_right: bool, every: int = 40) -> Any:
    """Evaluation now and then."""

    def each_step(step: int, model: nn.Module, *_: Any) -> None:
        if step % every == every - 1:
            model.train(not is_right)
            with torch.no_grad():
                model(net.images(32, seed=step)[0])
            model.train()

    return each_step


def test_evaluation_in_training_mode_is_named() -> None:
    assert watched("cnn", each_step=passes(False)).names[:1] == ("evaluated-in-training-mode",)
    report = watched("cnn", each_step=passes(True), train=net.images(64, 900), validation=net.images(64, 901))
    assert report.names == ()
    assert "evaluated-in-training-mode" in report.examined


def test_statistics_of_batch_norm_made_again_are_not_taken_for_evaluation_in_training_mode() -> None:
    def each_step(step: int, model: nn.Module, *rest: Any) -> None:
        passes(False)(step, model, *rest)
        passes(True)(step, model, *rest)

    assert watched("cnn", each_step=each_step).names == ()


def by_label(draw: Any) -> Any:
    """Minibatches cut out of data sorted by their labels."""
    inputs, targets = draw(4096, seed=7)
    order = targets.argsort(stable=True)

    def batches(n: int, step: int) -> tuple[Tensor, Tensor]:
        rows = order[torch.arange(step * n, (step + 1) * n) % len(order)]
        return inputs[rows], targets[rows]

    return batches


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_sorted_data_are_named(name: str) -> None:
    report = watched(name, 200, batches=by_label(net.HEALTHY[name][1]))
    assert report.names[:1] == ("not-shuffled",), str(report)


def test_numbers_in_order_are_named_and_shuffled_ones_are_not() -> None:
    inputs = torch.randn(4096, 5, generator=torch.Generator().manual_seed(0))
    targets = inputs.sum(1, keepdim=True)
    order = targets[:, 0].argsort()
    network = (lambda: nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1)), None, F.mse_loss)

    def batches(n: int, step: int, is_sorted: bool) -> tuple[Tensor, Tensor]:
        rows = torch.arange(step * n, (step + 1) * n) % 4096
        rows = order[rows] if is_sorted else rows
        return inputs[rows], targets[rows]

    assert "not-shuffled" in watched(network, 200, batches=lambda n, step: batches(n, step, True)).names
    assert "not-shuffled" not in watched(network, 200, batches=lambda n, step: batches(n, step, False)).names


def destroyed(*when: int) -> Any:
    """Steps after which the parameters are thrown off."""

    def each_step(step: int, model: nn.Module, *_: Any) -> None:
        if step in when:
            with torch.no_grad():
                for p in model.parameters():
                    p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(step)), alpha=0.5)

    return each_step


@pytest.mark.parametrize("name", ["mlp", "gpt"])
def test_a_loss_that_jumps_and_stays_up_is_named(name: str) -> None:
    report = watched(name, 400, each_step=destroyed(200, 300))
    finding = report.findings[0]
    assert (finding.name, finding.step, finding.evidence.details["spikes"]) == ("spikes", 202, 2)


HARD: dict[str, dict[str, Any]] = {
    "one example a step": {"batch": 1},
    "two examples a step": {"batch": 2},
    "a high rate": {"optimise": sgd(0.5)},
    "warm restarts": {
        "optimise": sgd(0.3),
        "scheduled": lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 60),
        "each_step": stepping(),
    },
}


@pytest.mark.parametrize("case", HARD)
def test_losses_that_scatter_widely_are_left_in_peace(case: str) -> None:
    report = watched("mlp", 400, **HARD[case])
    assert report.names == ()
    assert "spikes" in report.examined


def test_strong_dropout_is_left_in_peace() -> None:
    network = nn.Sequential(
        nn.Embedding(27, 16), nn.Flatten(), nn.Dropout(0.8), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.8),
        nn.Linear(64, 27),
    )  # fmt: skip
    assert watched((lambda: network, net.windows, F.cross_entropy), 400, batch=8).names == ()


def attending(factor: float) -> Any:
    """A GPT whose queries and keys start that many times as large."""

    def make() -> nn.Module:
        model = net.GPT()
        for block in model.blocks:
            with torch.no_grad():
                block.attention.qkv.weight[:64] *= factor
                block.attention.qkv.bias[:64] *= factor
        return model

    return (make, net.sequences, net.sequence_loss)


def test_attention_that_is_even_to_the_last_digit_is_named() -> None:
    assert watched(attending(0.0), 110).names[:1] == ("attention-collapse",)


def test_attention_that_has_collapsed_is_named_and_explained_by_its_scale() -> None:
    report = watched(attending(100.0), 110)
    assert report.names[:1] == ("attention-scale",)
    assert "attention-collapse" in report.findings[0].consequences


def test_attention_that_grew_sharp_by_learning_is_left_in_peace() -> None:
    report = watched("gpt", 250, lambda p: torch.optim.AdamW(p, 1e-2))
    assert "attention-collapse" in report.examined
    assert report.names == ()


class Overflow(net.MLP):
    """One layer overflows when it is asked to."""

    is_bad = False

    def forward(self, x: Tensor) -> Tensor:
        h = self.C[x].flatten(1)
        if self.is_bad:
            h = h * 1e38 * 1e38
        h = torch.tanh(h @ self.W[0] + self.b[0])
        return h @ self.W_out + self.b_out


def test_the_first_operation_that_made_nan_is_named_between_looks_too() -> None:
    def each_step(step: int, model: Any, *_: Any) -> None:
        model.is_bad = step == 36

    report = watched((Overflow, net.windows, F.cross_entropy), 60, each_step=each_step)
    finding = report.findings[0]
    assert (finding.name, finding.layer, finding.step) == ("not-finite", "model: matmul", 38)


def test_a_loss_that_makes_nan_out_of_finite_outputs_is_told_from_the_model() -> None:
    count = 0

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal count
        count += 1
        loss = F.cross_entropy(outputs, targets)
        return loss * float("nan") if count == 30 else loss

    report = watched((net.MLP, net.windows, loss_fn), 60)
    finding = report.findings[0]
    assert (finding.name, finding.layer, finding.step) == ("not-finite", None, 30)
    assert "the loss, or the derivative of one" in finding.cause


def test_a_parameter_that_an_update_made_infinite_is_named() -> None:
    def each_step(step: int, model: Any, *_: Any) -> None:
        if step == 20:
            model.W[0].data[0, 0] = float("inf")

    finding = watched("mlp", 60, each_step=each_step).findings[0]
    assert (finding.name, finding.layer, finding.step) == ("not-finite", "W.0", 23)


WHITE = torch.full((64, 1, 12, 12), 4.0)


@pytest.mark.parametrize(
    ("every", "pictures", "names"),
    [
        (2, WHITE, ("batch-norm-statistics",)),
        (20, WHITE, ("batch-norm-statistics",)),
        (20, torch.zeros(64, 1, 12, 12), ("batch-norm-statistics",)),
        (20, net.images(64, 905)[0], ()),
        (100, WHITE, ()),
        (221, WHITE, ()),
    ],
)
def test_running_statistics_of_other_data_are_named(every: int, pictures: Tensor, names: tuple[str, ...]) -> None:
    """Now and then, pictures pass through the network in training mode, without gradients."""

    def each_step(step: int, model: nn.Module, *_: Any) -> None:
        with torch.no_grad():
            if step % every == every - 1:
                model(pictures)
            if step % 40 == 0:
                model.eval()
                model(torch.zeros(8, 1, 12, 12))
                model.train()

    report = watched("cnn", 220, each_step=each_step)
    assert report.names == names, str(report)
    for finding in report.findings:  # of the mean or of the variance, up or down: what is wrong is larger
        assert finding.evidence.null < (finding.evidence.threshold or 0.0) < finding.evidence.value, str(report)
    assert "batch-norm-statistics" in report.examined


@pytest.mark.parametrize(("momentum", "names"), [(1e-4, ("batch-norm-statistics",)), (0.1, ())])
def test_running_statistics_that_never_arrive_are_named_at_the_end(momentum: float, names: tuple[str, ...]) -> None:
    def make() -> nn.Module:
        model = net.CNN()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = momentum
        return model

    network = (make, net.images, nn.functional.cross_entropy)
    assert watched(network, 220, each_step=passes(True)).names == names


def test_batch_norm_over_one_picture_at_a_time_is_named() -> None:
    assert watched("cnn", 60, batch=1, each_step=passes(True)).names[:1] == ("batch-norm-of-one",)


def of_two(share: float) -> Any:
    """Eight numbers, and one or zero as a number: ones for so large a share of the examples."""

    def draw(n: int = 256, seed: int = 0) -> tuple[Tensor, Tensor]:
        x = torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
        return x, (x[:, 0] > x[:, 0].quantile(1 - share)).float()

    return draw


OF_TWO: Any = (
    lambda: nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0)),
    None,
    F.binary_cross_entropy_with_logits,
)


@pytest.mark.parametrize("share", [0.5, 0.04])
@pytest.mark.parametrize("num_minibatches", [20, 120, 1000])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_labels_of_train_tell_what_minibatches_in_order_lack(
    share: float, num_minibatches: int, is_sorted: bool
) -> None:
    x, y = of_two(share)(32 * num_minibatches)
    order = y.argsort(stable=True) if is_sorted else torch.arange(len(y))

    def batches(n: int, step: int) -> tuple[Tensor, Tensor]:
        rows = order[torch.arange(step * n, (step + 1) * n) % len(order)]
        return x[rows], y[rows]

    report = watched(OF_TWO, 300, batches=batches, train=(x, y))
    assert ("not-shuffled" in report.names) == is_sorted, str(report)


def test_minibatches_that_balance_rare_labels_are_left_in_peace() -> None:
    x, y = of_two(0.04)(4096)
    ones, zeros = y.nonzero()[:, 0], (1 - y).nonzero()[:, 0]

    def batches(n: int, step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(step)
        kinds = [kind[torch.randint(len(kind), (n // 2,), generator=generator)] for kind in (ones, zeros)]
        rows = torch.cat(kinds)
        return x[rows], y[rows]

    assert "not-shuffled" not in watched(OF_TWO, 300, batches=batches, train=(x, y)).names


def test_the_step_at_which_losses_stopped_being_finite_stands_before_a_later_look() -> None:
    """Where nobody asks at every step, as on a GPU, the next look sees NaN in every operation."""
    site = Site("body", "linear", "linear", None, 1, 8, 32, 32, (1.0,), is_finite=False, has_finite_inputs=False)
    losses = (3.0,) * 37 + (float("nan"),) * 13
    finding = judge(Evidence((Look(50, sites=(site,)),), history=History(losses=losses))).findings[0]
    assert (finding.name, finding.layer, finding.step) == ("not-finite", None, 38)
