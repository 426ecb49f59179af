"""Generated items on the screen, or in a file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from moreish.cli.printing import print_table, visible

if TYPE_CHECKING:
    from moreish.generation import Generated

_BETWEEN_TEXTS = "-" * 40


def print_items(items: "Sequence[Generated]", is_marked: bool) -> None:
    """Print items, one a line, or running texts.

    Args:
        items: with their nearest items, or without.
        is_marked: say which stand in the training file, which were cut, and how far the nearest item is, in words and
            columns, for people; else lines for programs: the text, then nearest item and distance after a tab each.
    """
    if items and items[0].in_training_file is None:
        print(f"\n{_BETWEEN_TEXTS}\n".join(item.text for item in items))
    elif is_marked:
        print_table([[visible(item.text), _remark(item)] for item in items], "<<")
    else:
        lines = [
            item.text if item.nearest is None else f"{item.text}\t{item.nearest}\t{item.distance}" for item in items
        ]
        print("".join(f"{line}\n" for line in lines), end="")


def _remark(item: "Generated") -> str:
    remarks = []
    if item.in_training_file:
        remarks.append("(in the file)")
    if item.is_cut:
        remarks.append("(cut)")
    if item.nearest is not None and item.distance:
        remarks.append(f"nearest: {visible(item.nearest)} ({item.distance})")
    return " ".join(remarks)
