"""The documents name every finding that there is, and say truly which of them are exact."""

import re
from pathlib import Path

from moreish.doctor.causes import CONSEQUENCES
from moreish.doctor.checks import ALL_CHECKS

DOCUMENT = Path(__file__).parents[2] / "docs" / "doctor.md"


def rows() -> dict[str, list[str]]:
    table = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(table) == len({name for name, _ in table})
    return {name: cells.split(" | ") for name, cells in table}


def test_the_table_holds_every_finding_and_no_other() -> None:
    assert set(rows()) == {check.name for check in ALL_CHECKS}


def test_the_table_says_which_findings_are_exact_and_who_sees_them() -> None:
    for check in ALL_CHECKS:
        what, takes, told = rows()[check.name]
        assert what
        assert "diagnose" in takes or "Doctor" in takes, check.name
        assert told.startswith("exact") is not check.tests, check.name


def test_causes_and_consequences_are_findings() -> None:
    names = {check.name for check in ALL_CHECKS}
    assert {*CONSEQUENCES, *(name for items in CONSEQUENCES.values() for name in items)} <= names
