"""Files are always whole, and a model file that cannot be read is told so in one line."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from moreish import storage
from moreish.errors import FileError, ModelFileError
from moreish.storage import ModelFile, load_arrays, load_model, save_arrays, save_model, write_atomically


def small_model() -> ModelFile:
    return ModelFile(
        weights={"head.linear.weight": np.arange(6, dtype=np.float32).reshape(2, 3)},
        recipe={"version": 1},
        vocabulary={"symbols": "ab’"},
        provenance={"data": {"name": "names.txt"}},
        trained_items=np.array([1, 2**63 + 5], dtype=np.uint64),
        held_out_items=np.empty(0, dtype=np.uint64),
        opening=np.array([0, 0], dtype=np.int64),
    )


def test_a_model_file_comes_back_as_it_was(tmp_path):
    model = small_model()
    save_model(tmp_path / "model.safetensors", model)
    for place in (tmp_path, tmp_path / "model.safetensors"):
        loaded = load_model(place)
        assert (loaded.recipe, loaded.vocabulary, loaded.provenance) == (
            *(model.recipe, model.vocabulary, model.provenance),
        )
        np.testing.assert_array_equal(loaded.weights["head.linear.weight"], model.weights["head.linear.weight"])
        assert loaded.trained_items.tolist() == [1, 2**63 + 5]
        assert len(loaded.held_out_items) == 0


def test_the_same_model_is_the_same_bytes(tmp_path):
    for name in "abcdef":
        save_model(tmp_path / name, small_model())
    assert len({(tmp_path / name).read_bytes() for name in "abcdef"}) == 1


def test_a_model_file_is_an_ordinary_safetensors_file(tmp_path):
    save_model(tmp_path / "model.safetensors", small_model())
    arrays = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    assert arrays["weights/head.linear.weight"].shape == (2, 3)


@given(content=st.binary(max_size=300))
def test_no_content_of_a_file_is_worse_than_a_clear_line(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as error:
        load_model(path)
    assert "\n" not in str(error.value)


@given(cut=st.floats(0, 0.999))
def test_a_file_cut_short_is_damaged(cut, tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "model.safetensors"
    save_model(path, small_model())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(ModelFileError, match="damaged"):
        load_model(path)


def test_a_file_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(2)}, path)
    with pytest.raises(ModelFileError, match="another program"):
        load_model(path)


def test_a_file_from_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, small_model())
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"]["moreish"] = header["__metadata__"]["moreish"].replace('"version": 1', '"version": 99', 1)
    changed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + size :])
    with pytest.raises(ModelFileError, match="version 99.*Update moreish"):
        load_model(path)


def test_a_checkpoint_is_not_taken_for_a_model(tmp_path):
    save_arrays(tmp_path / "checkpoint.safetensors", {"a": np.zeros(2)}, {"position": {}})
    with pytest.raises(ModelFileError, match="not a model file"):
        load_model(tmp_path / "checkpoint.safetensors")


def test_a_place_without_a_model_is_said(tmp_path):
    with pytest.raises(FileError, match="no file"):
        load_model(tmp_path / "missing.safetensors")
    with pytest.raises(FileError, match="holds no model"):
        load_model(tmp_path)


def test_loaded_arrays_can_be_updated_in_place(tmp_path):
    transposed = np.arange(6.0).reshape(3, 2).T
    save_arrays(tmp_path / "a.safetensors", {"a": np.zeros(2), "b": transposed, "c": np.array(7)}, {})
    arrays, _ = load_arrays(tmp_path / "a.safetensors")
    arrays["a"] += 1
    np.testing.assert_array_equal(arrays["b"], transposed)
    assert (arrays["c"].shape, int(arrays["c"])) == ((), 7)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, failing):
    path = tmp_path / "run.json"
    write_atomically(path, b"old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, failing, fail)
    with pytest.raises(FileError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_directory_that_is_gone_is_said(tmp_path):
    with pytest.raises(FileError, match="Cannot write"):
        write_atomically(tmp_path / "gone" / "run.json", b"")
