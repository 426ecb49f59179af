"""Make the pictures of the documents again: docs/pictures/*.png, from short seeded trainings on the bundled names.

    python tools/make_pictures.py [NAME ...] [--out DIR] [--reproduced DIR]

Each is a situation of the lectures and notebooks: what goes wrong at initialisation or in training, and how it looks
when it is mended. Those of notebook 3 are trained on tiny Shakespeare, which is fetched by its name; `published` needs
a directory that `moreish reproduce --all` wrote. A few minutes on one core.
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import moreish
from moreish import Recipe
from moreish.corpus import contexts, read_corpus
from moreish.models.mlp import MLP
from moreish.sharing import (
    PICTURES,
    Inside,
    Material,
    draw_activation_histograms,
    draw_bigram_table,
    draw_embedding_map,
    draw_gradient_histograms,
    draw_parameter_gradients,
    draw_published,
    draw_rate_search,
    draw_saturation_map,
    draw_spread_by_depth,
    draw_spreads,
    draw_tanh,
    look_inside,
)
from moreish.sharing.style import to_bytes
from moreish.storage import read_json, write_atomically
from moreish.training import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENTS = Path(__file__).parents[1] / "docs/pictures"
DOTS_PER_INCH = 110  # of pages, which show them at about this size
NUM_EXAMPLES = 200
GAINS = {"0.5": 0.5, "1": 1.0, "5/3": 5 / 3, "3": 3.0}
VOWELS = "aeiou"

# The networks of the lectures: plain SGD at 0.1, minibatches of 32, tanh.
LECTURE: dict[str, Any] = {
    "split": "published",
    "context": 3,
    "embedding": 10,
    "hidden": (200,),
    "activation": "tanh",
    "init": "normal",
    "bias_scale": 1.0,
    "head_scale": 1.0,
    "head_bias_scale": 1.0,
    "optimizer": "sgd",
    "weight_decay": 0.0,
    "learning_rate": 0.1,
    "schedule": "constant",
    "warmup": 0.0,
    "batch": 32,
    "keep": "last",
}
QUIET_HEAD: dict[str, Any] = LECTURE | {"head_scale": 0.01, "head_bias_scale": 0.0}
SCALED: dict[str, Any] = QUIET_HEAD | {"gain": 0.2, "bias_scale": 0.01}
DEEP: dict[str, Any] = QUIET_HEAD | {
    "hidden": (100,) * 5,
    "init": "kaiming",
    "bias_scale": 0.0,
    "head_init": "kaiming",
    "head_scale": 0.1,
}
ZEROS: dict[str, Any] = LECTURE | {
    "hidden": (100,) * 5,
    "init": "zeros",
    "bias_scale": None,
    "head_bias_scale": None,
    "head_init": "zeros",
}
# Notebook 3: one character in, one out, on tiny Shakespeare.
GELU: dict[str, Any] = LECTURE | {
    "kind": "text",
    "split": "distinct",
    "context": 1,
    "embedding": "onehot",
    "hidden": (128,),
    "activation": "gelu",
    "learning_rate": 0.01,
    "batch": 1024,
}
UNIT_COLUMNS: dict[str, Any] = GELU | {"init": "unit-columns", "head_init": "unit-columns"}
# Notebook 4: what it derives by hand.
BY_HAND: dict[str, Any] = LECTURE | {
    "hidden": (64,),
    "init": "kaiming",
    "bias": "all",
    "bias_scale": 0.1,
    "head_init": "normal",
    "head_scale": 0.1,
    "head_bias_scale": 0.1,
    "norm": "batch",
    "norm_convention": "lecture",
}


def losses(settings: dict[str, Any], steps: int, file: str | None = None) -> "Figure":
    """The loss of a training."""
    return PICTURES["losses"].draw(Material(train(settings | {"steps": steps, "eval_every": steps // 20}, file=file)))


def saturation(settings: dict[str, Any]) -> "Figure":
    """The map of the first layer's units before the first step."""
    return draw_saturation_map(untrained(settings).outputs["layers.0"], settings["activation"])


def dead_relu() -> "Figure":
    """Units of ReLU that too high a rate has killed."""
    killed = SCALED | {"activation": "relu", "learning_rate": 1.5, "steps": 1000}
    return PICTURES["saturation"].draw(Material(train(killed)))


def activations(gain: float, norm: str = "none") -> "Figure":
    """Histograms of the deep network's activations before the first step."""
    return draw_activation_histograms(_hidden(untrained(DEEP | {"gain": gain, "norm": norm}).outputs))


def gradients(gain: float, norm: str = "none") -> "Figure":
    """Histograms of the deep network's gradients before the first step."""
    return draw_gradient_histograms(_hidden(untrained(DEEP | {"gain": gain, "norm": norm}).gradients))


def depth(norm: str) -> "Figure":
    """Spread of activations and gradients from layer to layer before the first step, one line for each gain."""
    insides = {f"gain {name}": untrained(DEEP | {"gain": gain, "norm": norm}) for name, gain in GAINS.items()}
    layers = [f"layers.{index}" for index in range(5)]
    outputs, gradients = (
        {name: np.array([getattr(inside, what)[layer].std() for layer in layers]) for name, inside in insides.items()}
        for what in ("outputs", "gradients")
    )
    return draw_spread_by_depth(outputs, layers, gradients)


def updates(learning_rate: float) -> "Figure":
    """Update-to-data ratios of the deep network in its first 1,000 steps."""
    settings = DEEP | {"norm": "batch", "learning_rate": learning_rate, "steps": 1001}
    return PICTURES["updates"].draw(Material(train(settings, statistics_every=20)))


def parameter_gradients(settings: dict[str, Any]) -> "Figure":
    """How large the gradient of every parameter is before the first step, and which receive none."""
    found = untrained(settings).parameter_gradients
    return draw_parameter_gradients({name: float(gradient.std()) for name, gradient in found.items()})


def embedding() -> "Figure":
    """Two-dimensional embeddings after 30,000 steps."""
    settings = SCALED | {"embedding": 2, "schedule": "step", "steps": 30_000}
    material = Material(train(settings))
    return draw_embedding_map(material.model.weights["embedding.weight"], material.symbols, VOWELS)


def bigrams() -> "Figure":
    """How often a letter follows another in the training names."""
    material = Material(train(SCALED | {"steps": 1000}))
    return draw_bigram_table(material.bigrams(), material.symbols)


def spreads(is_scaled: bool) -> "Figure":
    """The spread of an input, of joined embeddings, and of x @ w, with w divided by √fan-in or not."""
    generator = torch.Generator().manual_seed(1)
    x, w = (torch.randn(shape, generator=generator).numpy() for shape in ((1000, 10), (10, 200)))
    _, ids, _ = examples()
    table = torch.randn((27, 10), generator=generator).numpy()
    scale, name = (10**-0.5, "x @ (w / √10)") if is_scaled else (1.0, "x @ w")
    return draw_spreads({"input, x": x, "embedding": table[ids], name: x @ w * scale})


def rate_search() -> "Figure":
    """One step at each of 1,000 rates, and the one that is suggested."""
    found = moreish.find_rate(recipe=Recipe(**SCALED))
    return draw_rate_search(found.rates, found.losses, found.smoothed, found.suggestion)


def published(reproduced: Path) -> "Figure":
    """What was measured again beside what was published."""
    return draw_published(read_json(reproduced / "results.json")["experiments"])


PAGES: "dict[str, Callable[[], Figure]]" = {
    "losses-confident": lambda: losses(LECTURE, 2000),
    "losses-quiet-head": lambda: losses(QUIET_HEAD, 2000),
    "losses-zero-init": lambda: losses(ZEROS, 2000),
    "tanh": draw_tanh,
    "saturation-unscaled": lambda: saturation(QUIET_HEAD),
    "saturation-scaled": lambda: saturation(SCALED),
    "saturation-dead-relu": dead_relu,
    "spreads": lambda: spreads(is_scaled=False),
    "spreads-scaled": lambda: spreads(is_scaled=True),
    **{
        f"activations-gain-{name.replace('/', '-')}": lambda gain=gain: activations(gain)
        for name, gain in GAINS.items()
    },
    **{f"gradients-gain-{name.replace('/', '-')}": lambda gain=gain: gradients(gain) for name, gain in GAINS.items()},
    "activations-batch-norm": lambda: activations(3.0, "batch"),
    "depth-plain": lambda: depth("none"),
    "depth-batch-norm": lambda: depth("batch"),
    "updates-right-rate": lambda: updates(0.1),
    "updates-low-rate": lambda: updates(0.001),
    "rate-search": rate_search,
    "zero-init": lambda: parameter_gradients(ZEROS),
    "gradients-by-hand": lambda: parameter_gradients(BY_HAND),
    "losses-gelu": lambda: losses(GELU, 10_000, "tinyshakespeare"),
    "losses-gelu-unit-columns": lambda: losses(UNIT_COLUMNS, 10_000, "tinyshakespeare"),
    "embedding": embedding,
    "bigrams": bigrams,
}


@cache
def examples() -> tuple[int, np.ndarray, np.ndarray]:
    """V, and contexts and targets of the first training examples after a shuffle."""
    recipe = Recipe(**LECTURE)
    corpus = read_corpus(None, recipe)
    positions = corpus.predicted("train", recipe.context)
    drawn = np.random.default_rng(1).choice(len(positions), NUM_EXAMPLES, replace=False) + positions.start
    ids = contexts(corpus.stream, drawn, recipe.context, corpus.has_boundary)
    return corpus.vocabulary.vocab_size, ids, corpus.stream[drawn].astype(np.int64)


def untrained(settings: dict[str, Any]) -> Inside:
    """A network before its first step, on a minibatch."""
    recipe = Recipe(**settings)
    vocab_size, ids, targets = examples()
    module = MLP(recipe, vocab_size, torch.Generator().manual_seed(recipe.seed))
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    return look_inside(recipe, weights, ids, targets)


def train(settings: dict[str, Any], statistics_every: int = 0, file: str | None = None) -> Run:
    """A run in a directory that is removed at the end."""
    directory = tempfile.mkdtemp(dir=_DIRECTORY.name)
    return moreish.train(file, out=directory, recipe=Recipe(**settings), statistics_every=statistics_every)


_DIRECTORY = tempfile.TemporaryDirectory()


def _hidden(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array for name, array in arrays.items() if name != "head"}


def _small(figure: "Figure") -> bytes:
    """A PNG for a page: fewer dots, and as few colours as it needs."""
    from PIL import Image

    figure.set_dpi(DOTS_PER_INCH)
    content = io.BytesIO()
    with Image.open(io.BytesIO(to_bytes(figure, "png"))) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(content, "png", optimize=True)
    return content.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PAGES)}, published")
    parser.add_argument("--out", type=Path, default=DOCUMENTS)
    parser.add_argument("--reproduced", type=Path, help="a directory that moreish reproduce wrote, for `published`")
    arguments = parser.parse_args()
    pages = dict(PAGES)
    if arguments.reproduced is not None:
        pages["published"] = lambda: published(arguments.reproduced)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or pages:
        content = _small(pages[name]())
        write_atomically(arguments.out / f"{name}.png", content)
        print(f"{name}: {len(content):,} bytes", flush=True)


if __name__ == "__main__":
    main()
