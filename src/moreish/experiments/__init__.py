"""Floor 7: the experiments of the lectures and notebooks, measured again and compared with what was published.

To add one, write a function that measures it, and name it in the `EXPERIMENTS` of a file in `catalogue/`.
"""

from moreish.experiments.experiment import Experiment, Figure, Measurement, Request, exactly, nearly
from moreish.experiments.registry import experiments
from moreish.experiments.reproduction import Row, reproduce, to_json
from moreish.experiments.runner import Done

__all__ = [
    "Done",
    "Experiment",
    "Figure",
    "Measurement",
    "Request",
    "Row",
    "exactly",
    "experiments",
    "nearly",
    "reproduce",
    "to_json",
]
