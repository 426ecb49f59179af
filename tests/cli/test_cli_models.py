"""`moreish generate`, `score` and `evaluate`: what they print for people, for files and for programs."""

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

import moreish


def test_generate_prints_the_text_alone_into_a_pipe(command: Any, trained: Path) -> None:
    done = command("generate", trained, "-n", "5", "--seed", "3")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [item.text for item in moreish.load(trained).generate(5, seed=3)]


def test_generate_marks_known_items_on_a_terminal(
    command: Any, tmp_path: Path, items_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("train", items_file, "--model", "ngram", "--order", "5", "--out", "run")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    done = command("generate", "run", "-n", "20", "--nearest")
    model = moreish.load(tmp_path / "run")
    for line, item in zip(done.out.splitlines(), model.generate(20, nearest=True), strict=True):
        assert line.split()[0] == item.text
        assert ("(in the file)" in line) == item.in_training_file
        assert (f"nearest: {item.nearest} ({item.distance})" in line) == (item.distance != 0)


def test_generate_puts_the_nearest_items_behind_tabs(command: Any, trained: Path, items: list[str]) -> None:
    done = command("generate", trained, "-n", "4", "--nearest")
    for line in done.out.splitlines():
        _, nearest, distance = line.split("\t")
        assert nearest in items
        assert int(distance) >= 0


def test_generate_takes_every_option(command: Any, trained: Path) -> None:
    options = "--temperature 0.9 --top-k 10 --top-p 0.95 --start an --min-length 3 --max-length 8 --seed 5"
    done = command("generate", trained, "-n", "6", *options.split(), "--new-only", "--allow-repeats")
    assert done.code == 0
    texts = done.out.splitlines()
    assert len(texts) == 6
    assert all(text.startswith("an") and 3 <= len(text) <= 8 for text in texts)


def test_generate_json_says_what_is_known(command: Any, trained: Path) -> None:
    items = json.loads(command("generate", trained, "-n", "3", "--json").out)["items"]
    assert len(items) == 3
    for item in items:
        assert item["nll_per_character"] == pytest.approx(item["nll_nats"] / (len(item["text"]) + 1))
        assert item["in_training_file"] in (True, False)
        assert item["in_training_split"] in (True, False)


def test_generate_makes_running_text_of_a_length(command: Any, trained_on_text: Path) -> None:
    assert len(command("generate", trained_on_text, "--length", "120").out) == 120 + len("\n")
    two = json.loads(command("generate", trained_on_text, "-n", "2", "--length", "50", "--json").out)["items"]
    assert [len(item["text"]) for item in two] == [50, 50]


def test_generate_draws_as_the_lectures_do(command: Any, trained: Path) -> None:
    assert len(command("generate", trained, "-n", "3", "--draws", "lecture").out.splitlines()) == 3


def test_a_model_file_serves_as_well_as_its_run(command: Any, trained: Path) -> None:
    by_run = command("generate", trained, "-n", "3")
    assert command("generate", trained / "model.safetensors", "-n", "3").out == by_run.out


def test_score_prints_both_figures(command: Any, trained: Path) -> None:
    done = command("score", trained, "anna", "zzz")
    assert done.code == 0
    heading, *lines = done.out.splitlines()
    assert heading.split() == ["NLL", "(nats)", "per", "character", "text"]
    for line, text in zip(lines, ("anna", "zzz"), strict=True):
        total, per_character, shown = line.split()[:3]
        assert shown == text
        assert float(total) == pytest.approx(float(per_character) * (len(text) + 1), abs=1e-3)
    assert "(in the file)" in lines[0]
    assert "(in the file)" not in lines[1]


def test_score_leaves_out_what_cannot_be_scored_and_says_so(command: Any, trained: Path) -> None:
    done = command("score", trained, "anna", "Zoë", "zora")
    assert done.code == 2
    _, anna, zoe, zora = done.out.splitlines()
    alone = command("score", trained, "anna", "zora").out.splitlines()[1:]
    assert [line.split() for line in (anna, zora)] == [line.split() for line in alone]
    assert zoe.split(maxsplit=3) == ["-", "-", "Zoë", "(not scored: 'Z', 'ë' are not in the vocabulary)"]
    assert done.err.startswith("moreish: 1 of 3 texts cannot be scored. Character 'Z' at position 1 of text 2 “Zoë”")
    assert done.err.count("\n") == 1
    as_json = command("score", trained, "anna", "Zoë", "--json")
    assert as_json.code == 2
    anna, zoe = json.loads(as_json.out)["items"]
    assert (anna["text"], anna["problem"]) == ("anna", None)
    assert (zoe["text"], zoe["nll_nats"], zoe["problem"]) == ("Zoë", None, "'Z', 'ë' are not in the vocabulary")
    assert anna.keys() == zoe.keys()


def test_score_reads_lines_of_standard_input(command: Any, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_standard_input(monkeypatch, b"\xef\xbb\xbfanna\r\n\r\n emma \n")
    items = json.loads(command("score", trained, "--json").out)["items"]
    assert [item["text"] for item in items] == ["anna", "emma"]
    assert all(item["nll_nats"] == pytest.approx(math.fsum(item["character_nlls"])) for item in items)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "holds no text"), (b"anna\n\xff\n", "not UTF-8: byte 0xff at offset 5")]
)
def test_score_says_what_is_wrong_with_standard_input(
    command: Any, trained: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    give_standard_input(monkeypatch, content)
    done = command("score", trained)
    assert done.code == 2
    assert message in done.err


def test_evaluate_repeats_the_figures_of_the_training(command: Any, trained: Path) -> None:
    splits = json.loads(command("evaluate", trained, "--json").out)["splits"]
    results = moreish.Run.open(trained).results
    assert results is not None
    assert {split: nll["nats_per_character"] for split, nll in splits.items()} == pytest.approx(results["nll"])
    shown = command("evaluate", trained).out
    assert [line.split()[0] for line in shown.splitlines()] == ["split", "train", "validation", "test"]


def test_evaluate_measures_another_file(command: Any, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("anna\nbella\nnora\n")
    content = json.loads(command("evaluate", trained, "other.txt", "--json").out)
    assert content["splits"]["whole"]["num_characters"] == len("anna.bella.nora.")
    scored = json.loads(command("score", trained, "anna", "bella", "nora", "--json").out)["items"]
    total = math.fsum(item["nll_nats"] for item in scored)
    assert content["splits"]["whole"]["nats_per_character"] == pytest.approx(total / 16)


def test_evaluate_says_that_it_left_something_out(command: Any, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("anna\nZoë\nbella\nnora\n", encoding="utf-8")
    refused = command("evaluate", trained, "other.txt")
    assert (refused.code, refused.out) == (2, "")
    assert "leave out the 1 of 4 items that have any: --unknown skip." in refused.err
    done = command("evaluate", trained, "other.txt", "--unknown", "skip")
    assert done.code == 0
    assert done.out.endswith("\n\nLeft out: 1 item with characters that the model does not know.\n")
    whole = json.loads(command("evaluate", trained, "other.txt", "--unknown", "skip", "--json").out)["splits"]["whole"]
    assert (whole["num_items"], whole["num_left_out"]) == (3, 1)


def test_evaluate_shows_no_error_of_a_single_item(command: Any, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("anna\n")
    shown = command("evaluate", trained, "one.txt").out
    assert " ± - " in shown
    assert "nan" not in shown


def give_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
