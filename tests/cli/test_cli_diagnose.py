"""`moreish diagnose` and `train --doctor`: findings as a person reads them, proofs, and a recipe to go on with."""

import json
from pathlib import Path
from typing import Any

import pytest

from moreish.recipe import Recipe

LOUD: list[str] = [
    *("--steps", "60", "--hidden", "16", "--embedding", "4", "--context", "3", "--batch", "8"),
    *("--activation", "tanh", "--head-scale", "20"),
]
QUIET: list[str] = [*LOUD, "--head-scale", "0.1"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred words that are easy to learn."""
    path = tmp_path_factory.mktemp("lists") / "words.txt"
    path.write_text(
        "\n".join(f"{a}o{b}a{c}" for a in "bdklmn" for b in "rstvl" for c in "nmsrtkvlbd"), encoding="utf-8"
    )
    return path


def test_findings_are_told_with_options_to_type(command: Any, words: Path) -> None:
    done = command("diagnose", words, *LOUD)
    assert done.code == 0
    assert done.out.startswith("1. initial-loss (critical)\n")
    assert "remedy: Train with --head-scale 0.01." in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    assert command("diagnose", words, *QUIET).out.startswith("Nothing was found")


def test_a_rate_that_is_wrong_points_to_the_search_for_one(command: Any, words: Path) -> None:
    fast = [*QUIET, "--optimizer", "sgd", "--learning-rate", "90"]
    trained = command("train", words, *fast, "--out", "fast")
    assert "doctor: rate-too-high" in trained.err
    assert "--learning-rate 0.9. moreish find-rate FILE searches a rate.\n" in trained.err
    told = " ".join(command("diagnose", "fast").out.split())
    assert "moreish find-rate FILE searches a rate. " in told


def test_a_remedy_is_proved_and_the_recipe_saved(command: Any, words: Path, tmp_path: Path) -> None:
    done = command("diagnose", words, *LOUD, "--prove", "--save", "better.toml")
    assert done.code == 0
    assert "initial-loss: trainings of 60 steps with and without" in done.err
    assert "  --head-scale 0.01 (taken)\n" in done.out
    assert "With --head-scale 0.01 the doctor finds nothing more." in done.out
    assert f"moreish train {words} --recipe better.toml" in done.out
    better = Recipe.from_toml(tmp_path / "better.toml")
    assert (better.head_scale, better.hidden, better.activation) == (0.01, (16,), "tanh")
    assert command("diagnose", words, "--recipe", "better.toml").out.startswith("Nothing was found")


def test_json_holds_findings_and_proofs(command: Any, words: Path) -> None:
    content = json.loads(command("diagnose", words, *LOUD, "--prove", "--json").out)
    finding = content["report"]["findings"][0]
    assert {"name", "severity", "layer", "step", "evidence", "cause", "remedy", "source"} <= set(finding)
    assert content["changes"] == {"head_scale": 0.01}
    proof = content["attempts"][0]["proofs"][0]
    assert proof["helps"]
    assert proof["low"] < proof["gain"] < proof["high"]
    assert json.loads(command("diagnose", words, *QUIET, "--json").out)["report"]["findings"] == []


def test_training_tells_findings_while_it_goes_on(command: Any, words: Path, tmp_path: Path) -> None:
    done = command("train", words, "--out", "run", *LOUD)
    assert "doctor: initial-loss: initial loss (nats)" in done.err
    assert "        Train with --head-scale 0.01." in done.err
    assert "The doctor found initial-loss in " in done.out
    assert "moreish diagnose run --prove" in done.out
    assert (tmp_path / "run" / "doctor.json").is_file()
    again = command("diagnose", "run")
    assert again.out.startswith("1. initial-loss (critical)\n")
    off = command("train", words, "--out", "off", "--doctor", "off", *LOUD)
    assert "doctor" not in off.out + off.err
    assert not (tmp_path / "off" / "doctor.json").exists()
    assert (tmp_path / "off" / "model.safetensors").read_bytes() == (
        tmp_path / "run" / "model.safetensors"
    ).read_bytes()


def test_training_proves_its_remedies_when_asked(command: Any, words: Path, tmp_path: Path) -> None:
    done = command("train", words, "--out", "run", "--doctor", "prove", *LOUD)
    assert "  --head-scale 0.01 (taken)\n" in done.out
    kept = json.loads((tmp_path / "run" / "proofs.json").read_text(encoding="utf-8"))
    assert kept["changes"] == {"head_scale": 0.01}
    content = json.loads(command("train", words, "--out", "other", "--doctor", "prove", "--json", *LOUD).out)
    assert [item["name"] for item in content["findings"]] == ["initial-loss"]
    assert content["proofs"][0]["adopted"] == {"head_scale": 0.01}


def test_a_healthy_training_says_so(command: Any, words: Path) -> None:
    done = command("train", words, "--out", "run", *QUIET)
    assert "The doctor found nothing in " in done.out
    assert "doctor:" not in done.err
    assert "diagnose" not in done.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--save", "x.toml"], "--save writes what was proved. Add --prove."),
        (["--prove", "--save", "there.toml"], "there.toml exists already. Choose another file for --save."),
        (["--prove", "--proof-steps", "0"], "--proof-steps is 0; expected a whole number of at least 1."),
        (["--model", "bigram"], "--model bigram is made by counting, without steps: there is nothing to examine."),
    ],
)
def test_bad_input_gets_one_line(command: Any, words: Path, tmp_path: Path, arguments: list[str], line: str) -> None:
    (tmp_path / "there.toml").write_text("steps = 5\n", encoding="utf-8")
    done = command("diagnose", words, *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == f"moreish: {line}"
    assert (tmp_path / "there.toml").read_text(encoding="utf-8") == "steps = 5\n"


def test_the_option_of_the_doctor_is_checked_before_training(command: Any, words: Path, tmp_path: Path) -> None:
    done = command("train", words, "--doctor", "who", "--out", "run")
    assert done.code == 2
    assert done.err == "moreish: --doctor is 'who'; expected off, watch or prove.\n"
    assert not (tmp_path / "run").exists()
