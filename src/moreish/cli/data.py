"""`moreish data`: the data sets that have names, and what is in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from moreish.cli.options import (
    ColumnOption,
    EncodingOption,
    JsonOption,
    KindOption,
    NormalizationOption,
    SplitOption,
    given,
    number_option,
)
from moreish.cli.printing import count, print_json, print_table, visible
from moreish.errors import InputError
from moreish.recipe import Recipe

_CONTEXT = 3  # the windows of a shorter context are easier to read than those that a model sees
_NUM_SYMBOLS = 100
_LONGEST_WINDOW = 76


def data(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A text file, a data set by name, or -", show_default=False)
    ] = None,
    kind: KindOption = None,
    split: SplitOption = None,
    encoding: EncodingOption = None,
    column: ColumnOption = None,
    normalization: NormalizationOption = None,
    context: Annotated[
        Any, number_option("--context", f"Characters of the windows that are shown [{_CONTEXT}]")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what a file holds, or the data sets known by name.

    Of a file: its symbols and items, how it is split, and the first windows of training.
    """
    changes = given(locals())
    if file is None and changes:
        raise InputError("There is no file to look at. Give one, or leave the options out for the data sets by name.")
    if file is None:
        _show_data_sets(json)
        return
    recipe = Recipe().with_changes(**({"context": _CONTEXT} | changes))
    from moreish.corpus import describe, read_corpus

    content = describe(read_corpus(file, recipe), recipe.context)
    if json:
        print_json(content)
    else:
        _show(content)


def _show_data_sets(is_json: bool) -> None:
    from moreish.corpus import DATA_SETS

    if is_json:
        print_json({"data_sets": [asdict(data_set) for data_set in DATA_SETS.values()]})
        return
    for data_set in DATA_SETS.values():
        place = "comes with moreish" if data_set.url is None else "downloaded when it is asked for"
        print(f"{data_set.name}: {data_set.num_bytes:,} bytes, {place}")
        rows = [["content", data_set.description], ["origin", data_set.origin], ["licence", data_set.licence]]
        rows.append(["to train", f"moreish train {data_set.name}" + (" --as text" if data_set.kind == "text" else "")])
        print_table([["", *row] for row in rows], "<<<")
        print()


def _show(content: Mapping[str, Any]) -> None:
    symbols = content["vocabulary"]["symbols"]
    more = f" … and {len(symbols) - _NUM_SYMBOLS:,} more" if len(symbols) > _NUM_SYMBOLS else ""
    rows = [
        ["file", content["file"]],
        ["size", f"{content['bytes']:,} bytes, {count(content['characters'], 'character')}"],
        ["symbols", f"{len(symbols):,}: {_shown(symbols[:_NUM_SYMBOLS])}{more}"],
    ]
    if content["kind"] == "lines":
        lengths = content["length_quantiles"]
        rows.append(["items", f"{content['items']:,}, {content['distinct']:,} of them distinct"])
        rows.append(["lengths", f"{lengths['0']} to {lengths['1']} characters, median {lengths['0.5']}"])
    print_table(rows, "<<")
    print()
    splits = _splits(content)
    print_table(splits, "<" + ">" * (len(splits[0]) - 1))
    for note in content["notes"]:
        print(f"note: {note}")
    print("\nThe first windows of training, what is seen → what is predicted:")
    for window in content["windows"]:
        print(f"  {visible(_end_of(window))}")


def _end_of(window: str) -> str:
    """A window as far as it fits a line: what stands last says most."""
    return window if len(window) <= _LONGEST_WINDOW else f"…{window[-_LONGEST_WINDOW:]}"


def _splits(content: Mapping[str, Any]) -> list[list[str]]:
    if content["kind"] == "text":
        return [
            ["split", "characters"],
            *([name, f"{part['characters']:,}"] for name, part in content["splits"].items()),
        ]
    rows = [["split", "items", "characters", "also in training"]]
    for name, part in content["splits"].items():
        leaks = f"{content['leaks'][name]:,}" if name in content["leaks"] else ""
        rows.append([name, f"{part['items']:,}", f"{part['characters']:,}", leaks])
    return rows


def _shown(symbols: Sequence[str]) -> str:
    return visible("".join(symbols)).replace(" ", "␣")
