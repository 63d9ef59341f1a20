"""The realism card: a preset against held-out tape, with real-against-real floors beside every figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercel.market.flow.preset import Preset
from tercel.market.observed import Observed
from tercel.market.score.days import Day, of_one_market, simulated
from tercel.market.score.distance import Reference, mean14
from tercel.market.score.gates import gates
from tercel.market.score.sample import Sample, clock_of, sample

SEEDS = (1, 2, 3)


class Drawn:
    """Everything that a score is computed from, drawn once.

    Parameters
    ----------
    preset : Preset
    test, train : sequence of Day
        Held out, and calibrated on.
    seeds : sequence of int
        One simulated path each and test day.

    Attributes
    ----------
    test_seen, train_seen, sim_seen : lists of Observed
        `sim_seen[d][s]` of test day d and seed s.
    """

    def __init__(self, preset: Preset, test: Sequence[Day], train: Sequence[Day], seeds: Sequence[int] = SEEDS) -> None:
        of_one_market(preset, test)
        self.preset, self.test_days, self.train_days = preset, list(test), list(train)
        self.test_seen = [day.seen() for day in test]
        self.train_seen = [day.seen() for day in train]
        self.clock_ns = max(clock_of(o) for o in [*self.test_seen, *self.train_seen])
        self.sim_seen = [[simulated(preset, seed, like) for seed in seeds] for like in self.test_seen]
        self.test = [self.drawn(o) for o in self.test_seen]
        self.train = [self.drawn(o) for o in self.train_seen]
        self.pool = self.drawn(self.train_seen) if self.train_seen else None
        self.sims = [[self.drawn(o) for o in row] for row in self.sim_seen]
        self.references = [Reference(s) for s in self.test]

    def drawn(self, seen: Observed | Sequence[Observed]) -> Sample:
        """A sample by the tape's clock."""
        return sample(seen, self.clock_ns)


def distance_table(drawn: Drawn) -> dict[str, dict[str, float | None]]:
    """{"l1", "wasserstein", "floor_l1", "pooled_floor_l1"} of every statistic, means over test days and seeds."""
    floor, pooled, found, moved = [], [], [], []
    for reference, sims in zip(drawn.references, drawn.sims, strict=True):
        found += [reference.l1(s) for s in sims]
        moved += [reference.wasserstein(s) for s in sims]
        floor += [reference.l1(s) for s in drawn.train]
        pooled += [reference.l1(drawn.pool)] if drawn.pool else []
    return {
        name: {
            "l1": _mean(found, name),
            "wasserstein": _mean(moved, name),
            "floor_l1": _mean(floor, name),
            "pooled_floor_l1": _mean(pooled, name),
        }
        for name in found[0]
    }


def _mean(rows: Sequence[Any], name: str) -> float | None:
    values = [row[name] for row in rows if row[name] is not None]
    return float(np.mean(values)) if values else None


def means(table: dict[str, dict[str, float | None]], key: str) -> float | None:
    """MEAN14 of one column, None where it is empty."""
    column = {name: row[key] for name, row in table.items()}
    return None if column["spread"] is None else mean14({n: v for n, v in column.items() if v is not None})


def interleaved(days: Sequence[Day], clock_ns: int) -> float | None:
    """MEAN14 of the odd against the even ten-minute blocks of each day: the floor without the season."""
    found = []
    for day in days:
        blocks = day.blocks()
        if len(blocks) >= 4:
            odd, even = sample(blocks[::2], clock_ns), sample(blocks[1::2], clock_ns)
            found.append(mean14(Reference(odd).l1(even)))
    return float(np.mean(found)) if found else None


def realism(drawn: Drawn) -> dict[str, Any]:
    """Distances, floors and gates of a preset on its test days; `gates_train` are those against the days calibrated on.

    Where a gate is missed on the test days and passed on the others, the day has changed and not the model failed.
    """
    table = distance_table(drawn)
    sims = [s for row in drawn.sims for s in row]
    return {
        "distances": table,
        "mean_l1": means(table, "l1"),
        "floor_mean_l1": means(table, "floor_l1"),
        "pooled_floor_mean_l1": means(table, "pooled_floor_l1"),
        "interleaved_floor_mean_l1": interleaved(drawn.test_days, drawn.clock_ns),
        "gates": gates(drawn.test, sims),
        "gates_train": gates(drawn.train, sims) if drawn.train else {},
    }
