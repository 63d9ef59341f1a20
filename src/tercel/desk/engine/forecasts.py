"""A desk's forecasts: of a model that measures its markets live, or served from files, one row per name and date.

A desk never stops for a forecast. A folder that does not load, files that are gone, a forecast of the future or one
whose last day, to the close of which it reaches, is over: the desk trades without, and says so.

Times are the venue's. A clock that counts from 1970 has dates; that of a simulated exchange begins at nothing. There
the session represents one day, from half past nine in New York on: the weekday after the forecast's, or the day that
the desk's file names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from tercel.core.errors import ConfigError, DataError, TercelError, check_known
from tercel.core.messages import Alpha
from tercel.core.ports import Entry
from tercel.core.stats.inference import wilson
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.desk.engine.config import OFF, DeskConfig
from tercel.desk.engine.monitor import MarketMonitor
from tercel.desk.trading.forecast_outcomes import Outcomes
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry
from tercel.desk.trading.journal.bodies import AlertEntry
from tercel.execution.guidance import remaining
from tercel.signals.models.model_folder import SignalModel, folder_at, load, load_packaged, packaged
from tercel.signals.sources.tables import first_names

PACKAGED: Final = "packaged:"
NO_FORECAST: Final = "NO_FORECAST"
DATED_NS: Final = 20 * 365 * DAY_NS
"""Clocks beyond it, 1989, tell dates."""
NEW_YORK: Final = ZoneInfo("America/New_York")
OPENS: Final = time(9, 30)
MOST_SD: Final = 10.0
"""Standard deviations of its own error that a forecast may be from nothing: beyond it, the model is broken."""
REMEDY: Final = "the desk trades without; write a newer one (`tercel signals predict` shows it)"
UNREAD: Final = (
    "the desk trades without; let signals.model name a folder of `tercel signals train` that reads"
)


class NewsPort(Protocol):
    """Port of a news score."""

    def score(self, instrument: str, number: int, at_ns: int) -> float | None:
        """The score known as round `number` begins at venue time `at_ns`, of unit variance; None: no score."""


@dataclass(frozen=True)
class Outlook:
    """Forecast that a round uses.

    Parameters
    ----------
    alpha : Alpha
        The forecast, in the venue's time.
    ahead : Alpha
        The part of it that is expected within the round.
    body : AlphaEntry
        Of its journal entry.
    """

    alpha: Alpha
    ahead: Alpha
    body: AlphaEntry


class DeskForecasts:
    """Forecasts of the model that a desk's file names.

    Parameters
    ----------
    config : DeskConfig
    news : NewsPort, optional
        The feature `news` of a model that measures.
    """

    def __init__(self, config: DeskConfig, news: NewsPort | None = None) -> None:
        self._section = config.signals
        self._news = news
        self._names = [instrument.name for instrument in config.instrument]
        self._span_ns = round(config.desk.round_s * NS_PER_SECOND)
        self._model: SignalModel | None = None
        self._served: dict[str, Alpha] = {}
        self._hash = self._at = ""
        self._at_ns = self.offset_ns = 0
        self._day = -1
        self._note = ""
        self._until = date.min
        self.closes: dict[str, float] = {}
        """Last close in the files of the model by its names; empty of a model that measures."""
        self._unread: TercelError | None = None
        self.fault: TercelError | None = None
        """Error that prevents the forecasts of all instruments; None if there is no such error."""

    @property
    def served(self) -> bool:
        """Whether they come from files, with a name and a date."""
        return self._model is not None and self._model.inputs == "panel"

    def look(self, now_ns: int) -> None:
        """Read model and files, first and whenever the calendar day of the venue's clock is another."""
        day = now_ns // DAY_NS
        if day != self._day and (self._model is None or self.served):
            self._day = day
            self._unread = None
            try:
                self._model = model_of(self._section.model)
                if self.served:
                    from tercel.signals.models.predict import predict

                    found = predict(self._model)
                    self._served = {one.instrument: one for one in found.alphas}
                    self._hash = found.model
                    self._at = found.at
                    self._note = found.note
                    self.closes = found.closes
                    self._at_ns = found.at_ns
                    self._until = found.held.last
                    if now_ns < DATED_NS and not self.offset_ns:
                        self.offset_ns = begins_ns(found.at_ns, self._section.date) - now_ns
            except TercelError as error:
                self._unread = DataError(error.expected, error.received, UNREAD)
            except Exception as error:  # whatever a file holds: a desk trades without its forecast
                self._unread = DataError("a forecast", f"{type(error).__name__}: {error}", UNREAD)
        self.fault = self._unread or (self._too_old(now_ns) if self.served else None)

    def take(
        self, name: str, monitor: MarketMonitor, number: int, at_ns: int, gateway: OrderGateway
    ) -> Outlook | None:
        """Forecast of an instrument as round `number` begins, journaled; None and an alert if it is missing."""
        try:
            found = self.outlook(name, monitor, number, at_ns)
        except TercelError as error:
            gateway.alert_once(
                "warning", NO_FORECAST, str(error), "" if self.served or self.fault else name
            )
            return None
        if self._note:
            gateway.alert_once("warning", NO_FORECAST, self._note)
        gateway.write([Entry(kinds.ALPHA, at_ns, name, body=found.body.json())])
        return found

    def outlook(self, name: str, monitor: MarketMonitor, number: int, at_ns: int) -> Outlook:
        """The forecast of an instrument as round `number` begins.

        Raises
        ------
        TercelError
            If the forecast is missing, with the reason.
        """
        self.look(at_ns)
        if self.fault is not None:
            raise self.fault
        model = self._model
        assert model is not None
        if not self.served:
            news = None if self._news is None else self._news.score(name, number, at_ns)
            alpha = _likely(model.alpha(monitor.features(news), name, at_ns))
            return Outlook(alpha, alpha, _body(alpha))
        known = self._section.names.get(name, name)
        if known not in self._served:
            lacking = {
                self._section.names.get(one, one) for one in self._names
            } - self._served.keys()
            late = lacking & self.closes.keys()
            remedy = (
                "give the files their prices of that day"
                if late
                else "map names by [signals.names]"
            )
            raise DataError(
                "a forecast of each name",
                f"no row of {first_names(sorted(lacking))} in that of model {model.id}, {self._at}",
                f"{remedy}, or trade them without",
            )
        alpha = replace(
            _likely(self._served[known]), instrument=name, at_ns=self._at_ns - self.offset_ns
        )
        sd_bps = (
            alpha.sd_bps * min(self._span_ns / alpha.horizon_ns, 1.0) ** 0.5
        )  # of a random walk
        ahead = replace(
            alpha,
            expected_bps=alpha.expected_bps * within(alpha, at_ns, self._span_ns),
            sd_bps=sd_bps,
        )
        left_bps, due_ns = (
            alpha.expected_bps * within(alpha, at_ns, alpha.horizon_ns),
            alpha.at_ns + alpha.horizon_ns,
        )
        body = _body(alpha)
        body.model, body.at = self._hash, self._at
        body.ahead_bps, body.left_bps, body.due_ns = ahead.expected_bps, left_bps, due_ns
        return Outlook(alpha, ahead, body)

    def _too_old(self, at_ns: int) -> TercelError | None:
        """A forecast that is over, or of the future, by the venue's clock."""
        day = session_day(at_ns + self.offset_ns, "") or date.max
        if at_ns + self.offset_ns >= self._at_ns and day <= self._until:
            return None
        return DataError(
            "a forecast that is known by now, and whose horizon is not over",
            f"one of {self._at} to the close of {self._until}, in a session of {day}",
            REMEDY,
        )


def _body(alpha: Alpha) -> AlphaEntry:
    return AlphaEntry(
        horizon_ns=int(alpha.horizon_ns),
        expected_bps=float(alpha.expected_bps),
        sd_bps=float(alpha.sd_bps),
        half_life_ns=int(alpha.half_life_ns),
        sources=list(alpha.sources),
    )


def _likely(alpha: Alpha) -> Alpha:
    """A forecast, refused where no market that the model was trained on could do what it says.

    >>> _likely(Alpha("A", 0, 1, 12.0, 185.0, 1)).expected_bps
    12.0
    """
    if abs(alpha.expected_bps) > MOST_SD * alpha.sd_bps > 0:
        raise DataError(
            f"a forecast within {MOST_SD:g} standard deviations of its error",
            f"{alpha.expected_bps:+,.0f} bps of {alpha.instrument}, whose error's is {alpha.sd_bps:,.0f}",
            UNREAD,
        )
    return alpha


def model_of(name: str) -> SignalModel:
    """A model as a desk's file names it: `packaged:NAME`, or a folder of `signals train`.

    Raises
    ------
    TercelError
        For one that does not exist, was edited or does not read.
    """
    return (
        load_packaged(name.removeprefix(PACKAGED))
        if name.startswith(PACKAGED)
        else load(folder_at(Path(name)))
    )


def check_signals(config: DeskConfig) -> None:
    """Refuse a desk whose forecast model or names cannot exist.

    Raises
    ------
    ConfigError
        For a missing model folder, an unknown packaged model, or a name that is no instrument's.
    """
    section, names = config.signals, [instrument.name for instrument in config.instrument]
    for name in section.names:
        check_known(name, names, "an instrument of the desk:", f"signals.names: {name}")
    if section.model == OFF:
        return
    if section.model.startswith(PACKAGED):
        model = section.model.removeprefix(PACKAGED)
        check_known(model, packaged(), said=f"signals.model = {section.model!r}")
    elif not Path(section.model).is_dir():
        raise ConfigError(
            f"a model folder, {PACKAGED}NAME or off",
            f"signals.model = {section.model!r}",
            "name FOLDER/model of tercel signals train CONFIG.toml `out=FOLDER`",
        )


def session_day(at_ns: int, said: str) -> date | None:
    """Session date in New York of a dated clock, ns since 1970, else the given date; None without either.

    >>> session_day(1514583000 * 10**9, ""), session_day(5, "2018-07-02"), session_day(5, "")
    (datetime.date(2017, 12, 29), datetime.date(2018, 7, 2), None)
    """
    if at_ns < DATED_NS:
        return date.fromisoformat(said) if said else None
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, NEW_YORK).date()


def begins_ns(at_ns: int, said: str) -> int:
    """When a session on a clock without dates begins: of the day that is said, or the weekday after a forecast's.

    >>> friday = 1514583000 * 10**9
    >>> [str(datetime.fromtimestamp(begins_ns(friday, day) // 10**9, NEW_YORK))[:16] for day in ("", "2018-07-02")]
    ['2018-01-01 09:30', '2018-07-02 09:30']
    """
    morrow = datetime.fromtimestamp(at_ns // NS_PER_SECOND, NEW_YORK) + timedelta(days=1)
    day = date.fromisoformat(said) if said else morrow.date()
    while not said and day.weekday() >= 5:
        day += timedelta(days=1)
    return round(datetime.combine(day, OPENS, NEW_YORK).timestamp()) * NS_PER_SECOND


def within(alpha: Alpha, now_ns: int, span_ns: int) -> float:
    """Share of a forecast's move that is expected within a span from now on.

    >>> round(within(Alpha("A", 0, 100, 8.0, 2.0, 10**9), 50, 25), 6)
    0.25
    """
    past = np.array([now_ns - alpha.at_ns, now_ns + span_ns - alpha.at_ns], np.int64)
    left, _ = remaining(past, np.full(2, alpha.horizon_ns), np.full(2, alpha.half_life_ns))
    return float(left[0] - left[1])


@dataclass(frozen=True)
class ForecastOutcome:
    """Forecasts of a desk that were served, each scored once, at its horizon.

    Parameters
    ----------
    model, at : str or None
        Of the last forecast that was taken; None where none was.
    names : tuple of mapping
        One row per forecast: {"name", "forecast_bps": what was left of it when the desk first took it, "came_bps": None of
        one that is not yet due}.
    not_due : int
        Forecasts whose horizon has not passed in the market's time.
    scored, hits : int
        Of the others that moved; those whose sign was right.
    hit_rate, ci_low, ci_high : float or None
        Share of right signs, with its 95 % interval as if forecasts were independent (Wilson, 1927).
    without : tuple of str
        Why there was none, as alerted.
    targets : tuple of str
        What became of targets, as alerted.
    """

    model: str | None = None
    at: str | None = None
    names: tuple[Mapping[str, Any], ...] = ()
    not_due: int = 0
    scored: int = 0
    hits: int = 0
    hit_rate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    without: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def forecasts_in(entries: Iterable[Entry]) -> ForecastOutcome:
    """The same from a journal's entries of ALPHA, MARKET and ALERT."""
    missing, aims, fold = list[str](), list[str](), Outcomes()
    last = AlphaEntry()
    for entry in entries:
        if entry.kind == kinds.ALERT:
            alert = AlertEntry.of(entry)
            if alert.code == kinds.TARGET:
                aims.append(alert.text)
            elif alert.code == NO_FORECAST:
                missing.append(": ".join(filter(None, (entry.instrument, alert.text))))
        elif entry.kind == kinds.MARKET:
            fold.apply(entry)
        elif (alpha := AlphaEntry.of(entry)).model:
            fold.apply(entry)
            last = alpha
    waiting = fold.waiting
    over = [(row.forecast_bps or 0.0) * row.came_bps for row in fold.scored if row.came_bps]
    hits = sum(product > 0 for product in over)
    rate, low, high = wilson(hits, len(over))
    names = tuple(
        {"name": row.instrument, "forecast_bps": row.forecast_bps, "came_bps": row.came_bps}
        for row in (*fold.scored, *waiting)
    )
    return ForecastOutcome(
        last.model,
        last.at,
        names,
        len(waiting),
        len(over),
        hits,
        rate,
        low,
        high,
        tuple(dict.fromkeys(missing)),
        tuple(aims),
    )
