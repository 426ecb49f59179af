"""What the tests of the corpus share: recipes of the three ways to read a file, a corpus from a content, its items."""

from pathlib import Path

from moreish.corpus import SPLITS, Corpus, read_corpus
from moreish.recipe import Recipe

LINES = Recipe(context=3)
PUBLISHED = Recipe(context=3, split="published")
TEXT = Recipe(context=3, kind="text")


def corpus_of(directory: Path, content: str | bytes, recipe: Recipe = LINES, name: str = "list.txt") -> Corpus:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_corpus(path, recipe)


def items_of(corpus: Corpus) -> list[str]:
    return [item for split in SPLITS for item in corpus.items(split)]
