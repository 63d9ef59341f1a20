"""`VenueRules`: when a venue takes orders for an instrument, and at which prices and quantities; integers alone.

`instrument_rules.InstrumentRules` is the declaration that they are made of. Without windows trading never ends; the default
refuses nothing, and leaves every schedule in wall time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tercel.core.vocabulary import FOREVER_NS


class TradingWindow(NamedTuple):
    """Continuous trading from `start_ns` (inclusive) to `end_ns` (exclusive); `ends_day`: the last of its trading day."""

    start_ns: int
    end_ns: int
    ends_day: bool


def windows_of(spans: Sequence[tuple[int, int]]) -> tuple[TradingWindow, ...]:
    """The windows of one trading day of their begins and ends, ns."""
    return tuple(TradingWindow(*span, n == len(spans) - 1) for n, span in enumerate(spans))


@dataclass(frozen=True, slots=True)
class VenueRules:
    """Times, prices and quantities of orders that a venue takes for one instrument.

    Parameters
    ----------
    windows : tuple of TradingWindow
        Of some days, in order; (): trading never ends.
    stop_ns : int
        A desk sends nothing new so long before a window ends: what it sends has to arrive.
    round_lots, least_lots : int
        Quantities are multiples of `round_lots`, and at least `least_lots`.
    odd_sells : bool
        Whether what a seller has beyond a multiple may be sold too, in one order.
    tick_table : tuple of (int, int)
        From a price (ticks) on, prices are multiples of so many ticks; by price.
    low, high : int
        Daily price limits, ticks; a `high` of 0: none.
    market_orders : bool
        Whether orders without a price are taken.

    >>> rules = VenueRules((TradingWindow(0, 100, False), TradingWindow(150, 200, True)), round_lots=100, high=120)
    >>> rules.ends_ns(90, 30), rules.trading_ns(90, 170), rules.next_open_ns(120), rules.break_ns(90)
    (170, 30, 150, 50)
    >>> rules.refusal(1, 100, 110, 50), rules.refusal(1, 150, 110, 50), rules.refusal(1, 100, 121, 50)
    ('', '150 lots; multiples of 100', 'price 121 ticks is beyond the daily limits 0 to 120')
    """

    windows: tuple[TradingWindow, ...] = ()
    stop_ns: int = 0
    round_lots: int = 1
    least_lots: int = 1
    odd_sells: bool = False
    tick_table: tuple[tuple[int, int], ...] = ()
    low: int = 0
    high: int = 0
    market_orders: bool = True

    def is_open(self, ns: int) -> bool:
        """Whether the venue trades continuously at a time."""
        return self.opened_ns(ns) is not None

    def opened_ns(self, ns: int) -> int | None:
        """Begin of the window that a time lies in; None while it is closed, 0 where trading never ends."""
        starts = (w.start_ns for w in self.windows if w.start_ns <= ns < w.end_ns)
        return next(starts, None) if self.windows else 0

    def next_open_ns(self, ns: int) -> int:
        """First time from `ns` on at which something new may be sent; FOREVER_NS after the last window."""
        times = (max(w.start_ns, ns) for w in self.windows if ns < w.end_ns - self.stop_ns)
        return min(times, default=FOREVER_NS) if self.windows else ns

    def next_stop_ns(self, ns: int) -> int:
        """First time from `ns` on at which nothing new may be sent; FOREVER_NS where trading never ends."""
        if not self.windows:
            return FOREVER_NS
        stops = (w.end_ns - self.stop_ns for w in self.windows if w.start_ns <= ns < w.end_ns)
        return max(next(stops, ns), ns)

    def break_ns(self, ns: int) -> int:
        """Length of the break of the day that follows the window of a time, its end included; 0: none, the day ends there."""
        after = zip(self.windows, self.windows[1:], strict=False)
        lengths = (
            later.start_ns - w.end_ns
            for w, later in after
            if w.start_ns <= ns <= w.end_ns and not w.ends_day
        )
        return next(lengths, 0)

    def trading_ns(self, since_ns: int, until_ns: int) -> int:
        """Trading time between two times, ns."""
        if not self.windows:
            return max(until_ns - since_ns, 0)
        return sum(
            max(min(w.end_ns, until_ns) - max(w.start_ns, since_ns), 0) for w in self.windows
        )

    def ends_ns(self, since_ns: int, trading_ns: int) -> int:
        """When so much trading time has passed: at the latest `stop_ns` before the day's last stop, so that what is sent then
        can be answered; as long before the stop of a window that it ends in. After the last window: `since_ns`."""
        if not self.windows:
            return since_ns + trading_ns
        for window in self.windows:
            begins_ns = max(window.start_ns, since_ns)
            if begins_ns >= window.end_ns:
                continue
            if begins_ns + trading_ns <= window.end_ns or window.ends_day:
                latest_ns = max(window.end_ns - 2 * self.stop_ns, begins_ns)
                return min(begins_ns + trading_ns, latest_ns)
            trading_ns -= window.end_ns - begins_ns
        return since_ns

    def tick_at(self, price: int) -> int:
        """Ticks of which a price is a multiple, in its band of the table."""
        return next((step for start, step in reversed(self.tick_table) if start <= price), 1)

    def legal_price(self, side: int, price: int) -> int | None:
        """The price itself, or the nearest that is taken and no worse for its sender; None if there is none."""
        if self.high:
            price = min(price, self.high) if side > 0 else max(price, self.low)
        for _ in range(2):  # rounded into another band, it is rounded by that one's tick
            step = self.tick_at(price)
            price = price // step * step if side > 0 else -(-price // step) * step
        return None if self.price_fault(price) else price

    def legal_lots(self, side: int, lots: int, unsent: int) -> int:
        """The most lots up to `lots` that one order may have; 0: none. `unsent`: of its parent, these among them."""
        sells_odd = side < 0 and self.odd_sells
        if sells_odd and lots == unsent:
            return lots
        odd = unsent % self.round_lots if sells_odd and lots >= unsent % self.round_lots else 0
        legal = (lots - odd) // self.round_lots * self.round_lots + odd
        return legal if legal >= self.least_lots or odd else 0

    def price_fault(self, price: int) -> str:
        """Why a venue refuses a price, ticks; "" if it takes it."""
        if self.high and not self.low <= price <= self.high:
            return f"price {price} ticks is beyond the daily limits {self.low} to {self.high}"
        step = self.tick_at(price)
        return f"price {price} ticks; multiples of {step} there" if price % step else ""

    def lots_fault(self, side: int, lots: int) -> str:
        """Why a venue refuses a quantity; "" if it takes it. Holdings are not known here: of a sell any odd part passes."""
        if side < 0 and self.odd_sells:
            return ""
        if lots % self.round_lots:
            return f"{lots} lots; multiples of {self.round_lots}"
        return f"{lots} lots; at least {self.least_lots}" if lots < self.least_lots else ""

    def refusal(self, side: int, lots: int, price: int | None, ns: int) -> str:
        """Why a venue refuses an order that arrives at a time; "" if it takes it.

        Parameters
        ----------
        side : int
            +1 buy, -1 sell.
        lots : int
        price : int or None
            Ticks; None: a market order.
        ns : int
        """
        if not self.is_open(ns):
            return "the market is closed"
        if price is None and not self.market_orders:
            return "market orders are not taken here"
        return self.lots_fault(side, lots) or ("" if price is None else self.price_fault(price))

    @classmethod
    def of(cls, values: dict[str, Any]) -> "VenueRules":
        """The rules of the values of their fields, as JSON has them.

        >>> VenueRules.of({"windows": [[0, 9, True]], "low": 4}).windows
        (TradingWindow(start_ns=0, end_ns=9, ends_day=True),)
        """
        rules = cls(
            **values
            | {
                "windows": tuple(TradingWindow(*window) for window in values.get("windows", ())),
                "tick_table": tuple((start, step) for start, step in values.get("tick_table", ())),
            }
        )
        return NO_RULES if rules == NO_RULES else rules


NO_RULES: Final = VenueRules()
"""Of a market without breaks that takes every tick and lot."""
