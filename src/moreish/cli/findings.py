"""Findings and proofs as a person reads them, with remedies as they are typed."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moreish.cli.flags import in_flags
from moreish.cli.options import RECIPE_OPTIONS
from moreish.cli.printing import say
from moreish.cli.status import Status

if TYPE_CHECKING:
    from moreish.doctor import Finding, Report
    from moreish.doctor.trainings import Diagnosis

_SHARE_BETWEEN_LINES = 0.25
# What the command line can do about a finding besides a change of the recipe.
_COMMANDS = dict.fromkeys(("rate-too-high", "rate-too-low"), "moreish find-rate FILE searches a rate.")
_FLAGS: dict[str, str] = {name: f"--{name.replace('_', '-')}" for name in RECIPE_OPTIONS} | {"kind": "--as"}


def tell(finding: "Finding") -> None:
    """Say on standard error what was just found."""
    at = "".join(f", {part}" for part in (finding.layer, f"step {finding.step:,}" if finding.step else "") if part)
    say(f"doctor: {finding.name}{at}: {finding.evidence}")
    say(f"        {_remedy(finding)}")


def typed(report: "Report") -> "Report":
    """The report with remedies as they are typed: --head-scale 0.01."""
    return replace(report, findings=tuple(replace(finding, remedy=_remedy(finding)) for finding in report.findings))


def _remedy(finding: "Finding") -> str:
    remedy = in_flags(finding.remedy, _FLAGS)
    return f"{remedy} {_COMMANDS[finding.name]}" if finding.name in _COMMANDS else remedy


def show_attempts(diagnosis: "Diagnosis") -> None:
    """Print what was tried against each finding, and what came of it."""
    from moreish.doctor.trainings.text import attempts_to_text

    print(f"\n{attempts_to_text(diagnosis, options)}")


def options(changes: dict[str, Any]) -> str:
    """Changes of a recipe as they are typed."""
    return " ".join(in_flags(f"{name} = {value!r}", _FLAGS) for name, value in changes.items())


class Told:
    """Says which remedies are being tried; few times where the lines stay."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._said: tuple[str, int, float] = ("", 0, 0.0)

    def take(self, finding: "Finding", length: int, done: int, of: int) -> None:
        name, last_length, share = self._said
        is_new = (name, last_length) != (finding.name, length)
        if not self._status.moves and not is_new and done / of < share + _SHARE_BETWEEN_LINES:
            return
        self._said = (finding.name, length, done / of)
        self._status.show(f"{finding.name}: trainings of {length:,} steps with and without, {done / of:.0%}")
