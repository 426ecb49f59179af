"""What steps do: those of the loop, and those that are tried out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Branch:
    """A few steps from the same state on the same batches at one rate; the state was put back afterwards.

    Attributes:
        factor: of the learning rate.
        decay: factor of the weight decay.
        losses: per example before, and after the steps, on examples that the steps did not use, (n,) each.
        is_finite: whether every loss was.
    """

    factor: float
    before: tuple[float, ...]
    after: tuple[float, ...]
    is_finite: bool
    decay: float = 1.0


@dataclass(frozen=True)
class Rates:
    """What the learning rate did in branches of `num_steps` steps.

    Attributes:
        moved: how far a step at this rate moved a parameter, over its length: median over parameters, of the mean over
            the steps.
    """

    learning_rate: float
    num_steps: int
    branches: tuple[Branch, ...]
    moved: float | None = None


@dataclass(frozen=True)
class Update:
    """One parameter over one step: how far it moved, and the gradient that moved it.

    Attributes:
        moved: norm of the change over norm of the values, from a sample of at most 8,192; NaN where all are zero.
        is_moved: whether any bit of it changed.
        gradient_norm: of the gradient as the optimiser used it, from the sample.
        stale: share of the gradient used that is left over from the step before; None if not seen.
        scale: factor between the gradient that arrived and the one that was used; None if not seen.
        size: norm of the values before the step, from the sample.
        decay: norm of what weight decay did over that of what the gradient did; 0 without decay.
        in_optimizer: whether the optimiser holds it.
    """

    name: str
    moved: float
    is_moved: bool
    gradient_norm: float | None
    stale: float | None = None
    scale: float | None = None
    size: float = 0.0
    decay: float = 0.0
    in_optimizer: bool = True


@dataclass(frozen=True)
class NotFinite:
    """Where the first NaN or infinity of a training came from.

    Attributes:
        step: from 1.
        where: "parameter" (it held it before the step), "forward" (an operation of the model made it), "backward" (all
            operations of the model are finite: the loss, or a derivative), or "unknown".
        name: of the parameter or operation.
    """

    step: int
    where: str
    name: str | None


@dataclass(frozen=True)
class Minibatch:
    """One minibatch: how many examples, and their labels: one of each, the last where it has several, at most 64."""

    step: int
    labels: tuple[float, ...]
    num_examples: int


@dataclass(frozen=True)
class Stray:
    """What a batch norm got in a pass without gradients in training mode, and learned from.

    Attributes:
        layer: name of the norm.
        rows: values a channel.
        distance: between their mean and the running one, in running standard deviations; median over channels.
        spread: their variance over the running one; median over channels.
    """

    layer: str
    rows: int
    distance: float
    spread: float


@dataclass(frozen=True)
class History:
    """Every step's loss, and what was seen along the way, from the first step watched.

    Attributes:
        losses: (n,), as handed to `step`.
        before: losses of the examples of `train_losses` before the first step, (n,); empty without `with` or `train`.
        look_steps: the steps of `learning_rates`.
        learning_rates: of the first group at each look.
        has_scheduler: whether a scheduler is, or was, attached to the optimiser.
        scheduler_steps: how often it stepped since it was made; None where that cannot be told.
        is_over: whether the `with` block was left.
        not_finite: where the first gradient that was not finite came from; None without any, or without `with`.
        passes_in_training_mode: passes without gradients in training mode; None without `with`.
        passes_in_evaluation_mode: the same in evaluation mode.
        strays: of some of the former, the first, the second, the fourth and so on, what each batch norm got.
        noisy_modules: names of modules that act otherwise in training: dropout, norms of the batch.
        minibatches: labels of some minibatches: each of the first eight, then at steps that grow by a fourth.
        rate_jumps: steps whose rate, of the first group, is three times that of the step before or more, or a third or
            less; that of the step before, and that rate.
        scales: step, and factor between the gradient that arrived and the one that was used; noted at the steps of
            `minibatches` where the first look saw such a factor.
        optimizer_steps: how often the optimiser stepped; None without `with`.
        has_moved: whether any parameter is another than at the beginning; None without `with`.
    """

    losses: tuple[float, ...]
    before: tuple[float, ...] = ()
    look_steps: tuple[int, ...] = ()
    learning_rates: tuple[float, ...] = ()
    has_scheduler: bool = False
    scheduler_steps: int | None = None
    is_over: bool = False
    not_finite: NotFinite | None = None
    passes_in_training_mode: int | None = None
    passes_in_evaluation_mode: int | None = None
    strays: tuple[Stray, ...] = ()
    noisy_modules: tuple[str, ...] = ()
    minibatches: tuple[Minibatch, ...] = ()
    scales: tuple[tuple[int, float], ...] = ()
    rate_jumps: tuple[tuple[int, float, float], ...] = ()
    optimizer_steps: int | None = None
    has_moved: bool | None = None
