"""What a person reads after a training: figures beside what counting reaches, first items, what to do next."""

import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moreish.cli.items import print_items
from moreish.cli.printing import duration, print_table
from moreish.errors import ImpossibleRequestError

if TYPE_CHECKING:
    from moreish.doctor import Report
    from moreish.training import Run

SPLITS: tuple[str, ...] = ("train", "validation", "test")

_NUM_FIRST_ITEMS = 10
_FIRST_TEXT_LENGTH = 300

# Where in a training the best validation lay: before the one, the network overfits; after the other, it still improved.
_EARLY, _LATE = 0.7, 0.9
_SHORT_LIST = 1_000


def show_run(run: "Run", results: Mapping[str, Any], report: "Report | None" = None) -> None:
    """Print the figures, the first items and the next steps.

    Args:
        report: of a doctor who looked on.
    """
    print()
    print_figures(run.recipe.model, results)
    if report is not None:
        print(_finding_line(report))
    _print_first_items(run)
    _print_next_steps(run, results, report)


def print_figures(model: str, results: Mapping[str, Any]) -> None:
    """The NLL of each split beside that of the counting models, and whether the network is worth it."""
    rows = [["NLL, nats per character", *SPLITS, "bits (test)", "perplexity (test)"]]
    errors = results["standard_error"]
    rows.append(_row(model, results["nll"], {split: f" ± {_figure(errors[split])}" for split in SPLITS}))
    no_errors = {split: " " * len(f" ± {0:.4f}") for split in SPLITS}
    rows += [_row(name, nll, no_errors) for name, nll in results["baselines"].items()]
    print_table(rows, "<>>>>>")
    print()
    print("±: one standard error over items. Bits and perplexity are per character.")
    for split in SPLITS:
        if results["is_sample"][split]:
            print(f"{split}: measured on a fixed sample of {results['num_characters'][split]:,} characters.")
    if results["steps"]:
        print(_verdict(results))
        print(
            f"{results['parameters']:,} parameters, {results['steps']:,} steps in {duration(results['seconds'])} "
            f"({results['steps_per_second']:,.0f} a second, engine {results['engine']})."
        )


def _row(name: str, nll: Mapping[str, float], errors: Mapping[str, str]) -> list[str]:
    from moreish.measures import NLL

    test = NLL(nll["test"], math.nan, 0, 0)
    cells = [f"{_figure(nll[split])}{errors[split]}" for split in SPLITS]
    return [name, *cells, f"{test.bits_per_character:.3f}", f"{test.perplexity:.2f}"]


def _figure(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _verdict(results: Mapping[str, Any]) -> str:
    best = min(results["baselines"], key=lambda name: results["baselines"][name]["validation"])
    difference = results["baselines"][best]["validation"] - results["nll"]["validation"]
    if difference > 0:
        return (
            f"On validation the network beats the best counting model, {best}, by {difference:.4f} nats per character."
        )
    return (
        f"On validation the network does not reach the best counting model, {best}: it is {-difference:.4f} nats per "
        "character behind."
    )


def _is_behind(results: Mapping[str, Any]) -> bool:
    return results["nll"]["validation"] >= _best_counted(results)


def _best_counted(results: Mapping[str, Any]) -> float:
    return min(nll["validation"] for nll in results["baselines"].values())


def _print_first_items(run: "Run") -> None:
    from moreish import load

    is_text = run.recipe.kind == "text"
    num_items, length = (1, _FIRST_TEXT_LENGTH) if is_text else (_NUM_FIRST_ITEMS, None)
    print()
    try:
        print_items(load(run.path).generate(num_items, length=length, seed=run.recipe.seed), is_marked=True)
    except ImpossibleRequestError as error:  # the training succeeded all the same
        print_items(error.items, is_marked=True)
        print(error)


def _finding_line(report: "Report") -> str:
    names = ", ".join(dict.fromkeys(report.names))
    return f"The doctor found {names or 'nothing'} in {len(report.examined)} checks."


def _print_next_steps(run: "Run", results: Mapping[str, Any], report: "Report | None") -> None:
    path = shlex.quote(str(run.path))
    print()
    print(f"The run lies in {path}. What next:")
    if run.recipe.kind == "text":
        rows = [[f"  moreish generate {path} --length 1000", "more of it"]]
    else:
        rows = [
            [f"  moreish generate {path} -n 20 --new-only", "twenty that are not in the file"],
            [f"  moreish score {path} TEXT ...", "how likely texts are"],
        ]
    if report is not None and report.findings:
        rows.append([f"  moreish diagnose {path} --prove", "what the doctor found, and which remedy helps"])
    rows += [[f"  moreish train --recipe {path} {change}", why] for change, why in _changes(run, results)]
    print_table(rows, "<<")


def _changes(run: "Run", results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Options of another training that the figures speak for, and what it is."""
    recipe, steps = run.recipe, results["steps"]
    if not steps:
        return []
    changes: list[tuple[str, str]] = []
    is_overfitted = results["best_step"] < _EARLY * steps or (
        _is_behind(results) and results["nll"]["train"] < _best_counted(results)
    )
    if is_overfitted:
        sizes = ",".join(str(math.ceil(size / 4)) for size in recipe.hidden)
        smaller = f"--hidden {sizes} " if sizes else ""
        changes.append(
            (f"{smaller}--dropout {min(recipe.dropout + 0.2, 0.5):g}", "validation was best early: a smaller network")
        )
    elif results["best_step"] >= _LATE * steps:
        longer = f"--steps {2 * recipe.steps}" if recipe.steps else f"--minutes {2 * (recipe.minutes or 0):g}"
        changes.append((longer, "a longer training"))
    if _is_behind(results):
        changes.append(("--model ngram", "the n-gram, which predicts better here"))
    if is_overfitted and recipe.keep == "best" and 0 < _num_items(run) < _SHORT_LIST:
        changes.append(("--keep last", "then generate --new-only: often nicer items, at a worse NLL"))
    return changes


def _num_items(run: "Run") -> int:
    """Distinct items of the list, 0 for running text."""
    from moreish.storage import load_model

    file = load_model(run.path)
    return sum(len(known) for known in (file.trained_items, file.held_out_items) if known is not None)
