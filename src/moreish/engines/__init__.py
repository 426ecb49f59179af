"""Floor 4: how steps are executed. One contract, one set of numbers, several engines."""

from moreish.engines.choose import Choice, build_engine, check_device
from moreish.engines.contract import ChunkResult, Engine, OptimizerSpec

__all__ = ["Choice", "ChunkResult", "Engine", "OptimizerSpec", "build_engine", "check_device"]
