"""What the examples are like, and what simpler models make of them."""

from dataclasses import dataclass


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
class Belonging:
    """How the guesses of a simple model correlate with targets that it was not fitted on: 0 for those of other inputs.

    Attributes:
        there: in validation, means over groups of neighbours, (G,).
        here: the same in train; its mean is that of the better of two models, fitted in train and in validation.
        num_there: examples in validation.
        num_here: examples in train.
        apart: how whether an example stands in validation correlates with a guess from its inputs; 0 if alike.
        variation: how much targets vary in train, over how much they do in validation (of variances).
    """

    there: tuple[float, ...]
    here: tuple[float, ...]
    num_there: int
    num_here: int
    apart: float
    variation: float
