"""`moreish reproduce` lists, carries out, and says what it cannot do in one line."""

import json

import pytest

from moreish.corpus import datasets
from moreish.errors import DownloadError
from moreish.experiments import experiments


def test_alone_it_lists_every_experiment(command):
    listed = command("reproduce")
    assert listed.code == 0
    ids = [line.split()[0] for line in listed.out.splitlines()[1:-3]]
    assert ids == list(experiments())
    assert [each["id"] for each in json.loads(command("reproduce", "--json").out)["experiments"]] == ids


def test_what_comes_later_is_listed_as_later(command):
    outcome = command("reproduce", "transformer", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["experiments"][0]["verdict"] == "later"


def test_errors_are_one_line(command):
    for arguments, message in (
        (["bigram-count"], "Did you mean bigram-counts"),
        (["--all", "transformer"], "Give one of the two"),
        (["transformer", "--engine", "fast"], "--engine is fast; expected one of auto"),
        (["transformer", "--processes", "0"], "--processes is 0"),
    ):
        outcome = command("reproduce", *arguments)
        assert outcome.code == 2
        assert outcome.err.startswith("moreish: ")
        assert message in outcome.err
        assert outcome.err.count("\n") == 1


@pytest.fixture
def offline(monkeypatch):
    """No data set can be fetched."""

    def fail(url, *arguments, **more):
        raise DownloadError(f"Cannot reach {url}: no network.")

    monkeypatch.setattr(datasets, "fetch", fail)


def test_what_lacks_its_data_is_left_out_and_the_rest_is_carried_out(command, offline):
    ids = ["bigram-counts", "init-kaiming-spread", "joining"]
    done = command("reproduce", *ids, "--processes", "1")
    assert done.code == 2
    rows = {line.split()[0]: line.split()[-1] for line in done.out.splitlines() if line.startswith(tuple(ids))}
    assert rows["init-kaiming-spread"] == "agrees"
    assert "bigram-counts        the table of pairs" in done.out
    assert "bigram-counts: It needs makemore-names, which is not here; a copy is given with --data FILE." in done.out
    last = done.err.splitlines()[-1]
    assert last.startswith("moreish: 1 of 3 experiments could not be carried out: bigram-counts.")
    content = json.loads(command("reproduce", *ids, "--processes", "1", "--json").out)
    assert [each["verdict"] for each in content["experiments"]][:2] == ["left out", "agrees"]


def test_where_all_lack_their_data_nothing_is_done(command, offline, tmp_path):
    done = command("reproduce", "bigram-counts")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("moreish: It needs makemore-names, which is not here; a copy is given with --data FILE.")
    assert not list(tmp_path.iterdir())
