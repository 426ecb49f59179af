"""Messages of the library in the words of the command line: `learning_rate = 0.1` is typed `--learning-rate 0.1`."""

import re
from collections.abc import Mapping

_VALUE = r"(?:'[^']*'|\([^)]*\)|(?:True|None|-?(?:nan|inf|\d+(?:[.,]?\d+)*(?:e[-+]?\d+)?))\b)"

# A name that is also an English word is meant only before these; one with an underscore always.
_AFTER_A_NAME = re.compile(rf" (?:is {_VALUE}|is for models|and minutes are|are both given|needs the directory)")


def in_flags(message: str, flags: Mapping[str, str]) -> str:
    """The message with options where it names parameters.

    Args:
        message: of an error; quoted text and paths in it are left as they are.
        flags: the option of each parameter, such as {"learning_rate": "--learning-rate"}.
    """

    def translate(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        if name is None:
            return found[0]
        if value is not None:
            return flags[name] if value == "True" else f"{flags[name]} {_typed(value)}"
        is_meant = "_" in name or _AFTER_A_NAME.match(message, found.end())
        return flags[name] if is_meant else name

    names = "|".join(sorted(flags, key=len, reverse=True))
    return re.sub(
        rf"(?<!\w)(?:'[^']*'|\"[^\"]*\")"
        rf"|(?<![\w./\\-])(?P<name>{names})(?![\w/\\-]|\.\w)(?: = (?P<value>{_VALUE}(?: or {_VALUE})*))?",
        translate,
        message,
    )


def _typed(value: str) -> str:
    """A Python literal as it is typed after an option: (3, 3) → 3,3; () → none; 'batch' → batch."""
    if value.startswith("("):
        return value.strip("(),").replace(", ", ",") or "none"
    return value.replace("'", "")
