"""Ceilings of a score: recorded days against recorded days, each against all others, by the checks of a market.

With fewer than `FEWEST_DAYS` days the odd half hours stand against the even ones, and the other way round.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, permutations
from typing import Final, TypeVar

from tercel.core.errors import refuse_if
from tercel.market.observed import Observed
from tercel.market.score.distance import Reference, mean_of
from tercel.market.score.dynamics import DynamicFigure, judge_figures, tape_figures
from tercel.market.score.half_hour_sums import Sums, alternate_half_hours
from tercel.market.score.realism_gates import ScoreGate, gate_values, gates
from tercel.market.score.sample import Sample
from tercel.market.score.scored_days import Day, half_sample

FEWEST_DAYS: Final = 5
"""Recorded days from which each stands against all others."""
Unit = TypeVar("Unit")
Checks = Mapping[str, ScoreGate] | Mapping[str, DynamicFigure]
"""Checks by name, each with `value`, `real` and `passed`."""


@dataclass(frozen=True, eq=False)
class RecordedStretch:
    """The stretch of a recorded day: what was observed, its sample, and the sums of its dynamics."""

    day: Day
    observed: Observed
    sample: Sample
    sums: Sums

    def overlaps(self, other: "RecordedStretch") -> bool:
        """Whether some of its time is the other's too."""
        return (
            self.observed.start_ns < other.observed.stop_ns
            and other.observed.start_ns < self.observed.stop_ns
        )


@dataclass(frozen=True)
class DayAgreement:
    """A measure of one recorded day against all others: mean absolute distance, and share of days that pass its check.

    `units` is the number of days, 2 where the halves of fewer stand for them.
    """

    distance: float | None
    passed: float
    units: int


@dataclass(frozen=True)
class Ceilings:
    """Ceilings of a score.

    `units` says what was compared; `flow` and `dynamics` have an agreement for each check, `distances` the mean L1 of
    each statistic from one unit to another.
    """

    units: str = ""
    flow: dict[str, DayAgreement] = field(default_factory=dict)
    dynamics: dict[str, DayAgreement] = field(default_factory=dict)
    distances: dict[str, float | None] = field(default_factory=dict)


def against_others(
    units: Sequence[Unit], judge: Callable[[Sequence[Unit], Unit], Checks]
) -> dict[str, DayAgreement]:
    """DayAgreement of every check, each unit judged against all others; a check that a unit lacks has not passed.

    Raises
    ------
    ConfigError
        Fewer than two units.

    >>> from tercel.market.score.realism_gates import judge_gate
    >>> def judge(others, one):
    ...     return {"sd_1s": judge_gate("sd_1s", one, sum(others) / len(others))}
    >>> against_others([1.0, 1.0, 2.0, 2.0], judge)["sd_1s"].passed
    0.0
    """
    refuse_if(
        len(units) < 2,
        "at least two recorded days",
        f"{len(units)}",
        "name more days, or compare the half hours of one",
    )
    judged = [judge([*units[:i], *units[i + 1 :]], one) for i, one in enumerate(units)]
    names = dict.fromkeys(chain.from_iterable(judged))
    by_name = {name: [row[name] for row in judged if name in row] for name in names}
    return {
        name: DayAgreement(
            mean_of(
                None if check.value is None or check.real is None else abs(check.value - check.real)
                for check in checks
            ),
            sum(check.passed for check in checks) / len(units),
            len(units),
        )
        for name, checks in by_name.items()
    }


def comparable_sums(days: Sequence[Sums]) -> list[list[Sums]]:
    """Sums of days as units to hold against each other: every day, or of fewer than five the odd and even half hours."""
    return (
        [[day] for day in days]
        if len(days) >= FEWEST_DAYS
        else [alternate_half_hours(days, odd) for odd in (True, False)]
    )


def name_units(days: int) -> str:
    """What so many recorded days are compared by.

    >>> name_units(5), name_units(1)
    ('5 days', 'interleaved half hours (fewer than 5 days: 1)')
    """
    return (
        f"{days} days"
        if days >= FEWEST_DAYS
        else f"interleaved half hours (fewer than {FEWEST_DAYS} days: {days})"
    )


def recorded_ceilings(stretches: Sequence[RecordedStretch], clock_ns: int) -> Ceilings | None:
    """Ceilings of flow, dynamics and distances; None where the half hours of too few days hold too little.

    Raises
    ------
    ConfigError
        Stretches of two symbols, or that overlap.
    """
    symbols = sorted({stretch.day.instrument.symbol for stretch in stretches})
    refuse_if(
        len(symbols) > 1, "days of one symbol", ", ".join(symbols), "score each symbol by itself"
    )
    twice = [one.day.label for one, other in permutations(stretches, 2) if one.overlaps(other)]
    refuse_if(twice, "each day once", ", ".join(twice), "name each day once")
    dates = dict.fromkeys(stretch.day.instrument.date for stretch in stretches)
    days = [[one for one in stretches if one.day.instrument.date == date] for date in dates]
    samples = [[part.sample for part in parts] for parts in days]
    sums = [[part.sums for part in parts] for parts in days]
    if len(days) < FEWEST_DAYS:
        seen = [stretch.observed for stretch in stretches]
        halves = (half_sample(seen, clock_ns, odd) for odd in (True, False))
        samples = [[half] for half in halves if half is not None]
        pooled = [*chain(*sums)]
        sums = [alternate_half_hours(pooled, odd) for odd in (True, False)]
        if len(samples) < len(sums):
            return None
    distances = [
        reference.l1(other)
        for mine in samples
        for reference in map(Reference.of, mine)
        for theirs in samples
        if theirs is not mine
        for other in theirs
    ]
    return Ceilings(
        units=name_units(len(days)),
        flow=against_others(
            samples,
            lambda others, one: gates(gate_values([*chain(*others)]), gate_values(one)),
        ),
        dynamics=against_others(
            sums, lambda others, one: judge_figures(tape_figures([*chain(*others)], []), one)
        ),
        distances={name: mean_of(row[name] for row in distances) for name in distances[0]},
    )
