"""From drawn items to an answer: which are given out, and when to give up."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moreish.corpus.vocabulary import Vocabulary
from moreish.errors import ImpossibleRequestError
from moreish.generation.draw import Drawn
from moreish.generation.novelty import KnownItems
from moreish.generation.request import Request

# Attempts that are made before the first item, and again for every item that was found: beyond these, fewer than one
# attempt in a hundred succeeds, and more would not help.
FREE_ATTEMPTS = 1_000
ATTEMPTS_PER_ITEM = 100

_STUCK = "came where no character can follow"
_EMPTY = "were empty"
_REPEATED = "repeated another item"
_KNOWN = "stand in the training file"


class Generated(NamedTuple):
    """A generated item, or a running text; `str` gives the text.

    Attributes:
        text: the prefix included.
        nll_nats: of the text under the model at temperature 1, closing boundary included for items of a list.
        nll_per_character: the same by the number of predicted symbols, boundary included, nats.
        in_training_file: whether it stands in the file that the model was trained on, in whatever split; None for
            running text, which has no items.
        in_training_split: whether it stands in the part of the file that the model saw; likewise.
        is_cut: whether it reached the largest length before the model ended it.
        nearest: the item of the training split with the smallest edit distance, where that was asked for.
        distance: that distance, in characters inserted, deleted or replaced.
    """

    text: str
    nll_nats: float
    nll_per_character: float
    in_training_file: bool | None
    in_training_split: bool | None
    is_cut: bool
    nearest: str | None = None
    distance: int | None = None

    def __str__(self) -> str:
        return self.text


def collect(
    draw: Callable[[NDArray[np.int64]], Drawn],
    request: Request,
    vocabulary: Vocabulary,
    known: KnownItems | None,
    batch_size: int,
) -> list[Generated]:
    """The first items, in order of their number, that the request wants.

    Args:
        draw: draws items by number; it is asked for 0, 1, 2, … in ascending order.
        request: a resolved one.
        vocabulary: of the model.
        known: the items of the training file; None for running text.
        batch_size: most items drawn at once; it changes no item.

    Raises:
        ImpossibleRequestError: fewer than about one attempt in a hundred was accepted; it has those that were.
    """
    num_items = request.num_items or 0
    accepted: list[Generated] = []
    texts: set[str] = set()
    rejected: Counter[str] = Counter()
    num_drawn = num_rejected = 0
    while len(accepted) < num_items:
        likely = (num_items - len(accepted)) * (num_drawn + 1) // (len(accepted) + 1)
        drawn = draw(np.arange(num_drawn, num_drawn + min(batch_size, max(likely, 1))))
        for item, is_stuck in zip(_items(drawn, vocabulary, known), drawn.is_stuck.tolist(), strict=True):
            num_drawn += 1
            text = item.text
            if is_stuck:
                reason = _STUCK
            elif not text:
                reason = _EMPTY
            elif not request.allow_repeats and text in texts:
                reason = _REPEATED
            elif request.new_only and item.in_training_file:
                reason = _KNOWN
            else:
                if not request.allow_repeats:
                    texts.add(text)
                accepted.append(item)
                if len(accepted) == num_items:
                    break
                continue
            rejected[reason] += 1
            num_rejected += 1
            if num_rejected >= FREE_ATTEMPTS + ATTEMPTS_PER_ITEM * len(accepted):
                raise ImpossibleRequestError(_explanation(request, len(accepted), rejected), accepted)
    return accepted


def _items(drawn: Drawn, vocabulary: Vocabulary, known: KnownItems | None) -> Iterator[Generated]:
    texts = _texts(drawn, vocabulary)
    in_file, in_split = known.find(texts) if known else ([None] * len(texts),) * 2
    nlls_a_symbol = drawn.nlls / np.maximum(drawn.lengths + vocabulary.has_boundary, 1)
    return map(Generated, texts, drawn.nlls.tolist(), nlls_a_symbol.tolist(), in_file, in_split, drawn.is_cut.tolist())


def _texts(drawn: Drawn, vocabulary: Vocabulary) -> list[str]:
    is_inside = np.arange(drawn.ids.shape[1]) < drawn.lengths[:, None]
    joined = vocabulary.decode(drawn.ids[is_inside])
    stops = np.cumsum(drawn.lengths)
    return [joined[start:stop] for start, stop in zip((stops - drawn.lengths).tolist(), stops.tolist(), strict=True)]


def _explanation(request: Request, num_found: int, rejected: Counter[str]) -> str:
    attempts = num_found + rejected.total()
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in rejected.most_common())
    settings = [("temperature", request.temperature), ("top_k", request.top_k), ("top_p", request.top_p)]
    now = ", ".join(f"{name} = {value:g}" for name, value in settings if value is not None)
    remedies = {
        "ask for fewer items": num_found > 0,
        "allow repeats (--allow-repeats)": rejected[_REPEATED] > 0,
        "leave out --new-only": rejected[_KNOWN] > 0,
        f"draw more freely ({now} now)": rejected[_REPEATED] + rejected[_KNOWN] > 0,
        "change the prefix or the lengths": rejected[_STUCK] + rejected[_EMPTY] > 0,
    }
    *others, last = (remedy for remedy, applies in remedies.items() if applies)
    advice = f"{', '.join(others)} or {last}" if others else last
    return (
        f"{attempts:,} attempts gave {num_found:,} of {request.num_items:,} items: {reasons}. "
        f"{advice[0].upper()}{advice[1:]}."
    )
