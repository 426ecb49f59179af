"""`moreish.plot` draws what fits a run, from what the run holds, and overwrites nothing."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

import moreish
from moreish import sharing
from moreish.errors import FileError, InputError, RunError
from moreish.models.mlp import MLP
from moreish.recipe import Recipe
from moreish.sharing import Material
from moreish.training import Run

SMALL = {"context": 3, "embedding": 4, "hidden": (12, 12), "activation": "tanh", "batch": 8, "engine": "manual"}


@pytest.fixture(scope="module")
def items(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "items.txt"
    path.write_text("\n".join(f"{a}{b}{c}" for a in "abcdef" for b in "ghijk" for c in "lmn"))
    return path


@pytest.fixture(scope="module")
def run(items, tmp_path_factory) -> Run:
    return moreish.train(items, out=tmp_path_factory.mktemp("runs") / "run", **SMALL, steps=201, dropout=0.1)


@pytest.fixture
def _without_pixels(monkeypatch):
    """Files without a picture in them, which take no time to make."""
    monkeypatch.setattr("moreish.sharing.plotting.to_bytes", lambda figure, file_format: b"")


def test_all_pictures_of_a_run_are_drawn_in_both_formats(run, tmp_path):
    plotted = moreish.plot(run, out=tmp_path / "new" / "pictures")
    assert list(plotted.drawn) == list(sharing.PICTURES)
    assert plotted.left_out == {}
    for name, paths in plotted.drawn.items():
        assert [path.name for path in paths] == [f"{name}.png", f"{name}.svg"]
        assert paths[0].read_bytes().startswith(b"\x89PNG")
        assert b"</svg>" in paths[1].read_bytes()
    assert len(list((tmp_path / "new" / "pictures").iterdir())) == 2 * len(plotted.drawn)


def test_nothing_is_overwritten_without_being_asked(run, tmp_path):
    (first, _) = moreish.plot(run, what="tanh", out=tmp_path).drawn["tanh"]
    was = first.read_bytes()
    with pytest.raises(FileError, match=r"tanh.png and 1 more would be overwritten.*--overwrite"):
        moreish.plot(run, what=["losses", "tanh"], out=tmp_path)
    assert not (tmp_path / "losses.png").exists()
    first.write_bytes(b"another")
    moreish.plot(run, what="tanh", out=tmp_path, overwrite=True)
    assert first.read_bytes() == was


def test_losses_are_those_of_the_run(run):
    history = Material(run).history
    minibatch = sharing.PICTURES["losses"].draw(Material(run)).axes[0].lines[0]
    assert len(history.all_losses()) == 201
    np.testing.assert_array_equal(minibatch.get_ydata(), history.all_losses())


@pytest.mark.parametrize("changes", [{}, {"norm": "batch"}, {"model": "hierarchical", "context": 4}])
def test_the_inside_is_that_of_autograd(changes):
    recipe = Recipe(**SMALL | {"dropout": 0.3} | changes)
    module = MLP(recipe.with_changes(dropout=0.0), 9, torch.Generator().manual_seed(3)).double()
    ids, targets = np.arange(64).reshape(16, 4)[:, : recipe.context] % 9, np.arange(16) % 9
    outputs = {}
    for name, part in [*((f"layers.{n}", layer) for n, layer in enumerate(module.layers)), ("head", module.head)]:
        part.register_forward_hook(
            lambda _m, _i, output, name=name: (output.retain_grad(), outputs.update({name: output}))[1]
        )
    logits = module(torch.from_numpy(ids))
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets)).backward()
    weights = {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}
    inside = sharing.look_inside(recipe, weights, ids, targets)
    assert list(inside.outputs) == list(outputs)
    for name, output in outputs.items():
        size = output.shape[-1]
        np.testing.assert_allclose(inside.outputs[name], output.detach().reshape(-1, size), atol=1e-12)
        np.testing.assert_allclose(inside.gradients[name], output.grad.reshape(-1, size), atol=1e-12)
    assert list(inside.parameter_gradients) == [name for name, _ in module.named_parameters()]
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(inside.parameter_gradients[name], parameter.grad, atol=1e-12)


def test_bigrams_are_those_of_the_training_split(run):
    material = Material(run)
    expected = np.zeros((15, 15), int)
    for item in material.corpus.items("train"):
        ids = [0, *material.corpus.vocabulary.encode(item), 0]
        for pair in itertools.pairwise(ids):
            expected[pair] += 1
    np.testing.assert_array_equal(material.bigrams(), expected)


@pytest.mark.usefixtures("_without_pixels")
def test_what_does_not_fit_is_left_out_with_the_reason(items, tmp_path):
    relu = SMALL | {"activation": "relu", "hidden": (12,), "embedding": "onehot"}
    run = moreish.train(items, out=tmp_path / "run", **relu, steps=20, statistics_every=0)
    plotted = moreish.plot(run)
    assert plotted.drawn["losses"][0] == run.path / "pictures" / "losses.png"
    assert plotted.left_out == {
        "tanh": "The nonlinearity of this network is relu, not tanh.",
        "updates": f"Nothing was measured inside {run.path}. Train again with --statistics-every 100.",
        "depth": f"Nothing was measured inside {run.path}. Train again with --statistics-every 100.",
        "embedding": "A map needs an embedding of at least two dimensions.",
        "spreads": "The network has no embedding: what comes in is one-hot.",
    }
    with pytest.raises(InputError, match="not tanh"):
        moreish.plot(run, what="tanh", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("_without_pixels")
def test_a_counted_model_has_its_bigrams(items, tmp_path):
    plotted = moreish.plot(moreish.train(items, out=tmp_path / "counted", model="bigram"))
    assert list(plotted.drawn) == ["bigrams"]
    assert "was made by counting (bigram)" in plotted.left_out["losses"]


@pytest.mark.usefixtures("_without_pixels")
def test_running_text_can_be_drawn(tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be,\nthat is the question.\n" * 20)
    gelu = SMALL | {"activation": "gelu", "hidden": (8,)}
    run = moreish.train(tmp_path / "text.txt", out=tmp_path / "run", kind="text", **gelu, steps=20)
    assert set(moreish.plot(run).left_out) == {"tanh", "saturation", "depth"}


@pytest.mark.usefixtures("_without_pixels")
def test_pictures_that_need_the_training_file_say_that_it_is_gone(tmp_path):
    (tmp_path / "items.txt").write_text("".join(f"{a}{b}\n" for a in "abcd" for b in "efgh"))
    run = moreish.train(tmp_path / "items.txt", out=tmp_path / "run", **SMALL, steps=20)
    (tmp_path / "items.txt").unlink()
    plotted = moreish.plot(run)
    assert set(plotted.drawn) == {"losses", "tanh", "updates", "depth", "embedding"}
    assert "items.txt is gone" in plotted.left_out["activations"]
    with pytest.raises(FileError, match="is gone"):
        moreish.plot(run, what="bigrams", out=tmp_path / "other")


@pytest.mark.usefixtures("_without_pixels")
def test_what_was_reproduced_is_drawn(names_file, tmp_path):
    from moreish.experiments import reproduce

    reproduce(["bigram-counts"], out=tmp_path / "reproduced", data=[names_file])
    plotted = moreish.plot(tmp_path / "reproduced")
    assert list(plotted.drawn) == ["published"]


def test_errors_name_what_there_is(run, tmp_path):
    with pytest.raises(InputError, match="what is 'loss'; expected one or more of losses, activations"):
        moreish.plot(run, what="loss")
    with pytest.raises(RunError, match="is not a run"):
        moreish.plot(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="Cannot make the directory"):
        moreish.plot(run, what="tanh", out=tmp_path / "file" / "pictures")


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    sharing.save_figure(sharing.draw_tanh(), tmp_path / "tanh")
    before = (tmp_path / "tanh.png").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(FileError, match="No space left"):
        sharing.save_figure(sharing.draw_tanh(0.5), tmp_path / "tanh")
    assert (tmp_path / "tanh.png").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tanh.png", "tanh.svg"]
