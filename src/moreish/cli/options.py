"""Options that stand for fields of a recipe.

Choices, defaults and checks are the recipe's: an option passes on what was typed, and the recipe says what it expected,
in one place for Python and the command line. None means "not given", so that a recipe or run that is gone on with keeps
its own value.
"""

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from moreish.recipe import Recipe

_DEFAULTS = Recipe()
_TYPES: dict[str, Any] = {field.name: field.type for field in fields(Recipe)}


def setting(field: str, help: str, flag: str | None = None) -> Any:
    """An option for a field of the recipe; choices and default are added to its help.

    Where the default is None, `help` says in brackets what that means.
    """
    flag = flag or f"--{field.replace('_', '-')}"
    if _TYPES[field] is bool:
        return typer.Option(flag, help=help, show_default=False)
    default = _shown(getattr(_DEFAULTS, field))
    parser = {"hidden": sizes}.get(field, number if "N" in _metavar(_TYPES[field]) else str)
    return typer.Option(
        flag, help=help + (f" [{default}]" if default else ""), metavar=_metavar(_TYPES[field]), parser=parser
    )


def number_option(flag: str, help: str) -> Any:
    """An option that is a number, but no field of the recipe."""
    return typer.Option(flag, help=help, metavar="N", parser=number)


def given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Of a command's parameters those that are fields of the recipe and were given."""
    return {name: value for name, value in parameters.items() if name in _TYPES and value is not None}


def number(text: str) -> int | float | str:
    """The number that was typed, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def sizes(text: str) -> tuple[int | float | str, ...]:
    """Sizes of layers: "200,200", or "none"."""
    return () if text == "none" else tuple(number(part) for part in text.split(","))


def _metavar(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(str(choice) for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return "N,N,...|none"
    if get_args(kind):
        return "|".join(_metavar(part) for part in get_args(kind) if part is not NoneType)
    return "TEXT" if kind is str else "N"


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "none"
    if isinstance(default, float):
        return f"{default:g}"
    return "" if default is None else str(default)


KindOption = Annotated[Any, setting("kind", "A list of items, one a line, or running text", flag="--as")]
EncodingOption = Annotated[Any, setting("encoding", "Of the file")]
ColumnOption = Annotated[
    Any,
    setting(
        "column",
        "Of a .csv or .tsv with several: by name, or by number from 1 (then the first row is an item)",
    ),
]
NormalizationOption = Annotated[Any, setting("normalization", "Unicode normal form")]
SplitOption = Annotated[Any, setting("split", "No item in two splits, or the notebooks' shuffle and cuts")]
ContextOption = Annotated[Any, setting("context", "Characters that the model sees")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there")]
ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A run that moreish train wrote, or a model file", show_default=False)
]
