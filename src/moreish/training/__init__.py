"""Floor 5: the loop, the schedule, evaluation, the search for a rate, and the run directory."""

from moreish.training.evaluation import evaluate
from moreish.training.rate_search import RateSearch, find_rate
from moreish.training.run import Run
from moreish.training.train import train

__all__ = ["RateSearch", "Run", "evaluate", "find_rate", "train"]
