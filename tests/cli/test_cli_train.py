"""`moreish train`: flags become a recipe; figures, items and the way on are shown; interruptions lose nothing."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from moreish.cli.options import number, sizes
from moreish.recipe import Recipe
from moreish.training import Run


def test_training_shows_figures_items_and_what_to_do_next(command: Any, items_file: Path, small: list[str]) -> None:
    done = command("train", items_file, "--out", "run", *small)
    assert done.code == 0
    lines = done.out.splitlines()
    headings = next(line for line in lines if line.startswith("NLL, nats per character"))
    assert headings.split()[4:] == ["train", "validation", "test", "bits", "(test)", "perplexity", "(test)"]
    rows = [line.split()[0] for line in lines[lines.index(headings) + 1 :][:5]]
    assert rows == ["mlp", "uniform", "single", "bigram", "n-gram"]
    assert next(line for line in lines if line.startswith("mlp")).count("±") == 3
    assert "best counting model" in done.out
    first = lines.index("", lines.index("±: one standard error over items. Bits and perplexity are per character.")) + 1
    assert len(lines[first : lines.index("", first)]) == 10
    assert "moreish generate run -n 20 --new-only" in done.out
    assert "moreish train --recipe run --steps 40" in done.out
    assert "engine " in done.err


def test_progress_is_plain_lines_where_standard_error_is_no_terminal(
    command: Any, items_file: Path, small: list[str]
) -> None:
    done = command("train", items_file, "--out", "run", *small)
    moving = [line for line in done.err.splitlines() if line.startswith("step ")]
    assert 5 <= len(moving) <= 10
    assert all("minibatch" in line and "validation" in line and "steps/s" in line for line in moving)
    assert "\x1b" not in done.err + done.out
    assert "\r" not in done.err + done.out


def test_items_that_stand_in_the_file_are_marked(command: Any, items_file: Path) -> None:
    done = command("train", items_file, "--model", "ngram", "--order", "5", "--out", "run")
    assert done.code == 0
    assert "(in the file)" in done.out


def test_json_is_the_only_thing_on_standard_output(command: Any, items_file: Path, small: list[str]) -> None:
    done = command("train", items_file, "--out", "run", "--json", *small)
    results = json.loads(done.out)
    assert done.code == 0
    assert results["run"] == "run"
    assert results["steps"] == 20
    assert {"engine", "seconds", "steps_per_second", "parameters"} <= results.keys()
    assert results["nll"].keys() == {"train", "validation", "test"}
    assert all(baseline.keys() == results["nll"].keys() for baseline in results["baselines"].values())
    assert results.pop("findings") == []
    assert results == Run.open("run").results


def test_infinity_is_null_in_json(command: Any, items_file: Path) -> None:
    done = command("train", items_file, "--model", "bigram", "--smoothing", "0", "--out", "run", "--json")
    assert done.code == 0
    assert json.loads(done.out, parse_constant=pytest.fail)["nll"]["test"] is None


def test_the_bundled_names_are_the_default(command: Any) -> None:
    done = command("train", "--model", "bigram")
    assert done.code == 0
    assert Run.open("runs/names-1").data["name"] == "names"


def test_running_text_goes_on_as_text(command: Any, tmp_path: Path, small: list[str]) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be,\nthat is the question.\n" * 20, encoding="utf-8")
    done = command("train", "text.txt", "--as", "text", "--out", "run", *small)
    assert done.code == 0
    assert "moreish generate run --length 1000" in done.out
    assert "--new-only" not in done.out


def test_flags_become_the_recipe(command: Any, items_file: Path) -> None:
    flags = (
        "--context 4 --embedding onehot --hidden 8,6 --activation relu --norm batch --norm-output --norm-convention "
        "notebook --bias all --init xavier --gain 1.5 --bias-scale 0.1 --head-init orthogonal --head-scale 0.5 "
        "--head-bias-scale 0 --optimizer momentum --learning-rate 0.05 --momentum 0.8 --beta1 0.9 --beta2 0.99 "
        "--schedule step --warmup 0 --decay-at 0.6 --decay-factor 0.2 --final-share 0.3 --batch 4 --steps 10 --seed 7 "
        "--split published --dropout 0.1 --weight-decay 0 --clip 1 --eval-every 5 --patience 9 --keep last "
        "--draws streams --engine autograd --device cpu --threads 1 --as lines --encoding utf-8 --normalization none"
    )
    assert command("train", items_file, "--out", "run", *flags.split()).code == 0
    expected = Recipe(
        context=4,
        embedding="onehot",
        hidden=(8, 6),
        activation="relu",
        norm="batch",
        norm_output=True,
        norm_convention="notebook",
        bias="all",
        init="xavier",
        gain=1.5,
        bias_scale=0.1,
        head_init="orthogonal",
        head_scale=0.5,
        head_bias_scale=0,
        optimizer="momentum",
        learning_rate=0.05,
        momentum=0.8,
        schedule="step",
        warmup=0,
        decay_at=0.6,
        decay_factor=0.2,
        final_share=0.3,
        batch=4,
        steps=10,
        seed=7,
        split="published",
        dropout=0.1,
        weight_decay=0,
        clip=1,
        eval_every=5,
        patience=9,
        keep="last",
        engine="autograd",
        normalization="none",
    )
    assert Run.open("run").recipe == expected


def test_every_field_of_the_recipe_has_an_option(command: Any) -> None:
    shown = command("train", "--help").out
    flags = {field.name: f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Recipe)} | {"kind": "--as"}
    missing = [flag for flag in flags.values() if f"{flag} " not in shown]
    assert missing == []


def test_help_groups_the_options_and_begins_with_those_that_most_need(command: Any) -> None:
    shown = command("train", "--help").out
    sections = re.split(r"^(\S.*):$", shown, flags=re.MULTILINE)[1:]
    options = {
        heading: re.findall(r"^  (--[\w-]+)", rows, re.MULTILINE)
        for heading, rows in zip(sections[::2], sections[1::2], strict=True)
    }
    assert list(options)[:3] == ["Arguments", "Options", "Data"]
    assert {"--out", "--resume", "--recipe", "--steps", "--minutes", "--json", "--help"} <= set(options["Options"])
    assert len(options["Options"]) <= 8
    assert options["Data"][0] == "--as"
    every = [option for row in options.values() for option in row]
    assert len(every) == len(set(every)) > 50
    assert "Data:" not in command("data", "--help").out  # a short list needs no headings


def test_help_shows_the_defaults_of_the_recipe(command: Any) -> None:
    shown = " ".join(command("train", "--help").out.split())
    recipe = Recipe()
    for value in (recipe.steps, recipe.context, f"{recipe.learning_rate:g}", recipe.schedule, recipe.batch):
        assert f"[{value}]" in shown


def test_numbers_are_read_as_they_are_typed() -> None:
    assert (number("3"), number("0.5"), number("1e-3"), number("abc")) == (3, 0.5, 1e-3, "abc")
    assert isinstance(number("3"), int)
    assert (sizes("200,100"), sizes("64"), sizes("none"), sizes("8,x")) == ((200, 100), (64,), (), (8, "x"))


def test_a_run_is_repeated_from_its_recipe_on_its_file(
    command: Any, trained: Path, items_file: Path, tmp_path: Path
) -> None:
    done = command("train", "--recipe", trained, "--out", "again", "--json")
    assert done.code == 0
    again, first = Run.open(tmp_path / "again"), Run.open(trained)
    assert again.recipe == first.recipe
    assert again.data_path == items_file
    assert first.results is not None
    assert json.loads(done.out)["nll"] == first.results["nll"]


def test_a_recipe_file_is_changed_by_flags(command: Any, items_file: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('steps = 30\nhidden = [6]\ncontext = 2\nbatch = 4\nactivation = "relu"\n')
    assert command("train", items_file, "--recipe", "recipe.toml", "--steps", "10", "--out", "run").code == 0
    recipe = Run.open("run").recipe
    assert (recipe.steps, recipe.hidden, recipe.activation) == (10, (6,), "relu")


def test_resuming_a_finished_run_shows_its_results_again(command: Any, trained: Path) -> None:
    done = command("train", "--out", trained, "--resume")
    assert done.code == 0
    assert "is finished" in done.err
    assert "n-gram" in done.out


def test_resume_with_the_same_options_is_no_contradiction(
    command: Any, trained: Path, items_file: Path, small: list[str]
) -> None:
    assert command("train", items_file, "--out", trained, "--resume", *small).code == 0


def test_standard_input_is_copied_into_the_run(tmp_path: Path, items: list[str]) -> None:
    done = moreish("train", "-", "--model", "bigram", "--json", cwd=tmp_path, stdin="\n".join(items))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == str(Path("runs/input-1"))
    assert (tmp_path / "runs/input-1/input").read_text() == "\n".join(items)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, items_file: Path) -> None:
    endless = ["--steps", "1000000000", "--eval-every", "1000000"]  # the list is known by heart at once
    arguments = [*endless, "--hidden", "8", "--context", "3", "--batch", "4", "--out", "my run"]
    process = start("train", str(items_file), *arguments, cwd=tmp_path)
    wait_until_it_trains(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Interrupted after step" in err
    assert "moreish train --out 'my run' --resume" in err
    assert "Traceback" not in err

    process = start("train", "--out", "my run", "--resume", cwd=tmp_path)
    said = wait_until_it_trains(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Going on after step" in said


def test_ctrl_c_before_the_training_says_that_nothing_was_saved(
    command: Any, items_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("moreish.train", interrupt)
    done = command("train", items_file)
    assert (done.code, done.out) == (130, "")
    assert done.err == "Interrupted before the training began; nothing was saved.\n"


def test_output_to_a_reader_who_leaves_is_quiet(trained: Path, tmp_path: Path) -> None:
    line = f'"{sys.executable}" -m moreish generate "{trained}" -n 2000 --allow-repeats | head -n 1'
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=tmp_path, env=environment())
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def moreish(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    program = [sys.executable, "-m", "moreish", *arguments]
    return subprocess.run(program, input=stdin, capture_output=True, text=True, cwd=cwd, env=environment())


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Begin the command in a process of its own."""
    program = [sys.executable, "-m", "moreish", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True, cwd=cwd, env=environment())


def wait_until_it_trains(process: subprocess.Popen[str]) -> str:
    """Read standard error up to the line that says that steps begin."""
    assert process.stderr is not None
    said = ""
    while "Ctrl-C" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    time.sleep(0.5)  # until the loop listens; earlier, nothing is lost either
    return said


def environment() -> dict[str, str]:
    """This process's, with the package where it is found here."""
    import moreish as package

    source = Path(str(package.__file__)).parents[1]
    return os.environ | {"PYTHONPATH": str(source)}


def test_help_says_what_a_person_could_not_guess(command: Any) -> None:
    shown = " ".join(command("train", "--help").out.split())
    assert "more than one rarely helps at these sizes" in shown
    assert "by number from 1 (then the first row is an item)" in shown
