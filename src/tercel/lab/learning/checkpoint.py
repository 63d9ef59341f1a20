"""Checkpoints of a learner's state on disk.

A checkpoint is one array file and one JSON file, valid at every moment. The array file gets a new name each time; the
JSON file, written last and moved into place in one step, names the array file that belongs to it and its hash. A
process killed at any point leaves the previous pair or the new one.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.files import write_atomic
from tercel.lab.learning.port import LearningError, State

_ARRAY = "__array__"
NAME = "checkpoint.json"


class CheckpointError(LearningError):
    """Raised for a checkpoint that cannot be read."""


def _split(value: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Copy of `value` in which every array is moved to `arrays` and replaced by a reference."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {_ARRAY: path}
    if isinstance(value, dict):
        return {key: _split(item, f"{path}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_split(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _join(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Copy of `value` in which every reference is replaced by its array: the inverse of `_split`."""
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _join(item, arrays) for key, item in value.items()}
    return [_join(item, arrays) for item in value] if isinstance(value, list) else value


def save_checkpoint(folder: Path, state: State) -> Path:
    """Save `state` into `folder` as JSON and an array file, atomically; returns the JSON file."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _split(state, "", arrays)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    store = folder / f"checkpoint-{digest[:12]}.npz"
    write_atomic(store, data)
    write_atomic(
        folder / NAME, json.dumps({"arrays": store.name, "sha256": digest, "state": tree}).encode()
    )
    for old in folder.glob("checkpoint-*.npz"):
        if old != store:
            old.unlink()
    return folder / NAME


def load_checkpoint(folder: Path) -> State | None:
    """State saved in `folder`; None without a checkpoint.

    Raises
    ------
    CheckpointError
        If the files are there but damaged.
    """
    index = folder / NAME
    if not index.exists():
        return None
    try:
        header = json.loads(index.read_bytes())
        data = (folder / header["arrays"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != header["sha256"]:
            raise ValueError("its hash differs")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        state: State = _join(header["state"], arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "a checkpoint written by Tercel",
            f"{index}: {error}",
            "delete the folder and train from the start",
        ) from error
    return state
