"""The doctor for moreish's own trainings: examines recipes and runs, looks on as an observer, and proves remedies.

Unlike the rest of the doctor, which serves any module, it knows corpus, engines and training; and its remedies are
changes of the recipe, tried out in short trainings.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from moreish.doctor.trainings.observer import TrainingDoctor, report_of

if TYPE_CHECKING:
    from moreish.doctor.trainings.treatment import Attempt, Diagnosis, diagnose_training

__all__ = ["Attempt", "Diagnosis", "TrainingDoctor", "diagnose_training", "report_of"]

if not TYPE_CHECKING:  # these need PyTorch

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("moreish.doctor.trainings.treatment"), name)
