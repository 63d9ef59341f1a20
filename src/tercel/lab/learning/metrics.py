"""Metrics of a training: mean returns of ended episodes, and rows in a CSV file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools
from tercel.core.files import atomic_path
from tercel.core.report.cells import csv_text
from tercel.core.stored_attributes import Stored
from tercel.lab.evaluation.training_files import FRAMES, read_metrics
from tercel.lab.learning.port import Metrics


class ReturnTracker(Stored):
    """Sums the rewards of running episodes; :meth:`take` gives the mean return of those that ended since its last call.

    >>> tracker = ReturnTracker(2)
    >>> tracker.add(np.array([1.0, 2.0]), np.array([False, True]))
    >>> tracker.add(np.array([1.0, 5.0]), np.array([True, False]))
    >>> tracker.take()
    (2.0, 2)
    """

    stored = ("running", "total", "count", "last")

    def __init__(self, n: int) -> None:
        """Track the returns of `n` episode slots."""
        self.running = np.zeros(n)
        self.total = 0.0
        self.count = 0
        self.last = float("nan")

    def add(self, reward: NDArray[np.floating], done: Bools) -> None:
        """Add the rewards[n] of one step; an episode whose done[n] is true ends with it, and its slot starts at 0 again."""
        self.running += reward
        if done.any():
            self.total += float(self.running[done].sum())
            self.count += int(done.sum())
            self.running[done] = 0.0

    def take(self) -> tuple[float, int]:
        """Mean return and number of episodes ended since the last call; if none, the previous mean (NaN before the first)."""
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
        """Open the CSV file `path`: rows up to `frames` are kept and later ones dropped; with 0 frames it begins empty."""
        self.path = path
        self.rows: list[Metrics] = []
        if frames and path.exists():
            self.rows = [row for row in read_metrics(path, needs) if row["frames"] <= frames]
        with atomic_path(self.path) as part, part.open("w", newline="") as file:
            file.write(csv_text([*self.rows[:1], *(row.values() for row in self.rows)]))

    def add(self, metrics: Metrics) -> None:
        """Append a row to memory and file; the file has the columns of the first row alone, missing values empty."""
        with self.path.open("a", newline="") as file:
            columns = self.rows[0] if self.rows else metrics
            file.write(
                csv_text(
                    [*([] if self.rows else [columns]), [metrics.get(column) for column in columns]]
                )
            )
        self.rows.append(dict(metrics))
