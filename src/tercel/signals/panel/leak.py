"""The leak check: whether a source knows the future, by three comparisons of its facts with later prices; synthetic leaks
beside configured sources show that it would be caught.

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

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.progress import say
from tercel.core.report import svg
from tercel.core.report.svg import Figure, Section, finished, render, sketch, write_page
from tercel.core.report.tables import plain_table
from tercel.core.serialization import Record
from tercel.core.stats.inference import ranks
from tercel.signals.models.skill import Skill, rank_ic_of_rows, skill
from tercel.signals.panel import build as panels
from tercel.signals.panel.panel import Panel
from tercel.signals.runs.config import PanelSection, SignalsConfig
from tercel.signals.sources.daily import SETTLES
from tercel.signals.sources.port import EVERY, FrameSource, SignalSource, SourceAbsentError
from tercel.signals.sources.registry import synthetic_leak

CEILING = 0.04
SURE = 4.0
"""Standard errors beyond which neither is chance, many columns and shifts looked at."""
BLATANT = 0.5
COLLAPSED = 0.35
"""Share of the IC that is left one period later, below which it stood in one bar alone."""
BEFORE, AHEAD, FURTHEST = 2, 3, 25
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


@dataclass(frozen=True)
class LeakLine(Record):
    """The verdict on a source of a panel, with its reason; "not judged" without a report."""

    source: str
    panel: str
    verdict: str
    reasons: tuple[str, ...]
    report: LeakReport | None = None

    def json_fields(self) -> dict[str, object]:
        """JSON fields: the report's figures, None without a report, and the source's name on the panel."""
        empty = ("column", "ic", "ic_one_period_later", "instant", "median_delay_s")
        own: dict[str, object] = {
            key: value for key, value in vars(self).items() if key != "report"
        }
        if self.report is None:
            return {**own, "profile": {}, **dict.fromkeys(empty)}
        return {**vars(self.report), **own}


@dataclass(frozen=True)
class LeakCheck:
    """Verdicts on every source of some panels, what a clean one does not prove, and the page."""

    out: Path
    leak: list[LeakLine]
    not_proven: str
    report: Path


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
    """Check a source for knowledge of the future.

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
    values, returns = _matrices(prices, panel)
    looks = [(values, _pooled if returns.shape[1] == 1 else _by_bar)]
    news = [_news(value) for value in values]
    if returns.shape[1] > 1 and np.isfinite(news).sum() < SPARSE * np.isfinite(values).sum():
        looks.append((news, _pooled))
    delay = (facts["known_time"] - facts["event_time"]).dt.total_nanoseconds().to_numpy() / 1e9
    found, last = [], min(max(ahead, AHEAD), FURTHEST)
    shifts = range(-BEFORE, last + 2)
    for table, measure in looks:
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
        profile, instant = (
            {shift: _mean(profiles[best][shift]) for shift in shifts},
            float(np.mean(delay == 0)),
        )
        known = [
            shift
            for shift in range(1, last + 2)
            if np.isfinite(profiles[best][shift]).sum() > block
        ]
        skills = {
            shift: skill(profiles[best][shift], np.random.default_rng(seed), block=block)
            for shift in known
        }
        column, median = source.columns[best], float(np.median(delay))
        for bar in (shift for shift in range(1, last + 1) if {shift, shift + 1} <= set(known)):
            ic, late = skills[bar], skills[bar + 1]
            verdict, reasons = judged(bar, ic, late, profile, instant, ceiling, profiles[best])
            found.append(
                LeakReport(
                    source.name, column, verdict, reasons, ic, late, profile, instant, median
                )
            )
    refuse_if(
        not found,
        "facts and prices of the same instruments and times",
        "no cross-section of 5",
        "check the names and times",
        DataError,
    )
    return max(found, key=lambda report: VERDICTS.index(report.verdict))


def judged(
    bar: int,
    ic: Skill,
    late: Skill,
    profile: dict[int, float],
    instant: float,
    ceiling: float,
    by_bar: dict[int, Floats],
) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict of a leak check by the IC with the return of one bar and of the one after, and the reason."""
    blatant = max((shift for shift in profile if shift >= 1), key=lambda shift: abs(profile[shift]))
    if abs(profile[blatant]) > BLATANT:
        what = f"its values are the return of bar +{blatant}, which had not happened"
        return "leak", (f"{what}: IC {profile[blatant]:+.3f}",)
    reasons, at = [], f" with bar +{bar}" if bar > 1 else ""
    too_good = abs(ic.mean) > ceiling and abs(ic.t) > SURE
    if too_good:
        size = "in absolute value (models learn a column's sign) " * (ic.mean < 0)
        reasons.append(
            f"too good to be true: IC {ic.mean:+.4f}{at}, t {ic.t:.1f}, {size}above {ceiling:g}"
        )
    lost = by_bar[bar] - by_bar[bar + 1]
    lost = lost[np.isfinite(lost)]
    error = float(lost.std(ddof=1)) / len(lost) ** 0.5 if len(lost) > 1 else float("inf")
    sure = error > 0 and abs(float(lost.mean())) / error > SURE
    collapses = abs(ic.t) > SURE and abs(late.mean) < COLLAPSED * abs(ic.mean) and sure
    if collapses:
        reasons.append(
            f"skill in one bar alone: IC {ic.mean:+.4f}{at}, known one period later {late.mean:+.4f}"
        )
    stamped = instant > 0.99 and abs(ic.t) > SURE
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


def _matrices(prices: pl.DataFrame, panel: Panel) -> tuple[list[Floats], Floats]:
    """Matrices of point-in-time values of each column and returns of each bar, float64 (times, instruments)."""
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
    """One instrument that moves as all of them do on average: facts that hold for all can foretell that alone."""
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
    """Values at the bars at which they are new, NaN at the others."""
    before = np.vstack([np.full((1, values.shape[1]), np.nan), values[:-1]])
    return np.where(values == before, np.nan, values)


def _pooled(values: Floats, returns: Floats, shift: int) -> Floats:
    """Parts of one rank correlation over all bars and names, by bar: its mean is the correlation; NaN without values.

    Returns are ranked among the names of their bar; with a single name, among all bars.
    """
    moved = _later(returns, shift)
    if returns.shape[1] > 1:
        names = np.maximum(np.isfinite(moved).sum(axis=1, keepdims=True), 1)
        moved = np.where(np.isfinite(moved), ranks(moved) / names, np.nan)
    held = np.isfinite(values) & np.isfinite(moved)
    out = np.full(len(values), np.nan)
    if held.sum() < FEWEST_BARS:
        return out
    sides = [ranks(side[held]) for side in (values, moved)]
    scaled = [(side - side.mean()) / (side.std() or 1.0) for side in sides]
    product = np.zeros(values.shape)
    product[held] = scaled[0] * scaled[1]
    bars = held.any(axis=1)
    # each bar by its share of the observations, so that the mean over bars is the correlation itself
    out[bars] = product[bars].sum(axis=1) * bars.sum() / held.sum()
    return out


def _by_bar(values: Floats, returns: Floats, shift: int) -> Floats:
    """IC of each bar's values with the returns of the bar that ends `shift` bars later; NaN beyond the last bar."""
    n = len(values)
    out = np.full(n, np.nan)
    rows = np.arange(max(0, -shift), n, max(1, -(-n // MOST_BARS)))
    out[rows] = rank_ic_of_rows(values[rows], _later(returns, shift)[rows])
    return out


def _later(returns: Floats, shift: int) -> Floats:
    """Returns of the bars that end `shift` bars later; NaN beyond the last bar."""
    out = np.full_like(returns, np.nan)
    first, last = max(0, -shift), min(len(returns), len(returns) - shift)
    out[first:last] = returns[first + shift : last + shift]
    return out


def _mean(by_bar: Floats) -> float:
    known = by_bar[np.isfinite(by_bar)]
    return float(known.mean()) if len(known) else 0.0


def leak_table(lines: Sequence[LeakLine]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Headings and rows of a leak check, for a terminal and a page."""
    rows = [(one.source, one.verdict, "; ".join(one.reasons)) for one in lines]
    return ("source", "verdict", "why"), rows


def profile_figure(reports: dict[str, LeakReport], name: str = "leak") -> Figure:
    """Lead-lag profiles beside each other, a panel each: what had happened (grey) and what had not."""

    with sketch(3.0) as drawing:
        panels = np.atleast_1d(drawing.subplots(1, len(reports), sharey=False))
        for panel, (title, report) in zip(panels, reports.items(), strict=True):
            shifts = list(report.profile)
            bad = svg.BAD.token if report.verdict != "clean" else svg.GOOD.token
            colours = [svg.SOFT.token if shift <= 0 else bad for shift in shifts]
            panel.bar(shifts, [report.profile[shift] for shift in shifts], color=colours, width=0.7)
            panel.axhline(0, color=svg.SOFT.token, linewidth=0.9)
            panel.axvline(0.5, color=svg.INK.token, linewidth=0.9, linestyle=":")
            panel.set(title=f"{title}: {report.verdict}", xlabel="bar, periods from the known time")
        panels[0].set_ylabel("rank IC with the bar's return")

    summary = "; ".join(
        f"{title}: {report.verdict}, IC {report.ic.mean:+.3f}" for title, report in reports.items()
    )
    return finished(
        drawing,
        name,
        f"Rank IC of a source with returns around its known time. {summary}.",
        "Right of the dotted line lies what had not happened when the source says it knew. Honest skill fades over "
        "several bars; a leak shows in one.",
    )


STOCKS = "us-daily-ohlcv-2000-2017"
"""Folder of daily stocks in a folder of data sets."""
YEARS = 2
"""Days of daily prices that a check reads: a cross-section a day is slow to rank."""
STRENGTH, STRENGTH_SYNTHETIC = 0.2, 0.3
"""Strengths of synthetic leaks: beside files, in a synthetic market."""
FALSE, TRUE = "planted, false time", "planted, true time"
NOT_PROVEN = (
    "A clean verdict is no proof: a leak weaker than the ceiling passes, so do one in the label, one that concerns few "
    "names or dates, a choice of the source after the fact, and survivors in the prices."
)


def reports_of(
    config: SignalsConfig, seed: int, synthetic: bool
) -> tuple[dict[str, LeakReport], dict[str, str]]:
    """Reports by source, synthetic ones first, and sources that cannot be judged with the reason."""
    ceiling, strength, ahead = CEILING, STRENGTH, config.panel.lag + config.panel.horizon
    if config.panel.kind == "synthetic":
        market = panels.market_of(config, seed)
        bars, closes, own = market.prices, market.prices, list[SignalSource](market.sources)
        # the skill in a synthetic market is far above any on a panel of real stocks: the ceiling follows it
        ceiling, strength = max(CEILING, 2 * config.panel.strength), STRENGTH_SYNTHETIC
    else:
        bars, own, closes = _bars(config)
    sources, absent = panels.sources_of(config, closes)
    named = {source.name: source for source in (*own, *(source for source, _ in sources))}
    if synthetic:
        leaks = {FALSE: synthetic_leak(bars, seed, strength=strength)}
        leaks[TRUE] = synthetic_leak(bars, seed, strength=strength, falsified=False)
        named = leaks | named
    reports, unjudged = (
        dict[str, LeakReport](),
        {name: f"absent: {why}" for name, why in absent.items()},
    )
    ages = {source.name: age for source, age in sources}
    for name, source in named.items():
        say(f"leak check: {name}")
        try:
            reports[name] = leak_report(
                bars, source, ceiling=ceiling, seed=seed, max_age=ages.get(name), ahead=ahead
            )
        except SourceAbsentError as error:
            unjudged[name] = f"absent: {error.received}"
        except DataError as error:
            if name in (FALSE, TRUE):
                raise
            unjudged[name] = f"{error.expected}; received {error.received}"
    return reports, unjudged


def lines_of(
    config: SignalsConfig, reports: dict[str, LeakReport], unjudged: dict[str, str]
) -> list[LeakLine]:
    """Verdicts on the sources of a panel, a line each."""
    return [
        *(
            LeakLine(name, config.name, report.verdict, report.reasons, report)
            for name, report in reports.items()
        ),
        *(LeakLine(name, config.name, "not judged", (why,)) for name, why in unjudged.items()),
    ]


def _bars(config: SignalsConfig) -> tuple[pl.DataFrame, list[SignalSource], pl.DataFrame]:
    """Daily bars of the last two years, dated as decisions are, the panel's own factors over them, and all closes."""
    source = panels.prices_of(config)
    prices = source.prices().filter(pl.col("date") <= pl.lit(config.panel.last).str.to_date())
    last: Any = prices["time"].max()
    recent = prices.filter(pl.col("time") > last - timedelta(days=365 * YEARS), pl.col("close") > 0)
    facts = source.facts_of(prices, recent["time"].unique())
    # a bar decided at the close cannot hold a fact that settles after it: bars are dated as decisions are
    bars = recent.select("instrument", pl.col("time") + 2 * SETTLES, "close")
    own = FrameSource(source.name, source.columns, facts, config.panel.path)
    return bars, [own], prices.select("instrument", "time", "close")


def configs_of(data: Path) -> list[SignalsConfig]:
    """Configurations that a folder of data sets allows to check: daily stocks, where they are there."""
    daily = data / STOCKS
    if not daily.exists():
        return []
    panel = PanelSection(kind="daily", path=str(daily), survivors=True)
    return [SignalsConfig(name="daily", panel=panel)]


def leak(configs: list[SignalsConfig], seed: int, out: Path) -> LeakCheck:
    """Check every source of some configurations, synthetic leaks beside them; writes figures and a page."""
    rows, sections = list[LeakLine](), []
    for config in configs:
        reports, unjudged = reports_of(config, seed, synthetic=True)
        lines = lines_of(config, reports, unjudged)
        rows += lines
        names = list(reports)
        parts = [names[at : at + 3] for at in range(0, len(names), 3)]
        figures = [
            profile_figure({n: reports[n] for n in part}, f"leak-{config.name}-{at}")
            for at, part in enumerate(parts)
        ]
        sections.append(
            Section(
                f"On {config.name}",
                html=plain_table(*leak_table(lines), prose=True),
                figures=figures,
            )
        )
    caught = [one for one in rows if one.source == FALSE and one.verdict == "leak"]
    lead = f"{len(caught)} of {len(configs)} planted leaks are caught. {NOT_PROVEN}"
    page = render(
        "Do sources know the future?",
        lead,
        sections,
        {"seed": seed},
        "printed by: tercel signals leak",
    )
    result = LeakCheck(out, rows, NOT_PROVEN, out / "leak.html")
    write_page(out, "leak", result, page)
    return result
