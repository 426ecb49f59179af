"""docs/reproduce.md shows the table of all experiments that there are."""

import re
from pathlib import Path

from moreish.experiments import experiments

PAGE = Path(__file__).parents[2] / "docs" / "reproduce.md"


def test_the_pages_table_names_every_experiment_in_order():
    table = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0].split("\n\n")[0]
    ids = [line.split()[0] for line in table.splitlines()[1:] if not line.startswith(" ")]
    assert ids == list(experiments())
