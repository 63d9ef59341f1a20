"""The protocols of environments and learners, the training loop, its metrics and its checkpoints.

The loop belongs to the caller: :meth:`Learner.update` collects one batch, improves once and hands back a row of
metrics. :func:`train` is that loop with metrics, checkpoints and a polite stop.
"""

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Bools, Float32
from tercel.core.errors import ConfigError, TercelError, refuse_if
from tercel.core.files import atomic_path, write_atomic
from tercel.core.report.cells import csv_text
from tercel.execution.policies.network import MlpPolicy, OnnxPolicy
from tercel.lab.evaluation.training_files import FRAMES, some_metrics

Metrics = dict[str, float]
# Nested dictionaries with string keys; leaves are arrays, numbers, strings, booleans, None and lists of those.
State = dict[str, Any]
# Arrays of a step to look at, by name.
Info = dict[str, Any]


class LearningError(TercelError):
    """Learning that cannot go on: numbers that are none, or a state of something else."""


class VecEnv(Protocol):
    """`n` episodes side by side, each starting again by itself.

    The horizon is part of the observation, so `done` is always a true end: nothing is bootstrapped past it. The
    observation that comes with `done` is the first of the next episode.

    An environment of discrete actions has `n_actions`; one whose actions are vectors has `action_size`, the numbers of
    each, and what they mean is its affair: any vector, or shares that add up to 1, as learners draw them.

    Optional methods, each used where it is there:

    | method | |
    |---|---|
    | ``mask()`` | allowed actions now, bool[n, A]; at least one in each row |
    | ``state()``, ``restore(state)`` | everything that its future depends on, for a bit-identical resume; `restore` \
    returns the observations that were current then, float32[n, D] |
    | ``roll(learner)`` | fills the rollout of a `Ppo` as `Ppo.collect` does, in other processes or on other machines, and \
    merges what was observed into its observation normaliser |
    | ``progress(frames)`` | moves a curriculum |
    | ``take_metrics()`` | means over the episodes that ended since the last call |
    """

    n: int
    observation_size: int

    def reset(self, seed: int) -> Float32:
        """Start all episodes; the same seed gives the same episodes. Returns observations float32[n, D]."""

    def step(self, actions: Any) -> tuple[Float32, AnyArray, Bools, Info]:
        """Act in all episodes: observations float32[n, D], rewards float[n], done bool[n], arrays to look at.

        `actions` are int64[n], or float32[n, A]. The arrays may be the environment's own buffers, valid until the next
        call.
        """


def action_sizes(env: VecEnv) -> tuple[int, int]:
    """(number of actions, entries of an action); the one that does not apply is 0.

    Raises
    ------
    ConfigError
        If the environment has both or neither.
    """
    sizes = int(getattr(env, "n_actions", 0)), int(getattr(env, "action_size", 0))
    if bool(sizes[0]) == bool(sizes[1]):
        raise ConfigError(
            "an environment with a positive n_actions or action_size, and not both",
            f"n_actions {sizes[0]}, action_size {sizes[1]}",
            "look at the environment's constructor",
        )
    return sizes


class Learner(Protocol):
    """Something that improves a policy by acting in a :class:`VecEnv`."""

    name: str

    @property
    def frames(self) -> int:
        """Frames (decisions over all episodes) taken so far."""

    def update(self) -> Metrics:
        """Collect one batch and improve; the row has at least `frames` and `return_mean`."""

    def policy(self) -> MlpPolicy | OnnxPolicy:
        """The current greedy policy, a copy that further learning does not touch."""

    def state(self) -> State:
        """Everything that further learning depends on, the environment's state included where it has one."""

    def restore(self, state: State) -> None:
        """Go on from `state`: bit-identical where the environment has `state` and `restore`, else with new
        episodes."""


def train(
    learner: Learner,
    frames: int,
    on_update: Callable[[Metrics], None] | None = None,
    checkpoint: Callable[[State], None] | None = None,
    every: int = 10,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Update until `frames` frames are taken in all; True if that was reached, False if `stop` said so.

    `checkpoint` receives the state every `every` updates and at the end. An interrupt (Ctrl-C) between checkpoints
    loses at most the updates since the last one: the stored state is always one between two updates.
    """
    refuse_if(every < 1, "checkpoints every 1 or more updates", f"{every}", "leave the default")
    done = 0
    while learner.frames < frames:
        if stop is not None and stop():
            break
        metrics = learner.update()
        done += 1
        if on_update is not None:
            on_update(metrics)
        if checkpoint is not None and done % every == 0:
            checkpoint(learner.state())
    if checkpoint is not None and done % every:
        checkpoint(learner.state())
    return learner.frames >= frames


def check_finite(metrics: Metrics, name: str) -> Metrics:
    """`metrics`, unless the gradient's norm says that the weights are lost.

    Raises
    ------
    LearningError
        If the norm is NaN or infinite.
    """
    if not math.isfinite(metrics["gradient_norm"]):
        raise LearningError(
            "finite losses and gradients",
            f"gradient norm {metrics['gradient_norm']} of {name} after {int(metrics['frames'])} frames",
            "look for NaN in observations or rewards, or lower the learning rate; resume from the last checkpoint",
        )
    return metrics


def check_env(env: VecEnv) -> None:
    """Refuse an environment without episodes, observations or a choice.

    Raises
    ------
    ConfigError
        If a size is not positive.
    """
    numbers, entries = action_sizes(env)
    sizes = {"n": (env.n, 1), "observation_size": (env.observation_size, 1)}
    sizes |= {"action_size": (entries, 1)} if entries else {"n_actions": (numbers, 2)}
    for name, (value, least) in sizes.items():
        refuse_if(
            value < least, f"a usable {name}", str(value), "look at the environment's constructor"
        )


# -- metrics --------------------------------------------------------------------------------------
# Metrics of a training run: one CSV row per update, and returns of finished episodes.


class Stored:
    """An object whose state is some of its attributes, arrays and numbers: those that `stored` names.

    The state has private ones without their underscore.
    """

    stored: ClassVar[tuple[str, ...]]

    def state(self) -> State:
        """Copies of the attributes by name."""
        return {name.lstrip("_"): copy(getattr(self, name)) for name in self.stored}

    def restore(self, state: State) -> None:
        """Take over the attributes of a state, arrays in place."""
        for name in self.stored:
            now, then = getattr(self, name), state[name.lstrip("_")]
            if isinstance(now, np.ndarray):
                now[:] = then
            else:
                setattr(self, name, type(now)(then))


class ReturnTracker(Stored):
    """Tracker of returns: the mean over episodes that ended since the last call.

    >>> tracker = ReturnTracker(2)
    >>> tracker.add(np.array([1.0, 2.0]), np.array([False, True]))
    >>> tracker.add(np.array([1.0, 5.0]), np.array([True, False]))
    >>> tracker.take()
    (2.0, 2)
    """

    stored = ("running", "total", "count", "last")

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


class MetricsLog:
    """Rows of metrics in memory and in a CSV file that is complete after each row.

    Parameters
    ----------
    path : Path
        The file. If it exists, its rows up to `frames` stay and later ones (from updates that a resume repeats)
        are dropped.
    frames : int
        Frames of the run so far: 0 starts afresh.
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
    return value.item() if isinstance(value, np.generic) else value


def _join(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _join(item, arrays) for key, item in value.items()}
    return [_join(item, arrays) for item in value] if isinstance(value, list) else value


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
    """The state saved in `folder`; None without a checkpoint.

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
