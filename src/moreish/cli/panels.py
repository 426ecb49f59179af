"""Help with its options under headings, so that a long list can be looked through.

An option names its heading as Typer's `rich_help_panel`; Rich is not needed for it.
"""

from typing import Any

from typer.core import TyperCommand

_GENERAL = "Options"


class PanelCommand(TyperCommand):
    """A command whose help shows first the options without a heading, then one heading after another."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], _GENERAL: []}
        for parameter in self.get_params(ctx):
            shown = parameter.get_help_record(ctx)
            is_argument = parameter.param_type_name == "argument"
            heading = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or _GENERAL
            if shown is not None:
                sections.setdefault(heading, []).append(shown)
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
