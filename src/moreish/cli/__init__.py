"""Floor 10: the command line. It parses, calls the public functions, and shows what they return."""

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; see `moreish.cli.app.main`."""
    try:
        from moreish.cli.app import main as run
    except KeyboardInterrupt:  # loading it takes a moment
        print("moreish: Interrupted.", file=sys.stderr)
        sys.exit(130)
    run(arguments)
