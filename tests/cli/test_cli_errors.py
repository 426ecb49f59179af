"""What a person gets wrong ends with one clear line and exit code 2, and destroys nothing."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from moreish.storage import load_arrays, save_arrays
from moreish.training import memory

ENOUGH = b"anna\nbella\nclara\ndora\nemma\nflora\ngreta\nhanna\nida\njana\n"


@pytest.fixture
def fails(command: Any) -> Callable[..., None]:
    """Run a command that must fail in one line, and check what the line says."""

    def run(*arguments: str | Path, saying: str) -> None:
        done = command(*arguments)
        assert done.code == 2
        assert done.out == ""
        assert done.err.startswith("moreish: ")
        assert done.err.count("\n") == 1
        assert saying in done.err

    return run


@pytest.mark.parametrize(
    ("content", "saying"),
    [
        (b"", "holds nothing"),
        (b"\n \n\n", "nothing but white space"),
        (b"emma\n", "distinct"),
        (b"emma\nemma\nemma\nemma\n", "distinct"),
        (b"emma\x00\x01\x02olivia\n", "zero byte at offset 4"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "offset"),
        ("Jürgen\nBjörn\nZoë\n".encode("latin-1"), "byte 0xfc at offset 1"),
        (b"emma\n" + b"x" * 1_000_000 + b"\nolivia\n", "10,000"),
    ],
)
@pytest.mark.parametrize("verb", ["train", "data"])
def test_a_file_that_cannot_be_used(fails: Any, tmp_path: Path, verb: str, content: bytes, saying: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    fails(verb, "list.txt", saying=saying)


@pytest.mark.parametrize("verb", ["train", "data"])
def test_a_file_that_is_not_there_or_a_directory(fails: Any, tmp_path: Path, verb: str) -> None:
    (tmp_path / "names.csv").write_bytes(ENOUGH)
    fails(verb, "nmaes.csv", saying="Did you mean names.csv")
    fails(verb, tmp_path, saying="is a directory")
    fails(verb, "", saying="There is no file")


def test_an_encoding_that_does_not_exist(fails: Any, items_file: Path) -> None:
    fails("train", items_file, "--encoding", "klingon", saying="klingon")


def test_a_column_that_does_not_exist(fails: Any, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("year,name\n1,emma\n2,ava\n3,mia\n")
    fails("train", "table.csv", "--column", "nmae", saying="nmae")


def test_a_context_longer_than_the_text(fails: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question.\n")
    fails("train", "text.txt", "--as", "text", "--context", "50", saying="context")


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        ("--steps 0", "--steps is 0; expected a whole number"),
        ("--steps -5", "--steps is -5"),
        ("--steps 1.5", "--steps is 1.5; expected a whole number"),
        ("--steps many", "--steps is 'many'"),
        ("--minutes 0", "--minutes is 0; expected a number greater than 0"),
        ("--minutes nan", "--minutes is nan"),
        ("--batch 0", "--batch is 0"),
        ("--context 0", "--context is 0"),
        ("--embedding 0", "--embedding is 0"),
        ("--embedding abc", "--embedding is 'abc'"),
        ("--hidden 200,-1", "--hidden is -1"),
        ("--hidden 200,abc", "--hidden is 'abc'"),
        ("--hidden 200,", "--hidden is ''"),
        ("--learning-rate 0", "--learning-rate is 0"),
        ("--learning-rate -0.1", "--learning-rate is -0.1"),
        ("--learning-rate nan", "--learning-rate is nan"),
        ("--learning-rate inf", "--learning-rate is inf"),
        ("--dropout 1", "--dropout is 1"),
        ("--weight-decay -1", "--weight-decay is -1"),
        ("--seed -1", "--seed is -1"),
        ("--threads 0", "--threads is 0"),
        ("--patience 0", "--patience is 0"),
        ("--as prose", "'prose'; expected one of lines, text"),
        ("--model gpt", "'gpt'; expected one of mlp"),
        ("--activation sine", "expected one of tanh, relu, gelu"),
        ("--keep none", "expected one of best, last"),
        ("--engine warp", "expected one of auto"),
        ("--steps 10 --minutes 1", "--steps and --minutes are both given"),
        ("--model bigram --hidden 200", "no effect with --model bigram"),
        ("--model ngram --learning-rate 1", "no effect with --model ngram"),
        ("--order 3", "no effect with --model mlp"),
        ("--split published --as text", "published"),
        ("--norm-output", "needs a norm"),
        ("--norm batch --batch 1", "batch of at least 2"),
        ("--resume", "moreish: --resume needs the directory"),
        ("--model hierarchical --context 4 --hidden 3", "Give --context 2, or --hidden 3,3."),
        ("--recipe nowhere", "nowhere"),
    ],
)
def test_options_out_of_range_or_at_odds(
    fails: Any, items_file: Path, tmp_path: Path, options: str, saying: str
) -> None:
    fails("train", items_file, *options.split(), saying=saying)
    assert not list(tmp_path.glob("runs/*/model.safetensors"))


def test_a_device_that_does_not_exist(command: Any, items_file: Path) -> None:
    done = command("train", items_file, "--device", "toaster")
    assert done.code == 2
    assert "moreish: The device 'toaster' is not available here" in done.err


@pytest.mark.parametrize("content", ["steps = ", "stepps = 3", "steps = -3", "version = 99"])
def test_a_recipe_file_that_is_none(fails: Any, items_file: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "recipe.toml").write_text(content)
    fails("train", items_file, "--recipe", "recipe.toml", saying="recipe.toml")


def test_a_recipe_file_is_told_of_its_fields(fails: Any, items_file: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("learning_rat = 3")
    fails("train", items_file, "--recipe", "recipe.toml", saying="no field learning_rat. Did you mean learning_rate?\n")
    (tmp_path / "recipe.toml").write_text("learning_rate = 0")
    fails("train", items_file, "--recipe", "recipe.toml", saying="learning_rate is 0")


def test_a_directory_that_holds_another_run_stays_as_it_is(fails: Any, items_file: Path, trained: Path) -> None:
    before = {path: path.read_bytes() for path in trained.iterdir()}
    fails("train", items_file, "--out", trained, saying="holds another run")
    fails(
        "train",
        "--out",
        trained,
        "--resume",
        "--steps",
        "99",
        saying="another recipe than the one asked for: --steps 20, not 99.",
    )
    fails("train", "names", "--out", trained, "--resume", saying="was begun with items.txt")
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_a_directory_that_came_to_nothing_is_not_left_behind(fails: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for out in ("new", "mine"):
        fails("train", "missing.txt", "--out", out, saying="There is no file")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_order_that_is_too_great_is_lowered_aloud(command: Any, items_file: Path) -> None:
    done = command("train", items_file, "--model", "ngram", "--order", "40")
    assert done.code == 0
    assert "note: Of 26 symbols an n-gram has at most order 13: it takes that, not --order 40.\n" in done.err


def test_a_model_that_is_not_there_is_said_before_texts_are_read(fails: Any) -> None:
    fails("score", "missing", saying="There is no file missing")


def test_an_interruption_while_the_program_loads_leaves_no_traceback() -> None:
    program = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'moreish.cli.app':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from moreish.cli import main\n"
        "main(['--help'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "moreish: Interrupted.\n")


def test_a_directory_that_holds_other_files_stays_as_it_is(fails: Any, items_file: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").write_bytes(b"cat")
    fails("train", items_file, "--out", "photos", saying="holds other files")
    fails("train", items_file, "--out", "photos/cat.jpg", saying="cat.jpg")
    assert (tmp_path / "photos/cat.jpg").read_bytes() == b"cat"


@pytest.mark.parametrize("verb", ["generate", "score", "evaluate"])
def test_a_model_that_is_missing_damaged_foreign_or_newer(fails: Any, tmp_path: Path, trained: Path, verb: str) -> None:
    more = ["anna"] if verb == "score" else []
    whole = (trained / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "list.txt").write_bytes(ENOUGH)
    save_file({"w": np.zeros(3)}, tmp_path / "foreign.safetensors")
    arrays, header = load_arrays(trained / "model.safetensors")
    header["recipe"]["version"] = 99
    save_arrays(tmp_path / "newer.safetensors", arrays, header)
    (tmp_path / "empty").mkdir()
    fails(verb, "nowhere", *more, saying="There is no file nowhere")
    fails(verb, "empty", *more, saying="holds no model.safetensors")
    fails(verb, "cut.safetensors", *more, saying="damaged")
    fails(verb, "list.txt", *more, saying="list.txt is damaged or is not a model file")
    fails(verb, "foreign.safetensors", *more, saying="of another program")
    fails(verb, "newer.safetensors", *more, saying="Update moreish")


def test_a_character_that_was_never_seen(fails: Any, trained: Path, tmp_path: Path) -> None:
    fails("score", trained, "d’arcy", saying="'’' at position 2")
    fails("generate", trained, "--start", "É", saying="'É' at position 1")
    (tmp_path / "other.txt").write_text("anna\nzoë\nida\n")
    fails("evaluate", trained, "other.txt", saying="ë")


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        ("--temperature 0", "--temperature is 0; expected a number greater than 0"),
        ("--temperature 0", "give --top-k 1, which makes one item only: with -n 1, or with --allow-repeats."),
        ("--temperature nan", "--temperature is nan"),
        ("--temperature hot", "--temperature is 'hot'"),
        ("--top-k 0", "--top-k is 0"),
        ("--top-p 2", "--top-p is 2"),
        ("-n 0", "-n is 0"),
        ("-n 2.5", "-n is 2.5"),
        ("--seed x", "--seed is 'x'"),
        ("--min-length 5 --max-length 3", "--max-length is 3 and --min-length 5"),
        ("--length 100", "--length is for models of running text"),
        ("--draws dice", "expected streams or lecture"),
    ],
)
def test_requests_out_of_range(fails: Any, trained: Path, options: str, saying: str) -> None:
    fails("generate", trained, *options.split(), saying=saying)


def test_a_model_that_only_repeats_has_nothing_new(fails: Any, command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a\nb\nc\n")
    assert command("train", "list.txt", "--model", "ngram", "--order", "1", "--out", "run").code == 0
    fails("generate", "run", "--new-only", "--max-length", "1", saying="stand in the training file")


def test_items_that_were_found_are_printed_before_the_error(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a\nb\nc\n")
    assert command("train", "list.txt", "--model", "ngram", "--order", "1", "--out", "run").code == 0
    for more in ([], ["--json"], ["--nearest"]):
        done = command("generate", "run", "--max-length", "1", *more)
        assert done.code == 2
        assert done.err.startswith("moreish: ")
        assert "gave 3 of 20 items" in done.err
        items = (
            [item["text"] for item in json.loads(done.out)["items"]] if more == ["--json"] else done.out.splitlines()
        )
        assert sorted(item.split("\t")[0] for item in items) == ["a", "b", "c"]


def test_a_name_that_lies_in_runs_is_suggested(fails: Any, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs" / "names-1")
    fails("generate", "names-1", saying=f"Did you mean {Path('runs/names-1')}?")


def test_a_training_succeeds_where_no_ten_items_can_be_made(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a\nb\nc\n")
    done = command("train", "list.txt", "--model", "bigram", "--smoothing", "0", "--out", "run")
    assert done.code == 0
    *_, first, found, sentence = done.out.partition("\n\nThe run lies")[0].splitlines()
    assert len(found.split()[0]) == 1
    assert first == "" or len(first.split()[0]) == 1
    assert "attempts gave" in sentence


def test_nearest_needs_the_training_file(fails: Any, command: Any, tmp_path: Path, small: list[str]) -> None:
    (tmp_path / "list.txt").write_bytes(ENOUGH)
    assert command("train", "list.txt", "--out", "run", *small).code == 0
    (tmp_path / "list.txt").write_bytes(ENOUGH + b"karla\n")
    fails("generate", "run", "--nearest", saying="has changed")
    fails("evaluate", "run", saying="has changed")
    (tmp_path / "list.txt").unlink()
    fails("evaluate", "run", saying="is gone")


def test_data_without_a_file_takes_no_options(fails: Any) -> None:
    fails("data", "--as", "text", saying="There is no file to look at")


@pytest.mark.parametrize(
    "arguments", [["--bogus"], ["train", "--bogus"], ["trian"], ["generate"], ["train", "--steps"]]
)
def test_usage_errors_exit_with_two(command: Any, arguments: list[str]) -> None:
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Error: " in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "generate RUN",
        "generate RUN -n 2000 --allow-repeats --json",
        "score RUN anna",
        "data --json",
    ],
)
def test_an_output_that_is_full_is_told_in_one_line(trained: Path, arguments: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    program = [sys.executable, "-m", "moreish", *arguments.replace("RUN", str(trained)).split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "moreish: Cannot write the output: No space left on device.\n"


def test_an_output_that_is_closed_is_no_error(trained: Path) -> None:
    line = f'"{sys.executable}" -m moreish generate "{trained}" -n 2 >&-'
    done = subprocess.run(line, shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_much_memory_is_told_in_one_note_before_it_is_taken(
    command: Any, items_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MUCH", 0)
    short = ["--context", "60", "--hidden", "2", "--batch", "2"]
    for arguments in (["train", "--steps", "2", "--out", "run"], ["find-rate", "--num-rates", "80"]):
        done = command(arguments[0], items_file, *arguments[1:], *short)
        assert done.code == 0
        (note,) = [line for line in done.err.splitlines() if "memory" in line]
        assert note.startswith("note: Training this network takes ")
        assert note.endswith("No item of items.txt has more than 5 characters: --context 6 sees all that there is.")


def test_no_command_is_described_in_half_a_sentence(command: Any) -> None:
    commands = command("--help").out.partition("Commands:")[2].strip().splitlines()
    assert len(commands) >= 7
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


def test_help_and_version_are_plain(command: Any) -> None:
    for arguments in (["--help"], ["train", "--help"], ["generate", "--help"], ["--version"]):
        done = command(*arguments)
        assert done.code == 0
        assert "\x1b" not in done.out
    assert command("--version").out == "moreish 0.1.0\n"
