"""What `loss_fn` computes, and what it asks of the outputs."""

from dataclasses import dataclass


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
