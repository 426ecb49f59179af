"""Every example in the documents is carried out; and the tool that does it finds what is wrong."""

import re
import shutil
from pathlib import Path

import pytest

import documents

DOCUMENTS = [
    document
    for document in (documents.REPOSITORY / "README.md", *sorted((documents.REPOSITORY / "docs").rglob("*.md")))
    if document.is_file()
]
ALL_DOCUMENTS = sorted({*DOCUMENTS, *documents.REPOSITORY.glob("*.md")})


def name(document: Path) -> str:
    return str(document.relative_to(documents.REPOSITORY))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_example_does_what_the_document_shows(
    document: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    directory, cache = tmp_path / "work", tmp_path / "cache"
    directory.mkdir()
    cache.mkdir()
    examples = "".join(block.content for block in documents.blocks(document.read_text(encoding="utf-8")))
    for data_set, fixture in (("makemore-names", "names_file"), ("tinyshakespeare", "shakespeare_file")):
        if re.search(rf"moreish (?:[\w-]+ {data_set}\b|reproduce \w)", examples):  # as if it had been downloaded before
            shutil.copy(request.getfixturevalue(fixture), cache / f"{data_set}.txt")
    assert documents.run(document, directory, {"MOREISH_CACHE": str(cache)}) == []


@pytest.mark.parametrize("document", ALL_DOCUMENTS, ids=name)
def test_links_within_the_repository_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!\w+:)([^)#\s]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def run(tmp_path: Path, document: str) -> list[str]:
    (tmp_path / "README.md").write_text(document, encoding="utf-8")
    return documents.run(tmp_path / "README.md", tmp_path)


def console(*lines: str) -> str:
    return "\n".join(["```console", *lines, "```", ""])


@pytest.mark.parametrize(
    "lines",
    [
        ("$ echo hello", "hello"),
        ("$ echo 'loss  2.1034 after 1,000 steps'", "loss 1.9 after 20 steps"),
        ("$ echo 'done in 1 min 02 s'", "done in 29 s"),
        ("$ echo '+------+'; echo '│ a  │'", "+---+", "│ a │"),
        ("$ printf 'a\\nb\\nc\\n'", "a", "...", "c"),
        ("$ printf 'a\\nc\\n'", "a", "...", "c"),
        ("$ printf '10 %%\\r100 %%\\n'", "100 %"),
        ("$ echo run in /some/where", "run in …"),
        ("$ true",),
        ("$ echo x > file", "$ cat file", "x"),
        ("$ cat <<END", "> one", "> END", "one"),
        ("$ echo one \\", "    two", "one two"),
        ("$ (echo oops >&2; exit 2) || true", "oops"),
        ("$ make test", "anything"),
        ("$ git clone somewhere",),
    ],
)
def test_a_true_example_passes(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert run(tmp_path, console(*lines)) == []


@pytest.mark.parametrize(
    "lines",
    [
        ("$ echo hello", "hallo"),
        ("$ echo hello",),
        ("$ true", "hello"),
        ("$ printf 'a\\nb\\n'", "a"),
        ("$ printf 'a\\nb\\n'", "...", "a"),
        ("$ echo -1.5", "1.5"),
        ("$ echo nan", "1.5"),
        ("$ false",),
        ("$ echo hello; exit 2", "hello"),
        ("$ make nonsense",),
        ("$ no-such-command",),
    ],
)
def test_a_false_example_is_caught(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert len(run(tmp_path, console(*lines))) == 1


def test_words_may_vary_where_the_document_says_so(tmp_path: Path) -> None:
    made_up = console("$ printf 'Ten names:\\nmarlen\\nkay\\n\\nnext: generate\\n'")
    shown = made_up.replace("```\n", "Ten names:\nada\nzoe\n\nnext: generate\n```\n")
    assert run(tmp_path, shown)
    assert run(tmp_path, "<!-- words vary below: Ten names -->\n" + shown) == []
    assert run(tmp_path, "<!-- words vary below: Ten names -->\n" + shown.replace("zoe\n", ""))
    assert run(tmp_path, "<!-- words vary below: Ten names -->\n" + shown.replace("\nnext:", "\nthen:"))
    assert run(tmp_path, "<!-- words vary -->\n" + shown.replace("\nnext:", "\nthen:")) == []
    assert run(tmp_path, "<!-- words vary -->\n\n" + shown.replace("zoe\n", ""))


@pytest.mark.parametrize("document", ["  ```console\n  $ false\n  ```\n", "```console\n$ false\n"])
def test_a_block_that_would_be_passed_over_is_refused(tmp_path: Path, document: str) -> None:
    with pytest.raises(AssertionError, match="indented, or is not closed"):
        run(tmp_path, document)


def test_a_fault_names_the_document_and_the_line(tmp_path: Path) -> None:
    (fault,) = run(tmp_path, "# Title\n\n" + console("$ echo hello", "hallo"))
    assert fault.startswith("README.md, line 4: `echo hello`")
    assert "-hallo\n+hello" in fault


def test_python_blocks_are_one_program_after_the_commands(tmp_path: Path) -> None:
    document = (
        "```python\nfrom pathlib import Path\ntext = Path('made').read_text()\n```\n"
        + console("$ echo 12 > made")
        + "```python\nint(text) + 1  # → 13\nprint('loss', 2.5)  # → loss 2.1\n'a' + 'b'  # → 'ab'\n```\n"
        + "```text\nnot run\n```\n"
    )
    assert run(tmp_path, document) == []


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("'a' + 'b'  # → 'abc'", "line 2: the document says 'abc', it is 'ab'"),
        ("print('a')  # → b", "line 2: the document says b, it is a"),
        ("undefined", r'"README.md", line 2, in <module>'),
    ],
)
def test_a_false_python_example_is_caught(tmp_path: Path, code: str, complaint: str) -> None:
    (fault,) = run(tmp_path, f"```python\n{code}\n```\n")
    assert complaint in fault


def test_a_claim_about_a_statement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2: `# → value` follows an expression on one line"):
        run(tmp_path, "```python\nx = 1  # → 1\n```\n")
