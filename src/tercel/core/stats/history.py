"""Statistics of a growing history: value at risk, correlation, a thinned curve."""

import math
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from tercel.core.arrays import Floats

Point = TypeVar("Point")


def historical_loss(results: Floats, level: float = 0.95) -> float:
    """Value at risk: the loss of the ceil((1 - level) n)-th worst of n results; 0 if that result is a gain.

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
    deviations = rows - rows.mean(axis=0) if len(rows) else rows
    sums = deviations.T @ deviations
    scale = np.sqrt(np.outer(np.diag(sums), np.diag(sums)))
    varies = (scale > 0) & (len(rows) >= least)
    matrix: list[list[Any]] = (
        np.divide(sums, scale, out=np.zeros_like(sums), where=varies).round(12).tolist()
    )
    return [
        [coefficient if is_known else None for coefficient, is_known in zip(*row, strict=True)]
        for row in zip(matrix, varies, strict=True)
    ]


class Curve(Generic[Point]):
    """Points of a curve, at most one every `every_ns`; above 2 `keep` points every second one is dropped, and the
    spacing doubles.

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
        """Add a point, due or not, and set when the next is due (`due_ns`); above 2 `keep` points thin the curve."""
        self.points.append((ns, point))
        if len(self.points) > 2 * self._keep:
            self.points = self.points[::2]
            self._every_ns = 2 * self._every_ns
        self.due_ns = ns + self._every_ns


def thin_points(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` (2 or more) of the points, evenly spread, with the first and the last.

    >>> thin_points(range(100), 5), thin_points("abc", 5)
    ([0, 25, 50, 74, 99], ['a', 'b', 'c'])
    """
    n = len(points)
    return (
        list(points)
        if n <= most
        else [points[round(i * (n - 1) / (most - 1))] for i in range(most)]
    )
