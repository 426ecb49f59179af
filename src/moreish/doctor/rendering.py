"""A report for the terminal and for a notebook."""

import textwrap
from html import escape

from moreish.doctor.finding import Finding, Report

_WIDTH = 100


def to_text(report: Report) -> str:
    """The report as lines of at most 100 characters."""
    lines: list[str] = []
    for number, finding in enumerate(report.findings, 1):
        lines += [f"{number}. {finding.name} ({finding.severity}{_where(finding)})"]
        lines += _wrapped("", finding.cause)
        lines += _wrapped("evidence: ", str(finding.evidence))
        lines += _wrapped("remedy: ", finding.remedy)
        if finding.consequences:
            lines += _wrapped("explains: ", ", ".join(finding.consequences))
        lines += [*_wrapped("source: ", finding.source), ""]
    lines += textwrap.wrap(_summary(report), _WIDTH)
    if report.not_examined:
        lines.append("Not examined:")
        width = max(len(item.name) for item in report.not_examined)
        for item in report.not_examined:
            first = f"  {item.name:{width}}  "
            lines += textwrap.wrap(item.why, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
    return "\n".join(lines)


def to_html(report: Report) -> str:
    """The report as one HTML fragment without scripts or styles of its own beyond what it needs."""
    rows = []
    for finding in report.findings:
        explains = f"<br><i>explains {escape(', '.join(finding.consequences))}</i>" if finding.consequences else ""
        rows.append(
            f"<tr><td><b>{escape(finding.name)}</b><br>{finding.severity}{escape(_where(finding))}</td>"
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
    rest = "".join(f"<li>{escape(item.name)}: {escape(item.why)}</li>" for item in report.not_examined)
    unseen = f"<details><summary>not examined</summary><ul>{rest}</ul></details>" if rest else ""
    return f"<div>{table}<p>{escape(_summary(report))}</p>{unseen}</div>"


def _summary(report: Report) -> str:
    count = len(report.findings)
    what = "Nothing was found" if not count else "1 finding" if count == 1 else f"{count} findings"
    return (
        f"{what} in {len(report.examined)} checks; {len(report.not_examined)} not examined, "
        f"{len(report.not_applicable)} not applicable. Chance of any false alarm at most {report.alpha:g}."
    )


def _where(finding: Finding) -> str:
    at = f", at {finding.layer}" if finding.layer else ""
    return f"{at}, step {finding.step:,}" if finding.step else at


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(label + text, _WIDTH, initial_indent="   ", subsequent_indent="   " + " " * len(label))
