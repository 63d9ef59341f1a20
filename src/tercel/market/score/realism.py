"""Realism card: a preset against held-out tape, with a real-against-real floor beside every figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tercel.market.flow.port import Preset
from tercel.market.observed import Observed
from tercel.market.score import dynamics
from tercel.market.score.days import Day, of_one_market, simulated
from tercel.market.score.distance import at_level, held, mean14, numbers
from tercel.market.score.sample import Sample, clock_of, sample
from tercel.market.score.tape import HeldOutTape, half_sample, mean_of

SEEDS = (1, 2, 3)


@dataclass(frozen=True, eq=False)
class Simulated:
    """Simulated stretches: `seen[d][s]` and `samples[d][s]` for stretch d of the tape and seed s."""

    seen: list[list[Observed]]
    samples: list[list[Sample]]

    @classmethod
    def like(cls, tape: HeldOutTape, preset: Preset, seeds: Sequence[int] = SEEDS) -> "Simulated":
        """One path for each stretch of the tape and each seed; whole days of tape are another for each stretch."""
        paths = [
            [preset.path(seed, number) for seed in seeds] for number in range(len(tape.stretches))
        ]
        seen = [
            [simulated(preset, seed, one) for seed in row]
            for one, row in zip(tape.stretches, paths, strict=True)
        ]
        return cls(seen, [[sample(o, tape.clock_ns) for o in row] for row in seen])


class ScoreDraw:
    """Input of a score, drawn once.

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
    test, train, sims : lists of Sample
        By the tape's clock.
    tape : Tape
    made : Simulated
    """

    def __init__(
        self,
        preset: Preset,
        test: Sequence[Day],
        train: Sequence[Day],
        seeds: Sequence[int] = SEEDS,
    ) -> None:
        of_one_market(preset, test)
        self.preset = preset
        self.test_seen = [day.seen() for day in test]
        self.train_seen = [day.seen() for day in train]
        self.clock_ns = max(clock_of(o) for o in [*self.test_seen, *self.train_seen])
        self.test, self.train = (
            [sample(o, self.clock_ns) for o in seen] for seen in (self.test_seen, self.train_seen)
        )
        labels = [day.label for day in test]
        self.tape = HeldOutTape.of(
            labels, self.test_seen, self.train_seen, self.test, self.train, self.clock_ns
        )
        self.made = Simulated.like(self.tape, preset, seeds)
        self.sim_seen = self.made.seen
        self.sims = self.made.samples


def distance_table(tape: HeldOutTape, made: Simulated) -> dict[str, dict[str, float | None]]:
    """{"l1", "wasserstein", "floor_l1", "pooled_floor_l1"} of every statistic, means over test days and seeds."""
    pairs = [(r, s) for r, sims in zip(tape.references, made.samples, strict=True) for s in sims]
    found, moved = [r.l1(s) for r, s in pairs], [r.wasserstein(s) for r, s in pairs]
    return {
        name: {
            "l1": mean_of(row[name] for row in found),
            "wasserstein": mean_of(row[name] for row in moved),
            **floors,
        }
        for name, floors in tape.floors.items()
    }


def means(table: dict[str, dict[str, float | None]], key: str) -> float | None:
    """MEAN14 of one column, None where it is empty."""
    column = {name: row[key] for name, row in table.items()}
    return (
        None
        if column["spread"] is None
        else mean14({n: v for n, v in column.items() if v is not None})
    )


def interleaved(tape: HeldOutTape, made: Simulated) -> float | None:
    """MEAN14 of every other simulated half hour against the tape's half hours between, days together; mean over seeds.

    The tape's own such half hours are `tape.interleaved_floor_mean_l1` away: days that differ among themselves forgive
    nothing here.
    """
    if tape.odd is None:
        return None
    drawn = [half_sample(days, tape.clock_ns, False) for days in zip(*made.seen, strict=True)]
    return mean_of(mean14(tape.odd.l1(one)) for one in drawn if one is not None)


def realism(tape: HeldOutTape, made: Simulated) -> dict[str, Any]:
    """Distances, floors and gates of a market; `gates_train` are those against the days calibrated on, `gates_level`
    those of the test days with their level taken out.

    Where a gate is missed on the test days and passed on the others, the day has changed and not the model failed.
    """
    table = distance_table(tape, made)
    sims = numbers([s for row in made.samples for s in row])
    return {
        "distances": table,
        "mean_l1": means(table, "l1"),
        "floor_mean_l1": means(table, "floor_l1"),
        "pooled_floor_mean_l1": means(table, "pooled_floor_l1"),
        "interleaved_mean_l1": interleaved(tape, made),
        "interleaved_floor_mean_l1": tape.interleaved_floor_mean_l1,
        "gates": held(tape.gates, sims),
        "gates_train": held(tape.gates_train, sims) if tape.gates_train else {},
        "gates_level": at_level(tape.gates, tape.gates_train, sims) if tape.gates_train else {},
        "dynamics": dynamics.judge(
            tape.dynamics, [dynamics.sums_of(o) for row in made.seen for o in row]
        ),
    }
