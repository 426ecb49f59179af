"""`moreish fold` writes a model without norms, says what it measured, and overwrites nothing."""

import json

import pytest


@pytest.fixture
def normed(command, items_file, small, tmp_path):
    assert command("train", items_file, "--out", "normed", "--norm", "batch", *small).code == 0
    return tmp_path / "normed"


def test_it_writes_a_model_beside_the_old_one_and_says_what_was_gained(command, normed):
    outcome = command("fold", "normed")
    assert outcome.code == 0
    assert "norms absorbed" in outcome.out
    assert "moreish generate normed/model-folded.safetensors" in outcome.out
    assert command("generate", "normed/model-folded.safetensors", "-n", "2").code == 0
    assert command("evaluate", "normed/model-folded.safetensors").code == 0
    again = command("fold", "normed")
    assert again.code == 2
    assert "is not overwritten" in again.err


def test_json_holds_what_was_measured(command, normed):
    content = json.loads(command("fold", "normed", "--out", "small.safetensors", "--json").out)
    assert content["file"] == "small.safetensors"
    assert content["largest_difference"] < 1e-5
    assert content["windows"] == "validation"
    assert content["num_parameters"][0] - content["num_parameters"][1] == 8


def test_a_model_without_batch_norm_is_refused_in_one_line(command, trained, tmp_path):
    outcome = command("fold", trained, "--out", "folded.safetensors")
    assert outcome.code == 2
    assert "nothing to fold" in outcome.err
    assert not (tmp_path / "folded.safetensors").exists()
