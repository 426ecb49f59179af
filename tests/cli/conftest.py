"""What the tests of the command line share: running it within this process, a small list, and a model trained on it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from moreish.cli import main

ITEMS: str = """
anna bella clara dora emma flora greta hanna ida jana karla lena mara nora olga
paula rosa sara tina ulla vera wanda xenia yara zora alma berta cora dana elsa
"""

# So small that a training takes a moment.
SMALL: str = "--steps 20 --hidden 8 --embedding 4 --context 3 --batch 4"


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `moreish` with arguments, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return Outcome(code, written.out, written.err)

    return run


@pytest.fixture(scope="session")
def items_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of thirty names."""
    path = tmp_path_factory.mktemp("lists") / "items.txt"
    path.write_text("\n".join(ITEMS.split()) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, items_file: Path) -> Path:
    """A run on the thirty names."""
    run = tmp_path_factory.mktemp("runs") / "small"
    with pytest.raises(SystemExit) as end:
        main(["train", str(items_file), "--out", str(run), *SMALL.split()])
    assert end.value.code == 0
    return run


@pytest.fixture(scope="session")
def trained_on_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on running text."""
    directory = tmp_path_factory.mktemp("texts")
    (directory / "text.txt").write_text("to be or not to be,\nthat is the question.\n" * 20, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["train", str(directory / "text.txt"), "--as", "text", "--out", str(directory / "run"), *SMALL.split()])
    assert end.value.code == 0
    return directory / "run"


@pytest.fixture
def small() -> list[str]:
    """Options of a training that takes a moment."""
    return SMALL.split()


@pytest.fixture
def items() -> list[str]:
    """The thirty names."""
    return ITEMS.split()
