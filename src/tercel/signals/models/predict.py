"""A forecast that is served: a trained model on what its files say of one date, with a label or without.

    served = predict(load(Path("o/model")))          the last date of the files
    served.alphas                                    one `Alpha` a name, as a desk takes it

The sources are read again, so that files which have grown since training give a new date without a new training. Rows
after the date are left out before anything is computed from them.

Intervals are adaptive conformal (Gibbs and Candès 2021): a half-width is a quantile of past scores, |outcome - forecast|
in standard deviations, and which quantile moves: up after a date that was missed too often, down after one missed too
seldom, so that in the long run the share promised is inside. No date sees a score that had not ended by then.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.messages import Alpha
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.signals.models.model_folder import AGAIN, SignalModel
from tercel.signals.models.online import Since, as_of, caught_up, learns
from tercel.signals.panel.build import KEYS, joined_all, market_of, prices_of
from tercel.signals.panel.panel import Dataset, Panel, from_frame
from tercel.signals.runs.config import SignalsConfig, placed
from tercel.signals.sources.daily import FACTORS, RECENT, SETTLES, daily_panel, last_whole
from tercel.signals.sources.port import NEW_YORK, time_type
from tercel.signals.sources.tables import first_names

MISSED: Final = 0.1
"""Share of outcomes outside: intervals of 90 %."""
RATE: Final = 0.1
"""By how much of a date's surprise the quantile moves."""
WINDOW: Final = 52
"""Dates whose scores are remembered."""
FEWEST: Final = 30
"""Scores below which there is no interval."""


@dataclass
class AdaptiveWidth:
    """A half-width that learns date by date.

    Parameters
    ----------
    missed, rate : float
    window : int
        Dates.
    share : float
        Outside now: the quantile is that of 1 - `share`; below 0 it lies beyond all scores, in proportion.
    """

    missed: float = MISSED
    rate: float = RATE
    window: int = WINDOW
    share: float = MISSED
    past: deque[Floats] = field(default_factory=deque)

    def width(self) -> float:
        """Half-width in standard deviations; NaN below `FEWEST` scores.

        >>> one = AdaptiveWidth(missed=0.5, share=0.5)
        >>> one.learn(np.arange(39.0), np.nan)
        >>> one.width()
        19.0
        """
        pool = np.concatenate(self.past) if self.past else np.zeros(0)
        n = len(pool)
        if n < FEWEST:
            return float("nan")
        level = (1.0 - self.share) * (n + 1) / n
        if level > 1.0:
            return float(pool.max()) * (1.0 + (level - 1.0) / self.missed)
        return float(np.partition(pool, at := max(int(np.ceil(level * n)) - 1, 0))[at])

    def learn(self, scores: Floats, width: float) -> None:
        """Update by the scores of a date, (n,), and the half-width `width` forecast for it; NaN: no forecast."""
        if np.isfinite(width):
            self.share += self.rate * (self.missed - float((scores > width).mean()))
        self.past.append(scores)
        if len(self.past) > self.window:
            self.past.popleft()


def widths(
    scores: Floats, time_ns: Ints, end_ns: Ints, until_ns: int, one: AdaptiveWidth
) -> tuple[Floats, float]:
    """Half-width of each row as its date could know it, (n,), and that of `until_ns`.

    Parameters
    ----------
    scores : float64 (n,)
        Finite, in order of time.
    time_ns, end_ns : int64 (n,)
        When a row was forecast and when its outcome was known; rows of one date end together or are learned from when
        the last has.
    one : AdaptiveWidth
        Learns.
    """
    times, first = np.unique(time_ns, return_index=True)
    parts = np.split(np.arange(len(scores)), first[1:]) if len(scores) else []
    ends = [int(end_ns[part].max()) for part in parts]
    out, learned = np.full(len(scores), np.nan), 0
    said: list[float] = []
    for at in (*times.tolist(), until_ns):
        while learned < len(said) and ends[learned] <= at:
            one.learn(scores[parts[learned]], said[learned])
            learned += 1
        said.append(one.width())
        if len(said) <= len(parts):
            out[parts[len(said) - 1]] = said[-1]
    return out, said[-1]


@dataclass(frozen=True)
class WidthCoverage:
    """Share of outcomes inside the interval, and its mean half-width in standard deviations."""

    coverage: float
    width_sd: float


@dataclass(frozen=True)
class WalkInterval:
    """The interval of a model's forecasts, learned from its own forecasts out of sample.

    Parameters
    ----------
    width : float
        Half of it now, in `sd_bps` of a forecast.
    rows : DataFrame
        `time`, `end`, `score`, `width` of every forecast whose half-width was known.
    """

    width: float
    rows: pl.DataFrame

    def by_year(self) -> dict[str, WidthCoverage]:
        """Share inside and mean half-width by year, and over `all`."""
        inside = [
            (pl.col("score") <= pl.col("width")).mean().alias("coverage"),
            pl.col("width").mean(),
        ]
        years = (
            self.rows.group_by(pl.col("time").dt.year().cast(pl.String)).agg(inside).sort("time")
        )
        found = {str(year): WidthCoverage(*figures) for year, *figures in years.iter_rows()}
        return found | {"all": WidthCoverage(*self.rows.select(inside).row(0))}


def interval_of(model: SignalModel, until_ns: int | None = None) -> WalkInterval | None:
    """Prediction interval of a model by labels that ended before `until_ns` (None: by the walk's end); None if there
    are too few, or if every forecast of the model is 0.
    """
    if model.inputs != "panel" or model.facts.walk is None or model.silent:
        return None
    walk = model.walk()
    came = 1e4 * (pl.col("outcome") - pl.col("outcome").mean().over("time")) - pl.col(
        "expected_bps"
    )
    deviation = pl.col("sd") * (model.scale.sd_bps / model.scale.full_sd)
    known = walk.select("time", "end", score=came.abs() / deviation).filter(
        pl.col("score").is_finite()
    )
    time_ns, end_ns = (known[name].dt.epoch("ns").to_numpy() for name in ("time", "end"))
    until = int(end_ns.max(initial=0)) if until_ns is None else until_ns
    past = time_ns < until
    scores = known["score"].to_numpy()[past]
    found, now = widths(scores, time_ns[past], end_ns[past], until, AdaptiveWidth())
    rows = (
        known.filter(pl.Series(past))
        .with_columns(width=pl.Series(found))
        .filter(pl.col("width").is_finite())
    )
    return WalkInterval(now, rows) if rows.height and np.isfinite(now) else None


@dataclass(frozen=True)
class NameForecast:
    """The forecast of a name, as `tercel signals predict` writes it.

    `low_bps` and `high_bps` are the 90 % interval, None without one, or where no source has a weight.
    """

    at: str
    name: str
    horizon_s: float
    expected_bps: float
    sd_bps: float
    half_life_s: float
    sources: list[str]
    model: str
    low_bps: float | None
    high_bps: float | None


@dataclass(frozen=True)
class HeldSpan:
    """The closes between which a forecast's return lies.

    Parameters
    ----------
    first, last : date
    bars : int
        Trading days from one to the other.
    beyond : bool
        Whether the last one is after the files' end: counted over the days of the week that they have.
    """

    first: date
    last: date
    bars: int
    beyond: bool

    def __str__(self) -> str:
        """In words.

        >>> str(HeldSpan(date(2024, 1, 2), date(2024, 1, 9), 5, True))
        'from the close of 2024-01-02 to that of 2024-01-09 (5 trading days; the files end before: holidays not known)'
        """
        known = "; the files end before: holidays not known" * self.beyond
        return f"from the close of {self.first} to that of {self.last} ({self.bars} trading days{known})"


def span_of(days: Sequence[date], at: date, lag: int, horizon: int) -> HeldSpan:
    """From the close `lag` days after a day to that `horizon` days later, by a file's own days as far as they go.

    >>> span_of([date(2024, 1, day) for day in (1, 2, 3, 4, 5)], date(2024, 1, 3), 1, 3).last
    datetime.date(2024, 1, 9)
    """
    week = np.bincount([day.weekday() for day in days], minlength=7) > 0
    beyond = np.busday_offset([days[-1]], np.arange(1, lag + horizon + 1), weekmask=week).tolist()
    known, begun = [*days, *beyond], days.index(at) + lag
    return HeldSpan(known[begun], known[begun + horizon], horizon, begun + horizon >= len(days))


@dataclass(frozen=True)
class ServedForecasts:
    """Forecasts of one date.

    Parameters
    ----------
    model : str
        The hash of the model's card.
    at_ns : int
        When they were known, ns since 1970 UTC.
    alphas : tuple of Alpha
        By name; `expected_bps` of a panel is what the name is expected to do beyond its cross-section.
    missing : dict of str to str
        Sources that the model knows and that say nothing now, with the reason.
    held : HeldSpan
        Until when they reach.
    note : str
        Names that the days before had and the date has not, and what else is amiss; empty where nothing is.
    closes : dict of str to float
        Every name of the files, with its last close by then.
    since : Since, optional
        Whose they are, as of that date, and what came after its training by then.
    seen_ns : int
        When the last outcome that training saw was known; 0 where no walk says so.
    """

    model: str
    at_ns: int
    alphas: tuple[Alpha, ...]
    missing: dict[str, str]
    held: HeldSpan
    note: str = ""
    closes: dict[str, float] = field(default_factory=dict)
    since: Since | None = None
    seen_ns: int = 0

    @cached_property
    def interval(self) -> WalkInterval | None:
        """Interval of 90 % by the model's forecasts out of sample up to then; None if they are too few."""
        return None if self.since is None else interval_of(self.since.model, self.at_ns)

    @property
    def at(self) -> str:
        """When they were known, as text: ISO 8601, UTC."""
        return when(self.at_ns)

    @property
    def seen_until(self) -> str | None:
        """Until when training saw outcomes, as `at`, where that is after it; None where all of it was before."""
        return when(self.seen_ns) if self.seen_ns > self.at_ns else None

    def about(self) -> dict[str, Any]:
        """All but the rows: `seen_until`, `sentences`, `learned` and `drift` among it."""
        since = {} if self.since is None else self.since.about()
        return {
            "model": self.model,
            "at": self.at,
            "missing": self.missing,
            "note": self.note,
            "held": asdict(self.held),
            "seen_until": self.seen_until,
            "sentences": self.sentences(),
            **since,
        }

    def sentences(self) -> list[str]:
        """Whether training had seen what came, and what was learned since."""
        said = [] if self.since is None else self.since.sentences()
        if self.since is not None and self.seen_until is not None:
            which = "all but its lines" if self.since.model.online else "the model"
            seen = f"Training saw outcomes until {self.seen_until[:10]}: {which} knew more than was known then."
            said.append(f"{seen} For skill see the walk-forward: signals evaluate, backtest.")
        return said

    def rows(self) -> list[NameForecast]:
        """One row per name."""
        found = []
        for one in self.alphas:
            inside = self.interval if one.sources else None
            half = None if inside is None else inside.width * one.sd_bps
            found.append(
                NameForecast(
                    at=self.at,
                    name=one.instrument,
                    horizon_s=one.horizon_ns / NS_PER_SECOND,
                    expected_bps=one.expected_bps,
                    sd_bps=one.sd_bps,
                    half_life_s=one.half_life_ns / NS_PER_SECOND,
                    sources=list(one.sources),
                    model=self.model,
                    low_bps=None if half is None else one.expected_bps - half,
                    high_bps=None if half is None else one.expected_bps + half,
                )
            )
        return found


def predict(model: SignalModel, at: date | None = None) -> ServedForecasts:
    """Forecasts of every name in the cross-section of one date.

    Parameters
    ----------
    model : SignalModel
        Of a panel: its card holds the configuration that its files are read by.
    at : date, optional
        A day of the files; if not given, the last one on which at least half of the usual names have prices. A model
        that learns online forecasts it with the parameters of that day: of a day after its journal it learns until then
        and writes what moved into its folder.

    Raises
    ------
    DataError
        For a model of a market's features, one without a configuration, a day that the files do not have, files that
        are gone.
    """
    data, missing, prices, since = section(model, at)
    (_, seen_ns), model = model.walked_ns, since.model
    columns = {name: data.x[:, c] for c, name in enumerate(data.names)}
    at_ns = int(data.time_ns[0])
    alphas = model.alphas(columns, data.instrument.tolist(), at_ns)
    known = prices.filter(pl.col("time").dt.epoch("ns") <= at_ns).sort("time")
    closes = dict(known.group_by("instrument").agg(pl.col("close").last()).iter_rows())
    panel = config_of(model).panel
    zone, lag, horizon = (
        ("UTC", 0, 1) if panel.kind == "synthetic" else (NEW_YORK, panel.lag, panel.horizon)
    )
    days = prices["time"].dt.convert_time_zone(zone).dt.date().unique().sort().to_list()
    held = span_of(
        days, datetime.fromtimestamp(at_ns // NS_PER_SECOND, ZoneInfo(zone)).date(), lag, horizon
    )
    return ServedForecasts(
        model.id, at_ns, tuple(alphas), missing, held, data.note, closes, since, seen_ns
    )


def section(
    model: SignalModel, at: date | None
) -> tuple[Dataset, dict[str, str], pl.DataFrame, Since]:
    """:func:`cross_section`, and the model as of its date: what came since training is learned, saved and checked for drift; on a
    day between two dates of training too, what had come by then is learned.
    """
    (rows, missing), prices, past = cross_section(model, at)
    at_ns, train, since = int(rows.time_ns[0]), config_of(model).train, None
    (dates, _), relearns, note = model.walked_ns, learns(model, config_of(model).train), ""
    if len(dates) and (at_ns > dates[-1] or (relearns and at_ns not in dates)):
        try:
            # a model that learns is walked again from the panel's first date on
            since = caught_up(model, past(0 if relearns else int(dates[-1])), train)
        except DataError as error:
            note = f"what came since training cannot be read: {error.received}"
    since = since or Since(as_of(model, at_ns) if model.online else model, note=note)
    note = "; ".join(filter(None, (rows.note, since.note, since.keep(), model.silent)))
    return replace(rows, note=note), missing, prices, since


def when(at_ns: int) -> str:
    """A time as text: ISO 8601, UTC.

    >>> when(0)
    '1970-01-01T00:00:00Z'
    """
    return f"{np.datetime64(int(at_ns), 'ns').astype('datetime64[s]')}Z"


def config_of(model: SignalModel) -> SignalsConfig:
    """The configuration that a model was trained by.

    Raises
    ------
    DataError
        Where its card holds none.
    """
    raw = model.facts.config
    if model.inputs != "panel" or raw is None:
        what = "features that a desk measures" if model.inputs != "panel" else "no configuration"
        raise DataError("a model that says which files it reads", f"{model.folder}: {what}", AGAIN)
    for one in raw["source"]:
        if isinstance(one.get("collected"), str):
            text = one["collected"]
            one["collected"] = (
                date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
            )
    base = os.path.normpath(model.folder.resolve() / model.facts.base)
    return placed(SignalsConfig.model_validate(raw), Path(base))


def present(config: SignalsConfig) -> SignalsConfig:
    """The same, whose prices are there.

    Raises
    ------
    DataError
        They are gone.
    """
    prices = Path(config.panel.path)
    refuse_if(
        config.panel.path and not prices.exists(),
        f"{prices.name}, which the model reads",
        f"nothing at {prices}",
        f"put it there, or {AGAIN}",
        DataError,
    )
    return config


Past = Callable[[int], Dataset]
"""The panel after a moment, until the date that is forecast: labels that are open are NaN."""


def cross_section(
    model: SignalModel, at: date | None
) -> tuple[tuple[Dataset, dict[str, str]], pl.DataFrame, Past]:
    """The cross-section of a date (the files' last if None) with every source that the model listens to and why others
    say nothing, all closes, the past.

    Raises
    ------
    DataError
        As :func:`predict`.
    """
    config = present(config_of(model))
    wanted = {one.source: [name.split(".", 1)[1] for name in one.names] for one in model.models}
    synthetic = config.panel.kind == "synthetic"
    data, prices, past = _synthetic(model, config, at) if synthetic else _daily(config, wanted, at)
    config = config.model_copy(
        update={"source": tuple(one for one in config.source if one.called in wanted)}
    )
    join = partial(joined_all, config=config, prices=prices, wanted=wanted)
    return join(data), prices, lambda after_ns: join(past(after_ns))[0]


def _daily(
    config: SignalsConfig, wanted: Mapping[str, list[str]], at: date | None
) -> tuple[Dataset, pl.DataFrame, Past]:
    """Factors of the names that are in the panel on a day, all closes, the past."""
    source = prices_of(config)
    source = replace(source, wanted=wanted.get(source.name, FACTORS))
    prices = source.prices()
    days, late = prices["time"].unique().sort(), ""
    if at is None:
        at, late = last_whole(prices)
        late = (
            late
            and f"{late}, which is forecast (signals predict `date={days[-1].date()}` takes the newer one)"
        )
    day = _chosen(days, at, days.dt.convert_time_zone(NEW_YORK).dt.date(), config.panel.path)
    if not prices.filter(pl.col("time") == day)["listed"].any():
        raise DataError(
            f"names with {source.history} days behind them and enough traded on {day.date()}",
            f"none in {config.panel.path}",
            "name a later day, or give longer files",
        )
    recent = days.filter(days <= day).tail(RECENT)
    # factors look back alone, and the model says which of them it reads
    prices = source.with_factors(prices)
    facts = source.facts_of(prices, recent.tail(1))
    names = tuple(f"{source.name}.{column}" for column in source.columns)
    were = prices.filter(pl.col("time").is_in(recent.implode()) & pl.col("listed"))[
        "instrument"
    ].unique()
    gone = sorted(set(were) - set(facts["instrument"]))
    note = (
        f"{len(gone)} of {len(were)} names have no row on {day.date()}: {first_names(gone)}"
        if gone
        else ""
    )
    data = replace(
        _unlabelled(facts, source.columns, names, day + 2 * SETTLES),
        note="; ".join(filter(None, (late, note))),
    )

    def past(after_ns: int) -> Dataset:
        panel = config.panel
        return daily_panel(
            Path(panel.path),
            horizon=panel.horizon,
            lag=panel.lag,
            every=panel.every,
            first=panel.first,
            source=source,
            prices=prices,
            until=day,
            after_ns=after_ns,
        )

    return data, prices.select("instrument", "time", "close"), past


def _synthetic(
    model: SignalModel, config: SignalsConfig, at: date | None
) -> tuple[Dataset, pl.DataFrame, Past]:
    market = market_of(config, model.facts.seed)
    days = market.prices["time"].unique().sort()
    day = _chosen(days, at, days.dt.date(), "the synthetic market")
    panel = Panel(market.sources)
    now = _unlabelled(panel.as_of([day]), panel.columns, panel.columns, day)

    def past(after_ns: int) -> Dataset:
        data = market.data
        known = data.rows((data.end_ns <= now.time_ns[0]) & (data.time_ns > after_ns))
        both: Any = {
            key: np.concatenate([getattr(one, key) for one in (known, now)]) for key in ("x", *KEYS)
        }
        return replace(now, **both)

    return now, market.prices, past


def _chosen(days: pl.Series, at: date | None, dates: pl.Series, where: str) -> datetime:
    """The close of a day, or of the last one."""
    if at is None:
        return days[-1]  # type: ignore[no-any-return]
    found = dates.index_of(at)
    if found is None:
        nearest = dates.filter(dates <= max(at, dates[0]))[-1]
        raise DataError(
            f"a day of {where}, {dates[0]} to {dates[-1]}",
            f"{at}",
            f"name one of them, such as {nearest}; without a date it is the last",
        )
    return days[found]  # type: ignore[no-any-return]


def _unlabelled(
    facts: pl.DataFrame, columns: Sequence[str], names: tuple[str, ...], known: datetime
) -> Dataset:
    """Rows of one date whose label is still to come."""
    facts = facts.sort("instrument")
    if facts.is_empty():
        raise DataError(
            "names in the cross-section",
            f"none on {known.date()}",
            "look at the prices of that day",
        )
    values = [pl.col(column).alias(name) for column, name in zip(columns, names, strict=True)]
    at, blank = pl.lit(known, time_type()), pl.lit(None, pl.Float64)
    end = at + pl.duration(microseconds=1)
    return from_frame(
        facts.select("instrument", *values, time=at, start=at, end=end, y=blank, outcome=blank),
        names,
    )
