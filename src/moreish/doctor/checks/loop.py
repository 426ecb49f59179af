"""How the loop is written: schedule, clipping, modes, the order of the data; and what its losses look like."""

import math
from itertools import pairwise

import numpy as np

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import Data, Evidence, History, Minibatch
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, count_above, mean_above

MIN_STEPS = 50
"""Steps from which a loop has had occasion to step its schedule."""
SCALE = 0.25
"""Factor by which clipping shortens gradients, from which it replaces the learning rate."""
MIN_LOOKS = 4
SCALE_FREE = ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "Lion", "Muon")
"""Optimisers whose step does not depend on the length of the gradient."""
SPIKE, BEFORE = 8, 64
"""A spike: so many steps in a row, all above each of so many before."""
SPIKE_RATIO, SPIKE_SHARE = 1.3, 0.1
"""From where it matters: in relation to the losses before it, and in shares of the first loss."""
_LARGEST = 1e30  # in the place of losses that are not finite, so that they can be subtracted
MIN_MINIBATCHES = 8
ALIKE = 0.10
"""Intraclass correlation of labels within minibatches, as estimated, from which it matters."""
MORE, NUM_DRAWS, OFF = 0.99, 2000, 0.01
"""Share of random minibatches that one must outdo, of how many that are drawn, and by how much a chance that is counted
in these may be off."""
KNOWN = 0.9
"""Share of the labels of minibatches that must be labels of train too, so that its shares hold for them."""
_PYTORCH = "PyTorch documentation, torch.optim: how to adjust learning rate"


def _history(evidence: Evidence) -> History:
    assert evidence.history is not None
    return evidence.history


def schedule_not_applied(evidence: Evidence, level: Level) -> Verdict:
    """A scheduler is attached to the optimiser and never stepped."""
    history, name = _history(evidence), "schedule-not-applied"
    if not history.has_scheduler:
        return NotApplicable("no scheduler is attached to the optimiser")
    if not history.is_over:
        return NotExamined(name, "a schedule may step once an epoch; it is judged when the with block is left")
    if history.scheduler_steps is None:
        return NotExamined(name, "the scheduler did not live as long as the with block")
    num_steps = len(history.losses)
    if history.scheduler_steps > 0 or num_steps < MIN_STEPS:
        return []
    return [
        Finding(
            name, "major", None, num_steps,
            Measurement("steps of the scheduler", 0, num_steps,
                        details={"learning rate": history.learning_rates[-1:]}),
            f"A scheduler holds this optimiser, but in {num_steps:,} steps it was never stepped: the learning rate "
            "stays where it began.",
            "Call scheduler.step() after optimizer.step(), once a step or once an epoch, as the schedule counts.",
            _PYTORCH,
        )
    ]  # fmt: skip


def clipping_binds(evidence: Evidence, level: Level) -> Verdict:
    """At most of the steps seen the gradient was made much shorter between its arrival and its use."""
    if evidence.optimizer in SCALE_FREE:
        return NotApplicable(f"the step of {evidence.optimizer} does not depend on the length of the gradient")
    seen = [(look.step, u.scale) for look in evidence.looks for u in look.updates or () if u.scale is not None]
    seen += evidence.history.scales if evidence.history else ()
    scales = {step: scale for step, scale in seen if step > 2}
    if len(scales) < MIN_LOOKS:
        return NotExamined("clipping-binds", f"the gradient was seen to arrive and be used at {len(scales)} steps; "
                           f"it takes {MIN_LOOKS} after the first")  # fmt: skip
    if max(scales.values()) == min(scales.values()) or min(scales.values()) <= 0:
        return []  # the same factor at every step is a unit, as of a loss that was scaled, and no clipping
    shortened = sum(scale < SCALE for scale in scales.values())
    allowed = level.each(1, len(scales) - MIN_LOOKS + 1)
    logs = [-math.log(scale) for scale in scales.values()]
    p = min(count_above(shortened, len(scales), 0.5), mean_above(logs, -math.log(SCALE)))
    if p >= allowed / 2:
        return []
    typical = math.exp(-sum(logs) / len(logs))
    return [
        Finding(
            "clipping-binds", "major", None, max(scales),
            Measurement("gradient used over gradient that arrived (geometric mean over steps)", typical, 1.0, SCALE, p,
                        allowed, len(scales), {"steps with less than a quarter": shortened}),
            f"At {shortened} of {len(scales)} steps looked at, clipping left less than a quarter of the gradient, "
            f"typically {typical:.2g} of its length: it does not catch outliers, it takes the place of the learning "
            "rate, and steps no longer shrink as the gradient does.",
            "Set the limit above the usual norm of the gradient (a high percentile of those seen), and the step size "
            "with the learning rate.",
            "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063 (a threshold from average norms)",
        )
    ]  # fmt: skip


def evaluated_in_training_mode(evidence: Evidence, level: Level) -> Verdict:
    """Every pass without gradients was made in training mode, while dropout or batch norm make that matter."""
    history = _history(evidence)
    if not history.noisy_modules:
        return NotApplicable("no dropout and no batch norm: the mode makes no difference")
    wrong, right = history.passes_in_training_mode, history.passes_in_evaluation_mode
    if wrong is None or right is None:
        return NotExamined("evaluated-in-training-mode", "it needs the with block of the Doctor")
    if wrong + right == 0:
        return NotExamined("evaluated-in-training-mode", "the model was not evaluated in the with block")
    # Where passes in evaluation mode were seen too, those in training mode are meant: statistics made again.
    if right > 0:
        return []
    return [
        Finding(
            "evaluated-in-training-mode", "major", None, len(history.losses),
            Measurement("passes without gradients in evaluation mode, of those seen", 0, wrong,
                        details={"modules": list(history.noisy_modules[:8])}),
            f"All {wrong:,} passes without gradients were made in training mode: dropout drops units and batch norm "
            "takes its statistics from the batch (and learns from what should be held out) while the model is "
            "measured.",
            "Call model.eval() before evaluating and model.train() after it; torch.no_grad() does not change the mode.",
            "PyTorch documentation, torch.nn.Module.eval",
        )
    ]  # fmt: skip


def spikes(evidence: Evidence, level: Level) -> Verdict:
    """Steps in a row whose losses are all above each of the many before them, and much higher.

    If the losses are exchangeable, whatever their distribution, the last k of m + k are the k largest with chance
    1 / C(m + k, k); a loss that falls makes it rarer. Every step may begin a spike, so the chances are added up.
    """
    losses = np.asarray(_history(evidence).losses, np.float64)
    count = len(losses) - BEFORE - SPIKE + 1
    if count < 1:
        return NotExamined("spikes", f"it takes {BEFORE + SPIKE} steps")
    p = min(count / math.comb(BEFORE + SPIKE, SPIKE), 1.0)
    if p >= level.alpha:
        return NotExamined("spikes", f"{len(losses):,} steps are too many for what may be spent on them")
    losses = np.nan_to_num(losses, nan=_LARGEST, posinf=_LARGEST).clip(-_LARGEST, _LARGEST)
    before = np.lib.stride_tricks.sliding_window_view(losses, BEFORE)[:count]
    after = np.lib.stride_tricks.sliding_window_view(losses, SPIKE)[BEFORE : BEFORE + count]
    candidates = np.flatnonzero(after.min(1) > before.max(1))
    usual, high = np.median(before[candidates], axis=1), np.median(after[candidates], axis=1)
    share = SPIKE_SHARE * abs(float(np.median(losses[:16])))
    is_spike = (high > SPIKE_RATIO * usual) & (high - usual > share)
    starts = candidates[is_spike] + BEFORE + 1
    if not len(starts):
        return []
    number = 1 + sum(b - a > BEFORE for a, b in pairwise(starts.tolist()))
    first = int(starts[0])
    value, null = float(high[is_spike][0]), float(usual[is_spike][0])
    return [
        Finding(
            "spikes", "major", None, first,
            Measurement(f"median loss of {SPIKE} steps in a row, each above the {BEFORE} before", value, null,
                        max(SPIKE_RATIO * null, null + share), p, level.alpha, len(losses), {"spikes": number}),
            f"From step {first:,} the loss rose from {null:.3g} to {value:.3g} and stayed there for {SPIKE} steps or "
            f"more{f'; {number} such spikes were seen' if number > 1 else ''}: a step destroyed what was learned.",
            "Lower the learning rate or warm it up, clip the gradient at a norm above the usual, and look at the "
            "minibatch of that step.",
            "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063 (clipping)",
        )
    ]  # fmt: skip


def not_shuffled(evidence: Evidence, level: Level) -> Verdict:
    """Labels of one minibatch agree with each other far more than with those of other minibatches."""
    minibatches = [item for item in _history(evidence).minibatches if len(item.labels) > 1]
    if len(minibatches) < MIN_MINIBATCHES:
        return NotExamined("not-shuffled", f"labels of {len(minibatches)} minibatches of two examples or more were "
                           f"handed to step; it takes {MIN_MINIBATCHES}")  # fmt: skip
    within, between, num_alike, chance = _agreement(minibatches, evidence.data)
    different = 1 - sum(between) / len(between)
    if different <= 0:
        return NotExamined("not-shuffled", "all labels seen are the same")
    # ρ within = between + ρ (1 - between): the intraclass correlation, one value a minibatch.
    correlations = [(a - b) / different for a, b in zip(within, between, strict=True)]
    allowed = level.each(1, max(1, len(minibatches) - MIN_MINIBATCHES + 1))
    p = count_above(num_alike, len(minibatches), chance + OFF)
    mean = sum(correlations) / len(correlations)
    if p >= allowed or mean < ALIKE:
        return []
    return [
        Finding(
            "not-shuffled", "major", None, minibatches[-1].step,
            Measurement("intraclass correlation of the labels within minibatches", mean, 0.0, ALIKE, p, allowed,
                        len(minibatches), {"agree within": sum(within) / len(within),
                                           "agree between": sum(between) / len(between),
                                           "minibatches that agree more than random ones": num_alike,
                                           "chance of that": chance}),
            f"Two labels of one minibatch agree in {sum(within) / len(within):.0%} of cases, one of them and one of "
            f"all labels in {sum(between) / len(between):.0%}: the data come sorted, and each minibatch pulls towards "
            "its own part of them.",
            "Draw minibatches at random: DataLoader(..., shuffle=True), or a permutation of the examples each epoch.",
            "Bengio 2012, arXiv:1206.5533 (shuffling the examples)",
        )
    ]  # fmt: skip


def _agreement(minibatches: list[Minibatch], data: Data | None) -> tuple[list[float], list[float], int, float]:
    """For each minibatch, the share of pairs of its labels that agree, and of pairs with others; how many minibatches
    agree more than almost all random ones, and the chance of that.

    Others are the labels of `train` where the minibatches hold the same, and those of the other minibatches elsewhere:
    these know nothing of labels that are still to come. Numbers that are not classes agree where they lie in the same
    quarter of all.
    """
    everything = np.concatenate([item.labels for item in minibatches])
    values = np.array(data.label_values if data is not None else ())
    is_known = len(values) > 0 and bool(np.isin(everything, values).mean() >= KNOWN)
    distinct = np.unique(np.concatenate((values, everything)) if is_known else everything)
    ids = np.searchsorted(distinct, everything)
    if not is_known and len(distinct) > 0.5 * len(everything) and not np.all(distinct == np.floor(distinct)):
        distinct = np.arange(4)
        ids = np.searchsorted(np.quantile(everything, (0.25, 0.5, 0.75)), everything)
    sizes = np.array([len(item.labels) for item in minibatches])
    counts = np.stack([np.bincount(part, minlength=len(distinct)) for part in np.split(ids, sizes.cumsum()[:-1])])
    within = (counts * (counts - 1)).sum(1) / (sizes * (sizes - 1))
    if is_known and data is not None:
        shares = np.zeros(len(distinct))
        shares[np.searchsorted(distinct, values)] = np.array(data.label_shares)
        between = counts @ shares / sizes
    else:
        shares, others = counts.sum(0) / counts.sum(), counts.sum(0) - counts
        between = (counts * others).sum(1) / (sizes * others.sum(1))
    generator, num_alike, largest = np.random.default_rng(0), 0, 0.0
    for size in set(sizes.tolist()):
        drawn = generator.multinomial(size, shares / shares.sum(), NUM_DRAWS)
        agree = (drawn * (drawn - 1)).sum(1) / (size * (size - 1))
        # Where more of them than that agree in full, a minibatch does as well as it can, and the chance is theirs.
        limit = min(float(np.quantile(agree, MORE, method="higher")), 1 - 1 / size**2)
        num_alike += int((within[sizes == size] > limit).sum())
        largest = max(largest, float((agree > limit).mean()))
    return within.tolist(), between.tolist(), num_alike, largest


CHECKS = (
    Check("schedule-not-applied", ("history",), schedule_not_applied, tests=False),
    Check("clipping-binds", ("updates",), clipping_binds),
    Check("evaluated-in-training-mode", ("history",), evaluated_in_training_mode, tests=False),
    Check("spikes", ("history",), spikes),
    Check("not-shuffled", ("history",), not_shuffled),
)
