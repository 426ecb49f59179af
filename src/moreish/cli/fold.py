"""`moreish fold`: the same model without its batch norms."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moreish.cli.options import JsonOption, ModelArgument
from moreish.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from moreish import Folded


def fold(
    model: ModelArgument,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Of the folded model [model-folded.safetensors beside the model]"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Absorb batch norm into the layers: the same outputs, smaller.

    Says how far the outputs differ on the validation windows, and what was gained.
    """
    import moreish
    from moreish.generation.folded import refuse_existing
    from moreish.storage import MODEL_FILE

    place = Path(model) / MODEL_FILE if Path(model).is_dir() else Path(model)
    path = Path(out) if out is not None else place.with_name(f"{place.stem}-folded{place.suffix}")
    refuse_existing(path)
    folded = moreish.fold(model)
    folded.save(path)
    if json:
        names = ("norms", "largest_difference", "num_windows", "windows", "note")
        names += ("num_parameters", "num_bytes", "time_ratio")
        print_json({"file": str(path), **{name: getattr(folded, name) for name in names}})
        return
    if folded.note:
        say(f"note: {folded.note} The outputs are compared on text that the model makes.")
    (parameters, fewer), (size, smaller) = folded.num_parameters, folded.num_bytes
    rows = [
        ["norms absorbed", ", ".join(folded.norms)],
        ["largest difference", f"{folded.largest_difference:.1e} of a logit, {folded.num_windows:,} {_kind(folded)}"],
        ["parameters", f"{parameters:,} → {fewer:,}"],
        ["bytes of the weights", f"{size:,} → {smaller:,}"],
        ["time of a forward pass", f"{folded.time_ratio:.2f} times the original's"],
    ]
    print_table(rows, "<<")
    print(f"\nThe folded model lies in {path}. What next:\n  moreish generate {shlex.quote(str(path))}")


def _kind(folded: "Folded") -> str:
    return "validation windows" if folded.windows == "validation" else "generated windows"
