"""Events beside matched ones: nearest neighbours of the same day, and intervals by clusters.

Each treated event is held against its :data:`NEIGHBOURS` nearest controls of the same day: events of the same kind and
of usual size, at least :data:`APART_S` away, so that the windows of the two share nothing. Distance is Euclidean in the
columns of the state, each in units of :func:`scales`. The mean over treated events stands beside the mean over their
controls.

The bootstrap draws clusters. A treated event goes with its cluster; its controls are weighted by theirs. Where clusters
are days both are the same. Where they are half hours of one day, controls come from other half hours, and drawing both
errs to the safe side (Owen 2007); that windows run over the end of a half hour does not.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.tape.shown import GAP_S, HORIZONS_S
from tercel.core import NS_PER_SECOND, kernel

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

NEIGHBOURS: Final = 5
APART_S: Final = 2 * HORIZONS_S[-1] + GAP_S
HOUR_SCALE: Final = 1.0
"""One hour of the day counts as one standard deviation of the rest."""
SPREAD_WEIGHT: Final = 3.0
"""Spreads decide most of what is to come, and a few of them hold most events: a match should have the same one."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Matched events added up by C clusters, F outcomes.

    Attributes
    ----------
    events : float64[C]
        Treated events that found controls.
    treated : float64[C, F]
        Their outcomes.
    pairs : float64[C, C]
        Weight of controls of the second cluster for treated events of the first; each treated event has weight 1.
    controls : float64[C, C, F]
        Outcomes of controls with the same weights.
    """

    events: Floats
    treated: Floats
    pairs: Floats
    controls: Floats

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.events + other.events, self.treated + other.treated, self.pairs + other.pairs,
            self.controls + other.controls,
        )  # fmt: skip

    @property
    def effective_clusters(self) -> float:
        """How many clusters of equal size would weigh as these do (Kish 1965): one that holds everything counts 1."""
        return effective(self.events)

    def means(self, counts: Floats) -> tuple[Floats, Floats]:
        """Mean outcomes of treated events and of their controls, float64[B, F] each, under cluster counts [B, C]."""
        top = np.zeros((len(counts), self.treated.shape[1]))
        bottom, weights = np.zeros_like(top), np.zeros((len(counts), 1))
        for c in np.flatnonzero(self.events):
            drawn = counts @ self.pairs[c]
            weight = np.where(drawn > 0.0, counts[:, c], 0.0)[:, None]
            control = (counts @ self.controls[c]) / np.maximum(drawn, 1e-12)[:, None]
            top += weight * self.treated[c]
            bottom += weight * self.events[c] * control
            weights += weight * self.events[c]
        safe = np.maximum(weights, 1e-12)
        return top / safe, bottom / safe


def effective(weights: Floats) -> float:
    """Kish's number of equal parts.

    >>> effective(np.array([2.0, 2.0, 0.0])), effective(np.array([1.0, 0.0]))
    (2.0, 1.0)
    """
    return float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300))


def empty(clusters: int, outcomes: int) -> Sums:
    """Nothing yet."""
    return Sums(
        np.zeros(clusters), np.zeros((clusters, outcomes)), np.zeros((clusters, clusters)),
        np.zeros((clusters, clusters, outcomes)),
    )  # fmt: skip


def scales(state: Floats) -> Floats:
    """What one unit of distance is in each column of the state: its standard deviation, an hour for the last."""
    found = np.maximum(state.std(axis=0), 1e-9)
    found[0] /= SPREAD_WEIGHT
    found[-1] = HOUR_SCALE
    return np.asarray(found)


def neighbours(
    state: Floats,
    ns: Longs,
    controls: Floats,
    controls_ns: Longs,
    units: Floats,
    many: int = NEIGHBOURS,
) -> Longs:
    """Indices of the nearest controls of each treated event, int64[n, many], nearest first; -1 where there is none."""
    found = np.full((len(state), many), -1, np.int64)
    if len(controls):
        apart = round(APART_S * NS_PER_SECOND)
        _search(
            state / units,
            ns,
            np.ascontiguousarray(controls / units),
            controls_ns,
            apart,
            np.zeros(many),
            found,
        )
    return found


def add_up(
    outcomes: Floats,
    cluster: Longs,
    controls: Floats,
    controls_cluster: Longs,
    near: Longs,
    size: int,
) -> Sums:
    """Sums of treated events and their controls; a treated event without as many controls as asked for is left out.

    Parameters
    ----------
    outcomes, controls : float64[n, F], float64[m, F]
    cluster, controls_cluster : int64[n], int64[m]
        0 .. size - 1.
    near : int64[n, M]
        As :func:`neighbours` has them.
    size : int
        C.
    """
    fine = np.flatnonzero(near[:, -1] >= 0)
    sums = empty(size, outcomes.shape[1])
    if not len(fine):
        return sums
    mine, found = cluster[fine].astype(np.intp), near[fine].ravel()
    many = near.shape[1]
    pair = (np.repeat(mine, many) * size + controls_cluster[found]).astype(np.intp)
    np.add.at(sums.events, mine, 1.0)
    np.add.at(sums.treated, mine, outcomes[fine])
    np.add.at(sums.pairs.reshape(-1), pair, 1.0 / many)
    np.add.at(sums.controls.reshape(size * size, -1), pair, controls[found] / many)
    return sums


@kernel
def _search(
    state: Any, ns: Any, controls: Any, controls_ns: Any, apart: int, best: Any, found: Any
) -> None:
    """Nearest controls by brute force; `best` holds the distances of one event's."""
    many, columns = found.shape[1], state.shape[1]
    for i in range(state.shape[0]):
        best[:] = np.inf
        for j in range(controls.shape[0]):
            if abs(controls_ns[j] - ns[i]) < apart:
                continue
            distance = 0.0
            for c in range(columns):
                distance += (state[i, c] - controls[j, c]) ** 2
                if distance >= best[many - 1]:
                    break
            at = many - 1
            if distance < best[at]:
                while at > 0 and best[at - 1] > distance:
                    best[at], found[i, at] = best[at - 1], found[i, at - 1]
                    at -= 1
                best[at], found[i, at] = distance, j
