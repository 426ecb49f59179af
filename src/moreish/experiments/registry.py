"""Which experiments there are: every file in `catalogue/` adds those of its `EXPERIMENTS`."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

from moreish.errors import InputError
from moreish.experiments import catalogue
from moreish.experiments.experiment import Experiment


@cache
def experiments() -> dict[str, Experiment]:
    """All of them by id, in the order of the catalogue's files and of their lines."""
    found: dict[str, Experiment] = {}
    for module in pkgutil.iter_modules(catalogue.__path__):
        for experiment in importlib.import_module(f"{catalogue.__name__}.{module.name}").EXPERIMENTS:
            assert experiment.id not in found, f"two experiments are called {experiment.id}"
            found[experiment.id] = experiment
    return found


def find(ids: Iterable[str]) -> list[Experiment]:
    """The experiments of some ids, each once, in the order asked for.

    Raises:
        InputError: an id that there is not; near ones are named.
    """
    known = experiments()
    chosen: dict[str, Experiment] = {}
    for asked in ids:
        if asked not in known:
            near = difflib.get_close_matches(asked, known, n=3, cutoff=0.5)
            advice = f"Did you mean {' or '.join(near)}?" if near else "moreish reproduce lists them."
            raise InputError(f"There is no experiment {asked!r} among the {len(known)}. {advice}")
        chosen[asked] = known[asked]
    return list(chosen.values())
