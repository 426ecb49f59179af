"""From a finding to changes of the recipe that may cure it; which of them does is for a proof to say."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from moreish.doctor.finding import NO_HISTORY, Finding, NotExamined, Report
from moreish.recipe import Recipe

Changes = dict[str, Any]
"""Fields of a recipe and their new values."""


def remedies(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    """Changes worth trying against a finding, the likeliest first; none where the recipe has nothing to do with it."""
    tried = _REMEDIES.get(finding.name, lambda finding, recipe: ())(finding, recipe)
    current = recipe.to_dict() | {"hidden": recipe.hidden}
    changed = ({name: value for name, value in item.items() if current[name] != value} for item in tried)
    return tuple(item for item in changed if item)


def for_recipe(report: Report, recipe: Recipe) -> Report:
    """The report with each remedy as a change of the recipe, where there is one, instead of code.

    What moreish's own loop cannot do wrong is not applicable to its trainings, and what only shows in a training needs
    a run, not a loop of one's own.
    """

    def translated(finding: Finding) -> Finding:
        tried = remedies(finding, recipe)
        return replace(finding, remedy=_advice(tried)) if tried else finding

    unseen = [item for item in report.not_examined if item.name not in _DONE_RIGHT]
    done_right = [NotExamined(item.name, _DONE_RIGHT[item.name]) for item in report.not_examined if item not in unseen]
    return replace(
        report,
        findings=tuple(translated(finding) for finding in report.findings),
        explained=tuple(translated(finding) for finding in report.explained),
        not_examined=tuple(replace(item, why=_IN_A_RUN) if _needs_a_run(item, report) else item for item in unseen),
        not_applicable=(*report.not_applicable, *done_right),
    )


def _needs_a_run(item: NotExamined, report: Report) -> bool:
    return item.why == NO_HISTORY or (report.step == 0 and item.name in _AT_LOOKS)


def _advice(tried: tuple[Changes, ...]) -> str:
    first, *others = (in_words(changes) for changes in tried)
    return f"Train with {first}" + "".join(f"; or with {other}" for other in others) + "."


def in_words(changes: Changes) -> str:
    """ "head_scale = 0.01, norm = 'batch'", as it stands in a recipe."""
    return ", ".join(f"{name} = {value!r}" for name, value in changes.items())


def _quiet_head(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    bias = None if recipe.head_bias_scale is None else 0.0  # a bias that was drawn is drawn still, and multiplied away
    return ({"head_scale": 0.01, "head_bias_scale": bias},)


def _scaled(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    """Kaiming's scale for the hidden weights, with the output layer as it is; or a norm that needs no scale."""
    bias = None if recipe.bias_scale is None else min(recipe.bias_scale, 0.01)
    kaiming: Changes = {"init": "kaiming", "gain": None, "bias_scale": bias}
    if recipe.init != "kaiming":
        kaiming["head_init"] = recipe.head_init or recipe.init
    return kaiming, {"norm": "layer"}


def _drawn(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    """Weights that differ from unit to unit, in every layer."""
    return ({"init": "kaiming", "gain": None, "head_init": None, "head_scale": recipe.head_scale or 0.1},)


def _slower(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    return tuple({"learning_rate": _round(recipe.learning_rate / factor)} for factor in (3, 10, 100))


def _faster(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    factor = float(finding.evidence.details.get("factor", 10.0))
    rates = [_round(recipe.learning_rate * factor * share) for share in (0.1, 1.0, 0.01)]
    return tuple({"learning_rate": rate} for rate in rates if rate > recipe.learning_rate)


def _alive(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    return {"activation": "gelu"}, *_slower(finding, recipe)[:2], *_scaled(finding, recipe)[:1]


def _unstuck(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    return *_scaled(finding, recipe), *_slower(finding, recipe)[:2]


def _steady(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    return {"clip": 1.0}, *_slower(finding, recipe)[:2]


def _restrained(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    """Against overfitting: dropout, decay, and half of the units."""
    smaller = tuple(max(size // 2, 1) for size in recipe.hidden)
    decay = {"weight_decay": _round(max(3 * recipe.weight_decay, 0.1))}
    return {"dropout": min(round(recipe.dropout + 0.2, 2), 0.5)}, decay, {"hidden": smaller}


def _freed(finding: Finding, recipe: Recipe) -> tuple[Changes, ...]:
    """Against underfitting: what holds it back is lifted, else it gets twice the units."""
    held: Changes = {"dropout": 0.0, "weight_decay": _round(recipe.weight_decay / 10)}
    return held, {"hidden": tuple(2 * size for size in recipe.hidden)}


_REMEDIES: dict[str, Callable[[Finding, Recipe], tuple[Changes, ...]]] = {
    "initial-loss": _quiet_head,
    "saturated-tanh": _scaled,
    "exploding": _scaled,
    "vanishing": _scaled,
    "stuck-units": _unstuck,
    "symmetric-units": _drawn,
    "no-gradient": _drawn,
    "dead-relu": _alive,
    "rate-too-high": _slower,
    "rate-too-low": _faster,
    "spikes": _steady,
    "clipping-binds": lambda finding, recipe: ({"clip": _round(10 * (recipe.clip or 1.0))}, {"clip": None}),
    "bias-before-norm": lambda finding, recipe: ({"bias": "auto"},),
    "batch-norm-statistics": lambda finding, recipe: ({"norm": "layer"},),
    "weight-decay": lambda finding, recipe: ({"weight_decay": _round(recipe.weight_decay / 10)}, {"weight_decay": 0.0}),
    "overfitting": _restrained,
    "underfitting": _freed,
}

_AT_LOOKS = (
    "trained-in-eval-mode",
    "overfitting",
    "inputs-ignored",
    "underfitting",
    "weight-decay",
    "attention-collapse",
)
_IN_A_RUN = "it shows while it trains: moreish train, then moreish diagnose RUN"
_DONE_RIGHT = {
    "gradients-not-cleared": "the engines of moreish compute every gradient anew",
    "schedule-not-applied": "the rate of every step is computed before it",
    "evaluated-in-training-mode": "evaluation has a forward pass of its own",
    "not-shuffled": "examples are drawn at random",
}


def _round(value: float) -> float:
    """Three digits: what a person would type."""
    return float(f"{value:.3g}")
