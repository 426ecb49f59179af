"""The recipe: one frozen, validated object that holds all that determines a run."""

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from moreish.errors import FileError, RecipeError

RECIPE_VERSION = 1

Kind = Literal["lines", "text"]
SplitName = Literal["distinct", "published"]
ModelName = Literal["mlp", "hierarchical", "bigram", "ngram"]
Activation = Literal["tanh", "relu", "gelu"]
Norm = Literal["none", "batch", "layer"]
BatchNormConvention = Literal["pytorch", "lecture", "notebook"]
Scheme = Literal["normal", "kaiming", "xavier", "orthogonal", "unit-columns", "zeros"]
OptimizerName = Literal["sgd", "momentum", "adamw"]
ScheduleName = Literal["constant", "step", "linear", "cosine"]
EngineName = Literal["auto", "autograd", "manual", "native"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines a run; saved with it, and enough to repeat it.

    Attributes:
        kind: a list of items, one a line, or running text.
        encoding: of the file.
        normalization: Unicode normal form that the text is brought to ("NFC", or "none").
        column: of a .csv or .tsv file, by its name or its number from 1.
        split: "distinct" (no item in two splits) or "published" (the notebooks' shuffle and cuts).
        model: network ("hierarchical" joins its context in pairs, "mlp" all at once) or counting model.
        context: characters that the model sees; of "hierarchical" 2 to the power of its number of hidden layers.
        embedding: size of the embedding, or "onehot".
        hidden: sizes of the hidden layers; () for none.
        activation: nonlinearity of the hidden layers.
        norm: normalisation between linear layer and activation.
        norm_output: also after the output layer.
        norm_convention: of batch norm; see `moreish.models.normalisation`.
        bias: "auto" (no bias where a norm follows) or "all".
        dropout: probability after each hidden activation.
        order: of the n-gram model; None lets validation choose.
        smoothing: count added to every pair of the bigram model.
        init: scheme of the hidden weights; see `moreish.models.initialisation`.
        gain: of the hidden weights; None takes the activation's (5/3 tanh, √2 ReLU and GELU), 1 for "normal".
        bias_scale: hidden biases are N(0, 1) times this, drawn also for 0, as in the notebooks; None leaves them zero.
        head_init: scheme of the output layer; None takes `init`, with gain 1.
        head_scale: the output weights (or the gain of the norm after them) are multiplied with this.
        head_bias_scale: likewise for the output biases.
        optimizer: rule of the update; weight decay is decoupled in all of them.
        learning_rate: at the top of the schedule.
        momentum: of "momentum".
        beta1: of "adamw".
        beta2: of "adamw".
        weight_decay: of weights and embedding; biases and norms do not decay.
        clip: largest global norm of the gradient; None for no clipping.
        schedule: course of the rate; see `moreish.training.schedule`.
        warmup: share of the training in which the rate rises linearly.
        decay_at: share of the training after which "step" multiplies the rate with `decay_factor`.
        decay_factor: of "step".
        final_share: of the rate that is left at the end of "linear" and "cosine".
        batch: examples a step.
        steps: updates; None where `minutes` decides.
        minutes: time budget of training and final evaluation.
        eval_every: steps between evaluations on validation; None for about 25 in a training, more on short files.
        patience: evaluations without improvement after which training stops; None takes 25 where the best weights are
            kept, and never stops where the last are.
        keep: weights that the model file holds: best on validation, or last.
        seed: of every random stream.
        draws: "streams" (one for each purpose) or "lecture" (one generator for initialisation and minibatches).
        engine: that carries out the steps; "auto" takes the fastest that supports the model.
        device: "cpu", "cuda", ...
        threads: of the processor.
    """

    kind: Kind = "lines"
    encoding: str = "utf-8"
    normalization: Literal["NFC", "none"] = "NFC"
    column: str | None = None
    split: SplitName = "distinct"

    model: ModelName = "mlp"
    context: int = 8
    embedding: int | Literal["onehot"] = 24
    hidden: tuple[int, ...] = (384, 384)
    activation: Activation = "gelu"
    norm: Norm = "none"
    norm_output: bool = False
    norm_convention: BatchNormConvention = "pytorch"
    bias: Literal["auto", "all"] = "auto"
    dropout: float = 0.0
    order: int | None = None
    smoothing: float = 1.0

    init: Scheme = "kaiming"
    gain: float | None = None
    bias_scale: float | None = None
    head_init: Scheme | None = None
    head_scale: float = 0.1
    head_bias_scale: float | None = None

    optimizer: OptimizerName = "adamw"
    learning_rate: float = 4e-3
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.15
    clip: float | None = None
    schedule: ScheduleName = "cosine"
    warmup: float = 0.02
    decay_at: float = 0.5
    decay_factor: float = 0.1
    final_share: float = 0.01
    batch: int = 128
    steps: int | None = 12_000
    minutes: float | None = None

    eval_every: int | None = None
    patience: int | None = None
    keep: Literal["best", "last"] = "best"
    seed: int = 1
    draws: Literal["streams", "lecture"] = "streams"
    engine: EngineName = "auto"
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_numbers(self)
        _check_contradictions(self)

    @property
    def is_counted(self) -> bool:
        """Whether the model is made by counting, without steps."""
        return self.model in ("bigram", "ngram")

    def with_changes(self, **changes: Any) -> "Recipe":
        """This recipe with some fields changed; a budget in steps replaces one in minutes, and the other way round.

        Raises:
            RecipeError: an unknown field, a value out of range, or changes that contradict each other.
        """
        unknown = sorted(changes.keys() - _FIELDS.keys())
        if unknown:
            near = [match for name in unknown for match in difflib.get_close_matches(name, _FIELDS, n=1)]
            advice = f"Did you mean {', '.join(near)}?" if near else "help(moreish.Recipe) lists those it has."
            raise RecipeError(f"A recipe has no field {', '.join(unknown)}. {advice}")
        if changes.get("minutes") is not None and changes.get("steps") is not None:
            raise RecipeError(
                "steps and minutes are both given; give the number of steps or the time budget, not both."
            )
        if changes.get("minutes") is not None:
            changes["steps"] = None
        elif changes.get("steps") is not None:
            changes["minutes"] = None
        if "hidden" in changes:
            changes["hidden"] = tuple(changes["hidden"])
        recipe = dataclasses.replace(self, **changes)
        recipe._refuse_what_does_not_apply(changes)
        return recipe

    def differences(self, other: "Recipe") -> dict[str, tuple[Any, Any]]:
        """The fields in which two recipes differ, each with the value here and the value there."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in _FIELDS}
        return {name: (here, there) for name, (here, there) in pairs.items() if here != there}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the version of the form."""
        return {"version": RECIPE_VERSION} | dataclasses.asdict(self) | {"hidden": list(self.hidden)}

    @staticmethod
    def from_dict(content: Mapping[str, Any], origin: str = "the recipe") -> "Recipe":
        """The recipe that `to_dict` or a TOML file described; fields left out have their defaults.

        Raises:
            RecipeError: from a newer version, an unknown field, or a value out of range; its message names `origin`.
        """
        fields: dict[str, Any] = dict(content)
        version = fields.pop("version", RECIPE_VERSION)
        if not isinstance(version, int) or version > RECIPE_VERSION:
            raise RecipeError(
                f"{origin} has version {version}; this moreish knows up to {RECIPE_VERSION}. Update moreish."
            )
        try:
            if fields.keys() == _FIELDS.keys():
                fields["hidden"] = tuple(fields["hidden"])
                return Recipe(**fields)
            return Recipe().with_changes(**fields)
        except (RecipeError, TypeError) as error:
            raise RecipeError(f"{origin}: {error}") from error

    def to_toml(self) -> str:
        """The fields that differ from the defaults, as a TOML file that `from_toml` reads.

        What has no value in TOML follows from another field: steps from minutes, for one.
        """
        changed = {name: getattr(self, name) for name in _FIELDS if getattr(self, name) != _FIELDS[name].default}
        changed = {name: list(value) if name == "hidden" else value for name, value in changed.items()}
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in changed.items() if value is not None)

    @staticmethod
    def from_toml(path: Path) -> "Recipe":
        """Read a recipe from a TOML file of fields.

        Raises:
            FileError: it cannot be read.
            RecipeError: it is not TOML, or not a recipe.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise FileError(f"Cannot read the recipe {path}: {error.strerror or error}.") from error
        except ValueError as error:
            raise RecipeError(f"{path} is not a TOML file: {error}.") from error
        return Recipe.from_dict(content, origin=str(path))

    def _refuse_what_does_not_apply(self, changes: Mapping[str, Any]) -> None:
        needless: set[str] = set()
        if self.is_counted:
            needless |= _NETWORK_FIELDS
            needless |= {"context", "order"} if self.model == "bigram" else {"context", "smoothing"}
        else:
            needless |= {"order", "smoothing"}
        for name in changes:
            if name in needless and changes[name] != _FIELDS[name].default:
                raise RecipeError(
                    f"{name} = {changes[name]!r} has no effect with model = {self.model!r}. Leave it out."
                )


_FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}

_NETWORK_FIELDS = {
    *("embedding", "hidden", "activation", "norm", "norm_output", "norm_convention", "bias", "dropout"),
    *("init", "gain", "bias_scale", "head_init", "head_scale", "head_bias_scale"),
    *("optimizer", "learning_rate", "momentum", "beta1", "beta2", "weight_decay", "clip"),
    *("schedule", "warmup", "decay_at", "decay_factor", "final_share", "batch", "steps", "minutes"),
    *("eval_every", "patience", "draws", "engine"),
}

_CHOICES: dict[str, tuple[Any, ...]] = {
    "kind": get_args(Kind),
    "normalization": ("NFC", "none"),
    "split": get_args(SplitName),
    "model": get_args(ModelName),
    "activation": get_args(Activation),
    "norm": get_args(Norm),
    "norm_convention": get_args(BatchNormConvention),
    "bias": ("auto", "all"),
    "init": get_args(Scheme),
    "head_init": (None, *get_args(Scheme)),
    "optimizer": get_args(OptimizerName),
    "schedule": get_args(ScheduleName),
    "keep": ("best", "last"),
    "draws": ("streams", "lecture"),
    "engine": get_args(EngineName),
    "norm_output": (True, False),
}

# name → (kind of number, least, most, least is allowed, None is allowed)
_RANGES: dict[str, tuple[type, float, float, bool, bool]] = {
    "context": (int, 1, 100_000, True, False),
    "dropout": (float, 0, 0.95, True, False),
    "order": (int, 1, 64, True, True),
    "smoothing": (float, 0, math.inf, True, False),
    "gain": (float, 0, math.inf, True, True),
    "bias_scale": (float, 0, math.inf, True, True),
    "head_scale": (float, 0, math.inf, True, False),
    "head_bias_scale": (float, 0, math.inf, True, True),
    "learning_rate": (float, 0, math.inf, False, False),
    "momentum": (float, 0, 0.999999, True, False),
    "beta1": (float, 0, 0.999999, True, False),
    "beta2": (float, 0, 0.999999, True, False),
    "weight_decay": (float, 0, math.inf, True, False),
    "clip": (float, 0, math.inf, False, True),
    "warmup": (float, 0, 1, True, False),
    "decay_at": (float, 0, 1, True, False),
    "decay_factor": (float, 0, 1, True, False),
    "final_share": (float, 0, 1, True, False),
    "batch": (int, 1, 1_000_000, True, False),
    "steps": (int, 1, 2**40, True, True),
    "minutes": (float, 0, 1e6, False, True),
    "eval_every": (int, 1, 2**40, True, True),
    "patience": (int, 1, 2**40, True, True),
    "seed": (int, 0, 2**63 - 1, True, False),
    "threads": (int, 1, 4096, True, False),
}


def _check_choices(recipe: Recipe) -> None:
    for name, choices in _CHOICES.items():
        value = getattr(recipe, name)
        if value not in choices:
            listed = ", ".join(str(choice) for choice in choices if choice is not None)
            raise RecipeError(f"{name} is {value!r}; expected one of {listed}.")
    for name in ("encoding", "device"):
        if not isinstance(getattr(recipe, name), str) or not getattr(recipe, name):
            raise RecipeError(f"{name} is {getattr(recipe, name)!r}; expected a name.")


def _check_numbers(recipe: Recipe) -> None:
    for name, limits in _RANGES.items():
        _check_number(name, getattr(recipe, name), *limits)
    if isinstance(recipe.embedding, str) and recipe.embedding != "onehot":
        raise RecipeError(f"embedding is {recipe.embedding!r}; expected a whole number of at least 1, or 'onehot'.")
    if recipe.embedding != "onehot":
        _check_number("embedding", recipe.embedding, int, 1, 1_000_000, True, False)
    for size in recipe.hidden:
        _check_number("hidden", size, int, 1, 1_000_000, True, False)


def _check_number(
    name: str, value: Any, kind: type, least: float, most: float, is_least_allowed: bool, is_none_allowed: bool
) -> None:
    if value is None and is_none_allowed:
        return
    if isinstance(value, int | float if kind is float else int) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and (least < number <= most or (is_least_allowed and number == least)):
            return
    what = "a whole number" if kind is int else "a number"
    bound = f"of at least {least:g}" if is_least_allowed else f"greater than {least:g}"
    limit = "" if most in (math.inf, 2**40) else f" and at most {most:,.10g}"
    raise RecipeError(f"{name} is {value!r}; expected {what} {bound}{limit}.")


def _check_contradictions(recipe: Recipe) -> None:
    if not recipe.is_counted and (recipe.steps is None) == (recipe.minutes is None):
        raise RecipeError("A training needs either steps or minutes; give one of the two.")
    if recipe.split == "published" and recipe.kind == "text":
        raise RecipeError("split = 'published' is a split of lines; running text is cut in blocks. Leave it out.")
    if recipe.norm_output and recipe.norm == "none":
        raise RecipeError("norm_output = True needs a norm; give norm = 'batch' or 'layer'.")
    if recipe.model == "hierarchical":
        _check_that_pairs_meet(recipe.context, recipe.hidden)
    if recipe.norm == "batch" and recipe.batch == 1:
        raise RecipeError("batch = 1 with norm = 'batch': one example has no variance. Give a batch of at least 2.")


def _check_that_pairs_meet(context: int, hidden: tuple[int, ...]) -> None:
    reached = 2 ** len(hidden)
    if context == reached:
        return
    advice = f"Give context = {reached}"
    if context & (context - 1) == 0:
        advice += f", or hidden = {(hidden or (128,))[:1] * (context.bit_length() - 1)}"
    raise RecipeError(
        f"context is {context}; expected {reached}, because model = 'hierarchical' joins two neighbours in each of its "
        f"hidden layers ({len(hidden)}). {advice}."
    )
