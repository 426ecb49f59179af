"""Held out once: eight networks, with severities of their own."""
