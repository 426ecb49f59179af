"""What a check is."""

from collections.abc import Callable
from dataclasses import dataclass

from moreish.doctor.evidence import Evidence
from moreish.doctor.finding import Finding, NotExamined
from moreish.doctor.significance import Level


@dataclass(frozen=True)
class NotApplicable:
    """The model has nothing of the kind that this check is about."""

    why: str


Verdict = list[Finding] | NotExamined | NotApplicable


@dataclass(frozen=True)
class Check:
    """One kind of fault.

    Attributes:
        name: of the findings that it returns.
        needs: sections of the evidence; without them the check is listed as not examined.
        judge: evidence and the α that this check may spend → findings.
        tests: whether it tests hypotheses (and so takes a share of α) or is exact.
    """

    name: str
    needs: tuple[str, ...]
    judge: Callable[[Evidence, Level], Verdict]
    tests: bool = True
