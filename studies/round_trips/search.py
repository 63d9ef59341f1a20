"""A search for round trips that pay, and the proof of the best on worlds that the search never saw.

CMA-ES (`evaluation.cma`) from the best of many starts, at every size and latency; all candidates of a generation meet
the same worlds, each generation new ones. The best go to fresh pairs; their one-sided p-values are corrected by Holm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studies.legs.legs import figure, with_interval
from studies.round_trips.market import TripGround, TripResults, play
from studies.round_trips.trips import SIZE, STEP_S, first_legs, second_legs, starts, wait_steps
from tercel import Latency, Task
from tercel.core import ConfigError
from tercel.core.stats import cluster_index, cluster_sums, holm, two_sided_p
from tercel.lab.tuning import CmaEs

Floats = NDArray[np.float64]

BUDGET: Final = 80_000
"""Trips that the search plays, over all sizes and latencies."""
FIRST: Final = 36
"""Random starts beside the written ones."""
FIRST_WORLDS: Final = 8
CLIMBS: Final = 3
POPULATION: Final = 12
WORLDS: Final = 12
AGAIN: Final = 24
"""Candidates of each cell that are played again, in `AGAIN_WORLDS` worlds of the search."""
AGAIN_WORLDS: Final = 32
PROVED: Final = 20
PROOF_PAIRS: Final = 512
PROOF_BATCH: Final = 32
SURE: Final = 0.05
LEAST_TRADED: Final = 0.5
"""Share of its order that a trip has to trade: a trip of a few lots of a large order belongs to the smaller sizes."""
_LAST: Final = 1e6
SPREADS: Final = np.array([1.0, 1.5, 3.0, 1.0, 1.0, 1.0, 1.0, 1.5, 3.0, 1.0, 1.0, 1.0, 1.0, 0.5])
"""How far each number of a start may be off."""


@dataclass(frozen=True, eq=False)
class TripCandidate:
    """A trip that the search found at one size and latency, and what it made there."""

    trip: Floats
    size: float
    latency: Latency
    score: float

    def describe(self) -> dict[str, Any]:
        """Its legs in figures."""
        trips = self.trip[None]
        return {
            "first": first_legs(trips).describe(0),
            "wait_s": float(wait_steps(trips)[0] * STEP_S),
            "second": second_legs(trips).describe(0),
        }


class Search:
    """The search at one size and latency."""

    def __init__(
        self, ground: TripGround, task: Task, size: float, rng: np.random.Generator
    ) -> None:
        self.ground, self.task, self.size, self.rng = ground, task, size, rng
        self.tried: list[tuple[float, Floats]] = []
        self.world = self.trips = 0

    def score(self, trips: Floats, worlds: int) -> Floats:
        """Mean gain less its standard error, bps, of trips in the next worlds.

        Trips that trade less than `LEAST_TRADED` come behind all others, the smallest last.
        """
        played = play(self.ground, self.task, trips, self.size, self.world, worlds)
        self.world += worlds
        self.trips += 2 * worlds * len(trips)
        gains = played.profit_bps
        fine = np.isfinite(gains).all(axis=0)
        if fine.sum() < 2:
            return np.full(len(trips), -np.inf)
        gains = gains[:, fine]
        scores = gains.mean(axis=1) - gains.std(axis=1, ddof=1) / np.sqrt(gains.shape[1])
        traded = played.lots[:, fine].sum(axis=1) / played.requested[fine].sum()
        scores = np.where(traded < LEAST_TRADED, _LAST * (traded - 1.0), scores)
        self.tried += zip(scores.tolist(), trips, strict=True)
        return np.asarray(scores, np.float64)

    def run(self, budget: int, most: int, stop: Callable[[], bool]) -> list[TripCandidate]:
        """Search within so many trips; the best, at most `most`, the best first."""
        first = starts()
        drawn = self.rng.integers(len(first), size=FIRST)
        noisy = first[drawn] + SPREADS * self.rng.standard_normal((FIRST, SIZE))
        trips = np.concatenate((first, noisy))
        order = np.argsort(-self.score(trips, FIRST_WORLDS), kind="stable")
        left = budget - self.trips - 2 * AGAIN * AGAIN_WORLDS
        each = max(left // (CLIMBS * 2 * POPULATION * WORLDS), 1)
        for n in order[:CLIMBS]:
            climb = CmaEs(trips[n], 0.5 * SPREADS, self.rng, POPULATION)
            for _ in range(each):
                if stop():
                    break
                requested = climb.ask()
                climb.tell(requested, -self.score(requested, WORLDS))
            self.tried.append((np.inf, climb.mean))
        return self._again(most)

    def _again(self, most: int) -> list[TripCandidate]:
        """The best of all that was tried, played again side by side."""
        ranked = sorted(range(len(self.tried)), key=lambda i: -self.tried[i][0])[:AGAIN]
        trips = np.array([self.tried[i][1] for i in ranked])
        scores = self.score(trips, AGAIN_WORLDS)
        order = np.argsort(-scores, kind="stable")[:most]
        best = [i for i in order if scores[i] > -LEAST_TRADED * _LAST]
        return [
            TripCandidate(trips[i], self.size, self.task.latency, float(scores[i])) for i in best
        ]


def arbitrage(
    searched: TripGround,
    proof: TripGround,
    *,
    sizes: Sequence[float],
    latencies: Sequence[Latency],
    seed: int = 0,
    budget: int = BUDGET,
    pairs: int = PROOF_PAIRS,
    task: Task | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Search round trips and prove the best.

    Parameters
    ----------
    searched, proof : TripGround
        Worlds of the search and others of the proof.
    sizes : sequence of float
        Shares of the public volume of half an hour.
    latencies : sequence of Latency
    seed : int
        Of the search's own draws.
    budget : int
        Trips that the search plays.
    pairs : int
        Worlds of the proof, both signs in each.
    stop : callable
        EvaluationRequest before each generation: True ends the search early.

    Returns
    -------
    dict
        `searched` (policies), `trips`, `proved`, `profitable`, `by_size`.

    Raises
    ------
    ConfigError
        No size or latency, a size that is none, fewer than 8 pairs.
    """
    if not sizes or min(sizes) <= 0.0 or not latencies or pairs < 8:
        received = f"sizes {list(sizes)}, {len(latencies)} latencies, {pairs} pairs"
        raise ConfigError(
            "sizes above 0, a latency, at least 8 pairs",
            received,
            "such as `size=0.1` and `pairs=512`",
        )
    base = task or Task()
    cells = [(size, latency) for latency in latencies for size in sorted(sizes)]
    found, policies, trips = [], 0, 0
    for number, (size, latency) in enumerate(cells):
        search = Search(searched, _late(base, latency), size, np.random.default_rng((seed, number)))
        found.append(search.run(budget // len(cells), PROVED, stop))
        policies, trips = policies + len(search.tried), trips + search.trips
        best = found[-1][0]
        progress(
            f"{100 * size:g} %, {latency.a_ns / 1e6:g} ms: {len(search.tried)} policies, best {best.score:.2f} bps"
        )
    chosen = _in_turn(found, PROVED)
    proved = prove(proof, base, chosen, pairs)
    progress(f"{len(proved)} trips proved on {pairs} pairs")
    return {
        "searched": policies,
        "trips": trips,
        "proof_pairs": pairs,
        "proved": proved,
        "profitable": sum(one["profitable"] for one in proved),
        "by_size": by_size(proved),
    }


def _late(task: Task, latency: Latency) -> Task:
    return replace(task, latency=latency)


def _in_turn(found: Sequence[Sequence[TripCandidate]], most: int) -> list[TripCandidate]:
    """The best of every cell, then every second one, and so on."""
    turns = [cell[n] for n in range(most) for cell in found if n < len(cell)]
    return turns[:most]


# -- proof ------------------------------------------------------------------------------------------------------------


def prove(
    ground: TripGround, task: Task, candidates: Sequence[TripCandidate], pairs: int
) -> list[dict[str, Any]]:
    """Each candidate in the same fresh worlds, in the order of the candidates."""
    proved: dict[int, dict[str, Any]] = {}
    groups = {(one.size, one.latency) for one in candidates}
    for size, latency in sorted(groups, key=lambda group: (group[1].a_ns, group[0])):
        numbers = [
            i for i, one in enumerate(candidates) if (one.size, one.latency) == (size, latency)
        ]
        trips = np.array([candidates[i].trip for i in numbers])
        parts: list[TripResults] = []
        for first in range(0, pairs, PROOF_BATCH):
            n = min(PROOF_BATCH, pairs - first)
            parts.append(play(ground, _late(task, latency), trips, size, first, n))
        for row, i in enumerate(numbers):
            proved[i] = {"size": size, "latency_ms": latency.a_ns / 1e6, **_proved(parts, row)}
            proved[i]["legs"] = candidates[i].describe()
    adjusted = holm([proved[i]["p"] for i in range(len(candidates))])
    for i, p in enumerate(adjusted.tolist()):
        mean = proved[i]["profit_bps"]["mean"]
        proved[i]["p_adjusted"] = p
        proved[i]["profitable"] = bool(p < SURE and mean is not None and mean > 0.0)
    return [proved[i] for i in range(len(candidates))]


def _proved(parts: Sequence[TripResults], row: int) -> dict[str, Any]:
    """Figures of one trip over all fresh worlds."""
    gains, lots, ticks, unfilled = (
        np.concatenate([getattr(part, name)[row] for part in parts])
        for name in ("profit_bps", "lots", "ticks_lots", "unfilled")
    )
    cluster, requested = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("cluster", "requested")
    )
    fine = np.isfinite(gains)
    interval, p = one_sided(gains[fine], cluster[fine])
    traded = float(lots[fine].sum())
    return {
        "profit_bps": interval,
        "p": p,
        "ticks_a_lot": float(ticks[fine].sum()) / traded if traded > 0.0 else None,
        "lots": figure(lots)["mean"],
        "share_traded": traded / float(requested[fine].sum()) if fine.any() else None,
        "unfilled_share": float(unfilled[fine].sum()) / traded if traded > 0.0 else None,
    }


def one_sided(
    gains: Floats, cluster: NDArray[np.int64]
) -> tuple[dict[str, float | int | None], float]:
    """Mean gain with its interval over clusters, and the p-value of no gain against a gain.

    >>> proved, p = one_sided(np.array([1.0, 2.0, 3.0]), np.arange(3))
    >>> proved["mean"], round(p, 4)
    (2.0, 0.0371)
    """
    if len(gains) < 2 or len(np.unique(cluster)) < 2:
        return figure(gains), 1.0
    index, count = cluster_index(cluster)
    mean = float(gains.mean())
    residuals = cluster_sums(gains - mean, index, count)
    se = float(np.sqrt(count / (count - 1) * np.sum(residuals**2)) / len(gains))
    proved = with_interval(mean, se, len(gains), count - 1)
    if se == 0.0:
        return proved, 1.0 if mean <= 0.0 else 0.0
    both = two_sided_p(mean / se, count - 1)
    return proved, both / 2 if mean > 0.0 else 1.0 - both / 2


def by_size(proved: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The best proved trip of each size: small ones may earn what makers earn, but it must not grow with size."""
    best: dict[str, Any] = {}
    for one in proved:
        size, mean = f"{one['size']:g}", one["profit_bps"]["mean"]
        if mean is not None and (size not in best or mean > best[size]["profit_bps"]["mean"]):
            best[size] = {
                key: one[key] for key in ("profit_bps", "ticks_a_lot", "share_traded", "p_adjusted")
            }
    return dict(sorted(best.items(), key=lambda item: float(item[0])))
