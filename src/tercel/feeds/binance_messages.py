"""Binance messages of a capture, decoded by kind (depth diffs, snapshots, trades, best quotes) and sorted into markets.

Spot, USD-M and COIN-M futures say the same things with other fields: diffs of futures carry `pu` (the last id of the
diff before) and `T` (time of the match); COIN-M messages name their pair (`ps`). Of a capture of spot::

    1723161253937085768 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT",
        "U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"]],"a":[["61837.64000000","1.54698000"]]}}
    1723161254087896568 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,
        "p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}
    1723161254206652067 {"lastUpdateId":50093239218,"bids":[["61837.63000000","3.78826000"]],"asks":[]}
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core.errors import FeedError
from tercel.feeds.captures import CaptureLine, Message, ScaledCapture

SPOT: Final = "BINANCE"
USDM: Final = "BINANCE-USDM"
COINM: Final = "BINANCE-COINM"
# Times at or above this are microseconds, below it milliseconds (until the year 5138).
_MICROS_FROM: Final = 10**14
Level = tuple[int, int]
"""Price and quantity in 1e-10."""


Scaled = Callable[[Any], int]
"""A number of a message in 1e-10."""


@dataclass(frozen=True)
class DepthDiff:
    """A depth update: ids from `first` to `last`, the id before it (0 on spot), changed levels."""

    first: int
    last: int
    before: int
    exch_ns: int
    recv_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True)
class Snapshot:
    """The book after update `last`, as deep as the snapshot was requested."""

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
    """All messages of one market in a capture, each kind in the order of receipt."""

    venue: str
    symbol: str
    book: list[DepthDiff | Snapshot] = field(default_factory=list)
    trades: list[BinanceTrade] = field(default_factory=list)
    aggregated: list[BinanceTrade] = field(default_factory=list)
    """Trades summed by order and price, which count where there are no single ones."""
    quotes: list[BookTicker] = field(default_factory=list)
    off_book: int = 0
    """Prints that no order in the book made: insurance fund, deleveraging."""
    tick: int = 0
    lot: int = 0
    """In 1e-10 where the exchange's own information is in the capture."""


def _levels(pairs: Any, scaled: Scaled) -> tuple[Level, ...]:
    """Price and quantity pairs of a message, scaled to 1e-10."""
    return tuple((scaled(price), scaled(quantity)) for price, quantity in pairs)


def diff_of(data: Mapping[str, Any], recv_ns: int, scaled: Scaled) -> DepthDiff:
    """Depth update from a message, received at `recv_ns`; `scaled` turns a number into 1e-10.

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
    """Book snapshot from a message or a REST answer, its time 0 where that says none; `scaled` turns a number into 1e-10."""
    stamp = data.get("T", data.get("E"))
    stamps = int(data["lastUpdateId"]), 0 if stamp is None else time_ns(stamp), recv_ns
    return Snapshot(*stamps, _levels(data["bids"], scaled), _levels(data["asks"], scaled))


def trade_of(data: Mapping[str, Any], recv_ns: int, scaled: Scaled) -> BinanceTrade:
    """Trade from a message, its side that of the resting order; `scaled` turns a number into 1e-10."""
    side = 1 if data["m"] else -1
    number = data["a" if data.get("e") == "aggTrade" else "t"]
    return BinanceTrade(
        int(number), time_ns(data["T"]), recv_ns, side, scaled(data["p"]), scaled(data["q"])
    )


def markets_of(lines: Iterable[CaptureLine]) -> list[BinanceMarket]:
    """Messages of a capture sorted into markets, one `BinanceMarket` each, also of markets without a book; FeedError if damaged.

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
            reader.read_line(line)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FeedError(
                "a Binance message with all its fields",
                f"{type(error).__name__} {error} in {line.location}",
                "record again, or report it",
            ) from error
    return reader.finish()


class _Reader:
    """Collects the messages of a capture by market."""

    def __init__(self) -> None:
        self.markets: dict[tuple[str, str], BinanceMarket] = {}
        self.scaled = ScaledCapture()
        self.loose_snapshots: list[tuple[str, Snapshot, int, str]] = []
        """Snapshots: symbol or nothing, the snapshot, how many diffs came before it in each market, where."""
        self.units: dict[str, tuple[int, int]] = {}
        self.books: dict[tuple[str, str], list[tuple[int, DepthDiff | Snapshot]]] = {}
        """By market: what makes its book, with its number among all messages."""
        self.message_count = 0

    def read_line(self, line: CaptureLine) -> None:
        """Add one message to its market, by its kind: diff, trade, best quote, snapshot, exchange information; ignore others."""
        message = line.message
        self.message_count += 1
        data = message.get("data", message) if isinstance(message, dict) else None
        if not isinstance(data, dict):
            return
        if "lastUpdateId" in data:
            self._snapshot(data, line)
        elif "symbols" in data:
            self._information(data, line)
        elif data.get("e") == "depthUpdate":
            self._diff(data, line)
        elif data.get("e") in ("trade", "aggTrade"):
            self._trade(data, line)
        elif "u" in data and "b" in data and "B" in data:
            self._quote(data, line)

    def _market(self, data: Message, venue: str) -> BinanceMarket:
        """The market of a message's symbol at a venue, created on first use."""
        symbol = data["s"]
        return self.markets.setdefault((venue, symbol), BinanceMarket(venue, symbol))

    def _diff(self, data: Message, line: CaptureLine) -> None:
        """Add a depth update to the book messages of its market, at the venue that its fields show."""
        venue = COINM if "ps" in data else USDM if "pu" in data else SPOT
        market = self._market(data, venue)
        diff = diff_of(data, line.recv_ns, lambda text: self.scaled(text, line.location))
        self.books.setdefault((venue, market.symbol), []).append((self.message_count, diff))

    def _trade(self, data: Message, line: CaptureLine) -> None:
        """Add a trade to its market; prints that no order in the book made are counted and left out."""
        symbol = data["s"]
        venue = COINM if "_" in symbol else USDM if "X" in data else SPOT
        market = self._market(data, venue)
        if data.get("X", "MARKET") != "MARKET":
            market.off_book += 1
            return
        trades = market.aggregated if data["e"] == "aggTrade" else market.trades
        trades.append(trade_of(data, line.recv_ns, lambda text: self.scaled(text, line.location)))

    def _quote(self, data: Message, line: CaptureLine) -> None:
        """Add a best quote to its market."""
        venue = COINM if "ps" in data else USDM if "T" in data else SPOT
        market = self._market(data, venue)
        bid = (self.scaled(data["b"], line.location), self.scaled(data["B"], line.location))
        ask = (self.scaled(data["a"], line.location), self.scaled(data["A"], line.location))
        market.quotes.append(BookTicker(int(data["u"]), bid, ask))

    def _snapshot(self, data: Message, line: CaptureLine) -> None:
        """Store a snapshot with the number of messages up to it, until `finish` finds its market."""
        snapshot = snapshot_of(data, line.recv_ns, lambda text: self.scaled(text, line.location))
        self.loose_snapshots.append(
            (str(data.get("symbol", "")), snapshot, self.message_count, line.location)
        )

    def _information(self, data: Message, line: CaptureLine) -> None:
        """Store tick and lot of each symbol from the exchange's information."""
        for entry in data["symbols"]:
            filters = {f["filterType"]: f for f in entry.get("filters", ())}
            if "PRICE_FILTER" in filters and "LOT_SIZE" in filters:
                tick = self.scaled(filters["PRICE_FILTER"]["tickSize"], line.location)
                self.units[entry["symbol"]] = (
                    tick,
                    self.scaled(filters["LOT_SIZE"]["stepSize"], line.location),
                )

    def finish(self) -> list[BinanceMarket]:
        """Assign the snapshots to their markets, in their place among the diffs; all markets; FeedError for a snapshot
        that fits none, or several."""
        for symbol, snapshot, order, location in reversed(self.loose_snapshots):
            dated = snapshot.exch_ns > 0  # on spot it is not
            fitting = [
                market_key
                for market_key in self.markets
                if market_key in self.books
                and symbol in ("", market_key[1])
                and dated == (market_key[0] != SPOT)
            ]
            if len(fitting) != 1:
                names = ", ".join(" ".join(key) for key in fitting) or "none"
                raise FeedError(
                    "one market that a snapshot belongs to",
                    f"{names} for the snapshot in {location}",
                    "import the markets one by one",
                )
            self.books[fitting[0]].append((order, snapshot))
        for key, market in self.markets.items():
            market.book = [
                part
                for _, part in sorted(
                    self.books.get(key, ()), key=lambda numbered_part: numbered_part[0]
                )
            ]
            market.trades = market.trades or market.aggregated
            market.tick, market.lot = self.units.get(market.symbol, (0, 0))
        return list(self.markets.values())


def time_ns(stamp: Any) -> int:
    """A time in ms or us since 1970 as ns; from 10**14 on it is us.

    >>> time_ns(1723161257440), time_ns(1735689600000123)
    (1723161257440000000, 1735689600000123000)
    """
    number = int(stamp)
    return number * 1000 if number >= _MICROS_FROM else number * 1_000_000
