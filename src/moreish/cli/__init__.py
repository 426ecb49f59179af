"""Floor 10: the command line. It parses, calls the public functions, and shows what they return."""

from moreish.cli.app import main

__all__ = ["main"]
