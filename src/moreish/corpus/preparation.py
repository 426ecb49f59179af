"""What was dropped, found and counted while a corpus was made, and the sentences that say it."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.encoding import Encoded
from moreish.corpus.splits import SPLITS, Split

_LOOKS_LIKE_TEXT = 60
_FEW_ITEMS = 30
_SHOWN_SYMBOLS = 10
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Preparation:
    """Plain figures about a corpus.

    Attributes:
        num_items: of the list, copies included; 0 for running text.
        num_distinct: items that differ.
        num_items_of: items of each split.
        num_characters: of the file's items or text, boundaries excluded.
        num_blank_lines: that were dropped.
        num_trimmed_lines: that had space around them.
        leaks: items of validation and test that also stand in training.
        unseen_symbols: symbols that never occur in training.
        num_unseen: how often these occur in validation and test.
        symbol_counts: how often each symbol stands in each split, (3, V); a list's first boundary belongs to none.
        notes: sentences for people, the most important first.
    """

    num_items: int
    num_distinct: int
    num_items_of: dict[Split, int]
    num_characters: int
    num_blank_lines: int
    num_trimmed_lines: int
    leaks: dict[Split, int]
    unseen_symbols: tuple[str, ...]
    num_unseen: dict[Split, int]
    symbol_counts: NDArray[np.int64] = dataclasses.field(compare=False)
    notes: tuple[str, ...] = ()


def _symbol_counts(encoded: Encoded) -> NDArray[np.int64]:
    vocab_size = encoded.vocabulary.vocab_size
    counts = np.zeros((3, vocab_size), np.int64)
    for number in range(3):
        for first in range(encoded.cuts[number], encoded.cuts[number + 1], _BLOCK):
            last = min(first + _BLOCK, encoded.cuts[number + 1])
            counts[number] += np.bincount(encoded.stream[first:last], minlength=vocab_size)
    return counts


def summarize(encoded: Encoded, notes: tuple[str, ...] = ()) -> Preparation:
    """The figures of an encoded file, and their notes, after those of the table that it came from."""
    counts = _symbol_counts(encoded)
    unseen = np.flatnonzero(counts[0] == 0)
    assignment = encoded.assignment
    num_items_of = assignment.num_items if assignment else (0, 0, 0)
    preparation = Preparation(
        num_items=sum(num_items_of),
        num_distinct=assignment.num_distinct if assignment else 0,
        num_items_of=dict(zip(SPLITS, num_items_of, strict=True)),
        num_characters=int(counts.sum()) - sum(num_items_of),
        num_blank_lines=encoded.num_blank_lines,
        num_trimmed_lines=encoded.num_trimmed_lines,
        leaks=assignment.leaks if assignment else {"validation": 0, "test": 0},
        unseen_symbols=tuple(encoded.vocabulary.decode([symbol]) for symbol in unseen),
        num_unseen={"validation": int(counts[1, unseen].sum()), "test": int(counts[2, unseen].sum())},
        symbol_counts=counts,
    )
    return dataclasses.replace(preparation, notes=notes + _notes(preparation))


def _notes(preparation: Preparation) -> tuple[str, ...]:
    is_list = preparation.num_items > 0
    notes: list[str] = []
    if is_list and preparation.num_characters > _LOOKS_LIKE_TEXT * preparation.num_items:
        mean = preparation.num_characters / preparation.num_items
        notes.append(f"The lines have {mean:.0f} characters on average; if this is running text, pass --as text.")
    if preparation.num_blank_lines:
        notes.append(f"{_count(preparation.num_blank_lines, 'blank line was', 'blank lines were')} dropped.")
    if preparation.num_trimmed_lines:
        notes.append(f"The space around {_count(preparation.num_trimmed_lines, 'line', 'lines')} was dropped.")
    num_copies = preparation.num_items - preparation.num_distinct
    if any(preparation.leaks.values()):
        shares = {split: num / preparation.num_items_of[split] for split, num in preparation.leaks.items()}
        notes.append(
            f"{shares['validation']:.1%} of the validation lines and {shares['test']:.1%} of the test lines also stand "
            "in training, so their NLL flatters; --split distinct keeps the copies of a line together."
        )
    elif num_copies:
        copies = _count(num_copies, "line is a copy of another", "lines are copies of others")
        notes.append(f"{copies}; no line stands in two splits.")
    num_validation, num_test = (preparation.num_items_of[split] for split in SPLITS[1:])
    # Where nothing is divided, validation is empty and there is nothing to say.
    if num_validation and min(num_validation, num_test) < _FEW_ITEMS:
        notes.append(f"Validation and test hold {num_validation:,} and {num_test:,} items: their figures are rough.")
    if preparation.unseen_symbols:
        shown = " ".join(repr(symbol)[1:-1] for symbol in preparation.unseen_symbols[:_SHOWN_SYMBOLS])
        more = " …" if len(preparation.unseen_symbols) > _SHOWN_SYMBOLS else ""
        notes.append(
            f"{_count(len(preparation.unseen_symbols), 'symbol never occurs', 'symbols never occur')} in training "
            f"({shown}{more}), but {_count(preparation.num_unseen['validation'], 'time', 'times')} in validation and "
            f"{_count(preparation.num_unseen['test'], 'time', 'times')} in test."
        )
    return tuple(notes)


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"
