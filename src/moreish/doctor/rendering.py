"""A report for the terminal and for a notebook."""

import textwrap
from html import escape

from moreish.doctor.finding import Finding, Report

_WIDTH = 100
_MAX_LAYERS = 4


def to_text(report: Report) -> str:
    """The report as lines of at most 100 characters."""
    lines: list[str] = []
    for number, (finding, where) in enumerate(_grouped(report), 1):
        lines += textwrap.wrap(f"{number}. {finding.name} ({finding.severity}{where})", _WIDTH, subsequent_indent="   ")
        lines += _wrapped("", finding.cause)
        lines += _wrapped("evidence: ", str(finding.evidence))
        lines += _wrapped("remedy: ", finding.remedy)
        if finding.consequences:
            lines += _wrapped("explains: ", ", ".join(finding.consequences))
        lines += [*_wrapped("source: ", finding.source), ""]
    lines += textwrap.wrap(_summary(report), _WIDTH)
    if report.not_examined:
        lines.append("Not examined:")
        for why, names in _unseen(report).items():
            lines += textwrap.wrap(", ".join(names), _WIDTH, initial_indent="  ", subsequent_indent="  ")
            lines += textwrap.wrap(why, _WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def to_html(report: Report) -> str:
    """The report as one HTML fragment without scripts or styles of its own beyond what it needs."""
    rows = []
    for finding, where in _grouped(report):
        explains = f"<br><i>explains {escape(', '.join(finding.consequences))}</i>" if finding.consequences else ""
        rows.append(
            f"<tr><td><b>{escape(finding.name)}</b><br>{finding.severity}{escape(where)}</td>"
            f"<td style='text-align:left'>{escape(finding.cause)}{explains}<br><small>{escape(str(finding.evidence))}"
            f"</small></td><td style='text-align:left'>{escape(finding.remedy)}<br>"
            f"<small>{escape(finding.source)}</small></td></tr>"
        )
    table = (
        "<table><thead><tr><th>finding</th><th>cause and evidence</th><th>remedy</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        if rows
        else ""
    )
    rest = "".join(f"<li>{escape(', '.join(names))}: {escape(why)}</li>" for why, names in _unseen(report).items())
    unseen = f"<details><summary>not examined</summary><ul>{rest}</ul></details>" if rest else ""
    return f"<div>{table}<p>{escape(_summary(report))}</p>{unseen}</div>"


def _summary(report: Report) -> str:
    count = len(_grouped(report))
    what = "Nothing was found" if not count else "1 finding" if count == 1 else f"{count} findings"
    return (
        f"{what} in {len(report.examined)} checks; {len(report.not_examined)} not examined, "
        f"{len(report.not_applicable)} not applicable. Chance of any false alarm at most {report.alpha:g}."
    )


def _grouped(report: Report) -> list[tuple[Finding, str]]:
    """One finding of each name, the first, and where all of that name are: a fault of ten layers is told once.

    What concerns the whole model is told apart from what concerns layers of it.
    """
    groups: dict[tuple[str, bool], list[Finding]] = {}
    for finding in report.findings:
        groups.setdefault((finding.name, finding.layer is None), []).append(finding)
    return [(group[0], _where(group)) for group in groups.values()]


def _where(group: list[Finding]) -> str:
    layers = [finding.layer for finding in group if finding.layer]
    shown = ", ".join(layers[:_MAX_LAYERS]) + (f" and {len(layers) - _MAX_LAYERS} more" if layers[_MAX_LAYERS:] else "")
    at = f", at {shown}" if shown else ""
    return f"{at}, step {group[0].step:,}" if group[0].step else at


def _unseen(report: Report) -> dict[str, list[str]]:
    """Why something was not examined, and the checks of which that is so."""
    reasons: dict[str, list[str]] = {}
    for item in report.not_examined:
        reasons.setdefault(item.why, []).append(item.name)
    return reasons


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(label + text, _WIDTH, initial_indent="   ", subsequent_indent="   " + " " * len(label))
