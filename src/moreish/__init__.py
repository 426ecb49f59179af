"""moreish: a laboratory for character-level neural language models.

    import moreish

    run = moreish.train("names.txt", steps=2000)
    model = moreish.load(run.path)
    for item in model.generate(10):
        print(item.text)

Importing this package loads nothing else: each name below is fetched from its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moreish.backprop.comparing import compare_gradients
    from moreish.doctor import Doctor, diagnose
    from moreish.errors import MoreishError
    from moreish.generation import Folded, Model, fold, load
    from moreish.models.module_folding import fold_module
    from moreish.recipe import Recipe
    from moreish.sharing import plot
    from moreish.statistics import Statistics
    from moreish.training import RateSearch, Run, find_rate, train

__version__ = "0.1.0"

__all__ = [
    "Doctor",
    "Folded",
    "Model",
    "MoreishError",
    "RateSearch",
    "Recipe",
    "Run",
    "Statistics",
    "__version__",
    "compare_gradients",
    "diagnose",
    "find_rate",
    "fold",
    "fold_module",
    "load",
    "plot",
    "train",
]

_ROOMS: dict[str, str] = {
    "Doctor": "moreish.doctor",
    "Folded": "moreish.generation",
    "Model": "moreish.generation",
    "MoreishError": "moreish.errors",
    "RateSearch": "moreish.training",
    "Recipe": "moreish.recipe",
    "Run": "moreish.training",
    "Statistics": "moreish.statistics",
    "compare_gradients": "moreish.backprop.comparing",
    "diagnose": "moreish.doctor",
    "find_rate": "moreish.training",
    "fold": "moreish.generation",
    "fold_module": "moreish.models.module_folding",
    "load": "moreish.generation",
    "plot": "moreish.sharing",
    "train": "moreish.training",
}

if not TYPE_CHECKING:  # hidden from type checkers, which would otherwise believe that every name exists

    def __getattr__(name):
        """Fetch a public name from its room and keep it (PEP 562)."""
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_ROOMS[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(globals() | _ROOMS)
