"""Figures of a tear sheet as frames, sentences and JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tercel.core.frames import Frame
from tercel.core.grouping import group_values
from tercel.core.records import Record
from tercel.core.report.formatting import (
    format_count,
    format_interval,
    format_number,
    format_percent,
)
from tercel.core.report.interval_text import verdict
from tercel.core.serialization import to_jsonable
from tercel.signals.models.skill import Skill

GroupRow = tuple[tuple[object, ...], int, Skill]
"""Keys of an estimate, its horizon, and the estimate."""


@dataclass(frozen=True, eq=False)
class SheetFigures(Record):
    """What a score was worth on daily prices.

    Parameters
    ----------
    name : str
    horizons : tuple of int
        In bars.
    lag, count : int
        Bars from a score to its trade; quantiles.
    skills : dict of int to Skill
        Rank IC by horizon, with those of the decay.
    spreads : dict of int to Skill
        Return of the top quantile less that of the bottom one, bps, by horizon.
    half_life : float
        Bars after which half of the move has come; infinite beyond the longest horizon, NaN where no IC is
        significantly above zero.
    ic : Frame
        `date`, `horizon`, `ic`.
    by_year, by_sector : Frame
        `year` or `sector`, `names` and `scores` in it, `horizon`, `ic`, `ci_low`, `ci_high`, `t`, `dates`.
    quantiles : Frame
        `quantile` (1 has the lowest scores), `raw_bps`, `horizon`, `bps` beyond the date's mean, `ci_low`, `ci_high`,
        `t`, `dates`.
    turnover : Frame
        `date`, `autocorrelation` of ranks with those one date before, and for each quantile (`1`, `2`, ...) the share of
        its names that were not in it one date before.
    notes : tuple of str
        What was left out or moved.
    """

    name: str
    horizons: tuple[int, ...]
    lag: int
    count: int
    skills: Mapping[int, Skill]
    spreads: Mapping[int, Skill]
    half_life: float
    ic: Frame
    by_year: Frame
    by_sector: Frame
    quantiles: Frame
    turnover: Frame
    notes: tuple[str, ...]

    def table(self) -> Frame:
        """Summary by horizon: rank IC, and spread in bps, each with interval and t."""
        ic = frame_of((), "ic", [((), h, ic) for h, ic in self.skills.items()])
        spread = frame_of((), "spread_bps", [((), h, s) for h, s in self.spreads.items()])
        return Frame(ic.join(spread.drop("dates"), on="horizon", suffix="_spread"))

    def mean_turnover(self) -> Mapping[str, float]:
        """Means over dates of the columns of `turnover`, NaN without any."""
        means = self.turnover.select(pl.exclude("date").mean().fill_null(math.nan))
        return {column.name: column.item() for column in means}

    def sentences(self) -> tuple[str, ...]:
        """Five sentences: IC, spread, turnover, decay, years. What is not significant comes first."""
        rank, bottom, *_, top = self.mean_turnover().values()
        half_life = (
            "No IC is significantly above zero: no half-life is fitted."
            if math.isnan(self.half_life)
            else f"Half of the move has come after {self.half_life:.1f} bars."
            if math.isfinite(self.half_life)
            else f"Less than half of the move has come after {max(self.skills)} bars."
        )
        first = self.by_year.filter(pl.col("horizon") == self.horizons[0])
        above, clear = (int((first.get_column(key) > 0).sum()) for key in ("ic", "ci_low"))
        return (
            f"Rank IC {_calls(self.skills, self.horizons, 4)}.",
            f"Top less bottom of {self.count} quantiles, bps, {_calls(self.spreads, self.horizons, 1)}.",
            f"From one date to the next {format_percent(top)} of the names in the top quantile are new, "
            f"{format_percent(bottom)} in the bottom one; ranks correlate by {format_number(rank)}.",
            half_life,
            f"The IC over {format_count(self.horizons[0], 'bar')} is above zero in {above} of "
            f"{format_count(first.height, 'year')}, significantly in {clear}.",
        )

    def json_fields(self) -> dict[str, object]:
        """Fields by name for JSON, with table and sentences; frames by column."""
        fields = super().json_fields() | {"table": self.table(), "sentences": self.sentences()}
        return {
            name: value.to_dict(as_series=False) if isinstance(value, pl.DataFrame) else value
            for name, value in fields.items()
        }

    def to_json(self) -> Any:
        """All figures as JSON types; None for NaN."""
        return to_jsonable(self)


def frame_of(keys: Sequence[str], value: str, rows: Sequence[GroupRow]) -> Frame:
    """Frame of keys, horizon and estimates, whose mean is called `value`; null for NaN."""
    numbers = dict.fromkeys((value, "ci_low", "ci_high", "t"), pl.Float64)
    cells = [(*key, h, s.mean, s.ci_low, s.ci_high, s.t, s.dates) for key, h, s in rows]
    columns = [*keys, "horizon", *numbers, "dates"]
    frame = pl.DataFrame(cells, columns, orient="row", schema_overrides=numbers)
    return Frame(frame.fill_nan(None))


def _calls(figures: Mapping[int, Skill], horizons: Sequence[int], digits: int) -> str:
    """Estimates in words, by verdict: not significant, below zero, above zero."""
    words = {"open": "not significant", "worse": "below zero", "better": "above zero"}
    found = group_values(
        (
            verdict(figures[h]),
            f"{format_interval(figures[h], digits=digits)} over {format_count(h, 'bar')}",
        )
        for h in horizons
    )
    return "; ".join(
        f"{text}: {', '.join(found[call])}" for call, text in words.items() if call in found
    )
