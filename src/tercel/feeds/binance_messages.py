"""Binance messages of one market, decoded by kind: depth diffs, snapshots, trades, best quotes.

Spot, USD-M and COIN-M futures say the same things with other fields: diffs of futures carry `pu` (the last id of the
diff before) and `T` (time of the match); COIN-M messages name their pair (`ps`). Of a capture of spot::

    1723161253937085768 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT",
        "U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"]],"a":[["61837.64000000","1.54698000"]]}}
    1723161254087896568 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,
        "p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}
    1723161254206652067 {"lastUpdateId":50093239218,"bids":[["61837.63000000","3.78826000"]],"asks":[]}
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tercel.core.errors import FeedError
from tercel.feeds.members import CaptureLine, Message, ScaledCapture

# -- binance messages -----------------------------------------------------------------------------

SPOT: Final = "BINANCE"
USDM: Final = "BINANCE-USDM"
COINM: Final = "BINANCE-COINM"
# Times at or above this are microseconds, below it milliseconds (until the year 5138).
_MICROS_FROM: Final = 10**14
Level = tuple[int, int]
"""Price and quantity in 1e-10."""


@dataclass(frozen=True)
class DepthDiff:
    """A depth update: ids from `first` to `last`, the id before it (0 on spot), levels that changed."""

    first: int
    last: int
    before: int
    exch_ns: int
    recv_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True)
class Snapshot:
    """The book after update `last`, to the depth of the request."""

    last: int
    exch_ns: int
    """0 on spot, which does not say."""
    recv_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True)
class BinanceTrade:
    """A trade; `side` is that of the resting order."""

    number: int
    exch_ns: int
    recv_ns: int
    side: int
    price: int
    quantity: int


@dataclass(frozen=True)
class BookTicker:
    """Best bid and ask after update `last`."""

    last: int
    bid: Level
    ask: Level


@dataclass
class BinanceMarket:
    """Everything that a capture says of one market, each kind in the order of receipt."""

    venue: str
    symbol: str
    book: list[DepthDiff | Snapshot] = field(default_factory=list)
    trades: list[BinanceTrade] = field(default_factory=list)
    quotes: list[BookTicker] = field(default_factory=list)
    off_book: int = 0
    """Prints that no order in the book made: insurance fund, deleveraging."""
    tick: int = 0
    lot: int = 0
    """In 1e-10 where the exchange's own information is in the capture."""


Scaled = Callable[[Any], int]
"""A number of a message in 1e-10."""


def _levels(pairs: Any, scaled: Scaled) -> tuple[Level, ...]:
    return tuple((scaled(price), scaled(quantity)) for price, quantity in pairs)


def diff_of(data: Mapping[str, Any], recv_ns: int, scaled: Scaled) -> DepthDiff:
    """A depth update of its message.

    >>> message = {"U": 5, "u": 6, "E": 1700000000000, "b": [["1.5", "2"]], "a": []}
    >>> diff_of(message, 0, lambda text: round(float(text) * 10**10)).bids
    ((15000000000, 20000000000),)
    """
    ids = int(data["U"]), int(data["u"]), int(data.get("pu", 0))
    return DepthDiff(
        *ids,
        time_ns(data.get("T", data["E"])),
        recv_ns,
        _levels(data["b"], scaled),
        _levels(data["a"], scaled),
    )


def snapshot_of(data: Mapping[str, Any], recv_ns: int, scaled: Scaled) -> Snapshot:
    """A snapshot of its message, or of the answer of REST."""
    stamp = data.get("T", data.get("E"))
    at = int(data["lastUpdateId"]), 0 if stamp is None else time_ns(stamp), recv_ns
    return Snapshot(*at, _levels(data["bids"], scaled), _levels(data["asks"], scaled))


def trade_of(data: Mapping[str, Any], recv_ns: int, scaled: Scaled) -> BinanceTrade:
    """A trade of its message."""
    side = 1 if data["m"] else -1
    return BinanceTrade(
        int(data["t"]), time_ns(data["T"]), recv_ns, side, scaled(data["p"]), scaled(data["q"])
    )


def markets_of(lines: Iterable[CaptureLine]) -> list[BinanceMarket]:
    """Sort messages by market.

    A snapshot does not name its venue, and on spot not even its symbol: it belongs to the market that the diffs and
    trades of the capture name, which must then be one.

    Raises
    ------
    FeedError
        When a message lacks a field, or a snapshot may belong to several markets.
    """
    reader = _Reader()
    for line in lines:
        try:
            reader.take(line)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FeedError(
                "a Binance message with all its fields",
                f"{type(error).__name__} {error} in {line.where}",
                "record again, or report it",
            ) from error
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self.markets: dict[tuple[str, str], BinanceMarket] = {}
        self.scaled = ScaledCapture()
        self.loose: list[tuple[str, Snapshot, int, str]] = []
        """Snapshots: symbol or nothing, the snapshot, how many diffs came before it in each market, where."""
        self.units: dict[str, tuple[int, int]] = {}
        self.books: dict[tuple[str, str], list[tuple[int, DepthDiff | Snapshot]]] = {}
        """By market: what makes its book, with its number among all messages."""
        self.order = 0

    def take(self, line: CaptureLine) -> None:
        message = line.message
        self.order += 1
        data = message.get("data", message) if isinstance(message, dict) else None
        if not isinstance(data, dict):
            return
        if "lastUpdateId" in data:
            self._snapshot(data, line)
        elif "symbols" in data:
            self._information(data, line)
        elif data.get("e") == "depthUpdate":
            self._diff(data, line)
        elif data.get("e") == "trade":
            self._trade(data, line)
        elif "u" in data and "b" in data and "B" in data:
            self._quote(data, line)

    def _market(self, data: Message, venue: str) -> BinanceMarket:
        symbol = data["s"]
        return self.markets.setdefault((venue, symbol), BinanceMarket(venue, symbol))

    def _diff(self, data: Message, line: CaptureLine) -> None:
        venue = COINM if "ps" in data else USDM if "pu" in data else SPOT
        market = self._market(data, venue)
        diff = diff_of(data, line.recv_ns, lambda text: self.scaled(text, line.where))
        self.books.setdefault((venue, market.symbol), []).append((self.order, diff))

    def _trade(self, data: Message, line: CaptureLine) -> None:
        symbol = data["s"]
        venue = COINM if "_" in symbol else USDM if "X" in data else SPOT
        market = self._market(data, venue)
        if data.get("X", "MARKET") != "MARKET":
            market.off_book += 1
            return
        market.trades.append(
            trade_of(data, line.recv_ns, lambda text: self.scaled(text, line.where))
        )

    def _quote(self, data: Message, line: CaptureLine) -> None:
        venue = COINM if "ps" in data else USDM if "T" in data else SPOT
        market = self._market(data, venue)
        bid = (self.scaled(data["b"], line.where), self.scaled(data["B"], line.where))
        ask = (self.scaled(data["a"], line.where), self.scaled(data["A"], line.where))
        market.quotes.append(BookTicker(int(data["u"]), bid, ask))

    def _snapshot(self, data: Message, line: CaptureLine) -> None:
        snapshot = snapshot_of(data, line.recv_ns, lambda text: self.scaled(text, line.where))
        self.loose.append((str(data.get("symbol", "")), snapshot, self.order, line.where))

    def _information(self, data: Message, line: CaptureLine) -> None:
        """Ticks and lots from the exchange's own information."""
        for entry in data["symbols"]:
            filters = {f["filterType"]: f for f in entry.get("filters", ())}
            if "PRICE_FILTER" in filters and "LOT_SIZE" in filters:
                tick = self.scaled(filters["PRICE_FILTER"]["tickSize"], line.where)
                self.units[entry["symbol"]] = (
                    tick,
                    self.scaled(filters["LOT_SIZE"]["stepSize"], line.where),
                )

    def finish(self) -> list[BinanceMarket]:
        """Put the snapshots where they belong, in their place among the diffs."""
        for symbol, snapshot, order, where in reversed(self.loose):
            dated = snapshot.exch_ns > 0  # on spot it is not
            fitting = [
                m
                for m in self.markets
                if m in self.books and symbol in ("", m[1]) and dated == (m[0] != SPOT)
            ]
            if len(fitting) != 1:
                names = ", ".join(" ".join(key) for key in fitting) or "none"
                raise FeedError(
                    "one market that a snapshot belongs to",
                    f"{names} for the snapshot in {where}",
                    "import the markets one by one",
                )
            self.books[fitting[0]].append((order, snapshot))
        for key, market in self.markets.items():
            market.book = [
                part for _, part in sorted(self.books.get(key, ()), key=lambda one: one[0])
            ]
            market.tick, market.lot = self.units.get(market.symbol, (0, 0))
        return list(self.markets.values())


def time_ns(stamp: Any) -> int:
    """A time in ms or us since 1970 as ns.

    >>> time_ns(1723161257440), time_ns(1735689600000123)
    (1723161257440000000, 1735689600000123000)
    """
    number = int(stamp)
    return number * 1000 if number >= _MICROS_FROM else number * 1_000_000


# -- binance sync ---------------------------------------------------------------------------------
# A Binance book from snapshots and diffs by the rules of each venue; what does not fit is a gap, never a guess.
#
# Spot: diffs with ``u <= lastUpdateId`` are old; the first one applied has ``U <= lastUpdateId + 1 <= u``; then each
# ``U`` is the last ``u`` plus one. Futures: diffs with ``u < lastUpdateId`` are old; the first has ``U <= lastUpdateId
# <= u``; then each ``pu`` is the last ``u``. After a gap the book is unknown until the next snapshot that fits. A
# diff that spans more ids than `MOST_IDS` is a gap too: a book that believed it would call all that follow old.

OPENED: Final = "opened"
APPLIED: Final = "applied"
LOST: Final = "lost"
MOST_IDS: Final = 10_000_000
"""Ids that one diff spans at most; a busy one of 100 ms spans some thousands."""


@dataclass(frozen=True)
class SyncStep:
    """A change of the book: ``opened`` by a snapshot, ``applied`` a diff, or ``lost`` in a gap."""

    what: str
    exch_ns: int
    recv_ns: int
    last: int
    """Update id of the book afterwards."""
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()


@dataclass
class SyncCounts:
    """Counts of anomalies, under their names in an instrument's `extra`."""

    before_snapshot: int = 0
    gaps: int = 0
    unplaced: int = 0
    """Diffs after a gap that no snapshot follows."""
    stale_snapshots: int = 0
    """Snapshots too old for the stored diffs."""
    duplicates: int = 0
    duplicate_trades: int = 0
    trade_gaps: int = 0
    clock_back: int = 0
    """Messages with an exchange time before that of the message above; they were given that time."""


@dataclass(frozen=True)
class SyncedBook:
    """Steps and trades in order of time, and what was counted."""

    steps: list[SyncStep]
    trades: list[BinanceTrade]
    counts: SyncCounts


def sync(market: BinanceMarket) -> SyncedBook:
    """Follow the diffs of a market from its snapshots, and order its trades."""
    book = BookSync(market.venue)
    book.run(market.book)
    book.counts.unplaced += len(book.waiting)
    return SyncedBook(book.steps, _trades(market.trades, book.counts), book.counts)


class BookSync:
    """A book that follows diffs from snapshots, whole captures or message by message.

    Parameters
    ----------
    venue : str
        Whose rules hold: `binance_messages.SPOT` and others.
    """

    def __init__(self, venue: str) -> None:
        self.spot = venue == SPOT
        self.steps: list[SyncStep] = []
        """Steps of the book, for the caller to take."""
        self.counts = SyncCounts()
        self.waiting: list[DepthDiff] = []
        """Diffs since the start or the gap, held until a snapshot comes."""
        self.pending: Snapshot | None = None
        """A snapshot that no diff has confirmed yet."""
        self.last = 0
        """Update id of the book, 0 while it is unknown."""
        self.clock = 0

    def run(self, parts: Sequence[DepthDiff | Snapshot]) -> None:
        """Follow so many more messages."""
        for part in parts:
            if isinstance(part, Snapshot):
                self._snapshot(part)
            elif self.last:
                self._next(part)
            else:
                self.waiting.append(part)
                self._open()

    def lose(self) -> None:
        """Forget the book: the stream broke, and updates were missed."""
        self.last = 0
        self.pending = None
        self.waiting.clear()

    def _snapshot(self, snapshot: Snapshot) -> None:
        if self.last:
            return  # the book is known: nothing to learn
        if self.pending is None or snapshot.last > self.pending.last:
            self.pending = snapshot
        self._open()

    def _open(self) -> None:
        """Open the book when a snapshot and the stored diffs meet."""
        if self.pending is None:
            return
        at = self.pending.last
        least = at + 1 if self.spot else at
        fresh = [d for d in self.waiting if least <= d.last < d.first + MOST_IDS]
        if not fresh:
            return
        # Not always the first: one that was numbered far ahead must not keep out those after it.
        found = next((n for n, d in enumerate(fresh) if d.first <= least or d.before == at), None)
        if found is None:
            self.counts.stale_snapshots += 1
            self.pending = None
            return
        old, first = self.waiting[: len(self.waiting) - len(fresh)], fresh[found]
        self.counts.before_snapshot += len(old)
        self.counts.unplaced += found
        stamp = self.pending.exch_ns or (old[-1].exch_ns if old else first.exch_ns)
        ns = self._time(min(stamp, first.exch_ns))
        snapshot = self.pending
        self.pending = None
        self.waiting = []
        self.steps.append(
            SyncStep(OPENED, ns, snapshot.recv_ns or ns, at, snapshot.bids, snapshot.asks)
        )
        self._apply(first)
        for diff in fresh[found + 1 :]:
            if self.last:
                self._next(diff)
            else:
                self.waiting.append(diff)

    def _next(self, diff: DepthDiff) -> None:
        if diff.last <= self.last:
            self.counts.duplicates += 1
            return
        follows = diff.first == self.last + 1 if self.spot else diff.before == self.last
        if follows and diff.last < diff.first + MOST_IDS:
            self._apply(diff)
            return
        self.counts.gaps += 1
        self.last = 0
        ns = self._time(diff.exch_ns)
        self.steps.append(SyncStep(LOST, ns, diff.recv_ns or ns, 0))
        self.waiting.append(diff)

    def _apply(self, diff: DepthDiff) -> None:
        ns = self._time(diff.exch_ns)
        self.last = diff.last
        self.steps.append(
            SyncStep(APPLIED, ns, diff.recv_ns or ns, diff.last, diff.bids, diff.asks)
        )

    def _time(self, ns: int) -> int:
        self.counts.clock_back += ns < self.clock
        self.clock = max(self.clock, ns)
        return self.clock


def _trades(trades: Sequence[BinanceTrade], counts: SyncCounts) -> list[BinanceTrade]:
    """Trades once each, in the order of their numbers' arrival, times that never go back."""
    ordered: list[BinanceTrade] = []
    last, clock = 0, 0
    for trade in trades:
        if trade.number <= last:
            counts.duplicate_trades += 1
            continue
        counts.trade_gaps += last > 0 and trade.number != last + 1
        last = trade.number
        counts.clock_back += trade.exch_ns < clock
        clock = max(clock, trade.exch_ns)
        ordered.append(trade if clock == trade.exch_ns else replace(trade, exch_ns=clock))
    return ordered
