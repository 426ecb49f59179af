"""`moreish generate`: new items, or more running text."""

import sys
from typing import Annotated, Any

import typer

from moreish.cli.items import print_items
from moreish.cli.options import JsonOption, ModelArgument, number_option
from moreish.cli.printing import print_json
from moreish.errors import ImpossibleRequestError

_DRAWING, _LENGTH = "How characters are drawn", "Length"


def generate(
    model: ModelArgument,
    num_items: Annotated[Any, number_option("-n", "How many [20; of running text 1]")] = None,
    new_only: Annotated[bool, typer.Option("--new-only", help="None that stands in the training file")] = False,
    start: Annotated[str, typer.Option(metavar="PREFIX", help="What each begins with", show_default=False)] = "",
    temperature: Annotated[Any, number_option("--temperature", "Below 1 more usual, above 1 more daring [1]")] = None,
    top_k: Annotated[
        Any, number_option("--top-k", "Draw from the k most probable characters only [all]", panel=_DRAWING)
    ] = None,
    top_p: Annotated[
        Any, number_option("--top-p", "Draw from the most probable with total probability p [1]", panel=_DRAWING)
    ] = None,
    min_length: Annotated[Any, number_option("--min-length", "Characters of an item, at least", panel=_LENGTH)] = None,
    max_length: Annotated[
        Any, number_option("--max-length", "Characters of an item, at most [1000]", panel=_LENGTH)
    ] = None,
    length: Annotated[Any, number_option("--length", "Characters of running text [500]", panel=_LENGTH)] = None,
    seed: Annotated[Any, number_option("--seed", "Another seed gives other items [1]")] = None,
    allow_repeats: Annotated[
        bool, typer.Option("--allow-repeats", help="The items need not be distinct", rich_help_panel=_DRAWING)
    ] = False,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Add the closest training item and its edit distance")
    ] = False,
    draws: Annotated[
        str | None,
        typer.Option(
            metavar="streams|lecture",
            help="Each item its own random stream, or as in the lectures",
            rich_help_panel=_DRAWING,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Generate with a trained model: one item a line, or text.

    On a terminal, items that stand in the training file are marked; into a file or a pipe goes the text alone.
    """
    numbers = {
        "num_items": num_items,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_length": min_length,
        "max_length": max_length,
        "length": length,
        "seed": seed,
        "draws": draws,
    }
    from moreish import load

    shortfall = None
    try:
        items = load(model).generate(
            start=start,
            new_only=new_only,
            allow_repeats=allow_repeats,
            nearest=nearest,
            **{name: value for name, value in numbers.items() if value is not None},
        )
    except ImpossibleRequestError as error:
        items, shortfall = error.items, error
    if json:
        print_json({"items": [item._asdict() for item in items]})
    else:
        print_items(items, is_marked=sys.stdout.isatty())
    if shortfall:
        raise shortfall
