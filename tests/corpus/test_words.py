"""A text of words becomes a text of characters, one for each word, and back."""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from moreish.corpus import read_corpus
from moreish.corpus.words import RARE, WordCode, join_words, split_words
from moreish.errors import InputError
from moreish.recipe import Recipe

SPEECH = "First Citizen:\nWe'll know't, 'tis well-known; you are all resolved.\n\n"
WORDS = [
    *("First", "Citizen", ":", "\n", "We'll", "know't", ",", "'", "tis", "well", "-", "known", ";"),
    *("you", "are", "all", "resolved", ".", "\n", "\n"),
]


def test_words_marks_and_line_ends_are_tokens() -> None:
    assert split_words(SPEECH) == WORDS
    assert join_words(WORDS) == SPEECH.replace("'tis", "' tis")


def test_nothing_but_space_is_lost() -> None:
    text = "Ünicode, naïve--\tthe boys' 2,000 __x__ “words”.\n" * 2
    assert "".join(split_words(text)) == re.sub(r"[^\S\n]", "", text)


def test_only_words_of_the_training_block_that_are_frequent_are_known() -> None:
    text = "a a a a b b b c " + "c c"  # ten words: the first eight are training's
    code = WordCode.learn(text, at_least=3)
    assert code.words == (RARE, "a", "b")
    assert code.decode(code.encode(text)) == [*"aaaabbb", *[RARE] * 3]
    assert WordCode.learn(text, at_least=1, at_most=2).words == (RARE, "a", "b")
    assert WordCode.learn(text, at_least=1).words == (RARE, "a", "b", "c")


def test_the_text_of_a_code_is_a_corpus_of_words(tmp_path: Path) -> None:
    text = SPEECH * 50
    code = WordCode.learn(text)
    encoded = code.encode(text)
    assert unicodedata.normalize("NFC", encoded) == encoded
    file = tmp_path / "words.txt"
    file.write_text(encoded, encoding="utf-8")
    corpus = read_corpus(file, Recipe(kind="text"))
    # Every word is known here, so that the symbol of rare ones is none of the vocabulary's.
    ids = {word: number for number, (word, _) in enumerate(Counter(WORDS * 40).most_common())}
    assert corpus.stream.tolist() == [ids[word] for word in WORDS * 50]
    assert code.decode(corpus.vocabulary.decode(corpus.stream)) == WORDS * 50


def test_the_vocabulary_of_tiny_shakespeare_has_the_size_that_was_measured(shakespeare_file: Path) -> None:
    assert len(WordCode.learn(shakespeare_file.read_text(encoding="utf-8")).words) == 4_763


def test_what_cannot_be_coded_is_refused() -> None:
    with pytest.raises(InputError, match="No word of the text occurs 3 times in its first 80%"):
        WordCode.learn("all words differ")
    with pytest.raises(InputError, match="at_most is 70,000; expected at most 65,533"):
        WordCode.learn("a a a", at_most=70_000)
    with pytest.raises(InputError, match="Character 'x' at position 1 stands for none of the 2 words"):
        WordCode.learn("a a a a a").decode("x")
