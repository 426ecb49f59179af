"""Messages that speak of parameters, in the words of the command line."""

import pytest

from moreish.cli.flags import in_flags

FLAGS = {
    **{name: f"--{name}" for name in ("steps", "minutes", "context", "hidden", "model", "norm", "length", "resume")},
    **{name: f"--{name.replace('_', '-')}" for name in ("learning_rate", "norm_output", "top_k", "max_length")},
    "num_items": "-n",
    "kind": "--as",
}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("learning_rate is nan; expected a number.", "--learning-rate is nan; expected a number."),
        ("num_items is 0", "-n is 0"),
        ("steps is 'many'; expected one", "--steps is 'many'; expected one"),
        ("steps and minutes are both given", "--steps and --minutes are both given"),
        ("resume needs the directory", "--resume needs the directory"),
        ("length is for models of text. Give max_length.", "--length is for models of text. Give --max-length."),
        ("Give context = 4, or hidden = (3,).", "Give --context 4, or --hidden 3."),
        ("hidden = (128, 64) or hidden = ()", "--hidden 128,64 or --hidden none"),
        ("give top_k = 1: one item.", "give --top-k 1: one item."),
        ("norm_output = True: give norm = 'batch' or 'layer'.", "--norm-output: give --norm batch or layer."),
        ("learning_rate = 1e-3, then", "--learning-rate 1e-3, then"),
        ("kind is 'prose'", "--as is 'prose'"),
    ],
)  # fmt: skip
def test_names_and_values_become_options(message: str, expected: str) -> None:
    assert in_flags(message, FLAGS) == expected


@pytest.mark.parametrize(
    "message",
    [
        "The model lacks the weight that its recipe asks for; give the number of steps.",
        "There is no file 'top_k = 3', nor \"learning_rate\".",
        "runs/top_k holds no model; top_k.txt has; so has top_k/model and my-top_k.",
        "my_learning_rates is 3; context is a directory",
        "The run's own model is another; the file's steps = it",
        "choose a --max_length",
    ],
)
def test_prose_quoted_text_and_paths_stay_as_they_are(message: str) -> None:
    assert in_flags(message, FLAGS) == message
