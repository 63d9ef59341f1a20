"""Public market data of one symbol: its book by level, trades, and the objects of REST and streams that tell them."""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Any, Final

import numpy as np

from exchange.binance.bars import Bar, Bars
from exchange.binance.symbols import AVERAGE_MINUTES, SymbolRules
from exchange.binance.words import ms
from exchange.fix.aggregated import AggregatedBook, Level
from tercel.core import BUY, NS_PER_SECOND, ONE, SELL, Ints, orders as o
from tercel.market.tape import schema
from tercel.venues.binance_venue import format_amount

MOST_TRADES: Final = 100_000
DAY_NS: Final = 86_400 * NS_PER_SECOND
_TRADES: Final = frozenset({schema.EXECUTE, schema.TRADE_HIDDEN, schema.TRADE, schema.CROSS})


RECORDED: Final = 5
"""Time as clients see it, kind, side, ticks, lots."""
_MOST_ROWS: Final = 2**16


@dataclass(slots=True)
class PublicTrade:
    """A trade: price in ticks, whose side rested, and the number of the aggregate that it belongs to."""

    number: int
    ns: int
    ticks: int
    lots: int
    buyer_rested: bool
    aggregate: int
    taker: int


class PublicMarket:
    """What everybody sees of one symbol.

    Parameters
    ----------
    rules : SymbolRules
    snapshot : MarketRows
        The book to begin with.
    now_ns, offset_ns : int
        The exchange's time, and what is added to it for clients.
    """

    def __init__(
        self, rules: SymbolRules, snapshot: o.MarketRows, now_ns: int, offset_ns: int
    ) -> None:
        self.rules = rules
        self.book = AggregatedBook()
        self._offset_ns = offset_ns
        self.update = 1
        """Number of the last change of the book."""
        self._touched: dict[str, set[Level]] = {}
        self._sent_update: dict[str, int] = {}
        self.halted = False
        self.record = MarketRecord()
        self._apply(snapshot)
        self.trades: deque[PublicTrade] = deque(maxlen=MOST_TRADES)
        self._count = self._aggregates = 0
        self.fresh: list[PublicTrade] = []
        """Trades that streams have not sent yet."""
        self._open: PublicTrade | None = None
        self.bars = Bars(now_ns + offset_ns, self.middle)

    # -- what happens -------------------------------------------------------------------------------------------------

    def take(self, rows: o.MarketRows) -> None:
        """Public rows, in order."""
        stamps = rows.rows[:, o.M_NS]
        for part in np.split(rows.rows, np.flatnonzero(np.diff(stamps)) + 1):
            if self._open is not None and self._open.ns < int(part[0, o.M_NS]) + self._offset_ns:
                self._close()
            self._apply(o.MarketRows(rows.instrument, part))
            self._add_trades(part)

    def _add_trades(self, rows: Ints) -> None:
        """Trades among rows."""
        for row in rows.tolist():
            if row[o.M_KIND] in _TRADES and row[o.M_LOTS] > 0:
                self._close()
                self._count += 1
                ticks = row[o.M_PRICE]
                lots = row[o.M_LOTS]
                by = row[o.M_AGGRESSOR]
                ns = row[o.M_NS] + self._offset_ns
                self._open = PublicTrade(self._count, ns, ticks, lots, row[o.M_SIDE] == BUY, 0, by)

    def _apply(self, rows: o.MarketRows) -> None:
        touched, _ = self.book.apply(rows)
        for row in rows.rows[rows.rows[:, o.M_KIND] == schema.STATUS]:
            self.halted = int(row[o.M_PRICE]) < 0
        if touched:
            self.update += 1
            ns = int(rows.rows[-1, o.M_NS]) + self._offset_ns
            for side, ticks in touched:
                self.record.add(ns, schema.LEVEL_SET, side, ticks, self.book.lots((side, ticks)))
            for levels in self._touched.values():
                levels.update(touched)

    def own_trade_number(self, report: o.Report) -> int:
        """Number of the trade that a client's execution is, at the price that the client paid.

        The rows before it show the level that it took, as the book stood before the market moved away.
        """
        ticks = report.last_px // ONE
        lots = report.last_qty // ONE
        if (
            self._open is None
            and self.trades
            and self.trades[-1].lots == lots
            and self.trades[-1].ticks == ticks
        ):
            return self.trades[-1].number  # the other side of a trade between clients
        if self._open is None or self._open.lots != lots:
            self._close()
            self._count += 1
            rested = (report.side > 0) == report.passive
            self._open = PublicTrade(
                self._count, report.ns + self._offset_ns, ticks, lots, rested, 0, -1
            )
        self._open.ticks = ticks
        number = self._open.number
        self._close()
        return number

    def _close(self) -> None:
        """The last trade is what it is: number its aggregate."""
        if (trade := self._open) is None:
            return
        self._open = None
        last = self.trades[-1] if self.trades else None
        same = last is not None and (last.ns, last.ticks, last.buyer_rested, last.taker) == (
            trade.ns,
            trade.ticks,
            trade.buyer_rested,
            trade.taker,
        )
        self._aggregates += not same
        trade.aggregate = self._aggregates
        self.trades.append(trade)
        self.record.add(
            trade.ns, schema.TRADE, BUY if trade.buyer_rested else SELL, trade.ticks, trade.lots
        )
        self.fresh.append(trade)
        self.bars.take(trade.number, trade.ns, trade.ticks, trade.lots, not trade.buyer_rested)

    def settle(self) -> None:
        """The moment is over."""
        self._close()

    # -- prices -------------------------------------------------------------------------------------------------------

    def best(self, side: int) -> tuple[int, int]:
        """Price and lots of the best level; (0, 0): none."""
        return (self.book.top(side, 1) or [(0, 0)])[0]

    @property
    def middle(self) -> int:
        """About the middle of the touch, ticks; at least 1."""
        (bid, _), (ask, _) = self.best(BUY), self.best(SELL)
        return max((bid + ask) // 2 if bid and ask else bid or ask, 1)

    def last(self) -> int:
        """Price of the last trade, or the middle where there was none."""
        return self.trades[-1].ticks if self.trades else self.middle

    def average(self, now_ns: int) -> int:
        """`avgPrice`, 1e-8 of a tick."""
        return self.bars.average(now_ns, AVERAGE_MINUTES)

    def average_price(self, now_ns: int) -> tuple[str, int]:
        """`avgPrice` as the API writes it, and when it last changed, ms."""
        last = self.trades[-1].ns if self.trades else now_ns
        return format_amount(self.average(now_ns) * self.rules.tick // ONE), ms(last)

    # -- the book -----------------------------------------------------------------------------------------------------

    def _levels(self, side: int, depth: int) -> list[list[str]]:
        return [
            [self.rules.price(ticks), self.rules.quantity(lots)]
            for ticks, lots in self.book.top(side, depth)
        ]

    def depth(self, limit: int) -> dict[str, Any]:
        """The book, `limit` levels a side."""
        return {
            "lastUpdateId": self.update,
            "bids": self._levels(BUY, limit),
            "asks": self._levels(SELL, limit),
        }

    def follow(self, stream: str) -> None:
        """Begin to note what changes for a stream of depth updates."""
        if stream not in self._touched:
            self._touched[stream] = set()
            self._sent_update[stream] = self.update

    def drop(self, stream: str) -> None:
        """The last listener has left."""
        self._touched.pop(stream, None)

    def changes(self, stream: str, now_ns: int) -> dict[str, Any] | None:
        """Changes since the stream's last event; None: nothing."""
        if self._sent_update[stream] == self.update:
            return None
        first = self._sent_update[stream] + 1
        self._sent_update[stream] = self.update
        levels = self._touched[stream]
        self._touched[stream] = set()
        values: dict[int, list[list[str]]] = {BUY: [], SELL: []}
        for side, ticks in sorted(levels, key=lambda level: -level[0] * level[1]):
            values[side].append(
                [self.rules.price(ticks), self.rules.quantity(self.book.lots((side, ticks)))]
            )
        return {
            "e": "depthUpdate",
            "E": ms(now_ns),
            "s": self.rules.symbol,
            "U": first,
            "u": self.update,
            "b": values[BUY],
            "a": values[SELL],
        }

    def book_ticker(self) -> dict[str, Any]:
        """A `bookTicker` event."""
        (bid, bids), (ask, asks) = self.best(BUY), self.best(SELL)
        rules = self.rules
        return {
            "u": self.update,
            "s": rules.symbol,
            "b": rules.price(bid),
            "B": rules.quantity(bids),
            "a": rules.price(ask),
            "A": rules.quantity(asks),
        }

    # -- trades -------------------------------------------------------------------------------------------------------

    def some_trades(self, limit: int, first: int | None = None) -> list[PublicTrade]:
        """The latest trades, or those from a number on."""
        if not self.trades:
            return []
        count = len(self.trades)
        start = count - limit if first is None else first - self.trades[0].number
        start = min(max(start, 0), count)
        return list(islice(self.trades, start, start + limit))

    def trade_row(self, trade: PublicTrade) -> dict[str, Any]:
        """A row of `trades`."""
        rules = self.rules
        return {
            "id": trade.number,
            "price": rules.price(trade.ticks),
            "qty": rules.quantity(trade.lots),
            "quoteQty": format_amount(trade.lots * trade.ticks * rules.unit),
            "time": ms(trade.ns),
            "isBuyerMaker": trade.buyer_rested,
            "isBestMatch": True,
        }

    def trade_event(self, trade: PublicTrade, now_ns: int) -> dict[str, Any]:
        """A `trade` event."""
        rules = self.rules
        return {
            "e": "trade",
            "E": ms(now_ns),
            "s": rules.symbol,
            "t": trade.number,
            "p": rules.price(trade.ticks),
            "q": rules.quantity(trade.lots),
            "T": ms(trade.ns),
            "m": trade.buyer_rested,
            "M": True,
        }

    def aggregates(self, trades: Iterable[PublicTrade]) -> list[dict[str, Any]]:
        """Rows of `aggTrades`."""
        rows: list[dict[str, Any]] = []
        lots = 0
        for trade in trades:
            if rows and rows[-1]["a"] == trade.aggregate:
                lots += trade.lots
                rows[-1] |= {"q": self.rules.quantity(lots), "l": trade.number}
                continue
            lots = trade.lots
            rows.append(
                {
                    "a": trade.aggregate,
                    "p": self.rules.price(trade.ticks),
                    "q": self.rules.quantity(lots),
                    "f": trade.number,
                    "l": trade.number,
                    "T": ms(trade.ns),
                    "m": trade.buyer_rested,
                    "M": True,
                }
            )
        return rows

    # -- statistics ---------------------------------------------------------------------------------------------------

    def ticker(self, now_ns: int, length_ns: int, mini: bool = False) -> dict[str, Any]:
        """`ticker` over a window that begins on a minute."""
        return self.statistics(self.bars.window(now_ns, length_ns), now_ns, mini)

    def statistics(self, bar: Bar, now_ns: int, mini: bool = False) -> dict[str, Any]:
        """One bar as a ticker."""
        rules = self.rules
        price = {
            "openPrice": rules.price(bar.opened),
            "highPrice": rules.price(bar.high),
            "lowPrice": rules.price(bar.low),
            "lastPrice": rules.price(bar.closed),
            "volume": rules.quantity(bar.lots),
            "quoteVolume": format_amount(bar.value * rules.unit),
            "openTime": ms(bar.open_ns),
            "closeTime": ms(now_ns),
            "firstId": bar.first if bar.lots else -1,
            "lastId": bar.last if bar.lots else -1,
            "count": bar.count,
        }
        if mini:
            return {"symbol": rules.symbol} | price
        moved = bar.closed - bar.opened
        mean = bar.value * rules.tick // bar.lots if bar.lots else 0
        return {
            "symbol": rules.symbol,
            "priceChange": format_amount(moved * rules.tick),
            "priceChangePercent": f"{100 * moved / bar.opened:.3f}",
            "weightedAvgPrice": format_amount(mean),
        } | price

    def day(self, now_ns: int, mini: bool = False) -> dict[str, Any]:
        """`ticker/24hr`."""
        figures = self.ticker(now_ns, DAY_NS, mini)
        if mini:
            return figures
        (bid, bids), (ask, asks) = self.best(BUY), self.best(SELL)
        rules = self.rules
        return figures | {
            "prevClosePrice": figures["openPrice"],
            "lastQty": rules.quantity(self.trades[-1].lots if self.trades else 0),
            "bidPrice": rules.price(bid),
            "bidQty": rules.quantity(bids),
            "askPrice": rules.price(ask),
            "askQty": rules.quantity(asks),
        }

    def day_event(self, now_ns: int) -> dict[str, Any]:
        """A `24hrTicker` event."""
        return self._event("24hrTicker", self.day(now_ns), now_ns)

    def window_event(self, kind: str, now_ns: int, length_ns: int) -> dict[str, Any]:
        """A `1hTicker` event, and its like."""
        return self._event(kind, self.ticker(now_ns, length_ns), now_ns)

    def mini_event(self, now_ns: int) -> dict[str, Any]:
        """A `24hrMiniTicker` event."""
        values = self._event("24hrMiniTicker", self.day(now_ns, mini=True), now_ns)
        return {short: value for short, value in values.items() if short in "eEscohlvq"}

    def _event(self, kind: str, values: dict[str, Any], now_ns: int) -> dict[str, Any]:
        names = {
            "p": "priceChange",
            "P": "priceChangePercent",
            "w": "weightedAvgPrice",
            "x": "prevClosePrice",
            "c": "lastPrice",
            "Q": "lastQty",
            "b": "bidPrice",
            "B": "bidQty",
            "a": "askPrice",
            "A": "askQty",
            "o": "openPrice",
            "h": "highPrice",
            "l": "lowPrice",
            "v": "volume",
            "q": "quoteVolume",
            "O": "openTime",
            "C": "closeTime",
            "F": "firstId",
            "L": "lastId",
            "n": "count",
        }
        head = {"e": kind, "E": ms(now_ns), "s": self.rules.symbol}
        return head | {short: values[name] for short, name in names.items() if name in values}


class MarketRecord:
    """Level totals and trades, added in order of time.

    Parameters
    ----------
    most_rows : int
        Rows in memory at most; the others are in a file without a name, 40 bytes each, which goes with the process.

    >>> record = MarketRecord(most_rows=2)
    >>> for ns in (1, 2, 2, 3):
    ...     record.add(ns, 10, 1, 100, 5)
    >>> [block[:, 0].tolist() for block in record.blocks()]
    [[1], [2, 2], [3]]
    """

    def __init__(self, most_rows: int = _MOST_ROWS) -> None:
        self._rows = array("q")
        self._most_rows = most_rows
        self._file: IO[bytes] | None = None

    def add(self, *row: int) -> None:
        """Add a row; OSError where the disk is full."""
        self._rows.extend(row)
        if len(self._rows) >= self._most_rows * RECORDED:
            if self._file is None:
                self._file = TemporaryFile(prefix="tercel-venue-")  # noqa: SIM115 - open as long as the market is
            self._rows.tofile(self._file)
            del self._rows[:]

    def _parts(self) -> Iterator[Ints]:
        if self._file is not None:
            self._file.seek(0)
            while data := self._file.read(self._most_rows * RECORDED * 8):
                yield np.frombuffer(data, np.int64).reshape(-1, RECORDED)
        yield np.array(self._rows, np.int64).reshape(-1, RECORDED)

    def blocks(self) -> Iterator[Ints]:
        """All rows, int64 (n, 5), some at a time; those of one moment never apart."""
        pending = np.zeros((0, RECORDED), np.int64)
        for part in self._parts():
            rows = np.concatenate([pending, part])
            cut = int(np.searchsorted(rows[:, 0], rows[-1, 0])) if len(rows) else 0
            if cut:
                yield rows[:cut]
            pending = rows[cut:]
        if len(pending):
            yield pending
