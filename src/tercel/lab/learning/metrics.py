"""Metrics of a training run: one CSV row per update, and returns of finished episodes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools
from tercel.core.rows import csv_text
from tercel.core.written import beside
from tercel.lab.evaluation.metrics import FRAMES, some_metrics
from tercel.lab.learning.port import Metrics, State


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
        with beside(self.path) as part, part.open("w", newline="") as file:
            file.write(csv_text([*self.rows[:1], *(row.values() for row in self.rows)]))

    def add(self, metrics: Metrics) -> None:
        """Append one row; its keys are those of the first."""
        with self.path.open("a", newline="") as file:
            heads = self.rows[0] if self.rows else metrics
            file.write(
                csv_text([*([] if self.rows else [heads]), [metrics.get(head) for head in heads]])
            )
        self.rows.append(dict(metrics))
