"""The doors open fast: importing the package and asking for help load nothing heavy."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import moreish

HEAVY = ("torch", "numpy", "matplotlib", "safetensors", "rich", "rapidfuzz")


def loaded_by(program: str) -> set[str]:
    """Which heavy packages a fresh Python holds after a program."""
    report = f"print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)"
    code = f"import sys\ntry:\n    {program}\nexcept SystemExit as end:\n    assert not end.code\n{report}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_report_sees_what_is_loaded() -> None:
    assert loaded_by("import numpy") == {"numpy"}


@pytest.mark.parametrize(
    "program",
    [
        "import moreish; moreish.__version__",
        "from moreish import Recipe, MoreishError",
        "sys.argv = ['moreish', '--help']; from moreish.cli import main; main()",
        "sys.argv = ['moreish', 'train', '--help']; from moreish.cli import main; main()",
        "sys.argv = ['moreish', '--version']; from moreish.cli import main; main()",
    ],
)
def test_the_package_and_its_help_load_nothing_heavy(program: str) -> None:
    assert loaded_by(program) == set()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a small network."""
    directory = tmp_path_factory.mktemp("doors")
    file = directory / "names.txt"
    file.write_text("".join(f"{a}{b}{c}\n" for a in "mnkt" for b in "aeiou" for c in "rlns"))
    return moreish.train(file, out=directory / "run", steps=10).path


@pytest.mark.parametrize("arguments", [["generate", "{model}", "-n", "3"], ["score", "{model}", "mar"]])
def test_what_a_network_made_is_used_without_pytorch(model: Path, arguments: list[str]) -> None:
    argv = ["moreish", *(argument.format(model=model) for argument in arguments)]
    assert "torch" not in loaded_by(f"sys.argv = {argv}; from moreish.cli import main; main()")


def test_evaluating_needs_no_pytorch(model: Path) -> None:
    assert "torch" not in loaded_by(f"import moreish; moreish.load({str(model)!r}).evaluate()")


def test_the_module_runs_as_the_command_does() -> None:
    outputs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for program in (
            "import runpy, sys; sys.argv = ['moreish', '--help']; runpy.run_module('moreish', run_name='__main__')",
            "import sys; sys.argv = ['moreish', '--help']; from moreish.cli import main; main()",
        )
    ]
    assert outputs[0] == outputs[1]
    assert "train" in outputs[0]


@pytest.mark.parametrize("name", moreish.__all__)
def test_every_public_name_is_found(name: str) -> None:
    assert name in dir(moreish)
    assert getattr(moreish, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'tarin'"):
        getattr(moreish, "tarin")  # noqa: B009


def test_the_version_is_the_installed_one() -> None:
    try:
        installed = importlib.metadata.version("moreish")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("moreish is on the path, but not installed")
    assert moreish.__version__ == installed
