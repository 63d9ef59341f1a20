"""The book of a symbol from its streams: depth updates from a snapshot on, trades, and own orders at their place.

The stream is decoded and put in order as a recorded one is (`feeds.binance_messages`, `feeds.binance_sync`). Own orders
are told by reports that another connection brings: a level that a report has changed is not set from the stream before
an update that is as late, so that neither is counted twice. Trades wait for the update that has them.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.vocabulary import BUY, SELL
from tercel.feeds.binance_messages import SPOT, BinanceTrade, DepthDiff, Snapshot, diff_of, snapshot_of, trade_of
from tercel.feeds.binance_sync import APPLIED, LOST, OPENED, BookSync, SyncStep
from tercel.feeds.captures import exact
from tercel.fix.scale import RefusedError
from tercel.fix.shown_book import ShownBook
from tercel.market.tape.schema import ADD
from tercel.venues.binance_venue.symbols import MOST_LOTS, TRADING, TradedSymbol

Spot = tuple[int, int]
"""Side and price in ticks."""
Row = tuple[int, ...]
_FINER: Final = 100
"""1e-10 of the feeds in 1e-8."""
_KEPT: Final = 4096
_AGGRESSOR: Final = {BUY: "2", SELL: "1"}
_WAITING: Final = 10_000


def _scaled(value: Any) -> int:
    return exact(str(value), "a stream of Binance")


class StreamedBook:
    """Book of one symbol.

    Parameters
    ----------
    symbol : TradedSymbol
    """

    def __init__(self, symbol: TradedSymbol) -> None:
        self.symbol = symbol
        self.shown = ShownBook(symbol.symbol, symbol.scale)
        self.wanted = True
        """Whether a snapshot is to be asked for."""
        self.last_price = 0
        """Of the last trade, 1e-8; 0: none yet."""
        self.gaps = 0
        self._sync = BookSync(SPOT)
        self._totals: dict[Spot, int] = {}
        self._due: set[Spot] = set()
        self._own: dict[Spot, int] = {}
        """Levels that a report changed, and when."""
        self._prints: deque[BinanceTrade] = deque(maxlen=_WAITING)
        self._mine: dict[int, None] = {}
        """Numbers of own trades."""
        self._trade = 0

    @property
    def known(self) -> bool:
        """Whether the book is in step with the stream."""
        return bool(self._sync.last)

    def lose(self) -> None:
        """The stream broke."""
        self._sync.lose()
        self._prints.clear()
        self.wanted = True

    def heard(self, data: Mapping[str, Any], now_ns: int) -> o.MarketRows | None:
        """Rows of a message of its streams, or of the answer with a snapshot.

        Raises
        ------
        VenueError, FeedError, KeyError, ValueError, TypeError
            What cannot be read, or not be kept: the book begins anew.
        """
        try:
            if data.get("e") == "trade":
                trade = trade_of(data, now_ns, _scaled)
                self.last_price = trade.price // _FINER
                if trade.number > self._trade:
                    self._trade = trade.number
                    self._prints.append(trade)
                return None
            if "lastUpdateId" in data:
                return self._follow(snapshot_of(data, now_ns, _scaled), now_ns)
            return self._follow(diff_of(data, now_ns, _scaled), now_ns)
        except RefusedError as error:  # more orders than a book has numbers: the next snapshot leaves out what is far
            self.lose()
            raise VenueError(error.expected, error.received, "it is asked for anew") from None
        except Exception:
            self.lose()
            raise

    def _follow(self, part: DepthDiff | Snapshot, now_ns: int) -> o.MarketRows | None:
        stale = self._sync.counts.stale_snapshots
        self._sync.run([part])
        steps, self._sync.steps = self._sync.steps, []
        self.wanted |= self._sync.counts.stale_snapshots > stale
        rows, opened = list[Row](), False
        for step in steps:
            if step.what == LOST:
                self.gaps += 1
                self.wanted = True
                continue
            if step.what == OPENED:
                self._totals, opened = {}, True
                self._set(step)
            elif step.what == APPLIED:
                self._set(step)
                if not opened:
                    rows += self._applied(step, now_ns)
        if opened:
            self._prints.clear()
            self._due.clear()
            self.wanted = False
            return self.shown.whole(self._totals, now_ns)
        return self.shown.rows(rows)

    def show(self, now_ns: int) -> o.MarketRows:
        """The whole book as it stands."""
        return self.shown.shown(now_ns, 1 if self.symbol.status == TRADING else -1)

    def _set(self, step: SyncStep) -> None:
        tick, lot = self.symbol.tick * _FINER, self.symbol.lot * _FINER
        for side, levels in ((BUY, step.bids), (SELL, step.asks)):
            for price, quantity in levels:
                ticks, rest = divmod(price, tick)
                lots, odd = divmod(quantity, lot)
                if rest or odd or ticks > MOST_LOTS or lots > MOST_LOTS:
                    expected = f"levels of {self.symbol.symbol} in ticks and lots of its filters, below 2**31"
                    received = f"{price / 10**10:g} x {quantity / 10**10:g}"
                    raise VenueError(
                        expected, received, "its filters have changed: start anew; or trade another symbol"
                    )
                self._totals[side, ticks] = lots
                if not lots:
                    del self._totals[side, ticks]
                self._due.add((side, ticks))

    def _applied(self, step: SyncStep, now_ns: int) -> list[Row]:
        rows: list[Row] = []
        while self._prints and self._prints[0].exch_ns <= step.exch_ns:
            one = self._prints.popleft()
            at = one.side, one.price // (self.symbol.tick * _FINER)
            if one.number not in self._mine:
                lots = one.quantity // (self.symbol.lot * _FINER)
                rows += self.shown.print(now_ns, at[1], lots, _AGGRESSOR[one.side])
            self._due.add(at)
        settled = {at for at, ns in self._own.items() if ns <= step.exch_ns}
        for at in settled:
            del self._own[at]
        later = self._due & self._own.keys()
        for at in sorted((self._due | settled) - later):
            rows += self.shown.total(now_ns, *at, self._totals.get(at, 0))
        self._due = later
        return rows + self.shown.arrive(now_ns)

    # -- own orders ---------------------------------------------------------------------------------------------------
    def told(
        self, report: o.Report, at_ns: int, trade: int = 0
    ) -> tuple[o.MarketRows | None, int, o.MarketRows | None]:
        """What a report changes: rows before it, the order's number here (-1: none), rows after it.

        Parameters
        ----------
        report : Report
            At the time of what else is shown.
        at_ns : int
            When the venue says that it happened.
        trade : int
            Number of its trade.
        """
        if trade:
            self._mine[trade] = None
            if len(self._mine) > _KEPT:
                del self._mine[next(iter(self._mine))]
        taken = self.shown.before(report)
        number = max(self.shown.number(report.orig), self.shown.number(report.cl_ord_id))
        moved = self.shown.after(report)
        number = max(number, self.shown.number(report.cl_ord_id))
        for row in (*taken, *moved):
            self._own[row[o.M_SIDE], row[o.M_PRICE]] = at_ns
        # What leaves the book does so while the order still has its number, what comes follows its name.
        before = [*taken, *(row for row in moved if row[o.M_KIND] != ADD)]
        return self.shown.rows(before), number, self.shown.rows(row for row in moved if row[o.M_KIND] == ADD)
