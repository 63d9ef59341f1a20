"""Parent orders, each at its own time: where they fall on the tapes of a lake."""

import re
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace
from functools import cache
from typing import Any, Final

from tercel.core.errors import ConfigError, TercelError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.task import Task
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.instrument import clock_s, midnight_ns

_TIME: Final = re.compile(r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d?:\d\d(?::\d\d)?)")


@dataclass(frozen=True)
class Order:
    """A parent order on recorded days.

    Parameters
    ----------
    time : str
        Arrival in local time of the exchange, ``2012-06-21 10:30``; a time alone: on every recorded day.
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
        """Take side and horizon from words, refuse what is no order."""
        found = _TIME.fullmatch(self.time.strip()) if isinstance(self.time, str) else None
        if found is None:
            expected = "a time of the exchange as 2012-06-21 10:30, or as 10:30 for every day"
            raise ConfigError(expected, repr(self.time), "write it without a time zone")
        if not self.symbol or not isinstance(self.symbol, str):
            raise ConfigError("the symbol of an order", repr(self.symbol), "such as 'AMZN'")
        if self.side in (0, "both") or not self.quantity:
            received = f"side {self.side!r}, quantity {self.quantity!r}"
            raise ConfigError("an order with one side and a quantity", received, "such as 'buy' and 50_000")
        own = Task(
            side=self.side, quantity=self.quantity, start=found[2], horizon=horizon, limit_price=self.limit_price
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
            task, side=self.side, share=None, quantity=self.quantity, start="", horizon_s=self.horizon_s,
            limit_price=self.limit_price,
        )  # fmt: skip

    def on(self, date: str) -> "Order":
        """The same order on a day."""
        return replace(self, time=f"{date} {self.clock}", horizon=self.horizon_s)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, of which ``Order(**values)`` makes it again."""
        values = {"time": self.time, "symbol": self.symbol, "side": self.side, "quantity": self.quantity}
        return {**values, "horizon": self.horizon_s, "limit_price": self.limit_price}

    def hours(self, instrument: Instrument) -> tuple[int, int]:
        """From arrival to horizon on an instrument's day, ns since 1970."""
        begin = instrument.clock_ns(self.clock)
        return begin, begin + round(self.horizon_s * NS_PER_SECOND)

    def fits(self, instrument: Instrument) -> bool:
        """Whether an instrument's session holds the order; any does that does not say when it opens."""
        begin, end = self.hours(instrument)
        opening, closing = instrument.session_open_ns, instrument.session_close_ns
        return not opening or (opening <= begin and (not closing or end <= closing))


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
        raise ConfigError("at least one order", "none", "name time, symbol, side, quantity and horizon of each")
    found, about, spelt = [], cache(lake.instrument), cache(lake.spelt)
    days = cache(lambda symbol: tuple(lake.days(symbol)))
    for order in orders:
        order = replace(order, symbol=spelt(order.symbol), horizon=order.horizon_s)  # noqa: PLW2901
        try:
            dates = (order.date,) if order.date else days(order.symbol)
            fits = [date for date in dates if order.fits(about(order.symbol, date))]
            if not fits:
                received = f"{order.time} for {order.horizon_s / 60:g} minutes"
                raise ConfigError(f"an order inside a session of {order.symbol}", received, "shorten or move it")
        except TercelError as error:
            if not order.where:
                raise
            raise type(error)(error.expected, f"{error.received} in {order.where}", error.remedy) from error
        found += [order.on(date) for date in fits]
    return sorted(found, key=lambda order: (order.date, clock_s(order.clock)))
