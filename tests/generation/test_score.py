"""Scores are the sums of −log p, and those of generated items are the ones they came with."""

import math
import unicodedata

import numpy as np
import pytest

from moreish.errors import InputError, ScoringError
from moreish.generation import Model


def naive_nlls(model: Model, opening: list[int], ids: list[int]) -> list[float]:
    """−log p of each id, with one matrix product after the other in float64 and plain Python."""
    weights = {name: array.astype(np.float64) for name, array in model.predictor.weights.items()}  # type: ignore[attr-defined]
    seen = [0] * 3 + opening
    nlls = []
    for target in ids:
        hidden = np.concatenate([weights["embedding.weight"][symbol] for symbol in seen[-3:]])
        hidden = np.tanh(hidden @ weights["layers.0.linear.weight"] + weights["layers.0.linear.bias"])
        logits = hidden @ weights["head.linear.weight"] + weights["head.linear.bias"]
        nlls.append(math.log(sum(math.exp(logit) for logit in logits)) - logits[target])
        seen.append(target)
    return nlls


def test_scores_are_the_sums_of_a_naive_forward_pass(model: Model) -> None:
    for scored, ids in zip(model.score(["abé", "", "d"]), ([1, 2, 6, 0], [0], [4, 0]), strict=True):
        expected = naive_nlls(model, [], ids)
        assert scored.character_nlls == pytest.approx(expected, rel=1e-5)
        assert scored.nll_nats == pytest.approx(sum(expected), rel=1e-5)
        assert scored.nll_per_character == pytest.approx(sum(expected) / len(ids), rel=1e-5)


def test_running_text_is_scored_after_the_opening_and_without_an_end(text_model: Model) -> None:
    (scored,) = text_model.score("abé")
    assert scored.character_nlls == pytest.approx(naive_nlls(text_model, [2, 0, 1], [0, 1, 5]), rel=1e-5)
    assert scored.in_training_file is None


def test_one_text_is_scored_as_in_a_list_of_many(model: Model) -> None:
    together = model.score(["abc", "dead", "é"])
    assert [model.score(scored.text)[0].nll_nats for scored in together] == pytest.approx(
        [scored.nll_nats for scored in together], rel=1e-5
    )
    assert model.score([]) == []


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "top_k": 4}, {"start": "ba"}, {"max_length": 3}])
def test_the_nll_of_a_generated_item_is_its_score(model: Model, options: dict[str, object]) -> None:
    items = model.generate(40, **options)  # type: ignore[arg-type]
    scores = model.score(map(str, items))
    assert [item.nll_nats for item in items] == pytest.approx([scored.nll_nats for scored in scores], rel=1e-5)
    assert [item.nll_per_character for item in items] == pytest.approx(
        [scored.nll_per_character for scored in scores], rel=1e-5
    )


def test_the_nll_of_a_generated_text_is_its_score(text_model: Model) -> None:
    (text,) = text_model.generate(length=60, start="ab")
    (scored,) = text_model.score(text.text)
    assert text.nll_nats == pytest.approx(scored.nll_nats, rel=1e-5)
    assert text.nll_per_character == pytest.approx(scored.nll_nats / 60, rel=1e-5)


def test_a_text_in_another_normal_form_is_the_same_text(model: Model) -> None:
    (scored,) = model.score([unicodedata.normalize("NFD", "é")])
    assert (scored.text, scored.in_training_file, scored.in_training_split) == ("é", True, True)
    assert [scored.in_training_split for scored in model.score(["ab", "cd", "dc"])] == [True, False, False]


def test_an_unknown_character_is_named_with_its_text(model: Model) -> None:
    with pytest.raises(InputError, match=r"'z' at position 2 of text 2 .*not in the vocabulary"):
        model.score(["ab", "az"])


def test_the_texts_that_can_be_scored_come_with_the_error(model: Model) -> None:
    with pytest.raises(ScoringError, match=r"^2 of 4 texts cannot be scored\. Character 'x' .* of text 1 ") as caught:
        model.score(["xyax", "ab", "az", "d"])
    assert [item and item.text for item in caught.value.items] == [None, "ab", None, "d"]
    assert caught.value.items[1::2] == model.score(["ab", "d"])
    problems = ["'x', 'y' are not in the vocabulary", "", "'z' is not in the vocabulary", ""]
    assert caught.value.problems == problems


def test_an_empty_running_text_is_left_out_too(text_model: Model) -> None:
    with pytest.raises(ScoringError, match=r"^1 of 2 texts cannot be scored\. Text 2 is empty") as caught:
        text_model.score(["ab", ""])
    assert caught.value.items == [*text_model.score("ab"), None]
    assert caught.value.problems == ["", "it is empty"]


def test_an_empty_running_text_is_refused(text_model: Model) -> None:
    with pytest.raises(InputError, match="Text is empty"):
        text_model.score("")
