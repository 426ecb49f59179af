"""`moreish reproduce` lists, carries out, and says what it cannot do in one line."""

import json

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
