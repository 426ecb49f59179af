"""Examine a training, try the remedies, take those that help, and examine again, until nothing more is found."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

from moreish.corpus import Corpus, read_corpus
from moreish.doctor.evidence import Evidence
from moreish.doctor.finding import Finding, Report
from moreish.doctor.judge import judge
from moreish.doctor.trainings.examination import examine
from moreish.doctor.trainings.observer import looked, recorded
from moreish.doctor.trainings.proof import CONFIDENCE, NUM_STEPS, Proof, lengths, prove
from moreish.doctor.trainings.remedies import Changes, for_recipe, in_words, remedies
from moreish.doctor.trainings.text import attempts_to_text
from moreish.errors import RecipeError
from moreish.recipe import Recipe
from moreish.statistics import Statistics
from moreish.training import Run
from moreish.training.network import threads
from moreish.training.origin import Origin, read_again, recipe_for, repeated_run

Progress = Callable[[Finding, int, int, int], None]
"""Hears the finding whose remedies are tried, the steps of each branch, how many are done in all, and of how many."""


@dataclass(frozen=True)
class Attempt:
    """What was tried against one finding.

    Attributes:
        finding: as it was seen when its turn came, earlier remedies taken.
        proofs: one for each change that was tried; empty where the recipe can do nothing about it.
        adopted: the changes that helped most; None where none was shown to help.
    """

    finding: Finding
    proofs: tuple[Proof, ...]
    adopted: Changes | None


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a training, and what was shown to help.

    Attributes:
        recipe: as it was given.
        report: of this recipe, or of the run.
        attempts: in their order; empty where nothing was to be proved.
        treated: the recipe with every change that was adopted.
        remaining: the report of `treated`, before its first step.
        is_interrupted: whether Ctrl-C ended the attempts; those that stand here were made to the end.
    """

    recipe: Recipe
    report: Report
    attempts: tuple[Attempt, ...]
    treated: Recipe
    remaining: Report
    is_interrupted: bool = False

    @property
    def changes(self) -> Changes:
        """All changes that were adopted."""
        return {name: value for attempt in self.attempts for name, value in (attempt.adopted or {}).items()}

    def __str__(self) -> str:
        text = str(self.report)
        return f"{text}\n\n{attempts_to_text(self, in_words)}" if self.attempts else text

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "report": self.report.to_dict(),
            "attempts": [
                {
                    "finding": attempt.finding.name,
                    "layer": attempt.finding.layer,
                    "adopted": attempt.adopted,
                    "proofs": [proof.to_dict() for proof in attempt.proofs],
                }
                for attempt in self.attempts
            ],
            "changes": self.changes,
            "remaining": self.remaining.to_dict(),
        }


def diagnose_training(
    source: str | os.PathLike[str] | None = None,
    *,
    recipe: Origin = None,
    with_proof: bool = False,
    num_steps: int = NUM_STEPS,
    progress: Progress = lambda finding, length, done, of: None,
    **changes: Any,
) -> Diagnosis:
    """Examine a training of moreish: the one that a recipe would make of a file, or a run.

    Of a file, the initial network is examined. Of a run, what the doctor saw while it trained is judged with it.

    Args:
        source: a run; or a text file, the name of a data set, None for the bundled names.
        recipe: as in `moreish.train`.
        with_proof: try the remedies of what is found, one finding after the other, in short trainings with and without;
            take those that help, and examine again. No run is changed.
        num_steps: of the first of these trainings; longer ones follow while nothing is shown, up to the recipe's own.
        progress: hears how it goes.
        **changes: fields of the recipe to be changed.

    Raises:
        MoreishError: the file, the recipe or the run cannot be used, or the model is one that only counts.
    """
    run = repeated_run(source)
    if run is not None and (recipe is not None or changes):
        raise RecipeError(f"{source} is a run and has its own recipe. Leave the other options out, or give its file.")
    chosen = recipe_for(source, recipe, changes) if run is None else run.recipe
    if chosen.is_counted:
        raise RecipeError(f"model = {chosen.model!r} is made by counting, without steps: there is nothing to examine.")
    again = run or (repeated_run(recipe) if source is None else None)
    corpus = read_corpus(source, chosen) if again is None else read_again(again, chosen)
    with threads(chosen.threads), threadpool_limits(limits=chosen.threads):
        report = for_recipe(judge(_evidence(chosen, corpus, run)), chosen)
        if not with_proof:
            return Diagnosis(chosen, report, (), chosen, report)
        attempts, treated, remaining, is_interrupted = _treated(chosen, corpus, report, num_steps, progress)
    return Diagnosis(chosen, report, tuple(attempts), treated, remaining, is_interrupted)


def _evidence(recipe: Recipe, corpus: Corpus, run: Run | None) -> Evidence:
    """Of a run, what a doctor recorded; where none looked on, its beginning and its end."""
    seen = None if run is None else recorded(run)
    if seen is not None:
        return seen
    initial = examine(recipe, corpus)
    if run is None:
        return initial
    return looked(initial, run, corpus, run.statistics or Statistics.joined(()))


def _treated(
    recipe: Recipe, corpus: Corpus, report: Report, num_steps: int, progress: Progress
) -> tuple[list[Attempt], Recipe, Report, bool]:
    """Attempts, the recipe and its report after them, and whether Ctrl-C ended it: what was shown until then stands.

    What is wrong by construction (units that are all equal, say) can hide other faults, and its remedy alone then shows
    no gain. It is taken on trial: whether all changes together help is proved when the rest has been treated.
    """
    attempts: list[Attempt] = []
    tried: set[str] = set()
    on_trial: _Trial | None = None
    try:
        while finding := next((item for item in report.findings if item.name not in tried), None):
            tried.add(finding.name)
            attempt = _attempt(finding, recipe, corpus, num_steps, progress)
            changes = attempt.adopted
            if changes is None and attempt.proofs and finding.evidence.is_exact and on_trial is None:
                changes = attempt.proofs[0].changes
                on_trial = _Trial(recipe, report, len(attempts), changes)
            attempts.append(attempt)
            if changes:
                recipe = recipe.with_changes(**changes)
                report = _of_changed(recipe, corpus, report, cured=finding.name)
        if on_trial is not None:
            recipe, report = _decided(on_trial, attempts, recipe, corpus, report, num_steps, progress)
    except KeyboardInterrupt:
        if on_trial is not None:
            del attempts[on_trial.number + 1 :]
            recipe, report = on_trial.recipe, on_trial.report
        return attempts, recipe, report, True
    return attempts, recipe, report, False


@dataclass(frozen=True)
class _Trial:
    """Where a remedy was taken without a proof of its own.

    Attributes:
        recipe, report: before it.
        number: of the attempt.
        changes: that are on trial.
    """

    recipe: Recipe
    report: Report
    number: int
    changes: Changes


def _decided(
    trial: _Trial,
    attempts: list[Attempt],
    recipe: Recipe,
    corpus: Corpus,
    report: Report,
    num_steps: int,
    progress: Progress,
) -> tuple[Recipe, Report]:
    """Prove all changes since a trial together; where they do not help, everything is as before it."""
    first = attempts[trial.number]
    later = [attempt for attempt in attempts[trial.number + 1 :] if attempt.adopted]
    together = trial.changes | {name: value for attempt in later for name, value in (attempt.adopted or {}).items()}
    if later:
        told = partial(progress, first.finding, num_steps)
        (proof,) = prove(trial.recipe, corpus, [together], min(num_steps, recipe.steps or num_steps), CONFIDENCE, told)
        attempts[trial.number] = replace(
            first, proofs=(*first.proofs, proof), adopted=together if proof.helps else None
        )
        if proof.helps:
            return recipe, report
    del attempts[trial.number + 1 :]
    return trial.recipe, trial.report


def _of_changed(recipe: Recipe, corpus: Corpus, report: Report, cured: str) -> Report:
    """The initial network examined again. What only shows in training is kept: it would take a training to see it."""
    initial = for_recipe(judge(examine(recipe, corpus)), recipe)
    later = tuple(item for item in report.findings if item.step > 0 and item.name not in (cured, *initial.names))
    return replace(initial, findings=initial.findings + later)


def _attempt(finding: Finding, recipe: Recipe, corpus: Corpus, num_steps: int, progress: Progress) -> Attempt:
    """Try every remedy, in ever longer trainings, until one helps; those that harm are not tried again."""
    candidates = remedies(finding, recipe)
    proofs: dict[str, Proof] = {}
    in_turn = lengths(max(num_steps, finding.step), recipe.steps)
    confidence = 1 - (1 - CONFIDENCE) / len(in_turn)
    for length in in_turn if candidates else ():
        told = partial(progress, finding, length)
        for proof in prove(recipe, corpus, candidates, length, confidence, told):
            proofs[in_words(proof.changes)] = proof
        helping = [proof for proof in proofs.values() if proof.helps]
        if helping:
            best = max(helping, key=lambda proof: proof.low)
            return Attempt(finding, tuple(proofs.values()), best.changes)
        candidates = tuple(proof.changes for proof in proofs.values() if proof.high >= 0)
        if not candidates:
            break
    return Attempt(finding, tuple(proofs.values()), None)
