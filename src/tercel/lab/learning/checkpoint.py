"""Checkpoints: a learner's whole state as one array file and one JSON file, valid at every moment.

The array file gets a new name each time and the JSON file, written last and moved into place in one step, says which
one belongs to it and what its hash is. A process killed at any point leaves the previous pair or the new one.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.written import write_whole
from tercel.lab.learning.port import LearningError, State

_ARRAY = "__array__"
NAME = "checkpoint.json"


class CheckpointError(LearningError):
    """A checkpoint that cannot be read."""


def _split(value: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """`value` with every array moved to `arrays` and a reference in its place."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {_ARRAY: path}
    if isinstance(value, dict):
        return {key: _split(item, f"{path}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_split(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _join(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _join(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_join(item, arrays) for item in value]
    return value


def save_checkpoint(folder: Path, state: State) -> Path:
    """Write `state` into `folder` (made if absent) and drop the array file that it replaces; returns the JSON file."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _split(state, "", arrays)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    store = folder / f"checkpoint-{digest[:12]}.npz"
    write_whole(store, data)
    write_whole(
        folder / NAME, json.dumps({"arrays": store.name, "sha256": digest, "state": tree}).encode()
    )
    for old in folder.glob("checkpoint-*.npz"):
        if old != store:
            old.unlink()
    return folder / NAME


def load_checkpoint(folder: Path) -> State | None:
    """The state saved in `folder`, or None if there is none.

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
