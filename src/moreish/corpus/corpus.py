"""The corpus: one stream of ids with its splits, and what is known about the file that it was made from."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moreish.corpus import datasets
from moreish.corpus.encoding import encode_lines, encode_text
from moreish.corpus.fingerprints import fingerprint_values, sort_distinct, symbol_values
from moreish.corpus.preparation import Preparation, summarize
from moreish.corpus.reading import cannot_read, spool, spool_standard_input, text_pieces
from moreish.corpus.splits import SPLITS, Split
from moreish.corpus.tables import Column
from moreish.corpus.vocabulary import BOUNDARY_ID, Vocabulary
from moreish.corpus.windows import item_spans
from moreish.draws import seed_for
from moreish.errors import InputError
from moreish.recipe import Kind, Recipe

CHARACTERS_MEASURED = 2_000_000

_BLOCK_OF_TEXT = 1000
_TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class Source:
    """The file that a corpus was made from.

    Attributes:
        name: of the file or data set, for people.
        path: where it lies; what came on standard input lies in a temporary file that ends with the process.
        sha256: of its bytes, compressed ones where it is compressed; hexadecimal.
        num_bytes: its size.
        encoding: of its text.
        column: of a table, as it was given.
    """

    name: str
    path: str
    sha256: str
    num_bytes: int
    encoding: str
    column: str | None


@dataclass(frozen=True)
class Blocks:
    """Spans of a stream that are measured: items, or 1,000 symbols of running text.

    Attributes:
        starts: of the predicted symbols, (n,).
        stops: where they end, a closing boundary included, (n,).
        is_sample: whether they are a sample of the split.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    is_sample: bool


@dataclass(frozen=True)
class Corpus:
    """One stream of ids: training, then validation, then test.

    A list is a boundary, then each item with a boundary after it; every position but the first is predicted. Running
    text is just its symbols, in three contiguous blocks.

    Attributes:
        stream: ids, of the vocabulary's type.
        vocabulary: of the whole file.
        kind: a list or running text.
        cuts: split s owns the positions cuts[s] … cuts[s + 1] − 1; a list's first is 1.
        source: the file.
        summary: what was dropped, found and counted on the way.
    """

    stream: NDArray[np.unsignedinteger[Any]]
    vocabulary: Vocabulary
    kind: Kind
    cuts: tuple[int, int, int, int]
    source: Source
    summary: Preparation

    @property
    def has_boundary(self) -> bool:
        """Whether the corpus is a list."""
        return self.vocabulary.has_boundary

    @property
    def trained_items(self) -> NDArray[np.uint64]:
        """Fingerprints of the distinct training items, ascending; empty for running text. Computed at each call."""
        return self._distinct_fingerprints("train")

    @property
    def held_out_items(self) -> NDArray[np.uint64]:
        """Fingerprints of the distinct items of validation and test, ascending; empty for running text."""
        return self._distinct_fingerprints("validation", "test")

    def predicted(self, split: Split, context: int) -> range:
        """The positions that are predicted in a split.

        The first `context` symbols of a block of running text are only seen, so that no context reaches into another
        split.

        Raises:
            InputError: the context is longer than the split.
        """
        first, last = self._owned(split)
        if self.has_boundary:
            return range(first, last)
        if last - first <= context:
            raise InputError(
                f"{self.source.name} has {last - first:,} characters in its {split} split, too few for a context of "
                f"{context:,}. Choose a shorter context, or give more text."
            )
        return range(first + context, last)

    def blocks(self, split: Split, context: int, limit: int = CHARACTERS_MEASURED) -> Blocks:
        """What is measured of a split: all of its items or blocks, or a fixed sample of at most `limit` characters.

        One of them is measured in any case, however long.

        Raises:
            InputError: the context is longer than the split.
        """
        positions = self.predicted(split, context)
        is_sample = len(positions) > limit
        if self.has_boundary:
            num_blocks = self.summary.num_items_of[split]
            spans = item_spans(self.stream, positions.start, positions.stop)
        else:
            starts = np.arange(positions.start, positions.stop, _BLOCK_OF_TEXT)
            num_blocks = len(starts)
            spans = iter([(starts, np.minimum(starts + _BLOCK_OF_TEXT, positions.stop))])
        if not is_sample:
            starts, stops = map(np.concatenate, zip(*spans, strict=True))
            return Blocks(starts, stops, is_sample)
        numbers = np.random.PCG64(seed_for(0, f"sample of {split}"))
        num_wanted = max(1, int(limit / len(positions) * num_blocks))
        starts, stops = _choose(spans, np.unique(numbers.random_raw(num_wanted) % num_blocks))
        # Their lengths vary around the mean: whichever come last in a random order are too many.
        order = np.argsort(numbers.random_raw(len(starts)))
        num_kept = max(1, int((np.cumsum(stops[order] - starts[order]) <= limit).sum()))
        kept = np.sort(order[:num_kept])
        return Blocks(starts[kept], stops[kept], is_sample)

    def items(self, split: Split) -> Iterator[str]:
        """The items of a split of a list, in its order."""
        shown = self.vocabulary.codepoints.copy()
        shown[BOUNDARY_ID] = ord("\n")  # no item holds a line feed
        for starts, stops in item_spans(self.stream, *self._owned(split)):
            codes = shown[self.stream[starts[0] : stops[-1]]]
            yield from codes.astype("<u4").tobytes().decode("utf-32-le")[:-1].split("\n")

    def opening(self, context: int) -> NDArray[np.int64]:
        """Ids that generation begins with when no prefix is given, (T,).

        A list's are boundaries. Running text's are those that end in the first line break of training with enough
        before it, else the first of training.

        Raises:
            InputError: the context is longer than the training split.
        """
        if self.has_boundary:
            return np.full(context, BOUNDARY_ID, np.int64)
        positions = self.predicted("train", context)
        stop = positions.start
        if "\n" in self.vocabulary.symbols:
            line_break = self.vocabulary.symbols.index("\n")
            for first in range(positions.start - 1, positions.stop - 1, _BLOCK_OF_TEXT):
                found = np.flatnonzero(self.stream[first : min(first + _BLOCK_OF_TEXT, positions.stop)] == line_break)
                if len(found):
                    stop = first + int(found[0]) + 1
                    break
        return self.stream[stop - context : stop].astype(np.int64)

    def _owned(self, split: Split) -> tuple[int, int]:
        number = SPLITS.index(split)
        return self.cuts[number], self.cuts[number + 1]

    def _distinct_fingerprints(self, *splits: Split) -> NDArray[np.uint64]:
        if not self.has_boundary:
            return np.empty(0, np.uint64)
        fingerprints = np.empty(sum(self.summary.num_items_of[split] for split in splits), np.uint64)
        values = symbol_values(self.vocabulary.codepoints)
        filled = 0
        for split in splits:
            for starts, stops in item_spans(self.stream, *self._owned(split)):
                first = starts[0]
                of_items = fingerprint_values(values[self.stream[first : stops[-1]]], starts - first, stops - first - 1)
                fingerprints[filled : filled + len(of_items)] = of_items
                filled += len(of_items)
        return sort_distinct(fingerprints)


def read_corpus(
    file: str | os.PathLike[str] | None, recipe: Recipe, name: str | None = None, *, is_divided: bool = True
) -> Corpus:
    """Read a file, and make its corpus as the recipe says.

    A file is text, a .csv or .tsv table, or either compressed as .gz. With a column given, any file is read as a table.

    Args:
        file: a path, "-" for standard input, the name of a data set, or None for the bundled names.
        recipe: kind, encoding, normalization, column and split are used.
        name: of the file, for people; by default its own.
        is_divided: whether it is split as the recipe says; otherwise all of it is test.

    Raises:
        InputError: there is no such file, or its content cannot be used; the message says what to do.
        FileError: it cannot be read.
    """
    path, own_name = _find(file)
    name = name or own_name
    is_table = recipe.column is not None or own_name.lower().removesuffix(".gz").endswith(_TABLES)
    column = Column(name, recipe.column) if is_table else None

    def pieces() -> Iterator[str]:
        texts = text_pieces(path, name, recipe.encoding, recipe.normalization)
        return column.pieces(texts) if column else texts

    if recipe.kind == "lines":
        encoded = encode_lines(pieces, name, recipe.split if is_divided else None)
    else:
        encoded = encode_text(pieces, name, is_divided)
    return Corpus(
        stream=encoded.stream,
        vocabulary=encoded.vocabulary,
        kind=recipe.kind,
        cuts=encoded.cuts,
        source=_source(path, name, recipe),
        summary=summarize(encoded, column.notes if column else ()),
    )


def _find(file: str | os.PathLike[str] | None) -> tuple[Path, str]:
    if file is None:
        return datasets.bundled_names(), "names"
    if os.fspath(file) == "-":
        return spool_standard_input(), "standard input"
    path = datasets.find(file)
    if not path.is_file():
        try:
            with path.open("rb") as stream:  # a pipe, such as the shell's <(command)
                return spool(stream), str(path)
        except OSError as error:
            raise cannot_read(str(path), error) from error
    return path, str(file) if os.fspath(file) in datasets.DATA_SETS else path.name


def _source(path: Path, name: str, recipe: Recipe) -> Source:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            num_bytes = file.tell()
    except OSError as error:
        raise cannot_read(name, error) from error
    return Source(name, str(path.absolute()), digest, num_bytes, recipe.encoding, recipe.column)


def _choose(
    spans: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]], chosen: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The spans with the given numbers, which ascend."""
    starts = np.empty(len(chosen), np.int64)
    stops = np.empty(len(chosen), np.int64)
    num_seen = 0
    for some_starts, some_stops in spans:
        first, last = np.searchsorted(chosen, (num_seen, num_seen + len(some_starts)))
        places = chosen[first:last].astype(np.int64) - num_seen
        starts[first:last], stops[first:last] = some_starts[places], some_stops[places]
        num_seen += len(some_starts)
    return starts, stops
