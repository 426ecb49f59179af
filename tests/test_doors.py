"""The doors open fast: importing the package and asking for help load nothing heavy."""

import importlib.metadata
import subprocess
import sys

import pytest

import moreish

HEAVY = ("torch", "numpy", "safetensors", "rich", "rapidfuzz")


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


def test_generating_and_evaluating_load_no_pytorch() -> None:
    program = "import moreish; moreish.load; import moreish.models.load, moreish.training.evaluation"
    assert "torch" not in loaded_by(program)


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
