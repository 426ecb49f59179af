"""Which fault explains which others: a cause is named, and what follows from it is folded into it."""

from collections.abc import Mapping

from moreish.doctor.finding import SEVERITIES, Finding

_NOTHING_ARRIVES = ("output-ignores-input", "context-unused")

# Each cause and what it brings about by itself. Order is rank: what stands higher is named first.
CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "not-finite": ("rate-too-high", "initial-loss", "spikes", "underfitting", "exploding", "saturated-tanh",
                   "never-moves", "no-gradient", "dropout-in-evaluation", "inputs-ignored", *_NOTHING_ARRIVES),
    "softmax-axis": ("future-leak", "initial-loss", "vanishing", "exploding", "rate-too-low", "rate-too-high",
                     "context-unused", "inputs-ignored", "underfitting", "output-range"),
    "future-leak": ("overfitting", "label-in-input"),
    "examples-mixed": ("context-unused", "future-leak", "inputs-ignored", "underfitting", "initial-loss",
                       "rate-too-low", "no-gradient", "output-range"),
    "labels-mismatched": ("inputs-ignored", "underfitting", "overfitting", "label-shifted", "rate-too-low"),
    "label-in-input": ("overfitting", "label-shifted"),
    "label-shifted": ("inputs-ignored", "underfitting", "rate-too-high"),
    "softmax-twice": ("rate-too-low", "underfitting", "vanishing", "inputs-ignored", "initial-loss"),
    "likelihood-of-logits": ("initial-loss", "rate-too-high", "not-finite", "spikes"),
    "output-range": ("inputs-ignored", "underfitting", "dead-relu", "stuck-units", "saturated-tanh", "rate-too-low",
                     "rate-too-high", "vanishing", "no-gradient", "never-moves", "initial-loss", "weight-decay",
                     *_NOTHING_ARRIVES),
    "targets-no-distribution": ("inputs-ignored", "underfitting", "rate-too-low", "initial-loss", "overfitting"),
    "loss-summed": ("rate-too-high", "spikes", "clipping-binds", "exploding", "not-finite", "initial-loss"),
    "inputs-unscaled": ("initial-loss", "exploding", "vanishing", "saturated-tanh", "stuck-units", "dead-relu",
                        "rate-too-high", "rate-too-low", "spikes", "clipping-binds", "not-finite", "weight-decay",
                        "inputs-ignored", "underfitting"),
    "output-ignores-input": ("context-unused", "inputs-ignored", "underfitting", "no-gradient"),
    "context-unused": ("inputs-ignored", "underfitting", "no-gradient"),
    "symmetric-units": ("no-gradient", "vanishing", "dead-relu", "underfitting", "inputs-ignored", "rate-too-low",
                        "never-moves", "output-ignores-input", "context-unused", "not-finite"),
    "not-in-optimizer": ("never-moves", "underfitting", "rate-too-low", "inputs-ignored"),
    "no-gradient": ("never-moves", "underfitting", "rate-too-low", "inputs-ignored"),
    "gradients-not-cleared": ("rate-too-high", "spikes", "clipping-binds", "not-finite"),
    "trained-in-eval-mode": ("batch-norm-statistics", "rate-too-high", "spikes", "not-finite"),
    "batch-norm-momentum": ("batch-norm-statistics", "rate-too-high", "spikes", "underfitting", "inputs-ignored"),
    "batch-norm-of-one": ("batch-norm-statistics", "dead-relu", "vanishing", "no-gradient"),
    "initial-loss": ("spikes", "rate-too-high"),
    "saturated-tanh": ("vanishing", "rnn-forgets", "stuck-units", "rate-too-high", *_NOTHING_ARRIVES),
    "exploding": ("initial-loss", "saturated-tanh", "rate-too-high", "spikes", "attention-scale", "not-finite"),
    "attention-scale": ("initial-loss", "vanishing", "attention-collapse"),
    "rate-too-high": ("spikes", "dead-relu", "saturated-tanh", "underfitting", "clipping-binds", "attention-scale",
                      "not-finite", "stuck-units", "inputs-ignored", "attention-collapse", "exploding", "vanishing",
                      "initial-loss"),
    "weight-decay": ("underfitting", "rate-too-low", "rate-too-high", "vanishing", "exploding", "inputs-ignored",
                     "dead-relu"),
    "dead-relu": ("vanishing", "underfitting", "no-gradient", "never-moves", *_NOTHING_ARRIVES),
    "stuck-units": ("vanishing", "underfitting", "no-gradient", "never-moves", "rate-too-high", *_NOTHING_ARRIVES),
    "batch-norm-statistics": _NOTHING_ARRIVES,  # what reaches the output is looked at in evaluation mode
    "vanishing": ("underfitting", "inputs-ignored", "rate-too-low", "rnn-forgets", "no-gradient", *_NOTHING_ARRIVES),
    "rate-too-low": ("underfitting", "inputs-ignored", "never-moves"),
    "never-moves": ("inputs-ignored", "underfitting", "rate-too-high", "overfitting"),
    "schedule-not-applied": ("rate-too-low", "rate-too-high", "underfitting", "inputs-ignored", "spikes"),
    "not-shuffled": ("spikes", "rate-too-high", "rate-too-low", "clipping-binds", "overfitting", "dead-relu",
                     "stuck-units", "inputs-ignored", "underfitting", "batch-norm-statistics", "exploding"),
    "evaluated-in-training-mode": ("batch-norm-statistics",),
    "clipping-binds": ("underfitting", "rate-too-low", "inputs-ignored", "never-moves"),
    "spikes": ("not-finite", "dead-relu", "stuck-units", "saturated-tanh", "underfitting", "inputs-ignored",
               "exploding", "vanishing", "attention-collapse"),
    "split-overlap": (),
    "rnn-forgets": ("underfitting", "context-unused", "inputs-ignored"),
    "attention-collapse": ("underfitting", "inputs-ignored"),
    "duplicates": ("overfitting",),
    "inputs-ignored": ("underfitting",),
    "underfitting": (),
    "overfitting": (),
}  # fmt: skip

EVENTS = ("not-finite", "spikes")
"""What happens at one step: it cannot explain what was seen before it."""
AT_WORK = ("rate-too-high", "weight-decay", "gradients-not-cleared", "clipping-binds", "not-shuffled")
"""What is at work from the first step on: it cannot explain what the untrained network shows."""
UNTRAINED = ("initial-loss", "saturated-tanh", "stuck-units", "dead-relu", "exploding", "vanishing", "attention-scale")
"""What the network shows by itself (other findings at step 0 tell of steps that were tried out); what it shows only
later, the training has made of it."""

FIRST_STEPS = 10
"""Up to this step a network is as good as untrained."""

_RANK = {name: number for number, name in enumerate(CONSEQUENCES)}


def explained_by(name: str, steps: Mapping[str, int]) -> tuple[str, ...]:
    """Those of the findings that explain `name`; of two that explain each other, the higher ranked.

    Args:
        name: of a finding.
        steps: name of every finding, and the step at which it was first seen.
    """
    causes = [
        cause
        for cause in steps
        if _explains(cause, name, steps)
        and not (_explains(name, cause, steps) and _RANK.get(name, len(_RANK)) < _RANK.get(cause, len(_RANK)))
    ]
    return tuple(sorted(causes, key=lambda item: _RANK.get(item, len(_RANK))))


def hidden(steps: Mapping[str, int]) -> frozenset[str]:
    """Names of the findings that others explain, directly or by way of further ones.

    Where some explain each other in a circle, the one that was seen first is left to stand.

    Args:
        steps: name of every finding, and the step at which it was first seen.
    """
    causes = {name: explained_by(name, steps) for name in steps}
    roots = [name for name in steps if not causes[name]]
    while True:
        told = set(roots)
        while more := {name for name in steps if name not in told and told.intersection(causes[name])}:
            told |= more
        rest = [name for name in steps if name not in told]
        if not rest:
            return frozenset(steps) - frozenset(roots)
        roots.append(min(rest, key=lambda name: (steps[name], _RANK.get(name, len(_RANK)))))


def _explains(cause: str, name: str, steps: Mapping[str, int]) -> bool:
    if cause == name or name not in CONSEQUENCES.get(cause, ()):
        return False
    if cause in AT_WORK and name in UNTRAINED and steps[name] == 0:
        return False
    if cause in UNTRAINED and name in AT_WORK and steps[cause] > FIRST_STEPS:
        return False
    if cause == "initial-loss" and name == "rate-too-high" and steps[name] > FIRST_STEPS:
        return False  # the first steps undo it, or throw the network away
    return cause not in EVENTS or steps[cause] <= steps[name]


def rank(finding: Finding) -> tuple[int, int, int, str]:
    """Sort key: root causes first, then by severity, step and layer."""
    return (
        SEVERITIES.index(finding.severity),
        _RANK.get(finding.name, len(_RANK)),
        finding.step,
        finding.layer or "",
    )
