"""Options that stand for fields of a recipe.

Choices, defaults and checks are the recipe's: an option passes on what was typed, and the recipe says what it expected,
in one place for Python and the command line. None means "not given", so that a recipe or run that is gone on with keeps
its own value.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
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


def number_option(flag: str, help: str, panel: str | None = None) -> Any:
    """An option that is a number, but no field of the recipe."""
    return typer.Option(flag, help=help, metavar="N", parser=number, rich_help_panel=panel)


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


def _in_panel(option: Any, panel: str | None) -> Any:
    """The same option, shown under a heading of a command's help; see `moreish.cli.panels`."""
    kind, info = get_args(option)
    info = copy.copy(info)
    info.rich_help_panel = panel
    return Annotated[kind, info]


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

_RECIPE_PANELS: dict[str | None, dict[str, Any]] = {
    None: {
        "steps": Annotated[Any, setting("steps", "Updates")],
        "minutes": Annotated[Any, setting("minutes", "Time budget instead of --steps, such as 0.5")],
        "seed": Annotated[Any, setting("seed", "Of every random stream")],
    },
    "Data": {
        "kind": KindOption,
        "column": ColumnOption,
        "encoding": EncodingOption,
        "normalization": NormalizationOption,
        "split": SplitOption,
    },
    "Model": {
        "model": Annotated[Any, setting("model", "A network, or counting")],
        "context": ContextOption,
        "embedding": Annotated[Any, setting("embedding", "Size of the embedding")],
        "hidden": Annotated[Any, setting("hidden", "Sizes of the hidden layers")],
        "activation": Annotated[Any, setting("activation", "Of the hidden layers")],
        "norm": Annotated[Any, setting("norm", "Normalisation before the activation")],
        "dropout": Annotated[Any, setting("dropout", "Probability after each hidden activation")],
        "order": Annotated[Any, setting("order", "Of --model ngram [what is best on validation]")],
        "smoothing": Annotated[Any, setting("smoothing", "Of --model bigram: added to every count")],
    },
    "Initialisation, biases and norms": {
        "init": Annotated[Any, setting("init", "Scheme of the hidden weights")],
        "gain": Annotated[Any, setting("gain", "Of the hidden weights [the activation's]")],
        "bias": Annotated[Any, setting("bias", "Biases in every layer, or none where a norm follows")],
        "bias_scale": Annotated[Any, setting("bias_scale", "Hidden biases are N(0, 1) times this [all zero]")],
        "head_init": Annotated[Any, setting("head_init", "Scheme of the output layer [that of --init]")],
        "head_scale": Annotated[Any, setting("head_scale", "Factor on the output weights")],
        "head_bias_scale": Annotated[Any, setting("head_bias_scale", "Output biases, likewise [all zero]")],
        "norm_output": Annotated[bool | None, setting("norm_output", "Normalise after the output layer too")],
        "norm_convention": Annotated[Any, setting("norm_convention", "Whose batch norm")],
    },
    "Optimisation": {
        "learning_rate": Annotated[Any, setting("learning_rate", "At the top of the schedule")],
        "schedule": Annotated[Any, setting("schedule", "Course of the learning rate")],
        "batch": Annotated[Any, setting("batch", "Examples a step")],
        "optimizer": Annotated[Any, setting("optimizer", "Rule of the update")],
        "weight_decay": Annotated[Any, setting("weight_decay", "Of weights and embedding, decoupled")],
        "clip": Annotated[Any, setting("clip", "Largest norm of the gradient [no limit]")],
        "warmup": Annotated[Any, setting("warmup", "Share of the training in which the rate rises")],
        "final_share": Annotated[Any, setting("final_share", "Of linear and cosine: share that is left at the end")],
        "decay_at": Annotated[Any, setting("decay_at", "Of --schedule step: share after which the rate drops")],
        "decay_factor": Annotated[Any, setting("decay_factor", "Of --schedule step: factor of that drop")],
        "momentum": Annotated[Any, setting("momentum", "Of --optimizer momentum")],
        "beta1": Annotated[Any, setting("beta1", "Of --optimizer adamw")],
        "beta2": Annotated[Any, setting("beta2", "Of --optimizer adamw")],
    },
    "Evaluation and stopping": {
        "eval_every": Annotated[Any, setting("eval_every", "Steps between validations [about 25 in a training]")],
        "patience": Annotated[
            Any, setting("patience", "Validations without improvement before it stops [25 with --keep best]")
        ],
        "keep": Annotated[Any, setting("keep", "Weights that were best on validation, or the last")],
    },
    "Execution": {
        "engine": Annotated[Any, setting("engine", "What carries out the steps")],
        "device": Annotated[Any, setting("device", "Such as cpu or cuda")],
        "threads": Annotated[Any, setting("threads", "Of the processor; more than one rarely helps at these sizes")],
        "draws": Annotated[Any, setting("draws", "A random stream for each purpose, or the notebooks' one")],
    },
}

RECIPE_OPTIONS: dict[str, Any] = {
    name: _in_panel(option, panel) for panel, options in _RECIPE_PANELS.items() for name, option in options.items()
}
"""Every field of the recipe as an option, in the order of a command's help."""


def with_recipe(*left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every option of the recipe in the place of its `**changes`; those that were given arrive there.

    Args:
        *left_out: fields that the command has no use for.
    """
    offered = {name: option for name, option in RECIPE_OPTIONS.items() if name not in left_out}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        of_recipe = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
            for name, option in offered.items()
        ]
        # In the help the command's own options come first, and those of its own that stand under a heading last.
        general, special = ([p for p in own if _has_panel(p) == is_special] for is_special in (False, True))
        parameters = [*general, *of_recipe, *special]

        @functools.wraps(command)
        def parsed(**values: Any) -> None:
            changes = {name: values.pop(name) for name in offered}
            command(**values, **given(changes))

        parsed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        parsed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": None}
        return parsed

    return decorate


def _has_panel(parameter: inspect.Parameter) -> bool:
    return any(getattr(info, "rich_help_panel", None) for info in getattr(parameter.annotation, "__metadata__", ()))
