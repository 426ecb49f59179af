"""Which fault explains which others: a cause is named, and what follows from it is folded into it."""

from collections.abc import Collection

from moreish.doctor.finding import SEVERITIES, Finding

# Each cause and what it brings about by itself. Order is rank: what stands higher is named first.
CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "not-finite": ("rate-too-high", "initial-loss", "spikes", "underfitting", "exploding", "saturated-tanh"),
    "future-leak": ("overfitting", "label-in-input"),
    "examples-mixed": ("context-unused", "future-leak", "inputs-ignored", "underfitting"),
    "label-in-input": ("overfitting", "label-shifted"),
    "label-shifted": ("inputs-ignored", "underfitting"),
    "softmax-twice": ("rate-too-low", "underfitting", "vanishing", "inputs-ignored", "initial-loss"),
    "likelihood-of-logits": ("initial-loss", "rate-too-high", "not-finite"),
    "loss-summed": ("rate-too-high", "spikes", "clipping-binds", "exploding", "not-finite", "initial-loss"),
    "output-ignores-input": ("context-unused", "inputs-ignored", "underfitting", "no-gradient"),
    "context-unused": ("inputs-ignored", "underfitting"),
    "symmetric-units": ("no-gradient", "vanishing", "dead-relu", "underfitting", "inputs-ignored", "rate-too-low",
                        "never-moves", "output-ignores-input", "context-unused"),
    "not-in-optimizer": ("never-moves", "underfitting", "rate-too-low"),
    "no-gradient": ("never-moves", "underfitting"),
    "gradients-not-cleared": ("rate-too-high", "spikes", "clipping-binds"),
    "trained-in-eval-mode": ("batch-norm-statistics",),
    "batch-norm-momentum": ("batch-norm-statistics",),
    "batch-norm-of-one": ("batch-norm-statistics", "dead-relu", "vanishing", "no-gradient"),
    "initial-loss": ("spikes",),
    "saturated-tanh": ("vanishing", "rnn-forgets"),
    "exploding": ("initial-loss", "saturated-tanh", "rate-too-high", "spikes", "attention-scale"),
    "attention-scale": ("initial-loss", "vanishing"),
    "rate-too-high": ("spikes", "dead-relu", "saturated-tanh", "underfitting", "clipping-binds", "attention-scale"),
    "weight-decay": ("underfitting", "rate-too-low", "vanishing"),
    "dead-relu": ("vanishing", "underfitting", "no-gradient"),
    "vanishing": ("underfitting", "rate-too-low", "rnn-forgets", "no-gradient"),
    "rate-too-low": ("underfitting", "inputs-ignored", "never-moves"),
    "schedule-not-applied": (),
    "not-shuffled": ("spikes", "rate-too-high", "clipping-binds"),
    "evaluated-in-training-mode": ("batch-norm-statistics",),
    "clipping-binds": ("underfitting", "rate-too-low"),
    "spikes": (),
    "split-overlap": (),
}  # fmt: skip

_RANK = {name: number for number, name in enumerate(CONSEQUENCES)}


def explained_by(name: str, present: Collection[str]) -> tuple[str, ...]:
    """Those of the findings present that explain `name`; of two that explain each other, the higher ranked."""
    causes = []
    for cause in present:
        if cause != name and name in CONSEQUENCES.get(cause, ()):
            mutual = cause in CONSEQUENCES.get(name, ())
            if not mutual or _RANK.get(cause, len(_RANK)) < _RANK.get(name, len(_RANK)):
                causes.append(cause)
    return tuple(sorted(causes, key=lambda item: _RANK.get(item, len(_RANK))))


def rank(finding: Finding) -> tuple[int, int, int, str]:
    """Sort key: root causes first, then by severity, step and layer."""
    return (
        SEVERITIES.index(finding.severity),
        _RANK.get(finding.name, len(_RANK)),
        finding.step,
        finding.layer or "",
    )
