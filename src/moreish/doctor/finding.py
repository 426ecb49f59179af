"""What the doctor returns: findings, what they rest on, and what could not be examined."""

import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from moreish.doctor.plain import plain

Severity = Literal["critical", "major", "minor"]
SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor")


@dataclass(frozen=True)
class Measurement:
    """A number, what it was tested against, and how sure that is.

    Attributes:
        what: what was measured, in words, with its unit.
        value: what was found.
        null: what it would be without the fault.
        threshold: from where on the effect is large enough to matter; None for exact checks.
        p_value: chance of evidence this strong if the effect did not reach `threshold`; None for exact checks.
        level: the α that this test was allowed to spend; None for exact checks.
        num_examples: how many examples, or groups of them, it rests on.
        details: further numbers.
    """

    what: str
    value: float
    null: float
    threshold: float | None = None
    p_value: float | None = None
    level: float | None = None
    num_examples: int | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """True by construction, so that no test was needed."""
        return self.p_value is None

    def __str__(self) -> str:
        text = f"{self.what} {_number(self.value)}, without the fault {_number(self.null)}"
        if self.p_value is None:
            return f"{text} (exact)"
        p = f"p = {self.p_value:.1g}" if self.p_value >= 1e-12 else "p < 1e-12"
        count = f"; {self.num_examples:,} examples" if self.num_examples else ""
        return f"{text} ({p}{count})"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        name: of the check that found it, such as "dead-relu".
        severity: "critical" (the training cannot mean anything), "major" (costs much), "minor".
        layer: where, as the model names it; None for the whole model.
        step: the step at which it was seen; 0 is before training.
        evidence: the number it rests on.
        cause: in plain words.
        remedy: what to do, as code or as a setting.
        source: paper or document, with its section.
        consequences: names of other findings that this one explains.
    """

    name: str
    severity: Severity
    layer: str | None
    step: int
    evidence: Measurement
    cause: str
    remedy: str
    source: str
    consequences: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return plain(self)

    def with_consequences(self, names: tuple[str, ...]) -> "Finding":
        """The same finding, explaining others."""
        return replace(self, consequences=names)


ELSEWHERE = ": use moreish."
NO_HISTORY = f"it needs a training that is watched{ELSEWHERE}Doctor in the loop"


@dataclass(frozen=True)
class NotExamined:
    """A check that could not be carried out: `why` says what it lacked."""

    name: str
    why: str


@dataclass(frozen=True)
class Report:
    """Findings, root causes first; what was examined; and what was not, and why.

    Attributes:
        findings: each a cause that no other finding explains; what it explains stands in its `consequences`.
        explained: the findings that follow from those, for whoever wants to see their numbers.
        examined: names of the checks that had all they need.
        not_examined: checks that lacked something. They are not healthy: nobody looked.
        not_applicable: checks of something that this model does not have.
        alpha: the chance of one or more false alarms that all tests together may spend.
        step: the last step that was looked at.
    """

    findings: tuple[Finding, ...]
    explained: tuple[Finding, ...]
    examined: tuple[str, ...]
    not_examined: tuple[NotExamined, ...]
    not_applicable: tuple[NotExamined, ...]
    alpha: float
    step: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the findings, root causes first."""
        return tuple(finding.name for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; numbers that are not finite are text ("inf", "nan")."""
        return plain(self)

    def to_json(self, indent: int | None = 2) -> str:
        """All of it as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        from moreish.doctor.rendering import to_text

        return to_text(self)

    def _repr_html_(self) -> str:
        from moreish.doctor.rendering import to_html

        return to_html(self)


def _number(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.3g}"
