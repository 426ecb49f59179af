"""A setting: one frozen object that says all about a training; faults and remedies turn one setting into another."""

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

from benchmarks.doctor import architectures, corpora

Named = tuple[tuple[str, Any], ...]
"""Names and values, as a tuple so that a setting can be hashed and compared."""


@dataclass(frozen=True)
class Setting:
    """All that determines a training.

    Attributes:
        options: of the architecture.
        initial: changes to the parameters before training, by name, in this order (`alterations.INITIAL`).
        wiring: changes to the forward pass, by name (`alterations.WIRING`).
        loss: name in `training.LOSSES`.
        optimizer: name in `training.OPTIMIZERS`.
        clip: largest norm of the gradient.
        schedule: "constant", "warmup" from `schedule_start` times the rate, "cosine" or "restarts".
        is_schedule_stepped: whether the loop calls the scheduler.
        bursts: factor on the rate in every hundredth step.
        left_out: part of the model that the optimiser does not hold.
        resting: part of the model whose group has learning rate zero.
        fast: part of the model whose group has a rate `fast_factor` times as high.
        clear_every: steps between two calls of zero_grad; 0 for never.
        accumulate: backward passes a step, each on its share of the batch.
        eval_from: step from which the model is in evaluation mode; None for never.
        evaluate_every: steps between two evaluations, without gradients.
        is_evaluated_right: whether they are made in evaluation mode.
        strange_passes_every: steps between passes in training mode, without gradients, over strange inputs.
        num_train: training examples.
        label_offset: place of the label after the last input; 1 is the next symbol.
        mislabelled: share of labels that were dealt out at random, once and for all.
        scrambled: share of the labels of each minibatch that the loop deals out at random.
        overlap: share of validation that stands in training.
        duplicates: share of training examples that are copies of others.
        stretches: into how many stretches the data fall that are each in the order of their labels; 0 where they are
            shuffled.
        broken: share of training inputs that hold a NaN.
        ignored: share of labels that are padding (-100).
        examined: examples in the batch that is examined before training.
    """

    architecture: str
    corpus: str
    seed: int = 0
    options: Named = ()
    initial: Named = ()
    wiring: Named = ()
    loss: str = "mean"
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip: float | None = None
    schedule: str = "constant"
    schedule_start: float = 0.1
    is_schedule_stepped: bool = True
    bursts: float = 1.0
    left_out: str | None = None
    resting: str | None = None
    fast: str | None = None
    fast_factor: float = 1.0
    clear_every: int = 1
    accumulate: int = 1
    eval_from: int | None = None
    evaluate_every: int = 40
    is_evaluated_right: bool = True
    strange_passes_every: int | None = None
    num_train: int = 4096
    label_offset: int = 1
    mislabelled: float = 0.0
    scrambled: float = 0.0
    overlap: float = 0.0
    duplicates: float = 0.0
    stretches: int = 0
    broken: float = 0.0
    ignored: float = 0.0
    steps: int = 120
    batch: int = 32
    examined: int = 256

    def having(self, **changes: Any) -> "Setting":
        """The same with other values."""
        return replace(self, **changes)

    def adding(self, field: str, **items: Any) -> "Setting":
        """The same with more named values in `options`, `initial` or `wiring`; a name that is there is replaced."""
        present = tuple(pair for pair in getattr(self, field) if pair[0] not in items)
        return replace(self, **{field: present + tuple(items.items())})

    def dropping(self, field: str, *names: str) -> "Setting":
        """The same without some of the named values; without names, without all."""
        return replace(self, **{field: tuple(pair for pair in getattr(self, field) if names and pair[0] not in names)})

    @property
    def is_held_out(self) -> bool:
        """Whether architecture or corpus were kept away from all tuning."""
        return self.architecture in architectures.HELD_OUT or self.corpus in corpora.HELD_OUT

    @property
    def key(self) -> str:
        """Sixteen characters that stand for this setting in files; fields at their defaults do not matter."""
        told = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def healthy(architecture: str, seed: int = 0, **changes: Any) -> Setting:
    """The setting in which nothing is wrong with an architecture."""
    spec = architectures.ARCHITECTURES[architecture]
    base = Setting(
        architecture, spec.corpus, seed, loss=spec.loss, optimizer=spec.optimizer, learning_rate=spec.learning_rate
    )
    if spec.layout in ("windows", "ratings"):  # one prediction an example instead of eight
        base = base.having(batch=64, num_train=12288)
    if spec.layout in ("sequences", "tags"):  # eight predictions an example instead of one
        base = base.having(batch=16, num_train=3072, examined=128)
    return base.having(**changes)
