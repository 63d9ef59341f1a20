"""What the day of the week that cross-sections begin on does to the IC of a rule, and what guards and universe do.

Weekly cross-sections of one panel can begin on any of five days: five panels that share nearly all prices. How far
their ICs lie apart says how much of a single one is chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tercel.signals import (
    DailyFactors,
    Skill,
    daily_factors as factors,
    forward_returns,
    rank_ic_by_date,
    skill,
)

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
WEEK = 5
RULES = {"reversal": ("ret_5", -1.0), "momentum": ("mom_12_1", 1.0)}


@dataclass(frozen=True)
class PhaseRow:
    """A rule's IC by phase, and over cross-sections of every day.

    Parameters
    ----------
    rule : str
    lag : int
        Days between the signal's close and the close that is traded.
    guarded : bool
        With the panel's guards (void labels) and universe; else every name and every label.
    phases : tuple of Skill
        Cross-sections of every fifth day, from the panel's first day, from its second, ...
    daily : Skill
        Of every day, overlapping; its t is over blocks of 20 days.
    """

    rule: str
    lag: int
    guarded: bool
    phases: tuple[Skill, ...]
    daily: Skill

    def to_json(self) -> dict[str, Any]:
        """The row by name."""
        by_phase = {f"day {at + 1}": one.mean for at, one in enumerate(self.phases)}
        about = {"rule": self.rule, "lag": self.lag, "guards": "yes" if self.guarded else "no"}
        return {**about, **by_phase, "every day": self.daily.mean, "t": self.daily.t}


def phase_study(
    path: Path,
    *,
    horizon: int = 5,
    began: str = "2001-01-01",
    tested: str = "2003-01-01",
    seed: int = 0,
) -> tuple[PhaseRow, ...]:
    """IC of the rules by phase, with a day of lag and without, guarded and not.

    Parameters
    ----------
    path : Path
        Daily prices.
    began, tested : str
        Day from which cross-sections are counted, and from which they are scored.

    Raises
    ------
    SourceAbsentError, DataError
        As :meth:`DailyFactors.prices`.
    """
    prices = DailyFactors(Path(path)).prices()
    chosen = factors()
    prices = prices.with_columns(chosen[column] for column, _ in RULES.values())
    cases = [(rule, lag, True) for rule in RULES for lag in (1, 0)] + [
        (rule, 1, False) for rule in RULES
    ]
    bounds = (_ns(began), _ns(tested))
    rng = np.random.default_rng(seed)
    return tuple(_row(prices, rule, lag, guard, horizon, bounds, rng) for rule, lag, guard in cases)


def _row(
    prices: pl.DataFrame, rule: str, lag: int, guard: bool, horizon: int, bounds: tuple[int, int],
    rng: np.random.Generator,
) -> PhaseRow:  # fmt: skip
    import polars as pl

    column, sign = RULES[rule]
    void = "void" if guard else None
    labels = forward_returns(
        prices.select("instrument", "time", "close", "void"), horizon=horizon, lag=lag, void=void
    )
    signal = prices.filter(pl.col("listed")) if guard else prices
    rows = labels.join(
        signal.select("instrument", "time", column), on=["instrument", "time"]
    ).drop_nulls(column)
    when = rows["time"].dt.epoch("ns").to_numpy()
    rows, when = rows.filter(when >= bounds[0]), when[when >= bounds[0]]
    # counted over all days of the file, as the panel counts them, also those on which few names traded
    every = np.unique(prices["time"].dt.epoch("ns").to_numpy())
    days = every[every >= bounds[0]]
    by_day = np.full(len(days), np.nan)
    by_day[np.searchsorted(days, np.unique(when))] = rank_ic_by_date(
        sign * rows[column].to_numpy(), rows["forward"].to_numpy(), when
    )
    scored = days >= bounds[1]
    phases = tuple(skill(by_day[at::WEEK][scored[at::WEEK]], rng) for at in range(WEEK))
    return PhaseRow(rule, lag, guard, phases, skill(by_day[scored], rng, block=4 * WEEK))


def _ns(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) * 1_000_000_000
