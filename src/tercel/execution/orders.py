"""Listed parent orders with arrival times, and the recorded days on which they fall."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from tercel.core.errors import ConfigError, TercelError, refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.task import Task
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.local_times import clock_s, local_ns, midnight_ns
from tercel.market.tape.recorded_rules import recorded_hours

_TIME: Final = re.compile(r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d?:\d\d(?::\d\d)?)")


@dataclass(frozen=True)
class Order:
    """A parent order on recorded days.

    Parameters
    ----------
    time : str
        Arrival in local time of the exchange, ``2012-06-21 10:30``; a time alone: on every recorded day. Its date is
        that of the calendar, also in the evening on which the next trading day begins.
    symbol : str
    side : int
        +1 buy, -1 sell; or the words buy and sell.
    quantity : int
        Lots.
    horizon : float or str
        Seconds, or text such as ``2h``; it reads back as `horizon_s`.
    limit_price : float or str, optional
        As in :class:`Task`.
    origin : str
        Where it was read, for errors.

    Raises
    ------
    ConfigError
        Anything that is no order.

    >>> Order("2012-06-21 10:30", "AMZN", "buy", 50_000, "2h").horizon_s
    7200.0
    """

    time: str
    symbol: str
    side: int
    quantity: int
    horizon: InitVar[float | str]
    limit_price: float | str | None = None
    origin: str = field(default="", compare=False)
    horizon_s: float = field(init=False)

    def __post_init__(self, horizon: float | str) -> None:
        """Parse side and horizon; raise ConfigError for an invalid order."""
        match = _TIME.fullmatch(self.time.strip()) if isinstance(self.time, str) else None
        if match is None:
            raise ConfigError(
                "a time of the exchange as 2012-06-21 10:30, or as 10:30 for every day",
                repr(self.time),
                "write it without a time zone",
            )
        if not self.symbol or not isinstance(self.symbol, str):
            raise ConfigError("the symbol of an order", repr(self.symbol), "such as 'AMZN'")
        refuse_if(
            self.side in (0, "both") or not self.quantity,
            "an order with one side and a quantity",
            f"side {self.side!r}, quantity {self.quantity!r}",
            "such as 'buy' and 50_000",
        )
        task = Task(
            side=self.side,
            quantity=self.quantity,
            start=match[2],
            horizon=horizon,
            limit_price=self.limit_price,
        )
        if match[1]:
            midnight_ns(match[1], "UTC")
        object.__setattr__(self, "time", " ".join(part for part in match.groups() if part))
        object.__setattr__(self, "side", task.side)
        object.__setattr__(self, "horizon_s", task.horizon_s)

    @property
    def date(self) -> str:
        """Date of arrival, YYYY-MM-DD; empty: every recorded day."""
        return self.time.partition(" ")[0] if " " in self.time else ""

    @property
    def clock(self) -> str:
        """Time of day of the order's arrival as text, HH:MM or HH:MM:SS, in local time of the exchange."""
        return self.time.rpartition(" ")[2]

    def task(self, task: Task) -> Task:
        """The task `task` with this order's side, quantity, horizon and limit price; share and start time are removed."""
        return replace(
            task,
            side=self.side,
            share=None,
            quantity=self.quantity,
            start="",
            horizon_s=self.horizon_s,
            limit_price=self.limit_price,
        )

    def on_day(self, instrument: Instrument) -> "Order":
        """The order dated for the session of `instrument`; a clock of the evening before gets that evening's date."""
        begin = datetime.fromtimestamp(
            self.hours(instrument)[0] // NS_PER_SECOND, ZoneInfo(instrument.timezone)
        )
        return replace(self, time=f"{begin:%Y-%m-%d} {self.clock}", horizon=self.horizon_s)

    def days(self, instruments: Mapping[str, Instrument]) -> list[Instrument]:
        """Sessions, among those by date, that this dated order falls in: that of its date, or the next one if it began
        the evening before.
        """
        return [
            instruments[date]
            for date in _trading_dates(self.date, instruments)
            if self.fits(instruments[date])
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which ``Order(**values)`` builds the same order."""
        values = {
            "time": self.time,
            "symbol": self.symbol,
            "side": self.side,
            "quantity": self.quantity,
        }
        return {**values, "horizon": self.horizon_s, "limit_price": self.limit_price}

    def hours(self, instrument: Instrument) -> tuple[int, int]:
        """Begin (arrival) and end (arrival plus horizon, in trading time) of the order on an instrument's day, ns since 1970."""
        time_of_day_s = clock_s(self.clock)
        zone = instrument.timezone
        begin = (
            local_ns(self.date, zone, time_of_day_s)
            if self.date
            else instrument.clock_ns(self.clock)
        )
        hours = recorded_hours(instrument)
        return begin, hours.ends_ns(begin, round(self.horizon_s * NS_PER_SECOND))

    def fits(self, instrument: Instrument) -> bool:
        """Whether the order arrives from the open (the span's begin if unknown) to before the span's end, and ends by the close.

        A close that is not known is not checked.
        """
        begin, end = self.hours(instrument)
        start, stop = instrument.span
        opening = instrument.session_open_ns or start
        closing = instrument.session_close_ns
        return opening <= begin < stop and (not closing or end <= closing)


def _trading_dates(date: str, dates: Iterable[str]) -> list[str]:
    """Those of `dates` (YYYY-MM-DD) that a time of `date` may belong to: itself, and the next, whose night it may be."""
    return sorted(other for other in dates if other >= date)[:2]


def horizon_until(lake: Lake, symbol: str, start: str, end: str) -> float | None:
    """Trading time, s, between two times of day of a symbol's last day, which a break or a night may part; None on a day
    without breaks, and for an end before the start.

    Raises
    ------
    TapeError
        A symbol that the lake does not hold.
    """
    instrument = lake.instrument(symbol, lake.days(symbol)[-1])
    hours = recorded_hours(instrument)
    span_ns = hours.trading_ns(instrument.clock_ns(start), instrument.clock_ns(end))
    return span_ns / NS_PER_SECOND if hours.windows and span_ns else None


def assign_days(orders: Sequence[Order], lake: Lake) -> list[Order]:
    """Orders with their trading days, by time; an order without a date once for each day on which it fits. ConfigError
    for an order that fits no session.

    Raises
    ------
    ConfigError
        No orders, or one that lies outside the session of its day.
    TapeError
        One whose symbol or day the lake does not hold.
    """
    if not orders:
        raise ConfigError(
            "at least one order", "none", "name time, symbol, side, quantity and horizon of each"
        )
    dated_orders = []
    instrument_of = cache(lake.instrument)
    spell = cache(lake.match_case)
    days_of = cache(lake.days)
    for order in orders:
        order = replace(order, symbol=spell(order.symbol), horizon=order.horizon_s)  # noqa: PLW2901
        try:
            dates = days_of(order.symbol)
            if order.date:
                dates = _trading_dates(order.date, dates)
            instruments = [
                instrument
                for instrument in (instrument_of(order.symbol, date) for date in dates)
                if order.fits(instrument)
            ]
            if not instruments:
                if order.date:
                    instrument_of(order.symbol, order.date)  # is the day there?
                raise ConfigError(
                    f"an order inside a session of {order.symbol}",
                    f"{order.time} for {order.horizon_s / 60:g} minutes",
                    "shorten or move it",
                )
        except TercelError as error:
            if not order.origin:
                raise
            raise type(error)(
                error.expected, f"{error.received} in {order.origin}", error.remedy
            ) from error
        dated_orders += [order.on_day(instrument) for instrument in instruments]
    return sorted(dated_orders, key=lambda order: (order.date, clock_s(order.clock)))
