"""`moreish evaluate`: how well a model predicts its own file, or another."""

import math
from typing import Annotated

import typer

from moreish.cli.options import JsonOption, ModelArgument
from moreish.cli.printing import count, print_json, print_table


def evaluate(
    model: ModelArgument,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="A text file, a data set by name, or - [the splits of the training file]",
            show_default=False,
        ),
    ] = None,
    unknown: Annotated[
        str,
        typer.Option(
            metavar="refuse|skip",
            help="Items of a list with characters that the model does not know: refuse the file, or leave them out",
        ),
    ] = "refuse",
    json: JsonOption = False,
) -> None:
    """Measure a model on its own file, or on another.

    Its own is measured split by split, another as a whole.
    """
    from moreish import load

    nlls = load(model).evaluate(file, unknown=unknown)  # type: ignore[arg-type] (checked there)
    if json:
        print_json({"file": file, "splits": {split: nll.to_dict() for split, nll in nlls.items()}})
        return
    rows = [["split", "NLL (nats per character)", "bits", "perplexity", "characters"]]
    for split, nll in nlls.items():
        has_error = not math.isnan(nll.standard_error)  # a single item has none
        rows.append(
            [
                split,
                f"{nll.nats_per_character:.4f} ± {f'{nll.standard_error:.4f}' if has_error else '-'}",
                f"{nll.bits_per_character:.3f}",
                f"{nll.perplexity:.2f}",
                f"{nll.num_characters:,}" + (" (a sample)" if nll.is_sample else ""),
            ]
        )
    print_table(rows, "<>>>>")
    for nll in nlls.values():
        if nll.num_left_out:
            items = count(nll.num_left_out, "item")
            print(f"\nLeft out: {items} with characters that the model does not know.")
