"""Klines and rolling statistics of one symbol, made of its trades: whole ticks and lots, times as clients see them."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from math import gcd
from typing import Any, Final

from exchange.binance.symbols import SymbolRules
from exchange.binance.words import INTERVALS, ms
from tercel.core import NS_PER_SECOND, ONE
from tercel.venues.binance_venue import format_amount

MOST_BARS: Final = 1500
"""Bars of an interval that are stored."""
_MONDAY_S: Final = 4 * 86_400
"""The first Monday after 1970-01-01."""


@dataclass(slots=True)
class Bar:
    """What traded from `open_ns` on: prices in ticks, lots, ticks x lots."""

    open_ns: int
    close_ns: int
    first: int
    last: int
    opened: int
    high: int
    low: int
    closed: int
    lots: int = 0
    value: int = 0
    taken_lots: int = 0
    """Bought by takers."""
    taken_value: int = 0

    @property
    def count(self) -> int:
        """Trades."""
        return self.last - self.first + 1 if self.lots else 0

    def take(self, number: int, ticks: int, lots: int, bought: bool) -> None:
        """Add a trade."""
        if not self.lots:
            self.first = number
            self.opened = ticks
            self.high = ticks
            self.low = ticks
        self.last = number
        self.closed = ticks
        self.high, self.low = max(self.high, ticks), min(self.low, ticks)
        self.lots += lots
        self.value += ticks * lots
        if bought:
            self.taken_lots += lots
            self.taken_value += ticks * lots

    def row(self, rules: SymbolRules) -> list[Any]:
        """A row of `klines`."""
        return [
            ms(self.open_ns),
            *(
                rules.price(price_ticks)
                for price_ticks in (self.opened, self.high, self.low, self.closed)
            ),
            rules.quantity(self.lots),
            ms(self.close_ns - 1),
            format_amount(self.value * rules.unit),
            self.count,
            rules.quantity(self.taken_lots),
            format_amount(self.taken_value * rules.unit),
            "0",
        ]

    def event(self, rules: SymbolRules, interval: str, now_ns: int) -> dict[str, Any]:
        """A `kline` event."""
        return {
            "e": "kline",
            "E": ms(now_ns),
            "s": rules.symbol,
            "k": {
                "t": ms(self.open_ns),
                "T": ms(self.close_ns - 1),
                "s": rules.symbol,
                "i": interval,
                "f": self.first if self.lots else -1,
                "L": self.last if self.lots else -1,
                "o": rules.price(self.opened),
                "c": rules.price(self.closed),
                "h": rules.price(self.high),
                "l": rules.price(self.low),
                "v": rules.quantity(self.lots),
                "n": self.count,
                "x": now_ns >= self.close_ns,
                "q": format_amount(self.value * rules.unit),
                "V": rules.quantity(self.taken_lots),
                "Q": format_amount(self.taken_value * rules.unit),
                "B": "0",
            },
        }


def bounds(interval: str, ns: int) -> tuple[int, int]:
    """Beginning and end of the bar that a time lies in, UTC; weeks begin on Monday.

    >>> [stamp // NS_PER_SECOND for stamp in bounds("1m", 125 * NS_PER_SECOND)]
    [120, 180]
    >>> [stamp // 86_400 // NS_PER_SECOND for stamp in bounds("1M", 40 * 86_400 * NS_PER_SECOND)]
    [31, 59]
    """
    seconds = ns // NS_PER_SECOND
    if interval == "1M":
        day = datetime.fromtimestamp(seconds, UTC).replace(day=1, hour=0, minute=0, second=0)
        after = day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)
        return int(day.timestamp()) * NS_PER_SECOND, int(after.timestamp()) * NS_PER_SECOND
    length = INTERVALS[interval]
    first = (
        (seconds - _MONDAY_S) // length * length + _MONDAY_S
        if interval == "1w"
        else seconds // length * length
    )
    return first * NS_PER_SECOND, (first + length) * NS_PER_SECOND


class Bars:
    """Bars of every interval; a bar in which nothing trades has the price of the one before.

    Parameters
    ----------
    began_ns : int
    ticks : int
        Price before the first trade.
    """

    def __init__(self, began_ns: int, ticks: int) -> None:
        self._bars: dict[str, deque[Bar]] = {
            interval: deque([_empty(interval, began_ns, ticks)], maxlen=MOST_BARS)
            for interval in INTERVALS
        }

    def take(self, number: int, ns: int, ticks: int, lots: int, bought: bool) -> None:
        """Add a trade; `bought`: the taker bought."""
        for interval in INTERVALS:
            self._current(interval, ns).take(number, ticks, lots, bought)

    def _current(self, interval: str, ns: int) -> Bar:
        bars = self._bars[interval]
        while bars[-1].close_ns <= ns:
            if ns - bars[-1].close_ns > MOST_BARS * (
                bars[-1].close_ns - bars[-1].open_ns
            ):  # all of them would be dropped
                bars.append(_empty(interval, ns, bars[-1].closed))
            else:
                bars.append(_empty(interval, bars[-1].close_ns, bars[-1].closed))
        return bars[-1]

    def of(self, interval: str, now_ns: int) -> list[Bar]:
        """All stored ones, oldest first, the current one last."""
        self._current(interval, now_ns)
        return list(self._bars[interval])

    def zone_bars(self, interval: str, now_ns: int, shift_s: int) -> list[Bar]:
        """The same where days begin at midnight of a zone `shift_s` east of UTC: joined of bars that fit into both."""
        interval_s = INTERVALS[interval] or INTERVALS["1d"]
        if not shift_s % interval_s:
            return self.of(interval, now_ns)
        part = gcd(shift_s, interval_s)
        base = max(
            (name for name, length in INTERVALS.items() if length and not part % length),
            key=INTERVALS.__getitem__,
        )
        shift_ns = shift_s * NS_PER_SECOND
        merged = []
        for start, bars in groupby(
            self.of(base, now_ns), lambda base_bar: bounds(interval, base_bar.open_ns + shift_ns)
        ):
            bar = merge_bars(bars, start[1] - shift_ns)
            bar.open_ns = start[0] - shift_ns
            merged.append(bar)
        return merged

    def window(self, now_ns: int, length_ns: int) -> Bar:
        """Everything since the beginning of the minute `length_ns` ago, as one bar."""
        first = (now_ns - length_ns) // (60 * NS_PER_SECOND) * 60 * NS_PER_SECOND
        return merge_bars((bar for bar in self.of("1m", now_ns) if bar.open_ns >= first), now_ns)

    def average(self, now_ns: int, minutes: int) -> int:
        """Mean price by volume of the last minutes, 1e-8 of a tick; the last price where nothing traded."""
        since = now_ns - minutes * 60 * NS_PER_SECOND
        lots = value = 0
        self._current("1s", now_ns)
        for bar in reversed(self._bars["1s"]):
            if bar.close_ns <= since:
                break
            lots = lots + bar.lots
            value = value + bar.value
        return value * ONE // lots if lots else self._bars["1s"][-1].closed * ONE


def _empty(interval: str, ns: int, ticks: int) -> Bar:
    return Bar(*bounds(interval, ns), 0, -1, ticks, ticks, ticks, ticks)


def merge_bars(bars: Iterable[Bar], now_ns: int) -> Bar:
    """Bars one after the other as one; at least one of them."""
    remaining: Iterator[Bar] = iter(bars)
    merged = replace(next(remaining), close_ns=now_ns)
    for bar in remaining:
        if bar.lots:
            if not merged.lots:
                merged.first = bar.first
                merged.opened = bar.opened
                merged.high = bar.high
                merged.low = bar.low
            merged.last = bar.last
            merged.closed = bar.closed
            merged.high = max(merged.high, bar.high)
            merged.low = min(merged.low, bar.low)
            merged.lots = merged.lots + bar.lots
            merged.value = merged.value + bar.value
            merged.taken_lots = merged.taken_lots + bar.taken_lots
            merged.taken_value = merged.taken_value + bar.taken_value
    return merged
