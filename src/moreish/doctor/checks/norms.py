"""Batch norm used wrongly: a batch of one, momentum zero, running statistics that are not those of the data."""

import math
from collections.abc import Callable
from statistics import median

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.evidence import BatchNorm, Evidence, Look, Stray
from moreish.doctor.finding import Finding, Measurement, NotExamined, Severity
from moreish.doctor.significance import Level, mean_above, student_tail

DISTANCE = 0.5
"""Standard deviations between the running mean and that of the batch, from which evaluation suffers."""
SPREAD = 2.0
"""Factor between the running variance and that of the batch."""
MIN_ROWS = 30
MIN_STRAYS, STRAY_SHARE = 3, 0.02
"""Passes without gradients in training mode, and their share of all that running statistics learn from."""
LEAST_UPDATES = 30
"""Fewer steps have hardly led running statistics away from what they were made with."""
MIN_MINIBATCHES = 8
_PAPER = "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1"


def _norms(evidence: Evidence) -> list[tuple[Look, BatchNorm]]:
    return [(look, norm) for look in evidence.looks for norm in look.norms or ()]


def batch_of_one(evidence: Evidence, level: Level) -> Verdict:
    """Statistics of one value: the output is the bias, whatever came in. Or of one picture at a time."""
    verdict = _exact(
        evidence, "batch-norm-of-one", "critical", lambda norm: norm.rows < 2,
        ("values per channel that the statistics rest on", lambda norm: float(norm.rows), 2.0),
        "Batch norm gets one value per channel: minus its own mean it is zero, so nothing of the input is left.",
        "Use a larger batch, or a norm that does not look at the batch: nn.LayerNorm, nn.GroupNorm.",
        "Wu & He 2018, arXiv:1803.08494, section 1",
    )  # fmt: skip
    sizes = [item.num_examples for item in evidence.history.minibatches] if evidence.history else []
    if verdict or not isinstance(verdict, list) or len(sizes) < MIN_MINIBATCHES or max(sizes) > 1:
        return verdict
    return [
        Finding(
            "batch-norm-of-one", "major", None, evidence.history.minibatches[-1].step if evidence.history else 0,
            Measurement("examples that the statistics of batch norm rest on", 1, 32, num_examples=len(sizes)),
            "Every minibatch is one example, and batch norm takes its statistics from it: each is normalised by itself "
            "while the network trains, and by the running statistics when it is evaluated.",
            "Use a larger batch, or a norm that does not look at the batch: nn.GroupNorm, nn.LayerNorm.",
            "Wu & He 2018, arXiv:1803.08494, section 1",
        )
    ]  # fmt: skip


def momentum_zero(evidence: Evidence, level: Level) -> Verdict:
    """Running statistics that never move from their initial values."""
    return _exact(
        evidence, "batch-norm-momentum", "major", lambda norm: norm.momentum == 0 and norm.tracks,
        ("momentum of the running statistics", lambda norm: 0.0, 0.1),
        "With momentum 0 the running mean and variance stay at 0 and 1, and evaluation normalises by those.",
        "Use momentum=0.1 (PyTorch's convention: the share of the new batch), or None for a plain average.",
        "PyTorch documentation, torch.nn.BatchNorm1d, momentum",
    )  # fmt: skip


def _exact(
    evidence: Evidence, name: str, severity: Severity, is_wrong: Callable[[BatchNorm], bool],
    measured: tuple[str, Callable[[BatchNorm], float], float], cause: str, remedy: str, source: str,
) -> Verdict:  # fmt: skip
    what, value, null = measured
    norms = _norms(evidence)
    if not norms:
        return NotApplicable("there is no batch norm")
    return [
        Finding(name, severity, norm.name, look.step, Measurement(what, value(norm), null), cause, remedy, source)
        for look, norm in norms
        if is_wrong(norm)
    ]


def running_statistics(evidence: Evidence, level: Level) -> Verdict:
    """The running statistics are far from those of the data, so that evaluation sees another network."""
    norms = [(look, norm) for look, norm in _norms(evidence) if norm.tracks and norm.mean_distance]
    if not _norms(evidence):
        return NotApplicable("there is no batch norm")
    astray = _astray(evidence)
    if astray:
        return astray
    # What has not arrived when the training ends never will, however slow the momentum.
    end = max((look.step for look, _ in norms), default=0) if evidence.history and evidence.history.is_over else 0
    settled = [(look, norm) for look, norm in norms if look.step == 0 or look.step >= LEAST_UPDATES]
    large = [(look, norm) for look, norm in settled if norm.rows >= MIN_ROWS]
    warm = [(look, norm) for look, norm in large if _is_warm(norm, look.step) or 0 < look.step == end]
    if not any(norm.tracks for _, norm in _norms(evidence)):
        return NotApplicable(
            "no batch norm keeps running statistics (track_running_stats=False): each batch is normalised by its own, "
            "in evaluation too"
        )
    if not warm:
        return NotExamined("batch-norm-statistics", "running statistics were not yet updated often enough to be judged")
    found = []
    num_places = len({norm.name for _, norm in warm})
    looks = sorted({look.step for look, _ in large})
    values = {(norm.name, look.step): min(_tests(norm, look.step)) for look, norm in large}
    for look, norm in warm:
        number = looks.index(look.step)
        allowed = level.each(4 * num_places, number + 1)
        p = values[norm.name, look.step]
        if look.step > 0:  # statistics may lag behind a network that moves; for long only where something is wrong
            p = max(p, values.get((norm.name, looks[number - 1]), 1.0) if number > 0 else 1.0)
        if p < allowed:
            found.append(
                Finding(
                    "batch-norm-statistics", "major", norm.name, look.step, _measured(norm, look.step, p, allowed),
                    "The running statistics are not those of the data: the network that is evaluated is another one "
                    "than the network that is trained.",
                    "Check the momentum; do not evaluate on data of another kind in training mode; or recalibrate: "
                    "torch.optim.swa_utils.update_bn(loader, model).",
                    _PAPER,
                )
            )  # fmt: skip
    return found


def _astray(evidence: Evidence) -> list[Finding]:
    """Running statistics learn from passes that are no training, over other data than those trained on."""
    history = evidence.history
    count = (history.passes_in_training_mode or 0) if history else 0
    if history is None or count < MIN_STRAYS or count < STRAY_SHARE * len(history.losses):
        return []
    by_layer: dict[str, list[Stray]] = {}
    for stray in history.strays:
        by_layer.setdefault(stray.layer, []).append(stray)
    # In the first passes running statistics are still what they were made with.
    off = [strays for strays in by_layer.values() if len(strays) > 1 and all(map(_is_off, strays[-2:]))]
    if not off:
        return []
    stray = off[0][-1]
    return [
        Finding(
            "batch-norm-statistics", "major", stray.layer, len(history.losses),
            _of_stray(stray, count),
            f"{count:,} passes without gradients were made in training mode, over other data than those trained on: "
            "torch.no_grad() does not keep batch norm from learning from them, and evaluation normalises by what it "
            "learned.",
            "Call model.eval() before such passes and model.train() after them.",
            _PAPER,
        )
    ]  # fmt: skip


def _of_stray(stray: Stray, count: int) -> Measurement:
    """What is off: the mean, or else the variance."""
    details = {"such passes": count}
    if _is_far(stray):
        what = "distance of what the norm gets there from its running mean (standard deviations)"
        return Measurement(what, stray.distance, 0.0, DISTANCE, details=details)
    what = "running variance over that" if stray.spread < 1 else "variance over the running one,"
    factor = max(stray.spread, 1 / max(stray.spread, 1e-12))
    return Measurement(f"{what} of what the norm gets there", factor, 1.0, SPREAD, details=details)


def _is_far(stray: Stray) -> bool:
    return stray.distance >= DISTANCE + 1 / stray.rows**0.5


def _is_off(stray: Stray) -> bool:
    return stray.rows >= MIN_ROWS and (_is_far(stray) or not 1 / SPREAD <= stray.spread <= SPREAD)


def _bound(norm: BatchNorm, step: int) -> float:
    """Noise of a batch of n values moves a mean by about 1/√n deviations."""
    return (DISTANCE if step == 0 else DISTANCE / 2) + 1 / norm.rows**0.5


def _tests(norm: BatchNorm, step: int) -> tuple[float, float]:
    """p-values against "the mean is not off by as much as matters" and "nor is the variance"; channels are the sample.

    Where these are few, the values of a channel are: neighbours in a picture are alike, so that sixteen count as one.
    While it trains, two looks in a row have to agree, so that less will do.
    """
    logs, spread = _logs(norm), math.log(_factor(step))
    t = (median(norm.mean_distance) - _bound(norm, step)) * norm.rows**0.5 / 4
    return (
        min(mean_above(norm.mean_distance, _bound(norm, step)), student_tail(t, norm.rows / 16)),
        min(mean_above(logs, spread), mean_above([-log for log in logs], spread)),
    )


def _measured(norm: BatchNorm, step: int, p: float, allowed: float) -> Measurement:
    """What the test that rejected has tested: the mean, or the variance."""
    of_mean, of_spread = _tests(norm, step)
    if of_mean <= of_spread:
        return Measurement(
            "distance of the running mean from the batch's (standard deviations)", median(norm.mean_distance),
            1 / norm.rows**0.5, _bound(norm, step), p, allowed, norm.rows,
            {"running over batch variance": median(norm.spread_ratio)},
        )  # fmt: skip
    ratio = math.exp(sum(_logs(norm)) / len(norm.spread_ratio))
    what = "running variance over the batch's" if ratio > 1 else "variance of the batch over the running one"
    return Measurement(
        f"{what} (geometric mean over channels)", max(ratio, 1 / ratio), 1.0, _factor(step), p, allowed, norm.rows,
        {"running over batch variance": ratio, "distance of the means": median(norm.mean_distance)},
    )  # fmt: skip


def _logs(norm: BatchNorm) -> list[float]:
    return [math.log(max(ratio, 1e-12)) for ratio in norm.spread_ratio]


def _factor(step: int) -> float:
    return SPREAD if step == 0 else SPREAD**0.5


def _is_warm(norm: BatchNorm, step: int) -> bool:
    """Whether the initial values have faded: after three time constants; of an unknown momentum, as if it were 0.1."""
    if norm.num_updates is None:
        return False
    if norm.momentum is None:
        return norm.num_updates >= (1 if step == 0 else LEAST_UPDATES)
    return norm.momentum > 0 and norm.num_updates >= 3 / norm.momentum


CHECKS = (
    Check("batch-norm-of-one", ("norms",), batch_of_one, tests=False),
    Check("batch-norm-momentum", ("norms",), momentum_zero, tests=False),
    Check("batch-norm-statistics", ("norms",), running_statistics),
)
