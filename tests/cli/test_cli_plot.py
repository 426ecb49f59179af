"""`moreish plot` lists, draws, says what does not fit, and overwrites nothing without being asked."""

import json

import pytest

from moreish.sharing import PICTURES


@pytest.fixture(autouse=True)
def _without_pixels(monkeypatch):
    """Files without a picture in them, which take no time to make."""
    monkeypatch.setattr("moreish.sharing.plotting.to_bytes", lambda figure, file_format: b"")


def test_alone_it_lists_every_picture(command):
    listed = command("plot")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()[1:-2]] == [*PICTURES, "published"]
    assert list(json.loads(command("plot", "--json").out)["pictures"]) == [*PICTURES, "published"]


def test_it_says_what_was_drawn_and_what_does_not_fit(command, trained):
    outcome = command("plot", trained, "--out", "pictures")
    assert outcome.code == 0
    assert outcome.out.splitlines()[0].split() == ["losses", "pictures/losses.png,", ".svg"]
    assert "not tanh: The nonlinearity of this network is " in outcome.err
    again = command("plot", trained, "--out", "pictures")
    assert again.code == 2
    assert "would be overwritten" in again.err
    replaced = command("plot", trained, "--out", "pictures", "--what", "losses,embedding", "--overwrite", "--json")
    assert json.loads(replaced.out) == {
        "run": str(trained),
        "drawn": {name: [f"pictures/{name}.png", f"pictures/{name}.svg"] for name in ("losses", "embedding")},
        "left_out": {},
    }


def test_errors_are_one_line(command, trained):
    for arguments, message in (
        (["nowhere"], "nowhere is not a run"),
        ([trained, "--what", "loss"], "--what is 'loss'; expected one or more of losses"),
        ([trained, "--what", "tanh"], "not tanh"),
        (["--what", "losses"], "Give its directory"),
    ):
        outcome = command("plot", *arguments)
        assert outcome.code == 2
        assert outcome.err.startswith("moreish: ")
        assert message in outcome.err
        assert outcome.err.count("\n") == 1
