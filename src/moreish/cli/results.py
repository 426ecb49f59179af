"""What a person reads after a training: figures beside what counting reaches, first items, what to do next."""

import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moreish.cli.items import print_items
from moreish.cli.printing import duration, print_table
from moreish.errors import ImpossibleRequestError

if TYPE_CHECKING:
    from moreish.training import Run

SPLITS: tuple[str, ...] = ("train", "validation", "test")

_NUM_FIRST_ITEMS = 10
_FIRST_TEXT_LENGTH = 300


def show_run(run: "Run", results: Mapping[str, Any]) -> None:
    """Print the figures, the first items and the next steps."""
    print()
    print_figures(run.recipe.model, results)
    _print_first_items(run)
    _print_next_steps(run)


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
    is_overfitted = results["nll"]["train"] < results["baselines"][best]["validation"]
    advice = "Take a smaller network or more --dropout" if is_overfitted else "Train longer"
    alternative = ", or take --model ngram" if best.startswith("n-gram") else ""
    return (
        f"On validation the network does not reach the best counting model, {best}: it is {-difference:.4f} nats per "
        f"character behind. {advice}{alternative}."
    )


def _print_first_items(run: "Run") -> None:
    from moreish import load

    is_text = run.recipe.kind == "text"
    num_items, length = (1, _FIRST_TEXT_LENGTH) if is_text else (_NUM_FIRST_ITEMS, None)
    print()
    try:
        print_items(load(run.path).generate(num_items, length=length, seed=run.recipe.seed), is_marked=True)
    except ImpossibleRequestError as error:  # the training succeeded all the same
        print(error)


def _print_next_steps(run: "Run") -> None:
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
    if not run.recipe.is_counted:
        steps, minutes = run.recipe.steps, run.recipe.minutes
        longer = f"--steps {2 * steps}" if steps else f"--minutes {2 * (minutes or 0):g}"
        rows.append([f"  moreish train --recipe {path} {longer}", "a longer training"])
    print_table(rows, "<<")
