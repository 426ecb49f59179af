"""The lecture mode repeats the lectures' loop."""

import pytest

from moreish.generation import Model

torch = pytest.importorskip("torch")


def lecture_loop(model: Model, seed: int, num_items: int) -> list[str]:
    """The loop of the lectures: a context of ids, embedding, tanh, softmax, multinomial, one character at a time."""
    weights = {name: torch.from_numpy(array) for name, array in model.predictor.weights.items()}  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(seed)
    names: list[str] = []
    for _ in range(num_items):
        ids, context = [], [0] * 3
        while True:
            embedded = weights["embedding.weight"][torch.tensor([context])]
            hidden = torch.tanh(
                embedded.view(1, -1) @ weights["layers.0.linear.weight"] + weights["layers.0.linear.bias"]
            )
            logits = hidden @ weights["head.linear.weight"] + weights["head.linear.bias"]
            probabilities = torch.nn.functional.softmax(logits, dim=1)
            symbol = int(torch.multinomial(probabilities, num_samples=1, generator=generator).item())
            context = [*context[1:], symbol]
            if symbol == 0:
                break
            ids.append(symbol)
        names.append(model.vocabulary.decode(ids))
    return names


def test_lecture_draws_are_those_of_the_lectures_loop(model: Model) -> None:
    expected = [name for name in lecture_loop(model, 2147483657, 200) if name]
    items = model.generate(len(expected), draws="lecture", seed=2147483657, allow_repeats=True)
    assert [item.text for item in items] == expected
    scores = model.score(map(str, items))
    assert [item.nll_nats for item in items] == pytest.approx([scored.nll_nats for scored in scores], rel=1e-5)


def test_lecture_draws_are_the_same_whatever_the_batch_size(model: Model) -> None:
    whole = model.generate(40, draws="lecture", seed=1)
    assert [item.text for item in model.generate(40, draws="lecture", seed=1, batch_size=1)] == [
        item.text for item in whole
    ]


def test_lecture_draws_obey_prefix_and_largest_length(model: Model) -> None:
    items = model.generate(30, draws="lecture", start="ab", max_length=4)
    assert all(item.text.startswith("ab") and len(item.text) <= 4 for item in items)
    assert all(len(item.text) == 4 for item in items if item.is_cut)


def test_lecture_draws_make_running_text(text_model: Model) -> None:
    (text,) = text_model.generate(draws="lecture", length=50, start="ba")
    assert len(text.text) == 50
