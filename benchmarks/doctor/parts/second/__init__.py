"""Held out once: eight networks, with the severities of the first part."""
