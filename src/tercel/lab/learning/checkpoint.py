"""Metrics and checkpoints of a training, in its folder."""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools
from tercel.core.files import atomic_path, write_atomic
from tercel.core.report.cells import csv_text
from tercel.lab.evaluation.training_files import FRAMES, some_metrics
from tercel.lab.learning.port import LearningError, Metrics, State

# -- metrics --------------------------------------------------------------------------------------
# Metrics of a training run: one CSV row per update, and returns of finished episodes.


class ReturnTracker:
    """Tracker of returns: the mean over episodes that ended since it was last asked.

    >>> tracker = ReturnTracker(2)
    >>> tracker.add(np.array([1.0, 2.0]), np.array([False, True]))
    >>> tracker.add(np.array([1.0, 5.0]), np.array([True, False]))
    >>> tracker.take()
    (2.0, 2)
    """

    def __init__(self, n: int) -> None:
        self.running = np.zeros(n)
        self.total = 0.0
        self.count = 0
        self.last = float("nan")

    def add(self, reward: NDArray[np.floating], done: Bools) -> None:
        """Add the rewards[n] and ends[n] of one step."""
        self.running += reward
        if done.any():
            self.total += float(self.running[done].sum())
            self.count += int(done.sum())
            self.running[done] = 0.0

    def take(self) -> tuple[float, int]:
        """(mean return, episodes) since the last call; the previous mean when none ended."""
        count = self.count
        if count:
            self.last = self.total / count
        self.total = 0.0
        self.count = 0
        return self.last, count

    def state(self) -> State:
        return {
            "running": self.running.copy(),
            "total": self.total,
            "count": self.count,
            "last": self.last,
        }

    def restore(self, state: State, episodes_go_on: bool) -> None:
        """`episodes_go_on` False forgets the episodes that were under way: the environment starts new ones."""
        self.running[:] = state["running"] if episodes_go_on else 0.0
        self.total = float(state["total"])
        self.count = int(state["count"])
        self.last = float(state["last"])


class MetricsLog:
    """Rows of metrics in memory and in a CSV file that is complete after each row.

    Parameters
    ----------
    path : Path
        The file. If it exists, its rows up to `frames` are kept and later ones (from updates that a resume repeats)
        are dropped.
    frames : int
        Where the run stands: 0 starts afresh.
    needs : sequence of str
        Columns that the file of a run under way must have.

    Raises
    ------
    ConfigError
        The file of a run under way is damaged, or empty.
    """

    def __init__(self, path: Path, frames: int = 0, needs: Sequence[str] = FRAMES) -> None:
        self.path = path
        self.rows: list[Metrics] = []
        if frames and path.exists():
            self.rows = [row for row in some_metrics(path, needs) if row["frames"] <= frames]
        with atomic_path(self.path) as part, part.open("w", newline="") as file:
            file.write(csv_text([*self.rows[:1], *(row.values() for row in self.rows)]))

    def add(self, metrics: Metrics) -> None:
        """Append one row; its keys are those of the first."""
        with self.path.open("a", newline="") as file:
            heads = self.rows[0] if self.rows else metrics
            file.write(
                csv_text([*([] if self.rows else [heads]), [metrics.get(head) for head in heads]])
            )
        self.rows.append(dict(metrics))


# -- checkpoint -----------------------------------------------------------------------------------
# Checkpoints: a learner's whole state as one array file and one JSON file, valid at every moment.
#
# The array file gets a new name each time and the JSON file, written last and moved into place in one step, says which
# one belongs to it and what its hash is. A process killed at any point leaves the previous pair or the new one.

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
    write_atomic(store, data)
    write_atomic(
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
