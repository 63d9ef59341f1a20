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
from typing import Final

import numpy as np
import polars as pl
from scipy.stats import rankdata

from tercel.core.arrays import AnyArray, Bools, Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.frames import Frame
from tercel.core.report.formatting import format_count
from tercel.core.report.interval_text import verdict
from tercel.core.report.page import write_page
from tercel.core.stats.clusters import LEAST_CLUSTERS
from tercel.core.stats.ranks import pearson, ranks
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
from tercel.signals.panel.sheet_figures import GroupRow, SheetFigures, frame_of
from tercel.signals.panel.tear_sheet_page import tear_sheet_page
from tercel.signals.sources.sectors import read_sectors

HORIZONS: Final = (1, 5, 21)
"""Bars that returns are measured over."""
_DECAY: Final = (1, 2, 3, 5, 10, 15, 21, 42, 63, 126)
"""Further horizons of the decay, below the longest that is asked for."""
_PER_QUANTILE: Final = 3
"""Names that a quantile of a usual date holds at least."""


class TearSheet(SheetFigures):
    """Figures of a score that are saved as a page; see :class:`SheetFigures`."""

    def save(self, path: str | Path) -> Path:
        """Write the page as a file that ends in .html, and the figures beside it as .json; returns the page's path."""
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
    priced = (
        prices
        if isinstance(prices, PricedReturns)
        else priced_returns(prices, steps_of(asked), lag)
    )
    panel = price_scores(factor, priced)
    measure = _Measure(panel, np.random.default_rng([seed, 5]))
    by_date = {h: rank_ic_of_rows(panel.score, returns) for h, returns in panel.returns.items()}
    skills = {h: measure.over_dates(ic, h) for h, ic in by_date.items()}
    usual = int(np.median(np.isfinite(panel.score).sum(axis=1)))
    count = max(min(quantiles, usual // _PER_QUANTILE), 2)
    bins = bins_of(panel.score, count)
    cuts = {
        h: [_row_means(panel.returns[h], bins == k) for k in range(1, count + 1)] for h in asked
    }
    market = {h: _row_means(panel.returns[h], bins > 0) for h in asked}
    of_cuts = [
        ((k, 1e4 * _mean(cut)), h, measure.over_dates(1e4 * (cut - market[h]), h))
        for h in asked
        for k, cut in enumerate(cuts[h], 1)
    ]
    ic = [pl.DataFrame({"date": panel.days, "horizon": h, "ic": by_date[h]}) for h in asked]
    years = np.repeat(panel.days.dt.year().to_numpy()[:, None], len(panel.names), axis=1)
    of_sectors: list[GroupRow] = []
    few = f"{count} quantiles instead of {quantiles}: a usual date has "
    notes = [*[few + format_count(usual, "name")] * (count < quantiles), *panel.notes]
    if sectors is not None:
        given = read_sectors(sectors)
        day, column = np.isfinite(panel.score).nonzero()
        group = np.full(panel.score.shape, "", dtype=object)
        group[day, column] = given.of(panel.names[column], panel.days[day]).to_numpy()
        of_sectors = measure.within(group, asked)
        notes += given.notes(panel.names[column], panel.days[day])
    return TearSheet(
        name or "score",
        asked,
        priced.lag,
        count,
        skills,
        {h: measure.over_dates(1e4 * (cuts[h][-1] - cuts[h][0]), h) for h in asked},
        _half_life(panel, skills),
        Frame(pl.concat(ic).fill_nan(None)),
        frame_of(("year", "names", "scores"), "ic", measure.within(years, asked)),
        frame_of(("sector", "names", "scores"), "ic", of_sectors),
        frame_of(("quantile", "raw_bps"), "bps", of_cuts),
        _turnover(panel, bins, count),
        tuple(notes),
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

    def over_dates(self, by_date: Floats, horizon: int) -> Skill:
        """Mean of values by date; without an interval where dates make fewer than five blocks.

        Labels of neighbouring dates overlap, and what a block shares with the next one is lost to its variance: a block
        is three times as long.
        """
        block = max(BLOCK, 3 * stride(self.panel.bars, self.panel.bars + horizon))
        dates = int(np.isfinite(by_date).sum())
        if dates > (LEAST_CLUSTERS - 1) * block:
            return skill(by_date, self.rng, block=block)
        return replace(NO_SKILL, mean=_mean(by_date), dates=dates)

    def within(self, group: AnyArray, horizons: Sequence[int]) -> list[GroupRow]:
        """IC within each group of cells (D, N) that have a score: (group, names, scores), horizon, IC."""
        known = np.isfinite(self.panel.score)
        return [
            ((key, int(inside.any(axis=0).sum()), int(inside.sum())), h, self.over_dates(ic, h))
            for key in np.unique(group[known]).tolist()
            for inside in [known & (group == key)]
            for h in horizons
            for ic in [
                rank_ic_of_rows(np.where(inside, self.panel.score, np.nan), self.panel.returns[h])
            ]
        ]


def _mean(values: Floats) -> float:
    """Mean of the finite values; NaN without any."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def _row_means(values: Floats, inside: Bools) -> Floats:
    """Mean of each row (D, N) over the finite values that are inside; NaN without any."""
    counted = inside & np.isfinite(values)
    count = counted.sum(axis=1)
    return np.asarray(np.where(counted, values, 0.0).sum(axis=1) / np.where(count, count, np.nan))


def _half_life(panel: PricedScores, skills: Mapping[int, Skill]) -> float:
    """Bars after which half of the move has come, of ranks and returns less their dates' means; see `SheetFigures`."""
    if len(skills) < 2 or "better" not in map(verdict, skills.values()):
        return math.nan
    score, *moves = (
        (values - _row_means(values, np.isfinite(values))[:, None]).ravel()
        for values in (ranks(panel.score), *panel.returns.values())
    )
    thousandths = decay(score, np.stack(moves, axis=1), [1000 * h for h in skills]).half_life_ns
    return thousandths / 1000 if thousandths < 1000 * max(skills) else math.inf


def _turnover(panel: PricedScores, bins: Ints, count: int) -> Frame:
    """Share of each quantile's names that are new by date, and the correlation of ranks with those one date before."""
    rank = ranks(panel.score)
    columns = {"autocorrelation": pearson(rank[1:], rank[:-1])}
    for k in range(1, count + 1):
        inside = bins == k
        before = inside[:-1].any(axis=1)
        columns[str(k)] = np.where(before, _row_means(1.0 - inside[:-1], inside[1:]), np.nan)
    return Frame(pl.DataFrame({"date": panel.days[1:], **columns}).fill_nan(None))
