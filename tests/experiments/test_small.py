"""Every experiment, on a small file and with few steps, measures all that it publishes."""

import copy
import random
from dataclasses import replace

import pytest

from moreish.experiments import Experiment, experiments
from moreish.experiments.runner import measure
from moreish.experiments.store import Task
from moreish.experiments.verdicts import compare

FEW = 20
SMALL = {"num_steps": 2, "first_steps": 2, "num_names": 2, "contexts": 2, "rates": [0.1], "num_losses": 1}
# Names that come only with the step that they are of.
LATER_STEPS = {"steps 10,000, 20,000, …"}


def shrunk(experiment: Experiment) -> Experiment:
    """The same experiment with few steps."""
    settings = copy.deepcopy(dict(experiment.settings))
    settings |= {name: value for name, value in SMALL.items() if name in settings}
    if "recipe" in settings:
        settings["recipe"]["steps"] = min(FEW, settings["recipe"].get("steps", FEW))
    return replace(experiment, settings=settings)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    draw = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["".join(draw.choices(letters, k=draw.randint(2, 8))) for _ in range(400)]
    (directory / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (directory / "text.txt").write_text("To be, or not to be: that is the question.\n" * 60, encoding="utf-8")
    return {"makemore-names": directory / "names.txt", "tinyshakespeare": directory / "text.txt", None: None}


@pytest.mark.parametrize(
    "experiment",
    [each for each in experiments().values() if not each.is_later and (each.id != "tuning")],
    ids=lambda experiment: experiment.id,
)
def test_it_measures_what_it_publishes(experiment, files, tmp_path):
    small = shrunk(experiment)
    measurement = measure(Task(small, small.seeds[0], "auto", files[small.data]), tmp_path)
    assert measurement.error is None
    published = {figure.name for figure in small.published} - LATER_STEPS
    assert published <= measurement.values.keys()
    assert all(isinstance(value, int | float | str | list) for value in measurement.values.values())
    small = replace(small, published=tuple(f for f in small.published if f.name not in LATER_STEPS))
    assert {figure.name for figure in compare(small, [measurement])} == measurement.values.keys()
    assert not list(tmp_path.iterdir())


def test_a_table_of_tunings_measures_each_row(files, tmp_path):
    experiment = experiments()["tuning"]
    settings = dict(experiment.settings) | {"rows": [[3, 5, 2, FEW, 4], [2, 4, 3, FEW, 8]], "decay_step": 10}
    measurement = measure(Task(replace(experiment, settings=settings), 1, "auto", files["makemore-names"]), tmp_path)
    assert measurement.error is None
    assert list(measurement.values) == ["3/5/2/0k/4", "2/4/3/0k/8"]


def test_every_row_of_the_table_of_tunings_is_published_under_its_name():
    experiment = experiments()["tuning"]
    names = [f"{c}/{h}/{e}/{s // 1000}k/{b}" for c, h, e, s, b in experiment.settings["rows"]]
    assert names == [figure.name for figure in experiment.published]
    assert len(names) == 15
