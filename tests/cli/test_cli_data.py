"""`moreish data`: the data sets by name, and what is in a file."""

import json
from pathlib import Path
from typing import Any

from moreish.corpus import DATA_SETS


def test_data_lists_the_data_sets_with_origin_licence_and_size(command: Any) -> None:
    done = command("data")
    assert done.code == 0
    for data_set in DATA_SETS.values():
        for fact in (data_set.name, data_set.origin, data_set.licence, f"{data_set.num_bytes:,}"):
            assert fact in done.out
    listed = json.loads(command("data", "--json").out)["data_sets"]
    assert [data_set["name"] for data_set in listed] == list(DATA_SETS)


def test_data_describes_a_list(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("emma\nolivia\nava\nemma\nmia\n\n  zoe\nlea\n", encoding="utf-8")
    done = command("data", "list.txt")
    assert done.code == 0
    assert "7, 6 of them distinct" in done.out
    assert "blank line" in done.out
    assert " → " in done.out
    content = json.loads(command("data", "list.txt", "--json").out)
    assert (content["items"], content["duplicates"]) == (7, 1)
    assert content["vocabulary"]["symbols"] == sorted(set("emmaoliviaavamiazoelea"))


def test_windows_are_shown_as_the_lectures_write_them(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("emma\n" * 9 + "ann\nbob\n", encoding="utf-8")
    windows = json.loads(command("data", "list.txt", "--split", "published", "--json").out)["windows"]
    assert all(len(window) == len("..e → m") and window[3:6] == " → " for window in windows)
    assert {"... → e", "..e → m", ".em → m", "emm → a", "mma → ."} <= set(windows)
    longer = json.loads(command("data", "list.txt", "--context", "5", "--json").out)["windows"]
    assert all(len(window) == len("....e → m") for window in longer)


def test_data_describes_running_text(command: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be\nor not\n" * 30, encoding="utf-8")
    done = command("data", "text.txt", "--as", "text")
    assert done.code == 0
    assert "items" not in done.out
    assert r"\n␣be" in done.out


def test_published_split_says_how_many_copies_leak(command: Any, names_file: Path) -> None:
    done = command("data", names_file, "--split", "published")
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line}
    assert [rows[split][0] for split in ("train", "validation", "test")] == ["25,626", "3,203", "3,204"]
    assert int(rows["validation"][2]) > 0


def test_data_reads_columns_of_tables(command: Any, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("year,name\n1,emma\n2,ava\n3,mia\n", encoding="utf-8")
    content = json.loads(command("data", "table.csv", "--column", "name", "--json").out)
    assert (content["items"], content["column"]) == (3, "name")


def test_long_windows_are_shown_by_their_end(command: Any, items_file: Path) -> None:
    shown = command("data", items_file, "--context", "90000").out.splitlines()
    assert max(map(len, shown)) <= 80
    assert shown[-1].startswith("  …....")
    assert command("data", items_file, "--context", "70").out.splitlines()[-1].startswith("  ....")
