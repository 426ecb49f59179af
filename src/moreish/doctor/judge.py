"""From evidence to a report: every check in turn, and then what explains what."""

from moreish.doctor.causes import explained_by, hidden, rank
from moreish.doctor.checks import ALL_CHECKS, NotApplicable
from moreish.doctor.evidence import Evidence, Look
from moreish.doctor.finding import ELSEWHERE, Finding, NotExamined, Report
from moreish.doctor.significance import ALPHA, level_for


def judge(evidence: Evidence, alpha: float = ALPHA) -> Report:
    """Judge evidence: a pure function, milliseconds.

    Args:
        evidence: of one model, from `collect`, a `Doctor`, or a file.
        alpha: the chance of one or more false alarms that all tests together may spend.
    """
    found: list[Finding] = []
    examined: list[str] = []
    missing: list[NotExamined] = []
    not_applicable: list[NotExamined] = []
    level = level_for(sum(check.tests for check in ALL_CHECKS), alpha)
    for check in ALL_CHECKS:
        lacking = [section for section in check.needs if not has(evidence, section)]
        if lacking:
            why = evidence.missing.get(lacking[0], f"no {lacking[0]} was recorded")
            missing.append(NotExamined(check.name, why))
            continue
        verdict = check.judge(evidence, level)
        if isinstance(verdict, NotApplicable):
            not_applicable.append(NotExamined(check.name, verdict.why))
        elif isinstance(verdict, NotExamined):
            missing.append(verdict)
        else:
            examined.append(check.name)
            found += verdict
    causes, explained = _ordered(_first_of_each(found))
    step = max((look.step for look in evidence.looks), default=0)
    return Report(tuple(causes), tuple(explained), tuple(examined), tuple(missing), tuple(not_applicable), alpha, step)


def joined(*reports: Report) -> Report:
    """One report of several on one model: causes are folded across them, and α adds up.

    What one of them examined has been examined. What none did keeps the reason that does not send to another of them.
    """
    findings = [item for report in reports for item in (*report.findings, *report.explained)]
    causes, explained = _ordered([item.with_consequences(()) for item in _first_of_each(findings)])
    examined = tuple(dict.fromkeys(name for report in reports for name in report.examined))
    not_applicable = {item.name: item for report in reports for item in report.not_applicable}
    missing = sorted(
        (item for report in reports for item in report.not_examined), key=lambda item: ELSEWHERE in item.why
    )
    not_examined: dict[str, NotExamined] = {}
    for item in missing:
        if item.name not in examined and item.name not in not_applicable:
            not_examined.setdefault(item.name, item)
    return Report(
        tuple(causes),
        tuple(explained),
        examined,
        tuple(not_examined.values()),
        tuple(item for item in not_applicable.values() if item.name not in examined),
        sum(report.alpha for report in reports),
        max(report.step for report in reports),
    )


def has(evidence: Evidence, section: str) -> bool:
    """Whether a section was recorded: one of the evidence itself, or of any look."""
    if section in Evidence.__dataclass_fields__:
        return getattr(evidence, section) is not None
    if section not in Look.__dataclass_fields__:
        raise KeyError(section)
    return any(getattr(look, section) is not None for look in evidence.looks)


def _first_of_each(findings: list[Finding]) -> list[Finding]:
    """One finding a name and layer: the earliest."""
    first: dict[tuple[str, str | None], Finding] = {}
    for finding in sorted(findings, key=lambda item: item.step):
        first.setdefault((finding.name, finding.layer), finding)
    return list(first.values())


def _ordered(findings: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Causes, the deepest first, each with what it explains; and the explained ones."""
    steps: dict[str, int] = {}
    for finding in findings:
        steps[finding.name] = min(finding.step, steps.get(finding.name, finding.step))
    follow = hidden(steps)
    causes = sorted((item for item in findings if item.name not in follow), key=rank)
    explained = sorted((item for item in findings if item.name in follow), key=rank)
    told = [
        cause.with_consequences(tuple(sorted(name for name in follow if cause.name in explained_by(name, steps))))
        for cause in causes
    ]
    return told, explained
