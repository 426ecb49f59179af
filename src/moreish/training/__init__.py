"""Floor 5: the loop, the schedule, evaluation, and the run directory."""

from moreish.training.evaluation import evaluate
from moreish.training.run import Run
from moreish.training.train import train

__all__ = ["Run", "evaluate", "train"]
