"""The pictures of the documents are few enough, and each is shown."""

import documents

DIRECTORY = documents.REPOSITORY / "docs"


def test_every_picture_is_shown_in_a_document() -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in DIRECTORY.rglob("*.md"))
    assert [path.name for path in (DIRECTORY / "pictures").iterdir() if f"pictures/{path.name})" not in shown] == []


def test_the_pictures_stay_small() -> None:
    assert sum(path.stat().st_size for path in (DIRECTORY / "pictures").iterdir()) < 2_000_000
