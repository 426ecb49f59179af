"""What probes write down and checks judge: plain numbers, so that a verdict can be made again from a file.

Every section may be None; `missing` then says why. Sections hold a few numbers per place, never whole activations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moreish.doctor.plain import plain, reader

NUM_GROUPS = 16
"""Per-example values are averaged in at most this many groups of examples, the units of the t-tests."""


@dataclass(frozen=True)
class Site:
    """One operation of the forward pass, pooled over its calls: a layer, an activation, a norm.

    Attributes:
        name: the module's name, and the operation's where the module has several.
        kind: "linear", "embedding", "activation", "norm", "softmax", "attention" or "dropout".
        op: as PyTorch calls it: "tanh", "relu", "linear", "batch_norm".
        parameter: name of the weight, where there is one.
        num_calls: how often it ran in one forward pass; more than one where weights are shared over time.
        num_units: size of the last axis (channels for convolutions).
        num_rows: rows of units that were pooled: examples times positions times calls.
        num_distinct: how many different rows came in, of a thousand; counted where units are stuck or dead.
        rms: root mean square of the output, in groups of examples, (G,).
        gradient: root mean square of the loss's gradient with respect to the output, in groups of examples, (G,).
        saturated: share of |output| beyond the threshold (tanh 0.97, sigmoid 0.015), in groups of examples, (G,).
        num_stuck: units that are saturated on the same side in every row.
        num_dead: units that are zero in every row.
        relative_entropy: attention only: entropy of the weights over its largest possible, in groups, (G,).
        has_bias: whether a bias is added right here.
        is_finite: whether output is free of NaN and infinity.
        has_finite_inputs: whether what came in was.
    """

    name: str
    kind: str
    op: str
    parameter: str | None
    num_calls: int
    num_units: int
    num_rows: int
    num_distinct: int
    rms: tuple[float, ...]
    gradient: tuple[float, ...] = ()
    saturated: tuple[float, ...] = ()
    num_stuck: int = 0
    num_dead: int = 0
    relative_entropy: tuple[float, ...] = ()
    has_bias: bool = False
    is_finite: bool = True
    has_finite_inputs: bool = True


@dataclass(frozen=True)
class Parameter:
    """One parameter and what a few steps of plain gradient descent on a copy of the state did to it.

    Attributes:
        requires_grad: as it was found.
        in_optimizer: None where no optimiser was given.
        weight_decay: of its group in the optimiser.
        rms: root mean square of its values.
        gradient_rms: of the first gradient; None where it got none.
        got_gradient: whether any of the trial steps gave a gradient that is not all zero.
        is_used: whether the loss depends on it at all in the graph (a gradient that is zero still counts).
        are_units_equal: whether all rows (or all columns) were and stayed equal through the trial steps.
        feeds_norm: whether it is a bias whose output goes into a norm that subtracts the mean.
        is_finite: free of NaN and infinity.
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    requires_grad: bool
    in_optimizer: bool | None
    weight_decay: float
    rms: float
    gradient_rms: float | None
    got_gradient: bool
    is_used: bool
    are_units_equal: bool
    feeds_norm: str | None
    is_finite: bool


@dataclass(frozen=True)
class OutputRange:
    """What the last operation of the network can give, where that has bounds, and the targets beyond it.

    Attributes:
        operation: as autograd calls it: "relu", "tanh", "softmax", "clamp".
        low: the least that it gives; minus infinity without a bound.
        high: the most.
        targets: "numbers", "chances" (of logits), "classes" (of logits), or "shares" (that a softmax gives).
        beyond: share of the targets that it cannot come near (chances: within 0.1 nats; shares: rows that do not add up
            to one).
        lost: what the best outputs within the range cost: numbers, the squared error over the variance of the targets;
            chances and classes, nats above the least; shares, by how much rows miss one.
    """

    operation: str
    low: float
    high: float
    targets: str
    beyond: float
    lost: float


@dataclass(frozen=True)
class Loss:
    """The loss on the batch, and what it turned out to compute.

    Attributes:
        value: as `loss_fn` gave it.
        formula: of classes "cross entropy", "softmax twice", "softmax of sigmoid", "softmax over examples",
            "softmax over places", "likelihood of logits"; of numbers "squared error", "absolute error", "Huber",
            "binary cross entropy", "likelihood of probabilities", "sigmoid twice", and of rows of them "cross
            entropy of rows", "cross entropy of the largest" (of each row); or "unknown".
        reduction: "mean" or "sum" over predictions; "" where the formula is unknown.
        num_classes: V; 0 where the targets are not classes.
        num_predictions: examples times positions.
        per_example: mean loss of each example, nats, (n,) with n at most 512; empty where unknown.
        chance: ln V, what even chances give; NaN where the targets are neither classes nor rows of their chances.
        marginal: entropy of the batch's targets alone, nats.
        outputs_are: "logits", "log-probabilities", "probabilities" or "other".
        of_zero: squared errors of predicting 0 for the examples of `per_example`, (n,); empty where targets are no
            numbers.
        of_mean: the same of predicting the mean of the targets.
        targets_mean: that mean, over all outputs of an example.
        is_binary: whether the targets are numbers, all of them 0 or 1.
        rows_off: share of rows of targets with several entries that do not add up to one; 0 where the formula takes no
            rows.
        row_sum: what those add up to, mean.
        output_range: None where what the last operation gives has no bounds, or nothing can be said of the targets.
    """

    value: float
    formula: str
    reduction: str
    num_classes: int
    num_predictions: int
    per_example: tuple[float, ...]
    chance: float
    marginal: float
    outputs_are: str
    of_zero: tuple[float, ...] = ()
    of_mean: tuple[float, ...] = ()
    targets_mean: float = 0.0
    is_binary: bool = False
    rows_off: float = 0.0
    row_sum: float = 1.0
    output_range: OutputRange | None = None


@dataclass(frozen=True)
class Coupling:
    """Which inputs reach which outputs: what changed when one input was exchanged, in evaluation mode.

    Attributes:
        num_positions: P of the outputs, 1 where each example has one prediction.
        context: T of the inputs; 0 where they have no positions.
        is_next_symbol: whether the targets are the inputs, moved by one.
        others: share of the other examples whose outputs changed when one example was exchanged.
        own: whether that example's own outputs changed.
        earlier: largest change of an output before the position whose input was exchanged, relative to the outputs.
        earlier_position: the position where that was.
        reaching: for each input position tried, whether any output changed.
        positions: those positions.
        deaf_inputs: names of inputs besides the first, their keys or numbers, whose exchange changed no output.
        repeats: whether two passes with different random states gave the same outputs.
        batch_statistics: name of a norm that takes its statistics from the batch in evaluation mode too.
    """

    num_positions: int
    context: int
    is_next_symbol: bool
    others: float
    own: bool
    earlier: float
    earlier_position: int
    reaching: tuple[bool, ...]
    positions: tuple[int, ...]
    repeats: bool
    batch_statistics: str | None
    deaf_inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wiring:
    """Which outputs a target trains: where the loss's gradient with respect to the outputs changed with one target.

    A change that is one factor for all outputs is normalisation (weights of classes, a norm), and does not count. Means
    are over the exchanges that changed anything.

    Attributes:
        output_shape: as the loss gets it.
        target_shape: as the loss gets it.
        num_exchanged: targets whose exchange changed some gradient.
        own: share of the change in the outputs of the target's own example, mean; NaN without any change.
        others: share of the other examples whose outputs' gradient changed, mean.
        is_all_pairs: whether the loss is the mean, or sum, of that of all pairs of an output and a target.
        num_elsewhere: exchanges of labels that changed exactly one example, another than the label's own.
        elsewhere_shifts: by how many examples, each of them.
        num_places: P, where targets are labels and have places that are told apart in the outputs; else 1.
        at_place: share of the change within the own example that is at the target's own place, mean.
        num_scattered: exchanges that changed several places, at most V numbers, and not the same classes at each.
        offset: place of the output that is trained, minus the place of its target; None where they differ.
    """

    output_shape: tuple[int, ...]
    target_shape: tuple[int, ...]
    num_exchanged: int
    own: float
    others: float
    is_all_pairs: bool = False
    num_elsewhere: int = 0
    elsewhere_shifts: tuple[int, ...] = ()
    num_places: int = 1
    at_place: float = 1.0
    num_scattered: int = 0
    offset: int | None = None


@dataclass(frozen=True)
class BatchNorm:
    """One batch norm.

    Attributes:
        rows: values per channel that its statistics rest on.
        momentum: None for a cumulative average.
        num_updates: how often the running statistics were updated; None where the module does not count.
        tracks: whether it has running statistics.
        is_training: the mode it was found in.
        mean_distance: |running mean - batch mean| in standard deviations, one per channel (at most 64).
        spread_ratio: running variance over batch variance, one per channel (at most 64).
    """

    name: str
    rows: int
    momentum: float | None
    num_updates: int | None
    tracks: bool
    is_training: bool
    mean_distance: tuple[float, ...]
    spread_ratio: tuple[float, ...]


@dataclass(frozen=True)
class Data:
    """What the examples and labels look like.

    Attributes:
        num_examples: in the batch or the training set that was given.
        label_offset: share of labels equal to the input so many places later (0: at the same place), by offset.
        num_symbols: distinct labels.
        num_overlapping: validation examples (input and label) that stand in the training set too; None without any.
        num_validation: validation examples that were looked up.
        num_chance_overlap: of them, those so common that they would recur in fresh data.
        context_repeats: share of training examples that stand in it more than once.
        spread: nats of an example's input, if its places were independent: sum of the entropies of single places.
        repeats_by_chance: the most of `context_repeats` that chance may make: were the places independent, or, where
            places tell about each other, as many as recur in the first half of their places but not in all.
        label_runs: neighbouring minibatches, or examples, with the same label: observed number of pairs.
        label_pairs: pairs of neighbouring labels.
        label_same_chance: chance that two labels drawn at random agree.
        label_values: the labels that there are, the last of an example that has several; () where they are numbers.
        label_shares: how often each is that of an example.
        num_looked_up: examples of the loop's minibatches whose inputs were looked up in the training set.
        num_found: of them, those that stand there.
        num_relabelled: of these, those that have a target in the loop that they have nowhere there.
        relabelled_by_chance: share of training examples that are found so among the others of the training set.
        num_exchanged: of the relabelled, those whose target stands there beside other inputs.
        exchanged_by_chance: share of training examples whose target does.
        are_inputs_finite: whether every number of the inputs is.
        are_targets_finite: the same of the targets.
        num_columns: columns of numbers, one row an example, in which the label was looked for.
        label_columns: names of those that give it away.
        label_relation: what they are to it: "equal to", "an affine function of" or "the one-hot code of".
    """

    num_examples: int
    label_offset: dict[str, float]
    num_symbols: int
    num_overlapping: int | None = None
    num_validation: int = 0
    num_chance_overlap: int = 0
    context_repeats: float = 0.0
    spread: float = 0.0
    repeats_by_chance: float = 1.0
    label_runs: int = 0
    label_pairs: int = 0
    label_same_chance: float = 0.0
    label_values: tuple[float, ...] = ()
    label_shares: tuple[float, ...] = ()
    num_looked_up: int = 0
    num_found: int = 0
    num_relabelled: int = 0
    relabelled_by_chance: float = 0.0
    num_exchanged: int = 0
    exchanged_by_chance: float = 0.0
    are_inputs_finite: bool = True
    are_targets_finite: bool = True
    num_columns: int = 0
    label_columns: tuple[str, ...] = ()
    label_relation: str = ""


@dataclass(frozen=True)
class Reference:
    """What a network has to beat: losses of simpler models on the examples of `train_losses`.

    Attributes:
        kind: what the simple model of the inputs is.
        marginal: the labels (or the mean target) alone, (n,).
        losses: of that model, fitted on the half of the examples that does not hold the one measured, (n,).
        num_fitted: examples in such a half.
        loss: what they are losses of: "cross entropy" of classes, nats; "squared error" of numbers; "binary cross
            entropy" of zeros and ones, nats a number.
    """

    kind: str
    marginal: tuple[float, ...]
    losses: tuple[float, ...]
    num_fitted: int
    loss: str = "cross entropy"

    @property
    def unit(self) -> float:
        """What thresholds in nats are multiplied by: 1; for numbers, the loss of what the targets alone lead to."""
        return 1.0 if self.loss == "cross entropy" else sum(self.marginal) / len(self.marginal)


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
class Narrow:
    """A layer of few numbers that all of a prediction passes, and what is lost there; losses are the last place's.

    Simple models help the network's own predictions, each fitted on the other half of the examples.

    Attributes:
        layer: the first such module.
        width: its numbers for one prediction.
        num_before: those that come in.
        without: losses with the help of what leaves the layer, or of nothing, whichever is less, (n,).
        with_before: with the help of what comes in besides, (n,), by each kind of simple model.
        is_squared_error: whether losses are squared errors of numbers; else they are nats.
    """

    layer: str
    width: int
    num_before: int
    without: tuple[float, ...]
    with_before: tuple[tuple[float, ...], ...]
    is_squared_error: bool = False


@dataclass(frozen=True)
class Memory:
    """How much the last prediction depends on each position of the input.

    Attributes:
        cell: name of the first recurrent module.
        gradients: norm of the gradient of the last position's loss with respect to the input at each position, in
            groups of examples, (T, G).
    """

    cell: str
    gradients: tuple[tuple[float, ...], ...]


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
class Unregistered:
    """A tensor that is trained with the model, and is none of its parameters.

    Attributes:
        in_optimizer: None where no optimiser was given.
    """

    shape: tuple[int, ...]
    in_optimizer: bool | None


@dataclass(frozen=True)
class Graph:
    """What autograd recorded of a pass.

    Attributes:
        unregistered: tensors that require a gradient, are used in the forward pass, and are neither parameters of the
            model nor inputs.
        spoiled_by: the first operation, on the way back, whose derivative made NaN or infinity of a finite gradient.
        has_gradient: whether the loss depends on anything that requires a gradient.
    """

    unregistered: tuple[Unregistered, ...]
    spoiled_by: str | None
    has_gradient: bool


@dataclass(frozen=True)
class InputScales:
    """How large the columns are that go into the first linear layer, one row an example, as the data have them.

    Attributes:
        layer: its name; "" where it is the whole model, or there is none.
        num_columns: those that are not zero throughout; 0 without such a layer.
        far: columns whose root mean square is a hundred times that of the median column and more.
        size: root mean square of the largest column.
        median: that of the median column.
        contribution: root mean square of what columns of `far` bring into the layer, over that of the others.
    """

    layer: str = ""
    num_columns: int = 0
    far: tuple[int, ...] = ()
    size: float = 0.0
    median: float = 0.0
    contribution: float = 0.0


@dataclass(frozen=True)
class Look:
    """What was seen at one step. `step` 0 is before training."""

    step: int
    sites: tuple[Site, ...] | None = None
    parameters: tuple[Parameter, ...] | None = None
    loss: Loss | None = None
    coupling: Coupling | None = None
    norms: tuple[BatchNorm, ...] | None = None
    updates: tuple[Update, ...] | None = None
    rates: Rates | None = None
    memory: Memory | None = None
    train_losses: tuple[float, ...] | None = None
    validation_losses: tuple[float, ...] | None = None
    in_training_mode: bool | None = None
    graph: Graph | None = None
    wiring: Wiring | None = None
    narrow: Narrow | None = None
    input_scales: InputScales | None = None


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
    noisy_modules: tuple[str, ...] = ()
    minibatches: tuple[Minibatch, ...] = ()
    scales: tuple[tuple[int, float], ...] = ()
    rate_jumps: tuple[tuple[int, float, float], ...] = ()
    optimizer_steps: int | None = None
    has_moved: bool | None = None


@dataclass(frozen=True)
class Evidence:
    """All that was measured on one model: looks in the order of their steps, data, history.

    `missing` maps a section's name to why it is not there. `validation_reference` was fitted and measured on
    validation.
    """

    looks: tuple[Look, ...]
    data: Data | None = None
    history: History | None = None
    missing: dict[str, str] = field(default_factory=dict)
    optimizer: str | None = None
    reference: Reference | None = None
    validation_reference: Reference | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; read it back with `from_dict`."""
        return plain(self)

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "Evidence":
        """The evidence that `to_dict` wrote."""
        return reader(Evidence)(content)

    def to_json(self) -> str:
        """One line of JSON; read it back with `from_json`."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Evidence":
        """The evidence that `to_json` wrote."""
        return Evidence.from_dict(json.loads(text))
