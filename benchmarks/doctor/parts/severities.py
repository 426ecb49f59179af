"""How a part says with which severities a fault is planted in its networks."""

from typing import Any

Severities = dict[str, tuple[Any, Any, Any] | None]
"""Network → three amounts, the mildest first; None stands for those of the fault itself."""

USUAL = None


def usual(*networks: str) -> Severities:
    """Each network → the severities of the fault itself."""
    return dict.fromkeys(networks, USUAL)
