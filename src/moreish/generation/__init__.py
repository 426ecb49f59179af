"""Generate, score and evaluate with any model; PyTorch is not needed, except to draw as the lectures do."""

from moreish.generation.collect import Generated
from moreish.generation.folded import Folded, fold
from moreish.generation.model import Model, load
from moreish.generation.request import Request
from moreish.generation.score import Scored

__all__ = ["Folded", "Generated", "Model", "Request", "Scored", "fold", "load"]
