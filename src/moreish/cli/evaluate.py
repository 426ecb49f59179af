"""`moreish evaluate`: how well a model predicts its own file, or another."""

from typing import Annotated

import typer

from moreish.cli.options import JsonOption, ModelArgument
from moreish.cli.printing import print_json, print_table


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
    json: JsonOption = False,
) -> None:
    """Measure a model on its own file, or on another.

    Its own is measured split by split, another as a whole.
    """
    from moreish import load

    nlls = load(model).evaluate(file)
    if json:
        print_json({"file": file, "splits": {split: nll.to_dict() for split, nll in nlls.items()}})
        return
    rows = [["split", "NLL (nats per character)", "bits", "perplexity", "characters"]]
    for split, nll in nlls.items():
        rows.append(
            [
                split,
                f"{nll.nats_per_character:.4f} ± {nll.standard_error:.4f}",
                f"{nll.bits_per_character:.3f}",
                f"{nll.perplexity:.2f}",
                f"{nll.num_characters:,}" + (" (a sample)" if nll.is_sample else ""),
            ]
        )
    print_table(rows, "<>>>>")
