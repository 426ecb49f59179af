"""What is wrong with the training of a PyTorch module, why, and what to do: any module, not only those of this package.

Evidence and verdict are apart. Probes (with PyTorch) write down what they measured as plain numbers, the `Evidence`;
checks (without it) are pure functions of that evidence and return findings. Evidence that was recorded once can be
judged again whenever a check has changed. docs/doctor.md says how to add a check.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from moreish.doctor.evidence import Evidence
from moreish.doctor.finding import Finding, Measurement, NotExamined, Report
from moreish.doctor.judge import judge

if TYPE_CHECKING:
    from moreish.doctor.examine import collect, diagnose
    from moreish.doctor.watch import Doctor

__all__ = ["Doctor", "Evidence", "Finding", "Measurement", "NotExamined", "Report", "collect", "diagnose", "judge"]

_ROOMS: dict[str, str] = {
    "Doctor": "moreish.doctor.watch",
    "collect": "moreish.doctor.examine",
    "diagnose": "moreish.doctor.examine",
}

if not TYPE_CHECKING:  # the names that need PyTorch are fetched when they are first used

    def __getattr__(name):
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_ROOMS[name]), name)
