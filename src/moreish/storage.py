"""Files that are always whole, and the one self-describing model file.

A file is written beside its place and renamed into it, so that a kill at any moment leaves the old one or the new one.
Arrays live in the safetensors format, which holds no code; everything else stands in its metadata as JSON.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moreish.errors import FileError, ModelFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT_VERSION = 1

# All metadata stand under one name: safetensors writes several in any order, and a file should repeat byte for byte.
_METADATA = "moreish"

MODEL_FILE = "model.safetensors"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it to the disk, and rename it into place.

    Raises:
        FileError: the directory cannot be written or the disk is full; the old file, if any, still stands.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise FileError(
            f"Cannot write {path}: {error.strerror or error}. What stood there before is unchanged. "
            "Free some space or choose a directory that can be written."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as readable JSON, atomically."""
    write_atomically(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a mapping that `write_json` wrote.

    Raises:
        FileError: it cannot be read.
        ModelFileError: it is not a JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged: it is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path} is damaged: it should hold a JSON object.")
    return content


def save_arrays(path: Path, arrays: Mapping[str, "NDArray[Any]"], header: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON header into one safetensors file, atomically."""
    import numpy as np
    from safetensors.numpy import save

    metadata = {_METADATA: json.dumps({"version": FORMAT_VERSION, **header}, ensure_ascii=False)}
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_atomically(path, save(contiguous, metadata=metadata))


def load_arrays(path: Path) -> "tuple[dict[str, NDArray[Any]], dict[str, Any]]":
    """Read what `save_arrays` wrote: the arrays and the header.

    Raises:
        FileError: it cannot be read.
        ModelFileError: it is damaged, not one of ours, or from a newer version.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileError(f"There is no file {path}. Give a run directory or a model file (.safetensors).")
    try:
        with safe_open(path, framework="np") as file:
            header = _read_header(path, file.metadata() or {})
            # Slices of memory that safetensors owns are read-only views on some versions; a copy is ours to update.
            arrays = {name: _own(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return arrays, header
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (SafetensorError, KeyError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            f"{path} is damaged or is not a model file ({error}). Expected a .safetensors file written by moreish."
        ) from error


def _own(array: "NDArray[Any]") -> "NDArray[Any]":
    return array if array.flags.writeable and array.flags.owndata else array.copy()


def _read_header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if _METADATA not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file of another program: its metadata do not name moreish. "
            "Give a file that moreish train wrote."
        )
    header = json.loads(metadata[_METADATA])
    version = header.pop("version")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version}; this moreish reads up to {FORMAT_VERSION}. Update moreish."
        )
    return header


@dataclass(frozen=True)
class ModelFile:
    """What one model file holds; plain data, so that every floor can read it.

    Attributes:
        weights: named parameters and buffers (or count tables) of the model.
        recipe: `Recipe.to_dict()`.
        vocabulary: `Vocabulary.to_dict()`.
        provenance: the file trained on (name, sha256, sizes), steps, best validation NLL, versions.
        trained_items: fingerprints of the distinct training items, sorted, (n,) uint64; empty for running text.
        held_out_items: fingerprints of the distinct items of validation and test, likewise.
        opening: ids that running text begins with when no prefix is given, (T,); empty for lists.
    """

    weights: "dict[str, NDArray[Any]]"
    recipe: dict[str, Any]
    vocabulary: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    trained_items: "NDArray[np.uint64] | None" = None
    held_out_items: "NDArray[np.uint64] | None" = None
    opening: "NDArray[np.int64] | None" = None


_EXTRAS = ("trained_items", "held_out_items", "opening")


def save_model(path: Path, model: ModelFile) -> None:
    """Write a model file, atomically."""
    arrays = {f"weights/{name}": array for name, array in model.weights.items()}
    arrays |= {name: extra for name in _EXTRAS if (extra := getattr(model, name)) is not None}
    header = {"recipe": model.recipe, "vocabulary": model.vocabulary, "provenance": model.provenance}
    save_arrays(path, arrays, header)


def load_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file, or the one in a run directory.

    Raises:
        FileError: there is none, or it cannot be read.
        ModelFileError: it is damaged, foreign, or from a newer version.
    """
    place = Path(path)
    if place.is_dir():
        if not (place / MODEL_FILE).is_file():
            raise FileError(
                f"{place} holds no {MODEL_FILE}. Give a run directory that moreish train wrote, or a model file; "
                "a training that was stopped before its first checkpoint has none."
            )
        place /= MODEL_FILE
    elif not place.exists() and ("runs" / place / MODEL_FILE).is_file():
        raise FileError(f"There is no file {place}. Did you mean {'runs' / place}?")
    arrays, header = load_arrays(place)
    missing = {"recipe", "vocabulary", "provenance"} - header.keys()
    if missing:
        raise ModelFileError(
            f"{place} is not a model file: it lacks {', '.join(sorted(missing))}. Give model.safetensors."
        )
    weights = {name.removeprefix("weights/"): array for name, array in arrays.items() if name.startswith("weights/")}
    extras: dict[str, Any] = {name: arrays.get(name) for name in _EXTRAS}
    return ModelFile(weights, **header, **extras)
