"""Forecasts of one date by a trained model, from its files read again, with or without labels.

    served = predict(load(Path("o/model")))          the last date of the files
    served.alphas                                    one `Alpha` a name, as a desk takes it

The sources are read again, so that files which have grown since training give a new date without a new training. Rows
after the date are left out before anything is computed from them.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from tercel.core.errors import DataError, refuse_if
from tercel.core.frames import Frame
from tercel.core.messages import Alpha
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.signals.models.intervals import WalkInterval, interval_of
from tercel.signals.models.online import as_of
from tercel.signals.models.signal_model import AGAIN, SignalModel
from tercel.signals.models.since_training import (
    SinceTraining,
    learn_since_training,
    learns_after_training,
)
from tercel.signals.panel.build import KEYS, join_all, market_of, prices_of
from tercel.signals.panel.dataset import Dataset, from_frame
from tercel.signals.panel.panel import Panel
from tercel.signals.runs.config import SignalsConfig, with_base
from tercel.signals.sources.daily import ANY_FACTOR, RECENT, SETTLES, daily_panel, last_complete_day
from tercel.signals.sources.port import NEW_YORK, time_type
from tercel.signals.sources.prices import list_names

Past = Callable[[int], Dataset]
"""The panel after a moment, until the date that is forecast: labels that are open are NaN."""


@dataclass(frozen=True)
class NameForecast:
    """The forecast of a name, as `tercel signals predict` writes it.

    `low_bps` and `high_bps` are the 90 % interval, None without one, or where no source has a weight. `score` is the fused
    forecast that `expected_bps` comes from, in the model's units: a book ranks names by it.
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
    score: float


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
        """Text such as `from the close of 2024-01-02 to that of 2024-01-09 (5 trading days)`.

        >>> str(HeldSpan(date(2024, 1, 2), date(2024, 1, 9), 5, True))
        'from the close of 2024-01-02 to that of 2024-01-09 (5 trading days; the files end before: holidays not known)'
        """
        known = "; the files end before: holidays not known" * self.beyond
        return f"from the close of {self.first} to that of {self.last} ({self.bars} trading days{known})"


def span_of(days: Sequence[date], decision_day: date, lag: int, horizon: int) -> HeldSpan:
    """Closes between which a forecast's return lies: `lag` days after a day, and `horizon` days later.

    >>> span_of([date(2024, 1, day) for day in (1, 2, 3, 4, 5)], date(2024, 1, 3), 1, 3).last
    datetime.date(2024, 1, 9)
    """
    week = np.bincount([day.weekday() for day in days], minlength=7) > 0
    beyond = np.busday_offset([days[-1]], np.arange(1, lag + horizon + 1), weekmask=week).tolist()
    all_days = [*days, *beyond]
    start_index = days.index(decision_day) + lag
    return HeldSpan(
        all_days[start_index],
        all_days[start_index + horizon],
        horizon,
        start_index + horizon >= len(days),
    )


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
    scores : sequence of float
        Fused forecasts, less the fusion's base, in the order of `alphas`.
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
    scores: Sequence[float]
    missing: dict[str, str]
    held: HeldSpan
    note: str = ""
    closes: dict[str, float] = field(default_factory=dict)
    since: SinceTraining | None = None
    seen_ns: int = 0

    @cached_property
    def interval(self) -> WalkInterval | None:
        """Interval of 90 % by the model's forecasts out of sample up to then; None if they are too few."""
        return None if self.since is None else interval_of(self.since.model, self.at_ns)

    @property
    def at(self) -> str:
        """Time at which the forecasts were known, ISO 8601, UTC."""
        return format_utc(self.at_ns)

    @property
    def seen_until(self) -> str | None:
        """Time until which training saw outcomes, ISO 8601, if that is after the forecasts' time; else None."""
        return format_utc(self.seen_ns) if self.seen_ns > self.at_ns else None

    def about(self) -> dict[str, Any]:
        """Everything but the rows, for JSON: `seen_until`, `sentences`, `learned` and `drift` among others."""
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
        """Whether training had seen what came, what was learned since, and that weights were not judged."""
        sentences = [] if self.since is None else self.since.sentences()
        if self.since is not None and self.since.model.facts.unjudged:
            sentences.append(f"{self.since.model.facts.unjudged}.")
        if self.since is not None and self.seen_until is not None:
            which = "all but its lines" if self.since.model.online else "the model"
            seen = f"Training saw outcomes until {self.seen_until[:10]}: {which} knew more than was known then."
            sentences.append(f"{seen} For skill see the walk-forward: signals evaluate, backtest.")
        return sentences

    def rows(self) -> list[NameForecast]:
        """Forecasts as rows, one per name, with the 90 % interval where there is one and a source has a weight."""
        forecasts = []
        for alpha, score in zip(self.alphas, self.scores, strict=True):
            interval = self.interval if alpha.sources else None
            half = None if interval is None else interval.width * alpha.sd_bps
            forecasts.append(
                NameForecast(
                    at=self.at,
                    name=alpha.instrument,
                    horizon_s=alpha.horizon_ns / NS_PER_SECOND,
                    expected_bps=alpha.expected_bps,
                    sd_bps=alpha.sd_bps,
                    half_life_s=alpha.half_life_ns / NS_PER_SECOND,
                    sources=list(alpha.sources),
                    model=self.model,
                    low_bps=None if half is None else alpha.expected_bps - half,
                    high_bps=None if half is None else alpha.expected_bps + half,
                    score=score,
                )
            )
        return forecasts

    def __repr__(self) -> str:
        """Its table."""
        return repr(self.table())

    def table(self) -> Frame:
        """Forecasts as a frame, one row per name, with the columns of :class:`NameForecast`."""
        return Frame(self.rows())


def predict(model: SignalModel, requested_day: date | None = None) -> ServedForecasts:
    """Forecasts of every name in the cross-section of one date; an online model's journal is continued in its folder.

    Parameters
    ----------
    model : SignalModel
        Of a panel: its card holds the configuration that its files are read by.
    requested_day : date, optional
        A day of the files; if not given, the last one on which at least half of the usual names have prices. A model
        that learns online forecasts it with the parameters of that day: of a day after its journal it learns until then
        and writes what moved into its folder.

    Raises
    ------
    DataError
        For a model of a market's features, one without a configuration, a day that the files do not have, files that
        are gone.
    """
    data, missing, prices, since = section(model, requested_day)
    _, seen_ns = model.walked_ns
    model = since.model
    columns = {name: data.x[:, c] for c, name in enumerate(data.names)}
    at_ns = int(data.time_ns[0])
    alphas = model.alphas(columns, data.instrument.tolist(), at_ns)
    scores = (model.forecast(columns)[0] - model.fusion.base).tolist()
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
        model.id, at_ns, tuple(alphas), scores, missing, held, data.note, closes, since, seen_ns
    )


def section(
    model: SignalModel, requested_day: date | None
) -> tuple[Dataset, dict[str, str], pl.DataFrame, SinceTraining]:
    """Cross-section of a date (None: the last), sources missing and why, closes, and the model after learning what came
    since training.

    On a day between two dates of training, too, what had come by then is learned; the model is saved and checked for drift.
    """
    (rows, missing), prices, past = cross_section(model, requested_day)
    at_ns = int(rows.time_ns[0])
    train = config_of(model).train
    since = None
    dates, _ = model.walked_ns
    relearns = learns_after_training(model, config_of(model).train)
    note = ""
    if len(dates) and (at_ns > dates[-1] or (relearns and at_ns not in dates)):
        try:
            # a model that learns is walked again from the panel's first date on
            since = learn_since_training(model, past(0 if relearns else int(dates[-1])), train)
        except DataError as error:
            note = f"what came since training cannot be read: {error.received}"
    since = since or SinceTraining(as_of(model, at_ns) if model.online else model, note=note)
    note = "; ".join(filter(None, (rows.note, since.note, since.save(), model.silent)))
    return replace(rows, note=note), missing, prices, since


def format_utc(at_ns: int) -> str:
    """A time in ns since 1970 as text: ISO 8601, UTC, whole seconds.

    >>> format_utc(0)
    '1970-01-01T00:00:00Z'
    """
    return f"{np.datetime64(int(at_ns), 'ns').astype('datetime64[s]')}Z"


def config_of(model: SignalModel) -> SignalsConfig:
    """The configuration that a model was trained by, its paths taken from the model's folder; raises DataError without one.

    Raises
    ------
    DataError
        Where its card holds none.
    """
    raw = model.facts.config
    if model.inputs != "panel" or raw is None:
        reason = "features that a desk measures" if model.inputs != "panel" else "no configuration"
        raise DataError(
            "a model that says which files it reads", f"{model.folder}: {reason}", AGAIN
        )
    for source_table in raw["source"]:
        if isinstance(source_table.get("collected"), str):
            text = source_table["collected"]
            source_table["collected"] = (
                date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
            )
    base = os.path.normpath(model.folder.resolve() / model.facts.base)
    return with_base(SignalsConfig.model_validate(raw), Path(base))


def check_prices_exist(config: SignalsConfig) -> SignalsConfig:
    """Return the configuration; raise DataError if its price files are gone.

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


def cross_section(
    model: SignalModel, requested_day: date | None
) -> tuple[tuple[Dataset, dict[str, str]], pl.DataFrame, Past]:
    """The cross-section of a date (None: the files' last) with every source of the model and why others are missing;
    closes of all days; a function for labelled rows after a time.

    Raises
    ------
    DataError
        As :func:`predict`.
    """
    config = check_prices_exist(config_of(model))
    wanted = {part.source: [name.split(".", 1)[1] for name in part.names] for part in model.models}
    synthetic = config.panel.kind == "synthetic"
    data, prices, past = (
        _synthetic(model, config, requested_day)
        if synthetic
        else _daily(config, wanted, requested_day)
    )
    config = config.model_copy(
        update={"source": tuple(source for source in config.source if source.label in wanted)}
    )
    join = partial(join_all, config=config, prices=prices, wanted=wanted)
    return join(data), prices, lambda after_ns: join(past(after_ns))[0]


def _daily(
    config: SignalsConfig, wanted: Mapping[str, list[str]], requested_day: date | None
) -> tuple[Dataset, pl.DataFrame, Past]:
    """Factors of the names in the panel on a day (None: the last complete one), closes of all days, and a function for
    the labelled rows after a time.
    """
    source = prices_of(config)
    source = replace(source, wanted=wanted.get(source.name, ANY_FACTOR))
    prices = source.prices()
    days = prices["time"].unique().sort()
    late_note = ""
    if requested_day is None:
        requested_day, late_note = last_complete_day(prices)
        late_note = (
            late_note
            and f"{late_note}, which is forecast (signals predict `date={days[-1].date()}` takes the newer one)"
        )
    day = _find_close(
        days, requested_day, days.dt.convert_time_zone(NEW_YORK).dt.date(), config.panel.path
    )
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
    recent_names = prices.filter(pl.col("time").is_in(recent.implode()) & pl.col("listed"))[
        "instrument"
    ].unique()
    missing_names = sorted(set(recent_names) - set(facts["instrument"]))
    note = (
        f"{len(missing_names)} of {len(recent_names)} names have no row on {day.date()}: {list_names(missing_names)}"
        if missing_names
        else ""
    )
    data = replace(
        _build_unlabelled(facts, source.columns, names, day + 2 * SETTLES),
        note="; ".join(filter(None, (late_note, note))),
    )

    def past(after_ns: int) -> Dataset:
        """Labelled rows of the daily panel after a time, up to the served date."""
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
    model: SignalModel, config: SignalsConfig, requested_day: date | None
) -> tuple[Dataset, pl.DataFrame, Past]:
    """Rows to forecast of a synthetic market on a day, all its prices, and a function for its labelled past."""
    market = market_of(config, model.facts.seed)
    days = market.prices["time"].unique().sort()
    day = _find_close(days, requested_day, days.dt.date(), "the synthetic market")
    panel = Panel(market.sources)
    unlabelled = _build_unlabelled(panel.as_of([day]), panel.columns, panel.columns, day)

    def past(after_ns: int) -> Dataset:
        """Rows of the synthetic market after a time whose labels had ended, and the unlabelled ones."""
        data = market.data
        ended = data.rows((data.end_ns <= unlabelled.time_ns[0]) & (data.time_ns > after_ns))
        joined_fields: Any = {
            key: np.concatenate([getattr(rows, key) for rows in (ended, unlabelled)])
            for key in ("x", *KEYS)
        }
        return replace(unlabelled, **joined_fields)

    return unlabelled, market.prices, past


def _find_close(
    days: pl.Series, requested_day: date | None, dates: pl.Series, files_name: str
) -> datetime:
    """Time of the close of the requested day (None: the last); raises DataError for a day without one."""
    if requested_day is None:
        return days[-1]  # type: ignore[no-any-return]
    index = dates.index_of(requested_day)
    if index is None:
        nearest = dates.filter(dates <= max(requested_day, dates[0]))[-1]
        raise DataError(
            f"a day of {files_name}, {dates[0]} to {dates[-1]}",
            f"{requested_day}",
            f"name one of them, such as {nearest}; without a date it is the last",
        )
    return days[index]  # type: ignore[no-any-return]


def _build_unlabelled(
    facts: pl.DataFrame, columns: Sequence[str], names: tuple[str, ...], known_time: datetime
) -> Dataset:
    """Rows of one date with `known_time` as their time and NaN as label; raises DataError if there are none."""
    facts = facts.sort("instrument")
    if facts.is_empty():
        raise DataError(
            "names in the cross-section",
            f"none on {known_time.date()}",
            "look at the prices of that day",
        )
    values = [pl.col(column).alias(name) for column, name in zip(columns, names, strict=True)]
    time = pl.lit(known_time, time_type())
    blank = pl.lit(None, pl.Float64)
    end = time + pl.duration(microseconds=1)
    return from_frame(
        facts.select("instrument", *values, time=time, start=time, end=end, y=blank, outcome=blank),
        names,
    )
