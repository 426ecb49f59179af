"""What probes write down and checks judge: plain numbers, so that a verdict can be made again from a file.

Every section may be None; `missing` then says why. Sections hold a few numbers per place, never whole activations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moreish.doctor.evidence.examples import Belonging, Data, InputScales, Reference
from moreish.doctor.evidence.look import Look
from moreish.doctor.evidence.loss import Loss, OutputRange, Wiring
from moreish.doctor.evidence.network import (
    NUM_GROUPS,
    BatchNorm,
    Coupling,
    Graph,
    Memory,
    Narrow,
    Parameter,
    Site,
    Unregistered,
)
from moreish.doctor.evidence.steps import Branch, History, Minibatch, NotFinite, Rates, Stray, Update
from moreish.doctor.plain import plain, reader

__all__ = [
    "NUM_GROUPS",
    "BatchNorm",
    "Belonging",
    "Branch",
    "Coupling",
    "Data",
    "Evidence",
    "Graph",
    "History",
    "InputScales",
    "Look",
    "Loss",
    "Memory",
    "Minibatch",
    "Narrow",
    "NotFinite",
    "OutputRange",
    "Parameter",
    "Rates",
    "Reference",
    "Site",
    "Stray",
    "Unregistered",
    "Update",
    "Wiring",
]


@dataclass(frozen=True)
class Evidence:
    """All that was measured on one model: looks in the order of their steps, data, history.

    `missing` maps a section's name to why it is not there. `validation_reference` was fitted and measured on
    validation.
    """

    looks: tuple[Look, ...]
    data: Data | None = None
    history: History | None = None
    missing: dict[str, str] = field(default_factory=dict)
    optimizer: str | None = None
    reference: Reference | None = None
    validation_reference: Reference | None = None
    belonging: Belonging | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; read it back with `from_dict`."""
        return plain(self)

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "Evidence":
        """The evidence that `to_dict` wrote."""
        return reader(Evidence)(content)

    def to_json(self) -> str:
        """One line of JSON; read it back with `from_json`."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Evidence":
        """The evidence that `to_json` wrote."""
        return Evidence.from_dict(json.loads(text))
