"""The file that a model was trained on, where it is still at hand, and other files in the ids of its vocabulary."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import BOUNDARY_ID, Corpus, read_corpus
from moreish.corpus.vocabulary import Vocabulary
from moreish.corpus.windows import item_spans
from moreish.errors import FileError, InputError
from moreish.recipe import Recipe

_SHOWN_SYMBOLS = 10

Unknown = Literal["refuse", "skip"]
"""What becomes of items with characters that a model does not know."""


def training_corpus(data: dict[str, Any], origin: Path | None, recipe: Recipe) -> Corpus:
    """The corpus that a model was trained on.

    Args:
        data: name, path and sha256 of the file, as the provenance has them.
        origin: directory of the model file: a run that was moved takes its copy of standard input along.
        recipe: of the model.

    Raises:
        FileError: the file is gone, or is not the same any more.
    """
    name = data.get("name", "the file that it was trained on")
    if not data.get("path"):
        raise FileError(f"The model does not say where {name} lies. Give the file to be evaluated, or train again.")
    path = Path(data["path"])
    if origin is not None and data.get("is_copy") and (origin / path.name).is_file():
        path = origin / path.name
    if not path.is_file():
        raise FileError(f"The training file {path} is gone. Put it back, or use what needs no training file.")
    corpus = read_corpus(path, recipe)
    if corpus.source.sha256 != data.get("sha256"):
        raise FileError(
            f"{path} has changed since the model was trained on it (SHA-256 {corpus.source.sha256[:12]}…, then "
            f"{str(data.get('sha256'))[:12]}…). Put the old file back, or train again."
        )
    return corpus


def whole_file(
    file: str | Path, vocabulary: Vocabulary, recipe: Recipe, unknown: Unknown = "refuse"
) -> tuple[Corpus, int]:
    """A file as one split, "test", in the ids of a model's vocabulary; and how many of its items were left out.

    Args:
        file: a path, "-" for standard input, or the name of a data set; read as the recipe says, its split aside.
        vocabulary: of the model.
        recipe: of the model.
        unknown: what becomes of items with characters that the model does not know: the file is refused, or they are
            skipped. No context crosses items, so the others are predicted all the same.

    Raises:
        InputError: the file holds characters that the model does not know and is refused; or is running text, where
            nothing can be skipped; or nothing is left; or it cannot be read as the recipe says.
    """
    corpus = read_corpus(file, recipe, is_divided=False)
    boundary = [BOUNDARY_ID] if vocabulary.has_boundary else []
    known = {symbol: number for number, symbol in enumerate(vocabulary.symbols, start=len(boundary))}
    strangers = tuple(symbol for symbol in corpus.vocabulary.symbols if symbol not in known)
    num_left_out = 0
    if strangers:
        is_strange = np.array([False] * len(boundary) + [symbol not in known for symbol in corpus.vocabulary.symbols])
        num_items = corpus.summary.num_items
        corpus = _without(corpus, is_strange) if vocabulary.has_boundary else corpus
        num_left_out = num_items - corpus.summary.num_items
        if unknown == "refuse" or not vocabulary.has_boundary:
            raise InputError(_strangers_message(corpus, strangers, is_strange, num_left_out))
        if num_left_out == num_items:
            raise InputError(
                f"Every item of {corpus.source.name} has characters that the model does not know, such as "
                f"{strangers[0]!r}: nothing is left to be measured. Train with a file that contains them."
            )
    ids = np.array(boundary + [known.get(symbol, 0) for symbol in corpus.vocabulary.symbols], dtype=vocabulary.dtype)
    corpus = dataclasses.replace(corpus, stream=ids[corpus.stream], vocabulary=vocabulary)
    return corpus, num_left_out


def _without(corpus: Corpus, is_strange: NDArray[np.bool_]) -> Corpus:
    """The corpus without the items that hold any of some symbols, (V,); its counts of symbols stay as they were."""
    kept, num_items = [corpus.stream[:1]], 0
    for starts, stops in item_spans(corpus.stream, corpus.cuts[2], corpus.cuts[3]):
        ids = corpus.stream[starts[0] : stops[-1]]
        is_kept = ~np.logical_or.reduceat(is_strange[ids], starts - starts[0])
        kept.append(ids[np.repeat(is_kept, stops - starts)])
        num_items += int(is_kept.sum())
    stream = np.concatenate(kept)
    summary = dataclasses.replace(
        corpus.summary, num_items=num_items, num_items_of=corpus.summary.num_items_of | {"test": num_items}
    )
    return dataclasses.replace(corpus, stream=stream, cuts=(1, 1, 1, len(stream)), summary=summary)


def _strangers_message(
    corpus: Corpus, strangers: tuple[str, ...], is_strange: NDArray[np.bool_], num_left_out: int
) -> str:
    total = int(corpus.summary.symbol_counts.sum(axis=0)[is_strange].sum())
    kinds = "1 kind of character" if len(strangers) == 1 else f"{len(strangers):,} kinds of characters"
    message = f"{corpus.source.name} has {kinds} ({total:,} in all) that the model does not know: {_shown(strangers)}. "
    if num_left_out == 0:
        return f"{message}Leave them out of the file, or train with a file that contains them."
    num_items = num_left_out + corpus.summary.num_items
    return (
        f"{message}Train with a file that contains them, or leave out the {num_left_out:,} of {num_items:,} items that "
        "have any: unknown = 'skip'."
    )


def _shown(symbols: tuple[str, ...]) -> str:
    return " ".join(map(repr, symbols[:_SHOWN_SYMBOLS])) + (" …" if len(symbols) > _SHOWN_SYMBOLS else "")
