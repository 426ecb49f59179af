"""Words as symbols: running text in which each word is written as one character of its own.

A vocabulary is made of code points, and nothing above this floor asks what they stand for. Written in characters of
Unicode's private use, words pass through splits, engines, runs, counting models and generation as letters do.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from moreish.errors import InputError

RARE = "<rare>"

_TRAINING_SHARE = 0.8  # the first block of a running text; see `encode_text`
_FIRST_CODE = 0xF0000  # plane 15: no text has these characters of its own
_MOST_WORDS = 0xFFFE - 1

_TOKENS = re.compile(r"\w+(?:'\w+)*|[^\w\s]|\n")


def split_words(text: str) -> list[str]:
    """Words with the apostrophes inside them, single punctuation marks, and line ends; letters keep their case."""
    return _TOKENS.findall(text)


def join_words(words: Iterable[str]) -> str:
    """A text for people from words: `split_words` undone, as far as it can tell where a space was."""
    text = " ".join(words)
    text = re.sub(r" ?([\n-]) ?", r"\1", text)
    return re.sub(r" ([.,;:!?])", r"\1", text)


@dataclass(frozen=True)
class WordCode:
    """Which character stands for which word.

    Attributes:
        words: in the order of their characters; the first, `RARE`, stands for all that are not here.
    """

    words: tuple[str, ...]

    @staticmethod
    def learn(text: str, at_least: int = 3, at_most: int = 17_000) -> "WordCode":
        """The words that occur at least so often in the training block of a text, the most frequent first.

        Args:
            text: running text; its first 80% of words will be the training split, and only they are counted.
            at_least: occurrences that a word needs.
            at_most: words that are kept, `RARE` not counted. Bengio et al. 2003, section 4, have about 17,000.

        Raises:
            InputError: no word occurs so often, or more words are asked for than there are characters of private use.
        """
        if at_most > _MOST_WORDS:
            raise InputError(f"at_most is {at_most:,}; expected at most {_MOST_WORDS:,} words.")
        tokens = split_words(text)
        counted = Counter(tokens[: int(_TRAINING_SHARE * len(tokens))]).most_common(at_most)
        kept = tuple(word for word, count in counted if count >= at_least)
        if not kept:
            raise InputError(
                f"No word of the text occurs {at_least} times in its first {_TRAINING_SHARE:.0%}. "
                "Give more text, or a smaller at_least."
            )
        return WordCode((RARE, *kept))

    def encode(self, text: str) -> str:
        """A text of words as one character a word; those that are not known become the character of `RARE`."""
        rare = chr(_FIRST_CODE)
        return "".join(self._characters.get(word, rare) for word in split_words(text))

    def decode(self, characters: str) -> list[str]:
        """The words of what `encode` gave, or of what a model made like it.

        Raises:
            InputError: a character that stands for no word.
        """
        numbers = [ord(character) - _FIRST_CODE for character in characters]
        for place, number in enumerate(numbers):
            if not 0 <= number < len(self.words):
                raise InputError(
                    f"Character {characters[place]!r} at position {place + 1} stands for none of the "
                    f"{len(self.words):,} words. Decode what this WordCode encoded."
                )
        return [self.words[number] for number in numbers]

    @cached_property
    def _characters(self) -> dict[str, str]:
        return {word: chr(_FIRST_CODE + number) for number, word in enumerate(self.words)}
