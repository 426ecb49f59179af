"""What a person asks to be generated, checked before anything is drawn."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from moreish.errors import InputError

Draws = Literal["streams", "lecture"]

DEFAULT_NUM_ITEMS = 20
DEFAULT_LENGTH = 500
# Far above any name, and low enough that a model that never ends an item does not fill the screen.
DEFAULT_MAX_LENGTH = 1_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """A generation: how many, how drawn, which are wanted. Lengths count characters, the prefix included.

    Attributes:
        num_items: items of the answer; None for 20, or for one running text.
        temperature: the logits are divided by it.
        top_k: only the k most probable symbols are drawn; of equally probable ones the first by id.
        top_p: only the smallest set of most probable symbols whose probability reaches p is drawn ("nucleus"), after
            temperature and top_k. Source: Holtzman et al. 2020, arXiv:1904.09751, section 3.1.
        start: prefix of every item.
        min_length: an item does not end before; lists only.
        max_length: an item is cut here, and marked; lists only; None for 1,000, or twice min_length where that is more.
        length: of a running text; None for 500.
        seed: of the random numbers; item i of a request depends on (seed, i) alone.
        new_only: leave out items that stand in the training file.
        allow_repeats: the items need not be distinct.
        draws: "streams" (every item its own) or "lecture" (one generator, a character at a time, `torch.multinomial`).

    Raises:
        InputError: a value out of range, or values that contradict each other.
    """

    num_items: int | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    start: str = ""
    min_length: int | None = None
    max_length: int | None = None
    length: int | None = None
    seed: int = 1
    new_only: bool = False
    allow_repeats: bool = False
    draws: Draws = "streams"

    def __post_init__(self) -> None:
        _check_whole("num_items", self.num_items, 1)
        _check_whole("top_k", self.top_k, 1)
        _check_whole("min_length", self.min_length, 0)
        _check_whole("max_length", self.max_length, 1)
        _check_whole("length", self.length, 1)
        _check_whole("seed", self.seed, 0, 2**63 - 1)
        if not _is_number(self.temperature) or not 0 < self.temperature < math.inf:
            raise InputError(
                f"temperature is {self.temperature!r}; expected a number greater than 0. "
                "For the most probable characters alone give top_k = 1, which makes one item only: with num_items = 1, "
                "or with allow_repeats = True."
            )
        if self.top_p is not None and (not _is_number(self.top_p) or not 0 < self.top_p <= 1):
            raise InputError(f"top_p is {self.top_p!r}; expected a number greater than 0 and at most 1.")
        if self.draws not in ("streams", "lecture"):
            raise InputError(f"draws is {self.draws!r}; expected streams or lecture.")
        if self.draws == "lecture" and (self.temperature != 1 or self.top_k or self.top_p or self.min_length):
            raise InputError(
                "draws = 'lecture' draws from the whole distribution as the lectures do; "
                "leave out top_k, top_p, min_length and the temperature."
            )
        self._check_lengths()

    def _check_lengths(self) -> None:
        if self.min_length is not None and self.max_length is not None and self.max_length < self.min_length:
            raise InputError(
                f"max_length is {self.max_length} and min_length {self.min_length}; no item can be both. "
                "Give a max_length of at least min_length."
            )
        for name in ("max_length", "length"):
            limit = getattr(self, name)
            if limit is not None and len(self.start) > limit:
                raise InputError(
                    f"The prefix has {len(self.start)} characters and {name} is {limit}, which counts the prefix too. "
                    f"Give a shorter prefix or a larger {name}."
                )

    def for_lines(self) -> "Request":
        """The request as a model of a list takes it, with its defaults filled in.

        Raises:
            InputError: it asks for what only running text has, or its lengths contradict the default of max_length.
        """
        if self.length is not None:
            raise InputError(
                "length is for models of running text; this model makes the items of a list, which end by themselves. "
                "Give max_length or min_length."
            )
        longest = max(DEFAULT_MAX_LENGTH, 2 * (self.min_length or 0)) if self.max_length is None else self.max_length
        num_items = DEFAULT_NUM_ITEMS if self.num_items is None else self.num_items
        return replace(self, num_items=num_items, min_length=self.min_length or 0, max_length=longest)

    def for_text(self) -> "Request":
        """The request as a model of running text takes it, with its defaults filled in.

        Raises:
            InputError: it asks for what only items of a list have.
        """
        for name in ("min_length", "max_length"):
            if getattr(self, name) is not None:
                raise InputError(
                    f"{name} is for models of a list; this model makes running text, which has no end. "
                    f"Give a length, such as length = {DEFAULT_LENGTH}."
                )
        if self.new_only:
            raise InputError(
                "new_only is for models of a list; running text has no items that stand in a file. Leave it out."
            )
        num_items = 1 if self.num_items is None else self.num_items
        length = max(DEFAULT_LENGTH, len(self.start)) if self.length is None else self.length
        return replace(self, num_items=num_items, length=length)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    if value is None and name != "seed":
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        limit = "" if most is None else f" and at most {most:,}"
        raise InputError(f"{name} is {value!r}; expected a whole number of at least {least}{limit}.")
