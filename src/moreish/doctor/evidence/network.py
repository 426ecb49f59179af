"""What one pass shows of a network: its operations, parameters and norms, and what depends on what."""

from dataclasses import dataclass

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
        num_units: size of the last axis (channels for convolutions; of a softmax the axis that it runs over).
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
class BatchNorm:
    """One batch norm.

    Attributes:
        rows: values per channel that its statistics rest on.
        momentum: None for a cumulative average.
        num_updates: how often the running statistics were updated; None where the module does not count.
        tracks: whether it has running statistics.
        is_training: the mode it was found in.
        mean_distance: |running mean - batch mean| in standard deviations, one per channel that varies (at most
            64).
        spread_ratio: running variance over batch variance, for the same channels.
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
        deaf_inputs: of several inputs, names of those whose exchange changed no output.
        repeats: whether two passes with different random states gave the same outputs.
        is_sampled: whether they do once draws from a normal distribution are zeros, as of a variational network.
        batch_statistics: name of a norm that takes its statistics from the batch in evaluation mode too.
        links: what links the examples, where they are the nodes of one graph, and its shape; None where they are not.
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
    is_sampled: bool = False
    links: str | None = None


@dataclass(frozen=True)
class Memory:
    """How much the last prediction depends on each position of the input.

    Attributes:
        cell: name of the first recurrent module.
        gradients: norm of the gradient of the last position's loss with respect to the input at each position, in
            groups of examples, (T, G); counted from the last input that an example has, NaN where none reaches.
    """

    cell: str
    gradients: tuple[tuple[float, ...], ...]


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
