"""The nearest training item, against a naive edit distance."""

import random

import pytest

from moreish.generation.nearest import nearest_item


def naive_distance(first: str, second: str) -> int:
    """The Wagner–Fischer table, row by row."""
    row = list(range(len(second) + 1))
    for number, left in enumerate(first, start=1):
        above, row = row, [number]
        for place, right in enumerate(second, start=1):
            row.append(min(above[place] + 1, row[-1] + 1, above[place - 1] + (left != right)))
    return row[-1]


def test_the_nearest_item_is_the_first_with_the_smallest_distance() -> None:
    generator = random.Random(4)
    words = ["".join(generator.choices("abcé", k=generator.randint(1, 6))) for _ in range(120)]
    texts, items = words[:20], words[20:]
    for text in texts:
        distances = [naive_distance(text, item) for item in items]
        assert nearest_item(text, items) == (items[distances.index(min(distances))], min(distances))


@pytest.mark.parametrize("text", ["", "emma"])
def test_a_text_that_stands_there_has_distance_zero(text: str) -> None:
    assert nearest_item(text, ["emm", text, "emma"]) == (text, 0)
