"""Tear sheet of a score: rank IC, returns by quantile, turnover, decay and sectors, measured on daily prices.

sheet = tear_sheet(factor, prices)               sheet.table(), sheet.sentences(), sheet.quantiles
sheet.save("factor.html")                        a page, and factor.json beside it

Bars are the days on which some name has a price. A score of one day is traded at the close `lag` bars later and held for
a horizon of bars. A name without a close keeps its last one, and is not bought on such a day; one that ends is settled at
its last close.

On the same panel and with ``lag=0`` alphalens-reloaded 0.5.1 has the same IC, quantiles, returns, turnover and
autocorrelation of ranks. Where its definitions differ:

- A row counts with the return of its own horizon; Alphalens needs those of all horizons.
- Quantiles hold every name with a score; Alphalens leaves out names whose return is not known.
- Ties share the lower quantile; Alphalens drops a date on which two quantiles have one edge.
- A date needs 5 names with scores that differ; Alphalens ranks two.
- Alphalens also buys at a price that is some days old.
- Returns over splits that nothing adjusts are left out, as in :mod:`tercel.signals.price_moves`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from scipy.stats import rankdata

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError, refuse_if
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
from tercel.core.stats.clusters import LEAST_CLUSTERS
from tercel.core.stats.ranks import ranks
from tercel.signals.models.skill import (
    BLOCK,
    FEWEST,
    NO_SKILL,
    Skill,
    decay,
    rank_ic_of_rows,
    skill,
    stride,
)
from tercel.signals.panel.priced_scores import (
    PricedReturns,
    PricedScores,
    price_scores,
    priced_returns,
)
from tercel.signals.sources.sectors import Sectors, read_sectors

HORIZONS: Final = (1, 5, 21)
"""Bars that returns are measured over."""
_DECAY: Final = (1, 2, 3, 5, 10, 15, 21, 42, 63, 126)
"""Further horizons of the decay, below the longest that is asked for."""
_PER_QUANTILE: Final = 3
"""Names that a quantile of a usual date holds at least."""
_CALLS: Final = {"open": "not significant", "worse": "below zero", "better": "above zero"}
"""Words for the verdicts on an interval, in the order in which they are said."""


@dataclass(frozen=True, eq=False)
class TearSheet(Record):
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
        `year` or `sector`, `horizon`, `ic`, `ci_low`, `ci_high`, `t`, `dates`; of a sector also `names`.
    quantiles : Frame
        `horizon`, `quantile` (1 has the lowest scores), `bps` beyond the date's mean, `ci_low`, `ci_high`, `t`,
        `dates`, and `raw_bps`.
    turnover : Frame
        `date`, `autocorrelation` of ranks with those one date before, and for each quantile (`1`, `2`, ...) the share of
        its names that were not in it one date before.
    coverage : Frame
        `year`, `names`, `dates`, `scores`.
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
    coverage: Frame
    notes: tuple[str, ...]

    @property
    def decay(self) -> Frame:
        """Rank IC by horizon: `horizon`, `ic`, `ci_low`, `ci_high`, `t`, `dates`."""
        return _frame(("horizon",), "ic", [((h,), ic) for h, ic in self.skills.items()])

    def table(self) -> Frame:
        """Summary by horizon: rank IC, and spread in bps, each with interval and t."""
        spread = _frame(("horizon",), "spread_bps", [((h,), s) for h, s in self.spreads.items()])
        return Frame(self.decay.join(spread.drop("dates"), on="horizon", suffix="_spread"))

    def mean_turnover(self) -> Mapping[str, float]:
        """Means over dates of the columns of `turnover`."""
        return {
            name: _mean(self.turnover[name].cast(float).to_numpy())
            for name in self.turnover.columns[1:]
        }

    def sentences(self) -> tuple[str, ...]:
        """Five sentences: IC, spread, turnover, decay, years. What is not significant comes first."""
        turnover = self.mean_turnover()
        half_life = (
            "No IC is significantly above zero: no half-life is fitted."
            if math.isnan(self.half_life)
            else f"Half of the move has come after {self.half_life:.1f} bars."
            if math.isfinite(self.half_life)
            else f"Less than half of the move has come after {max(self.skills)} bars."
        )
        first = self.by_year.filter(pl.col("horizon") == self.horizons[0])
        above = [int((first[column] > 0).sum()) for column in ("ic", "ci_low")]
        return (
            f"Rank IC {_calls(self.skills, self.horizons, 4)}.",
            f"Top less bottom of {self.count} quantiles, bps, {_calls(self.spreads, self.horizons, 1)}.",
            f"From one date to the next {format_percent(turnover[str(self.count)])} of the names in the top "
            f"quantile are new, {format_percent(turnover['1'])} in the bottom one; ranks correlate by "
            f"{format_number(turnover['autocorrelation'])}.",
            half_life,
            f"The IC over {format_count(self.horizons[0], 'bar')} is above zero in {above[0]} of "
            f"{format_count(first.height, 'year')}, significantly in {above[1]}.",
        )

    def json_fields(self) -> dict[str, object]:
        """Fields by name for JSON, with table and sentences; frames by column."""
        fields = super().json_fields() | {"table": self.table(), "sentences": self.sentences()}
        return {
            name: value.to_dict(as_series=False) if isinstance(value, pl.DataFrame) else value
            for name, value in fields.items()
        }

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON types; None for NaN."""
        return dict(to_jsonable(self))

    def save(self, path: str | Path) -> Path:
        """Write the page as a file that ends in .html, and the figures beside it as .json; returns the page's path."""
        from tercel.core.report.page import write_page
        from tercel.signals.panel.tear_sheet_page import tear_sheet_page

        page = Path(path).with_suffix(".html")
        write_page(page.parent, page.stem, self, tear_sheet_page(self))
        return page


def tear_sheet(
    factor: object,
    prices: object,
    *,
    horizons: Sequence[int] = HORIZONS,
    quantiles: int = 10,
    lag: int = 1,
    sectors: object = None,
    name: str = "",
    seed: int = 1,
) -> TearSheet:
    """Tear sheet of a score.

    Parameters
    ----------
    factor : path or data frame
        Rows of date, name and score, or a row a date and a column a name; of Polars or pandas, whose index may be
        (date, asset). A score has to be known at the close of its date.
    prices : path or data frame
        As :func:`tercel.signals.sources.prices.read_prices` takes or gives them; or `PricedReturns` of :func:`steps_of`
        the horizons, which say the lag.
    horizons : sequence of int
        Bars that a score is held for.
    quantiles : int
        Fewer where a usual date has not three names for each.
    lag : int
        Bars from the score to the close at which it is traded; 0 trades at its own close, an upper bound.
    sectors : path, data frame, mapping of name to sector, or Sectors, optional
    name : str
        Of the score, in titles.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        Two scores of a name and date, with the row; no name with prices; a score that never differs between 5 names;
        prices too short for a horizon.

    >>> import polars as pl
    >>> days = pl.date_range(pl.date(2023, 1, 2), pl.date(2023, 4, 28), eager=True).alias("date")
    >>> rng = np.random.default_rng(1)
    >>> names = [f"S{n}" for n in range(18)]
    >>> moves = rng.normal(0, 0.01, (len(days), 18))
    >>> prices = pl.DataFrame(100 * np.exp(moves.cumsum(axis=0)), names).insert_column(0, days)
    >>> factor = pl.DataFrame(rng.normal(size=moves.shape), names).insert_column(0, days)
    >>> sheet = tear_sheet(factor, prices)
    >>> sheet.table()["horizon"].to_list(), sheet.notes
    ([1, 5, 21], ('6 quantiles instead of 10: a usual date has 18 names',))
    """
    asked = tuple(sorted({*horizons}))
    refuse_if(
        not asked or asked[0] < 1 or quantiles < 2 or lag < 0,
        "horizons of at least 1 bar, at least 2 quantiles, a lag of at least 0",
        f"horizons {list(horizons)}, {quantiles} quantiles, lag {lag}",
        "correct them",
        DataError,
    )
    priced = prices if isinstance(prices, PricedReturns) else None
    priced = priced or priced_returns(prices, steps_of(asked), lag)
    steps = list(priced.returns)
    panel = price_scores(factor, priced)
    measure = _Measure(panel, np.random.default_rng([seed, 5]))
    by_date = {h: rank_ic_of_rows(panel.score, panel.returns[h]) for h in steps}
    skills = {h: measure.mean(by_date[h], h) for h in steps}
    usual = int(np.median(np.isfinite(panel.score).sum(axis=1)))
    count = max(min(quantiles, usual // _PER_QUANTILE), 2)
    few = (
        f"{count} quantiles instead of {quantiles}: a usual date has {format_count(usual, 'name')}"
    )
    bins = bins_of(panel.score, count)
    cuts = {
        h: np.stack([_row_means(panel.returns[h], bins == k) for k in range(1, count + 1)])
        for h in asked
    }
    market = {h: _row_means(panel.returns[h], bins > 0) for h in asked}
    of_quantiles = [
        ((h, k, 1e4 * _mean(cut)), measure.mean(1e4 * (cut - market[h]), h))
        for h in asked
        for k, cut in enumerate(cuts[h], 1)
    ]
    years = panel.days.dt.year().to_numpy()
    of_years = [
        ((year, h), measure.mean(by_date[h][years == year], h))
        for year in np.unique(years).tolist()
        for h in asked
    ]
    given = None if sectors is None else read_sectors(sectors)
    of_sectors, sector_notes = _of_sectors(panel, given, asked, measure)
    ic = [pl.DataFrame({"date": panel.days, "horizon": h, "ic": by_date[h]}) for h in asked]
    return TearSheet(
        name or "score",
        asked,
        priced.lag,
        count,
        skills,
        {h: measure.mean(1e4 * (cuts[h][-1] - cuts[h][0]), h) for h in asked},
        _half_life(panel, skills),
        Frame(pl.concat(ic).fill_nan(None)),
        _frame(("year", "horizon"), "ic", of_years),
        _frame(("sector", "names", "horizon"), "ic", of_sectors),
        _frame(("horizon", "quantile", "raw_bps"), "bps", of_quantiles),
        _turnover(panel, bins, count),
        _coverage(panel, years),
        (*[few] * (count < quantiles), *panel.notes, *sector_notes),
    )


def steps_of(horizons: Sequence[int]) -> list[int]:
    """Horizons of the decay: those that are asked for, and usual ones below the longest.

    >>> steps_of((1, 10))
    [1, 2, 3, 5, 10]
    """
    return sorted({*horizons, *(step for step in _DECAY if step < max(horizons))})


def bins_of(score: Floats, count: int) -> Ints:
    """Quantile, 1 to `count`, of each score (D, N) within its date; 0 for NaN, and on a date with fewer than 5 scores.

    A score lies in the lowest quantile whose upper edge is not below it; edges are interpolated between ranks.

    >>> bins_of(np.array([[3.0, 1.0, np.nan, 2.0, 5.0, 4.0]]), 2).tolist()
    [[1, 1, 0, 1, 2, 2]]
    """
    known = np.isfinite(score)
    place = rankdata(np.where(known, score, np.inf), method="min", axis=1).astype(np.int64) - 1
    names = known.sum(axis=1, keepdims=True)
    bins = np.maximum(-(-place * count // np.maximum(names - 1, 1)), 1)
    return np.where(known & (names >= FEWEST), bins, 0)


@dataclass(frozen=True)
class _Measure:
    """Means over the dates of a panel, with intervals over blocks of dates."""

    panel: PricedScores
    rng: np.random.Generator

    def mean(self, by_date: Floats, horizon: int) -> Skill:
        """Mean of values by date; without an interval where dates are fewer than four blocks.

        Labels of neighbouring dates overlap, and what a block shares with the next one is lost to its variance: a block
        is three times as long.
        """
        bars = self.panel.bars
        block = max(BLOCK, 3 * stride(bars, bars + horizon))
        dates = int(np.isfinite(by_date).sum())
        if dates > (LEAST_CLUSTERS - 1) * block:
            return skill(by_date, self.rng, block=block)
        return replace(NO_SKILL, mean=_mean(by_date), dates=dates)


def _mean(values: Floats) -> float:
    """Mean of the finite values; NaN without any."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def _row_means(values: Floats, inside: Bools) -> Floats:
    """Mean of each row (D, N) over the finite values that are inside; NaN without any."""
    counted = inside & np.isfinite(values)
    count = counted.sum(axis=1)
    return np.asarray(np.where(counted, values, 0.0).sum(axis=1) / np.where(count, count, np.nan))


def _frame(
    keys: Sequence[str], value: str, rows: Sequence[tuple[tuple[object, ...], Skill]]
) -> Frame:
    """Frame of keys and estimates, the mean called `value`; null for NaN."""
    columns = (*keys, value, "ci_low", "ci_high", "t", "dates")
    cells = [(*key, s.mean, s.ci_low, s.ci_high, s.t, s.dates) for key, s in rows]
    kinds = {value: pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64, "t": pl.Float64}
    frame = pl.DataFrame(cells, list(columns), orient="row", schema_overrides=kinds)
    return Frame(frame.fill_nan(None))


def _calls(figures: Mapping[int, Skill], horizons: Sequence[int], digits: int) -> str:
    """Estimates in words, by verdict: not significant, below zero, above zero."""
    by_call = group_values(
        (
            verdict(figures[h]),
            f"{format_interval(figures[h], digits=digits)} over {format_count(h, 'bar')}",
        )
        for h in horizons
    )
    return "; ".join(
        f"{words}: {', '.join(by_call[call])}" for call, words in _CALLS.items() if call in by_call
    )


def _half_life(panel: PricedScores, skills: Mapping[int, Skill]) -> float:
    """Bars after which half of the move has come, of ranks and returns less their dates' means; see `TearSheet`."""
    if len(skills) < 2 or "better" not in map(verdict, skills.values()):
        return math.nan
    everything = np.ones(panel.score.shape, bool)
    rank = ranks(panel.score)
    moves = [
        (values - _row_means(values, everything)[:, None]).ravel()
        for values in panel.returns.values()
    ]
    score = (rank - _row_means(rank, everything)[:, None]).ravel()
    thousandths = decay(score, np.stack(moves, axis=1), [1000 * h for h in skills]).half_life_ns
    return thousandths / 1000 if thousandths < 1000 * max(skills) else math.inf


def _turnover(panel: PricedScores, bins: Ints, count: int) -> Frame:
    """Share of each quantile's names that are new by date, and the correlation of ranks with those one date before."""
    both = np.isfinite(panel.score[1:]) & np.isfinite(panel.score[:-1])
    sides = [
        np.where(both, rank, np.nan) for rank in (ranks(panel.score[1:]), ranks(panel.score[:-1]))
    ]
    x, y = (np.where(both, side - _row_means(side, both)[:, None], 0.0) for side in sides)
    scale = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    columns = {"autocorrelation": (x * y).sum(axis=1) / np.where(scale > 0, scale, np.nan)}
    for k in range(1, count + 1):
        inside = bins == k
        before = inside[:-1].any(axis=1)
        columns[str(k)] = np.where(before, _row_means(1.0 - inside[:-1], inside[1:]), np.nan)
    return Frame(pl.DataFrame({"date": panel.days[1:], **columns}).fill_nan(None))


def _coverage(panel: PricedScores, years: Ints) -> Frame:
    """Names, dates and scores of each year."""
    known = {int(year): np.isfinite(panel.score[years == year]) for year in np.unique(years)}
    rows = [
        (year, int(each.any(axis=0).sum()), int(each.any(axis=1).sum()), int(each.sum()))
        for year, each in known.items()
    ]
    return Frame(rows, ["year", "names", "dates", "scores"], orient="row")


def _of_sectors(
    panel: PricedScores, sectors: Sectors | None, horizons: Sequence[int], measure: _Measure
) -> tuple[list[tuple[tuple[object, ...], Skill]], list[str]]:
    """Rank IC within each sector by horizon, and a note on names without a sector."""
    if sectors is None:
        return [], []
    known = np.isfinite(panel.score)
    day, name = known.nonzero()
    dates, names = panel.days[day], panel.names[name]
    given = np.full(known.shape, "", dtype=object)
    given[known] = sectors.of(names, dates).to_numpy()
    rows: list[tuple[tuple[object, ...], Skill]] = []
    for sector in np.unique(given[known].astype(str)).tolist():
        inside = given == sector
        score = np.where(inside, panel.score, np.nan)
        rows += [
            (
                (sector, int(inside.any(axis=0).sum()), h),
                measure.mean(rank_ic_of_rows(score, panel.returns[h]), h),
            )
            for h in horizons
        ]
    return rows, sectors.notes(names, dates)
