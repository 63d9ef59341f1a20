"""The leak check of one source: whether its facts know the future, by three comparisons with later prices.

*Too good*: the rank IC with the return of one bar, from the next one to the last of the label, lies in absolute value
(models learn a column's sign) above a ceiling that nothing honest reaches on such a panel (0.04 on daily stocks), and
not by chance.

*Profile*: the IC with the return of every bar around the known time. What has skill fades over several bars; what was
copied from one bar's return shows in that bar alone: known one period later, it is worth nothing.

*Times*: how long after the event facts became known, and on what grid. A source that knows everything at the moment it
happens, to the nanosecond, has no stamp of its own.

One look is a suspicion, two are a leak; a correlation of one half with any later bar needs no second look. A clean
verdict proves nothing: a leak weaker than the ceiling, or one in the label, passes.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

import numpy as np
import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.stats.ranks import ranks
from tercel.signals.models.skill import Skill, rank_ic_of_rows, skill
from tercel.signals.panel.panel import Panel
from tercel.signals.sources.port import EVERY, SignalSource

CEILING = 0.04
MIN_T = 4.0
"""Standard errors beyond which neither is chance, many columns and shifts looked at."""
BLATANT = 0.5
COLLAPSED = 0.35
"""Share of the IC that is left one period later, below which it stood in one bar alone."""
BEFORE = 2
AHEAD = 3
FURTHEST = 25
"""Bars of a profile that had happened, the fewest that a source is judged at, and the most."""
MOST_BARS = 1000
"""A longer panel is looked at every so many bars: a leak does not need them all."""
SPARSE = 0.2
"""Share of bars with a new value of a name below which a source is judged at its news too, not at every bar alone."""
FEWEST_BARS = 30
"""Bars with news below which that is not tried."""
Verdict = Literal["clean", "suspect", "leak"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class LeakReport:
    """Result of a leak check of one source: lead-lag profile, verdict, reason.

    Parameters
    ----------
    source, column : str
        The column with the largest IC.
    verdict : {"clean", "suspect", "leak"}
    reasons : tuple of str
        Why, with figures.
    ic : Skill
        With the return of the bar after the known time, or of the later one that decides the verdict.
    ic_one_period_later : Skill
        The same, had it been known one period later.
    profile : dict of int to float
        IC with the return of the bar that ends so many periods after the known time; 0 and below had happened.
    instant : float
        Share of facts known at the very time of their event.
    median_delay_s : float
    """

    source: str
    column: str
    verdict: Verdict
    reasons: tuple[str, ...]
    ic: Skill
    ic_one_period_later: Skill
    profile: dict[int, float]
    instant: float
    median_delay_s: float


def leak_report(
    prices: pl.DataFrame,
    source: SignalSource,
    *,
    ceiling: float = CEILING,
    seed: int = 0,
    block: int = 5,
    max_age: timedelta | None = None,
    ahead: int = AHEAD,
) -> LeakReport:
    """Check a source for knowledge of the future: the report of the worst verdict among the bars ahead.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time` (Datetime ns UTC, the end of each bar), `close`; the bars that the source is joined to.
    source : SignalSource
        Its facts as it dates them.
    ceiling : float
        Absolute IC above which a forecast of the next bar is too good to be true on such a panel.
    block : int
        Neighbouring bars that are one cluster of the interval.
    max_age : timedelta, optional
        Facts whose event is older count as missing, as in the panel.
    ahead : int
        Bars from the known time to the end of the label, each of which is judged; from 3 to 25.

    Raises
    ------
    DataError
        When the source is refused, or shares too few instruments and bars with the prices.
    """
    panel = Panel([source], {} if max_age is None else {source.name: max_age})
    facts = panel.facts(source.name)
    values, returns = _value_and_return_matrices(prices, panel)
    comparisons = [(values, _pooled_ic if returns.shape[1] == 1 else _ic_by_bar)]
    news = [_news(value) for value in values]
    if returns.shape[1] > 1 and np.isfinite(news).sum() < SPARSE * np.isfinite(values).sum():
        comparisons.append((news, _pooled_ic))
    delay = (facts["known_time"] - facts["event_time"]).dt.total_nanoseconds().to_numpy() / 1e9
    reports = []
    last_bar = min(max(ahead, AHEAD), FURTHEST)
    shifts = range(-BEFORE, last_bar + 2)
    for table, measure in comparisons:
        profiles = [
            {shift: measure(column, returns, shift) for shift in shifts} for column in table
        ]
        strongest = [
            max(abs(_mean(profile[shift])) for shift in shifts if shift >= 1)
            for profile in profiles
        ]
        best = int(np.argmax(strongest))
        if np.isfinite(profiles[best][1]).sum() < (1 if table is values else FEWEST_BARS):
            continue
        profile = {shift: _mean(profiles[best][shift]) for shift in shifts}
        instant = float(np.mean(delay == 0))
        measured = [
            shift
            for shift in range(1, last_bar + 2)
            if np.isfinite(profiles[best][shift]).sum() > block
        ]
        skills = {
            shift: skill(profiles[best][shift], np.random.default_rng(seed), block=block)
            for shift in measured
        }
        column = source.columns[best]
        median = float(np.median(delay))
        for bar in (
            shift for shift in range(1, last_bar + 1) if {shift, shift + 1} <= set(measured)
        ):
            ic, late = skills[bar], skills[bar + 1]
            verdict, reasons = judge_bar(bar, ic, late, profile, instant, ceiling, profiles[best])
            reports.append(
                LeakReport(
                    source.name, column, verdict, reasons, ic, late, profile, instant, median
                )
            )
    refuse_if(
        not reports,
        "facts and prices of the same instruments and times",
        "no cross-section of 5",
        "check the names and times",
        DataError,
    )
    return max(reports, key=lambda report: VERDICTS.index(report.verdict))


def judge_bar(
    bar: int,
    ic: Skill,
    late: Skill,
    profile: dict[int, float],
    instant: float,
    ceiling: float,
    by_bar: dict[int, Floats],
) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict of a leak check by the IC with one bar's return, and the reasons."""
    blatant = max((shift for shift in profile if shift >= 1), key=lambda shift: abs(profile[shift]))
    if abs(profile[blatant]) > BLATANT:
        text = f"its values are the return of bar +{blatant}, which had not happened"
        return "leak", (f"{text}: IC {profile[blatant]:+.3f}",)
    reasons = []
    bar_text = f" with bar +{bar}" if bar > 1 else ""
    too_good = abs(ic.mean) > ceiling and abs(ic.t) > MIN_T
    if too_good:
        size = "in absolute value (models learn a column's sign) " * (ic.mean < 0)
        reasons.append(
            f"too good to be true: IC {ic.mean:+.4f}{bar_text}, t {ic.t:.1f}, {size}above {ceiling:g}"
        )
    loss = by_bar[bar] - by_bar[bar + 1]
    loss = loss[np.isfinite(loss)]
    error = float(loss.std(ddof=1)) / len(loss) ** 0.5 if len(loss) > 1 else float("inf")
    is_significant = error > 0 and abs(float(loss.mean())) / error > MIN_T
    collapses = abs(ic.t) > MIN_T and abs(late.mean) < COLLAPSED * abs(ic.mean) and is_significant
    if collapses:
        reasons.append(
            f"skill in one bar alone: IC {ic.mean:+.4f}{bar_text}, known one period later {late.mean:+.4f}"
        )
    stamped = instant > 0.99 and abs(ic.t) > MIN_T
    if stamped:
        reasons.append(
            f"no time stamp of its own: {instant:.0%} of facts known at the very time of their event"
        )
    if too_good and (collapses or stamped):
        return "leak", tuple(reasons)
    if too_good or collapses:
        return "suspect", tuple(reasons)
    summary = (
        f"IC {ic.mean:+.4f} (t {ic.t:.1f}) with the next bar, {late.mean:+.4f} with the one after"
    )
    return "clean", (summary,)


def _value_and_return_matrices(prices: pl.DataFrame, panel: Panel) -> tuple[list[Floats], Floats]:
    """Matrices of point-in-time values of each column, and of log returns of each bar, float64 (times, instruments)."""
    names = panel.instruments()
    prices = prices.filter(pl.col("instrument").is_in(names)) if names else _market(prices)
    refuse_if(
        prices.is_empty(),
        "prices of the source's instruments",
        "none",
        "check the names",
        DataError,
    )
    rows = panel.join(prices.select("instrument", "time", "close"))
    wide = {
        column: rows.pivot("instrument", index="time", values=column, sort_columns=True)
        .sort("time")
        .drop("time")
        for column in ("close", *panel.columns)
    }
    close, *values = (
        table.cast(pl.Float64).fill_null(float("nan")).to_numpy() for table in wide.values()
    )
    returns = np.full_like(close, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns[1:] = np.log(close[1:] / close[:-1])
    return values, returns


def _market(prices: pl.DataFrame) -> pl.DataFrame:
    """Prices of one instrument made of the mean log return of all by bar, for facts that hold for all."""
    move = (pl.col("close") / pl.col("close").shift(1)).log().over("instrument")
    moves = (
        prices.sort("instrument", "time")
        .select("time", move=move)
        .group_by("time")
        .agg(pl.col("move").mean())
    )
    level = pl.col("move").fill_null(0.0).cum_sum().exp()
    return moves.sort("time").select(pl.lit(EVERY).alias("instrument"), "time", close=level)


def _news(values: Floats) -> Floats:
    """Values where they are new, NaN where they repeat the bar before."""
    before = np.vstack([np.full((1, values.shape[1]), np.nan), values[:-1]])
    return np.where(values == before, np.nan, values)


def _pooled_ic(values: Floats, returns: Floats, shift: int) -> Floats:
    """Parts of one rank correlation over all bars and names, by bar: its mean is the correlation; NaN without values.

    Returns are ranked among the names of their bar; with a single name, among all bars.
    """
    shifted = _shift_returns(returns, shift)
    if returns.shape[1] > 1:
        names = np.maximum(np.isfinite(shifted).sum(axis=1, keepdims=True), 1)
        shifted = np.where(np.isfinite(shifted), ranks(shifted) / names, np.nan)
    both_known = np.isfinite(values) & np.isfinite(shifted)
    parts = np.full(len(values), np.nan)
    if both_known.sum() < FEWEST_BARS:
        return parts
    sides = [ranks(side[both_known]) for side in (values, shifted)]
    scaled = [(side - side.mean()) / (side.std() or 1.0) for side in sides]
    product = np.zeros(values.shape)
    product[both_known] = scaled[0] * scaled[1]
    bars = both_known.any(axis=1)
    # each bar by its share of the observations, so that the mean over bars is the correlation itself
    parts[bars] = product[bars].sum(axis=1) * bars.sum() / both_known.sum()
    return parts


def _ic_by_bar(values: Floats, returns: Floats, shift: int) -> Floats:
    """IC of each bar's values with returns of the bar `shift` bars later; NaN beyond the last, and for bars skipped if
    over `MOST_BARS`.
    """
    n = len(values)
    ic = np.full(n, np.nan)
    rows = np.arange(max(0, -shift), n, max(1, -(-n // MOST_BARS)))
    ic[rows] = rank_ic_of_rows(values[rows], _shift_returns(returns, shift)[rows])
    return ic


def _shift_returns(returns: Floats, shift: int) -> Floats:
    """Returns of the bars that end `shift` bars later; NaN beyond the last bar."""
    shifted = np.full_like(returns, np.nan)
    first = max(0, -shift)
    last = min(len(returns), len(returns) - shift)
    shifted[first:last] = returns[first + shift : last + shift]
    return shifted


def _mean(by_bar: Floats) -> float:
    """Mean of the finite values, 0 without any."""
    finite = by_bar[np.isfinite(by_bar)]
    return float(finite.mean()) if len(finite) else 0.0
