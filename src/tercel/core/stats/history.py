"""Figures of a history that is observed as it comes: value at risk, correlation, a curve that is thinned."""

import math
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from tercel.core.arrays import Floats

Point = TypeVar("Point")


def historical_loss(results: Floats, level: float = 0.95) -> float:
    """The loss of the ceil((1 - level) n)-th worst of n results; 0 where that is a gain.

    >>> historical_loss(np.array([3.0, -7.0, 1.0, -2.0] + [5.0] * 36)), historical_loss(np.array([1.0]))
    (2.0, 0.0)
    """
    rank = math.ceil((1 - level) * len(results) - 1e-9)
    return max(-float(np.sort(results)[max(rank, 1) - 1]), 0.0)


def correlation(rows: Floats, least: int = 3) -> list[list[float | None]]:
    """Correlation matrix of columns; None where a column does not vary, or with fewer than `least` rows.

    >>> correlation(np.array([[1.0, -2.0, 0.0], [2.0, -4.0, 0.0], [4.0, -8.0, 0.0]]))[0]
    [1.0, -1.0, None]
    """
    away = rows - rows.mean(axis=0) if len(rows) else rows
    sums = away.T @ away
    scale = np.sqrt(np.outer(np.diag(sums), np.diag(sums)))
    known = (scale > 0) & (len(rows) >= least)
    found: list[list[Any]] = (
        np.divide(sums, scale, out=np.zeros_like(sums), where=known).round(12).tolist()
    )
    return [
        [one if said else None for one, said in zip(*row, strict=True)]
        for row in zip(found, known, strict=True)
    ]


class Curve(Generic[Point]):
    """Points at most every so many nanoseconds; past twice `keep` every second one goes, and they come half as often.

    >>> curve = Curve(keep=2, every_ns=10)
    >>> for ns in range(0, 100, 5):
    ...     if ns >= curve.due_ns:
    ...         curve.add(ns, ns)
    >>> curve.points
    [(0, 0), (40, 40), (80, 80)]
    """

    def __init__(self, keep: int, every_ns: int) -> None:
        self.points: list[tuple[int, Point]] = []
        self.due_ns = 0
        self._keep = keep
        self._every_ns = every_ns

    def add(self, ns: int, point: Point) -> None:
        """Add a point; the next is due at `due_ns`."""
        self.points.append((ns, point))
        if len(self.points) > 2 * self._keep:
            self.points = self.points[::2]
            self._every_ns = 2 * self._every_ns
        self.due_ns = ns + self._every_ns


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many of some points, evenly spread, the first and the last among them.

    >>> thinned(range(100), 5), thinned("abc", 5)
    ([0, 25, 50, 74, 99], ['a', 'b', 'c'])
    """
    n = len(points)
    return (
        list(points)
        if n <= most
        else [points[round(at * (n - 1) / (most - 1))] for at in range(most)]
    )
