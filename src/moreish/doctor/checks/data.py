"""The examples themselves: splits that overlap, copies, and targets that do not belong to their inputs."""

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.checks.standing import INFORMATION, differences, mean
from moreish.doctor.evidence import Evidence
from moreish.doctor.finding import Finding, Measurement, NotExamined
from moreish.doctor.significance import Level, count_above, mean_above, mean_above_multiple, mean_below

OVERLAP = 0.05
"""Share of validation that stands in training, beyond what is common in the language itself, from which it misleads."""
COMPANY = 1.25
"""How many times the share that recurs within training may recur in validation by itself."""
RECURS = 0.02
"""Share of examples that recur by themselves, as halves do, from which the data are a language."""
FAR = 4.0
"""How many times as many examples must recur as chance may make at the most; or how many times fewer must not."""
MIXED = 0.5
"""Share that chance may repeat from which copies cannot be told."""
MIN_FOUND = 16
"""Examples of the loop that have to be found again in the training set."""
RELABELLED = 0.05
"""Share of them with another target than there, from which the loop trains on something else."""
TOLD_MORE, TOLD_LESS = 4.0, 0.1
"""How many times as much the inputs of validation must tell about its labels as those of training about theirs; or the
share that those of training at most tell."""
MAX_COPIES = 0.5
"""Share of copies in training from which a model that is fitted on part of it says nothing about the rest."""
_TAXONOMY = "Humbatova et al. 2020, ICSE, Taxonomy of Real Faults in Deep Learning Systems (wrong labels)"


def split_overlap(evidence: Evidence, level: Level) -> Verdict:
    """More validation examples stand in the training set than recur there by themselves."""
    data = evidence.data
    if data is None or data.num_overlapping is None:
        return NotExamined("split-overlap", "it needs train and validation")
    allowed = level.each()
    # An example that has a twin within training would have one if it were fresh: the share of such is the null.
    # Windows of one text recur in company, so that such shares differ more from split to split than lots would.
    null = COMPANY * data.context_repeats + OVERLAP
    p = count_above(data.num_overlapping, data.num_validation, min(null, 1.0))
    if p >= allowed:
        return []
    share = data.num_overlapping / max(data.num_validation, 1)
    return [
        Finding(
            "split-overlap", "major", None, 0,
            Measurement("share of validation examples that stand in training", share, data.context_repeats, null, p,
                        allowed, data.num_validation),
            f"{share:.0%} of the validation examples, inputs and labels, stand in the training set too; within it "
            f"{data.context_repeats:.0%} occur twice. The validation loss measures memory.",
            "Remove duplicates before splitting, and split by item, not by window.",
            "Kapoor & Narayanan 2023, Patterns 4(9), Leakage and the reproducibility crisis, L1.4",
        )
    ]  # fmt: skip


def duplicates(evidence: Evidence, level: Level) -> Verdict:
    """More training examples stand in the training set twice than so long inputs can by chance."""
    data = evidence.data
    assert data is not None
    chance = data.repeats_by_chance
    if chance > RECURS and data.num_overlapping is not None:  # a language: as much recurs in what was held out
        chance = max(chance, data.num_overlapping / max(data.num_validation, 1))
    null = min(OVERLAP + FAR * chance, 1 - (1 - chance) / FAR)
    if chance >= MIXED:
        return NotApplicable(f"inputs of {data.spread:.0f} nats are so short that up to {chance:.0%} of "
                             f"{data.num_examples:,} may recur by themselves")  # fmt: skip
    allowed, count = level.each(), round(data.context_repeats * data.num_examples)
    p = count_above(count, data.num_examples, null)
    if p >= allowed:
        return []
    return [
        Finding(
            "duplicates", "minor", None, 0,
            Measurement("share of training examples that stand in it more than once", data.context_repeats, chance,
                        null, p, allowed, data.num_examples),
            f"{data.context_repeats:.0%} of the training examples, inputs and labels, stand in the training set more "
            f"than once, where chance repeats {chance:.0%} of inputs as long as these at most: they count double, and "
            "a random split puts copies into validation.",
            "Remove duplicates before splitting.",
            "Kapoor & Narayanan 2023, Patterns 4(9), Leakage and the reproducibility crisis, L1.4",
        )
    ]  # fmt: skip


def labels_mismatched(evidence: Evidence, level: Level) -> Verdict:
    """Examples of the loop have other targets than in the training set; or those of training tell nothing."""
    data = evidence.data
    is_found = data is not None and data.num_found >= MIN_FOUND
    told, told_here = evidence.validation_reference, evidence.reference
    is_comparable = told is not None and told_here is not None and told_here.num_fitted >= told.num_fitted
    is_comparable &= data is not None and data.context_repeats < MAX_COPIES
    if not is_found and not is_comparable:
        return NotExamined("labels-mismatched", "it takes minibatches whose examples stand in train as they are, or "
                           "train and validation in which a simple model can be fitted")  # fmt: skip
    found, allowed = [], level.each(4)
    if data is not None and is_found:
        # Short inputs recur with other targets; then it speaks that these stand in train too, beside other inputs.
        tried = [
            (count_above(count, data.num_looked_up, min(by_chance + RELABELLED, 1.0)), count, by_chance)
            for count, by_chance in (
                (data.num_relabelled, data.relabelled_by_chance),
                (data.num_exchanged, data.exchanged_by_chance),
            )
        ]
        p, count, by_chance = min(tried)
        share = count / data.num_looked_up
        if p < allowed:
            found.append(
                Finding(
                    "labels-mismatched", "critical", None, 0,
                    Measurement("share of the loop's examples with another target than in train", share,
                                by_chance, by_chance + RELABELLED, p, allowed, data.num_looked_up),
                    f"Of {data.num_found} examples of the loop that stand in train, {data.num_relabelled} have "
                    "another target there: inputs and targets come apart between the data and the step.",
                    "Draw one set of rows for both (inputs[rows], targets[rows]); shuffle both with one permutation.",
                    _TAXONOMY,
                )
            )  # fmt: skip
    if told is not None and told_here is not None and is_comparable and not found:
        there, here = differences(told.marginal, told.losses), differences(told_here.marginal, told_here.losses)
        less, threshold = min(
            (mean_above_multiple(there, here, TOLD_MORE), mean(there) / TOLD_MORE),
            (mean_below(here, TOLD_LESS * mean(there)), TOLD_LESS * mean(there)),
        )
        p = max(mean_above(there, INFORMATION * told.unit), less)
        if p < allowed:
            found.append(
                Finding(
                    "labels-mismatched", "critical", None, 0,
                    Measurement(f"what inputs tell about targets in train ({told_here.kind}: loss below that of the "
                                "targets alone)", mean(here), mean(there), threshold, p, allowed,
                                len(here)),
                    f"{told.kind.capitalize()} leads {mean(there):.3g} below the targets alone in validation, and "
                    f"{mean(here):.3g} in train: there, targets do not belong to their inputs.",
                    "Look at some training examples by eye; shuffle inputs and targets with one permutation.",
                    _TAXONOMY,
                )
            )  # fmt: skip
    return found


CHECKS = (
    Check("duplicates", ("data",), duplicates),
    Check("split-overlap", ("data",), split_overlap),
    Check("labels-mismatched", (), labels_mismatched),
)
