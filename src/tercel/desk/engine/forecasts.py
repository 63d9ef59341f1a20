"""A desk's forecasts: of a model that measures its markets live, or served from files, one row per name and date.

A desk never stops for a forecast. A folder that does not load, files that are gone, a forecast of the future or one
whose last day, to the close of which it reaches, is over: the desk trades without, and says so.

Times are the venue's. A clock that counts from 1970 has dates; that of a simulated exchange begins at nothing. There
the session represents one day, from half past nine in New York on: the weekday after the forecast's, or the day that
the desk's file names.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from tercel.core.errors import ConfigError, DataError, TercelError, check_known
from tercel.core.messages import Alpha
from tercel.core.ports import Entry
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.desk.engine.config import OFF, DeskConfig
from tercel.desk.engine.monitor import MarketMonitor
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry
from tercel.execution.guidance import remaining
from tercel.signals.models.model_folder import (
    find_model_folder,
    load,
    load_packaged,
    packaged_names,
)
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.sources.prices import list_names

PACKAGED: Final = "packaged:"
NO_FORECAST: Final = "NO_FORECAST"
DATED_NS: Final = 20 * 365 * DAY_NS
"""Clocks beyond it, 1989, tell dates."""
NEW_YORK: Final = ZoneInfo("America/New_York")
OPENS_AT: Final = time(9, 30)
MAX_SD: Final = 10.0
"""Standard deviations of its own error that a forecast may be from nothing: beyond it, the model is broken."""
REMEDY: Final = "the desk trades without; write a newer one (`tercel signals predict` shows it)"
UNREAD: Final = (
    "the desk trades without; let signals.model name a folder of `tercel signals train` that reads"
)


class NewsPort(Protocol):
    """Port for a news score, a feature of the forecast model."""

    def score(self, instrument: str, number: int, at_ns: int) -> float | None:
        """News score of unit variance known at venue time `at_ns`, as round `number` begins; None without one."""


@dataclass(frozen=True)
class Outlook:
    """Forecast of an instrument for one round: whole, its part within the round, and its journal body.

    Parameters
    ----------
    alpha : Alpha
        The forecast, in the venue's time.
    within_round : Alpha
        The part of it that is expected within the round.
    body : AlphaEntry
        Of its journal entry.
    """

    alpha: Alpha
    within_round: Alpha
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
        self._hash = self._made_on = ""
        self._made_ns = self.offset_ns = 0
        self._day = -1
        self._note = ""
        self._until = date.min
        self.closes: dict[str, float] = {}
        """Last close in the files of the model by its names; empty of a model that measures."""
        self._read_error: TercelError | None = None
        self.fault: TercelError | None = None
        """Error that prevents the forecasts of all instruments; None if there is no such error."""

    @property
    def is_served(self) -> bool:
        """Whether the forecasts come from files (a panel model), by name and date."""
        return self._model is not None and self._model.inputs == "panel"

    def refresh(self, now_ns: int) -> None:
        """Load the model at first, and one served from files again on each new day of the venue; sets `fault` instead
        of raising."""
        day = now_ns // DAY_NS
        if day != self._day and (self._model is None or self.is_served):
            self._day = day
            self._read_error = None
            try:
                self._model = model_of(self._section.model)
                if self.is_served:
                    from tercel.signals.models.predict import predict

                    prediction = predict(self._model)
                    self._served = {alpha.instrument: alpha for alpha in prediction.alphas}
                    self._hash = prediction.model
                    self._made_on = prediction.at
                    self._note = prediction.note
                    self.closes = prediction.closes
                    self._made_ns = prediction.at_ns
                    self._until = prediction.held.last
                    if now_ns < DATED_NS and not self.offset_ns:
                        self.offset_ns = (
                            session_begin_ns(prediction.at_ns, self._section.date) - now_ns
                        )
            except TercelError as error:
                self._read_error = DataError(error.expected, error.received, UNREAD)
            except Exception as error:  # whatever a file holds: a desk trades without its forecast
                self._read_error = DataError(
                    "a forecast", f"{type(error).__name__}: {error}", UNREAD
                )
        self.fault = self._read_error or (self._check_age(now_ns) if self.is_served else None)

    def take_forecast(
        self, name: str, monitor: MarketMonitor, number: int, at_ns: int, gateway: OrderGateway
    ) -> Outlook | None:
        """Forecast of an instrument for round `number`, written to the journal; None and an alert without one."""
        try:
            outlook = self.make_outlook(name, monitor, number, at_ns)
        except TercelError as error:
            gateway.alert_once(
                "warning", NO_FORECAST, str(error), "" if self.is_served or self.fault else name
            )
            return None
        if self._note:
            gateway.alert_once("warning", NO_FORECAST, self._note)
        gateway.write([Entry(kinds.ALPHA, at_ns, name, body=outlook.body.json())])
        return outlook

    def make_outlook(self, name: str, monitor: MarketMonitor, number: int, at_ns: int) -> Outlook:
        """Make the forecast of an instrument as round `number` begins, or raise; `take_forecast` also journals it.

        Raises
        ------
        TercelError
            If the forecast is missing, with the reason.
        """
        self.refresh(at_ns)
        if self.fault is not None:
            raise self.fault
        model = self._model
        assert model is not None
        if not self.is_served:
            news = None if self._news is None else self._news.score(name, number, at_ns)
            alpha = _check_plausible(model.alpha(monitor.features(news), name, at_ns))
            return Outlook(alpha, alpha, _alpha_entry(alpha))
        model_name = self._section.names.get(name, name)
        if model_name not in self._served:
            lacking = {
                self._section.names.get(instrument, instrument) for instrument in self._names
            } - self._served.keys()
            late = lacking & self.closes.keys()
            remedy = (
                "give the files their prices of that day"
                if late
                else "map names by [signals.names]"
            )
            raise DataError(
                "a forecast of each name",
                f"no row of {list_names(sorted(lacking))} in that of model {model.id}, {self._made_on}",
                f"{remedy}, or trade them without",
            )
        alpha = replace(
            _check_plausible(self._served[model_name]),
            instrument=name,
            at_ns=self._made_ns - self.offset_ns,
        )
        sd_bps = (
            alpha.sd_bps * min(self._span_ns / alpha.horizon_ns, 1.0) ** 0.5
        )  # of a random walk
        within_round = replace(
            alpha,
            expected_bps=alpha.expected_bps * share_within(alpha, at_ns, self._span_ns),
            sd_bps=sd_bps,
        )
        left_bps = alpha.expected_bps * share_within(alpha, at_ns, alpha.horizon_ns)
        due_ns = alpha.at_ns + alpha.horizon_ns
        body = _alpha_entry(alpha)
        body.model = self._hash
        body.at = self._made_on
        body.ahead_bps = within_round.expected_bps
        body.left_bps = left_bps
        body.due_ns = due_ns
        return Outlook(alpha, within_round, body)

    def _check_age(self, at_ns: int) -> TercelError | None:
        """Error for a forecast that has expired or lies in the future; None otherwise."""
        day = session_day(at_ns + self.offset_ns, "") or date.max
        if at_ns + self.offset_ns >= self._made_ns and day <= self._until:
            return None
        return DataError(
            "a forecast that is known by now, and whose horizon is not over",
            f"one of {self._made_on} to the close of {self._until}, in a session of {day}",
            REMEDY,
        )


def _alpha_entry(alpha: Alpha) -> AlphaEntry:
    """Body of the journal entry of a forecast."""
    return AlphaEntry(
        horizon_ns=int(alpha.horizon_ns),
        expected_bps=float(alpha.expected_bps),
        sd_bps=float(alpha.sd_bps),
        half_life_ns=int(alpha.half_life_ns),
        sources=list(alpha.sources),
    )


def _check_plausible(alpha: Alpha) -> Alpha:
    """The forecast itself, refused if its move exceeds `MAX_SD` standard deviations of its error.

    >>> _check_plausible(Alpha("A", 0, 1, 12.0, 185.0, 1)).expected_bps
    12.0
    """
    if abs(alpha.expected_bps) > MAX_SD * alpha.sd_bps > 0:
        raise DataError(
            f"a forecast within {MAX_SD:g} standard deviations of its error",
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
        else load(find_model_folder(Path(name)))
    )


def check_signals(config: DeskConfig) -> None:
    """Refuse a desk whose forecast model or names cannot exist.

    Raises
    ------
    ConfigError
        For a missing model folder, an unknown packaged model, or a name that is no instrument's.
    """
    section = config.signals
    names = [instrument.name for instrument in config.instrument]
    for name in section.names:
        check_known(name, names, "an instrument of the desk:", f"signals.names: {name}")
    if section.model == OFF:
        return
    if section.model.startswith(PACKAGED):
        model = section.model.removeprefix(PACKAGED)
        check_known(model, packaged_names(), received=f"signals.model = {section.model!r}")
    elif not Path(section.model).is_dir():
        raise ConfigError(
            f"a model folder, {PACKAGED}NAME or off",
            f"signals.model = {section.model!r}",
            "name FOLDER/model of tercel signals train CONFIG.toml `out=FOLDER`",
        )


def session_day(at_ns: int, default_date: str) -> date | None:
    """Session date in New York of a dated clock, ns since 1970, else the given date; None without either.

    >>> session_day(1514583000 * 10**9, ""), session_day(5, "2018-07-02"), session_day(5, "")
    (datetime.date(2017, 12, 29), datetime.date(2018, 7, 2), None)
    """
    if at_ns < DATED_NS:
        return date.fromisoformat(default_date) if default_date else None
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, NEW_YORK).date()


def session_begin_ns(at_ns: int, default_date: str) -> int:
    """Start of a session on a clock without dates, ns since 1970: 9:30 in New York on the given day, or without one on
    the weekday after `at_ns`, a forecast's time.

    >>> friday = 1514583000 * 10**9
    >>> [str(datetime.fromtimestamp(session_begin_ns(friday, day) // 10**9, NEW_YORK))[:16] for day in ("", "2018-07-02")]
    ['2018-01-01 09:30', '2018-07-02 09:30']
    """
    next_day = datetime.fromtimestamp(at_ns // NS_PER_SECOND, NEW_YORK) + timedelta(days=1)
    day = date.fromisoformat(default_date) if default_date else next_day.date()
    while not default_date and day.weekday() >= 5:
        day += timedelta(days=1)
    return round(datetime.combine(day, OPENS_AT, NEW_YORK).timestamp()) * NS_PER_SECOND


def share_within(alpha: Alpha, now_ns: int, span_ns: int) -> float:
    """Share of a forecast's whole move that is expected from `now_ns` to `now_ns + span_ns`.

    >>> round(share_within(Alpha("A", 0, 100, 8.0, 2.0, 10**9), 50, 25), 6)
    0.25
    """
    age_ns = np.array([now_ns - alpha.at_ns, now_ns + span_ns - alpha.at_ns], np.int64)
    shares_left, _ = remaining(age_ns, np.full(2, alpha.horizon_ns), np.full(2, alpha.half_life_ns))
    return float(shares_left[0] - shares_left[1])
