"""Parent orders, each at its own time: where they fall on the tapes of a lake."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import date as calendar_date, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from tercel.core.errors import ConfigError, TercelError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.task import Task
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.events import clock_s, local_ns, midnight_ns

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
    where : str
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
    where: str = field(default="", compare=False)
    horizon_s: float = field(init=False)

    def __post_init__(self, horizon: float | str) -> None:
        """Parse side and horizon; raise ConfigError for an invalid order."""
        found = _TIME.fullmatch(self.time.strip()) if isinstance(self.time, str) else None
        if found is None:
            raise ConfigError(
                "a time of the exchange as 2012-06-21 10:30, or as 10:30 for every day",
                repr(self.time),
                "write it without a time zone",
            )
        if not self.symbol or not isinstance(self.symbol, str):
            raise ConfigError("the symbol of an order", repr(self.symbol), "such as 'AMZN'")
        if self.side in (0, "both") or not self.quantity:
            raise ConfigError(
                "an order with one side and a quantity",
                f"side {self.side!r}, quantity {self.quantity!r}",
                "such as 'buy' and 50_000",
            )
        own = Task(
            side=self.side,
            quantity=self.quantity,
            start=found[2],
            horizon=horizon,
            limit_price=self.limit_price,
        )
        if found[1]:
            midnight_ns(found[1], "UTC")
        object.__setattr__(self, "time", " ".join(part for part in found.groups() if part))
        object.__setattr__(self, "side", own.side)
        object.__setattr__(self, "horizon_s", own.horizon_s)

    @property
    def date(self) -> str:
        """YYYY-MM-DD; empty: every recorded day."""
        return self.time.partition(" ")[0] if " " in self.time else ""

    @property
    def clock(self) -> str:
        """Time of day of the order's arrival."""
        return self.time.rpartition(" ")[2]

    def task(self, task: Task) -> Task:
        """The task with this order's size, side and time."""
        return replace(
            task,
            side=self.side,
            share=None,
            quantity=self.quantity,
            start="",
            horizon_s=self.horizon_s,
            limit_price=self.limit_price,
        )

    def on(self, instrument: Instrument) -> "Order":
        """The same order on a day, with the date that its clock has then: that of the evening before where it is."""
        begin = datetime.fromtimestamp(
            self.hours(instrument)[0] // NS_PER_SECOND, ZoneInfo(instrument.timezone)
        )
        return replace(self, time=f"{begin:%Y-%m-%d} {self.clock}", horizon=self.horizon_s)

    def days(self, of: Mapping[str, Instrument]) -> list[Instrument]:
        """Trading days that hold an order with a date: that of its date, or the next where this begins on the evening
        before.
        """
        return [
            of[date] for date in (self.date, _next(self.date)) if date in of and self.fits(of[date])
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, of which ``Order(**values)`` makes it again."""
        values = {
            "time": self.time,
            "symbol": self.symbol,
            "side": self.side,
            "quantity": self.quantity,
        }
        return {**values, "horizon": self.horizon_s, "limit_price": self.limit_price}

    def hours(self, instrument: Instrument) -> tuple[int, int]:
        """From arrival to horizon on an instrument's day, ns since 1970."""
        after_s, zone = clock_s(self.clock), instrument.timezone
        begin = local_ns(self.date, zone, after_s) if self.date else instrument.clock_ns(self.clock)
        return begin, begin + round(self.horizon_s * NS_PER_SECOND)

    def fits(self, instrument: Instrument) -> bool:
        """Whether an instrument's session holds the order; any does that does not say when it opens."""
        (begin, end), (start, stop) = self.hours(instrument), instrument.span
        opening, closing = instrument.session_open_ns or start, instrument.session_close_ns
        return opening <= begin < stop and (not closing or end <= closing)


def _next(date: str) -> str:
    return (calendar_date.fromisoformat(date) + timedelta(days=1)).isoformat()


def placed(orders: Sequence[Order], lake: Lake) -> list[Order]:
    """Every order with its date, in order of time; one without a date on each day of its symbol on which it fits.

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
    found, about, spelt = [], cache(lake.instrument), cache(lake.spelt)
    days = cache(lake.days)
    for order in orders:
        order = replace(order, symbol=spelt(order.symbol), horizon=order.horizon_s)  # noqa: PLW2901
        try:
            dates = days(order.symbol)
            if order.date:
                dates = [date for date in (order.date, _next(order.date)) if date in dates] or [
                    order.date
                ]
            fits = [one for one in (about(order.symbol, date) for date in dates) if order.fits(one)]
            if not fits:
                raise ConfigError(
                    f"an order inside a session of {order.symbol}",
                    f"{order.time} for {order.horizon_s / 60:g} minutes",
                    "shorten or move it",
                )
        except TercelError as error:
            if not order.where:
                raise
            raise type(error)(
                error.expected, f"{error.received} in {order.where}", error.remedy
            ) from error
        found += [order.on(one) for one in fits]
    return sorted(found, key=lambda order: (order.date, clock_s(order.clock)))
