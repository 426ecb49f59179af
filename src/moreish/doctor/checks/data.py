"""The examples themselves: splits that overlap, copies, and targets that do not belong to their inputs."""

from moreish.doctor.checks.check import Check, NotApplicable, Verdict
from moreish.doctor.checks.standing import INFORMATION, differences, mean
from moreish.doctor.evidence import Belonging, Evidence
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
GUESSED, GUESSED_MORE = 0.2, 3.0
"""Correlation of a simple model's guesses with targets of validation from which inputs tell about them; and how many
times that in train it must be, as where two of three targets belong to other inputs."""
APART, VARIATION = 0.3, 0.5
"""Train is another matter from this correlation of guesses which examples are those of validation with which they are;
and up to this share of the variance of the targets there."""
_REMEDY = "Look at some training examples by eye; shuffle inputs and targets with one permutation."
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
    allowed = level.each(5)
    said = [_looked_up(evidence, allowed), _guessed(evidence, allowed), _told(evidence, allowed)]
    found = [item for item in said if isinstance(item, Finding)]
    if found:
        return found[:1]
    in_loop, *in_data = said
    # Targets that are those of train are no more than that, where what was held out could say more and does not.
    has_validation = evidence.data is not None and evidence.data.num_overlapping is not None
    if None in in_data or (in_loop is None and not has_validation):
        return []
    why = next(item for item in (in_data if has_validation else said) if isinstance(item, str))
    return NotExamined("labels-mismatched", why)


def _looked_up(evidence: Evidence, allowed: float) -> Finding | str | None:
    """What is wrong between the training set and the loop, if anything; or why that cannot be said."""
    data = evidence.data
    if data is None or data.num_found < MIN_FOUND:
        return "it takes minibatches whose examples stand in train as they are, or train and validation"
    # Short inputs recur with other targets; then it speaks that these stand in train too, beside other inputs.
    tried = [
        (count_above(count, data.num_looked_up, min(by_chance + RELABELLED, 1.0)), count, by_chance)
        for count, by_chance in (
            (data.num_relabelled, data.relabelled_by_chance),
            (data.num_exchanged, data.exchanged_by_chance),
        )
    ]
    p, count, by_chance = min(tried)
    if p >= allowed:
        return None
    return Finding(
        "labels-mismatched", "critical", None, 0,
        Measurement("share of the loop's examples with another target than in train", count / data.num_looked_up,
                    by_chance, by_chance + RELABELLED, p, allowed, data.num_looked_up),
        f"Of {data.num_found} examples of the loop that stand in train, {data.num_relabelled} have "
        "another target there: inputs and targets come apart between the data and the step.",
        "Draw one set of rows for both (inputs[rows], targets[rows]); shuffle both with one permutation.",
        _TAXONOMY,
    )  # fmt: skip


def _guessed(evidence: Evidence, allowed: float) -> Finding | str | None:
    """Whether targets can be guessed in validation and not in train; or why that cannot be said."""
    guessed = evidence.belonging
    if guessed is None:
        return evidence.missing.get("belonging", "it needs train and validation")
    if not _is_alike(guessed):
        return "train and validation are too unlike to compare what inputs tell about targets in them"
    there, here = mean(guessed.there), mean(guessed.here)
    p = max(mean_above(guessed.there, GUESSED), mean_above_multiple(guessed.there, guessed.here, GUESSED_MORE))
    if p < allowed:
        return Finding(
            "labels-mismatched", "critical", None, 0,
            Measurement("correlation of targets in train with guesses of a simple model", here, there,
                        there / GUESSED_MORE, p, allowed, guessed.num_here),
            f"What a simple model guesses from the inputs correlates with the targets in validation ({there:.2f}), and "
            f"not in train ({here:.2f}): there, targets do not belong to their inputs.",
            _REMEDY, _TAXONOMY,
        )  # fmt: skip
    if mean_above(guessed.here, 0.0) < allowed:
        return None
    return (
        f"guesses of a simple model correlate {here:.2f} with targets in train and {there:.2f} in validation: too "
        "little, or of too few examples, to say whether targets belong to their inputs"
    )


def _is_alike(guessed: Belonging) -> bool:
    """Whether inputs and targets of validation are such as those of train."""
    return guessed.apart < APART and guessed.variation > VARIATION


def _told(evidence: Evidence, allowed: float) -> Finding | str | None:
    """Whether inputs tell about targets in validation and not in train, by losses; or why that cannot be said."""
    data, told, told_here = evidence.data, evidence.validation_reference, evidence.reference
    if told is None or told_here is None:
        return "it takes loss_fn, train and validation in which a simple model can be fitted"
    if told_here.num_fitted < told.num_fitted or data is None or data.context_repeats >= MAX_COPIES:
        return "train has fewer examples than validation, or most of them twice"
    if evidence.belonging is not None and not _is_alike(evidence.belonging):
        return "train and validation are too unlike"
    there, here = differences(told.marginal, told.losses), differences(told_here.marginal, told_here.losses)
    less, threshold = min(
        (mean_above_multiple(there, here, TOLD_MORE), mean(there) / TOLD_MORE),
        (mean_below(here, TOLD_LESS * mean(there)), TOLD_LESS * mean(there)),
    )
    p = max(mean_above(there, INFORMATION * told.unit), less)
    if p < allowed:
        return Finding(
            "labels-mismatched", "critical", None, 0,
            Measurement(f"what inputs tell about targets in train ({told_here.kind}: loss below that of the "
                        "targets alone)", mean(here), mean(there), threshold, p, allowed, len(here)),
            f"{told.kind.capitalize()} leads {mean(there):.3g} below the targets alone in validation, and "
            f"{mean(here):.3g} in train: there, targets do not belong to their inputs.",
            _REMEDY, _TAXONOMY,
        )  # fmt: skip
    if mean_above(here, 0.0) < allowed:
        return None
    return "a simple model tells too little about targets to say whether they belong to their inputs"


CHECKS = (
    Check("duplicates", ("data",), duplicates),
    Check("split-overlap", ("data",), split_overlap),
    Check("labels-mismatched", (), labels_mismatched),
)
