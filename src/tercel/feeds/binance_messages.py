"""Binance messages of one market, decoded by kind: depth diffs, snapshots, trades, best quotes.

Spot, USD-M and COIN-M futures say the same things with other fields: diffs of futures carry `pu` (the last id of the
diff before) and `T` (time of the match); COIN-M messages name their pair (`ps`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core.errors import FeedError
from tercel.feeds.captures import CaptureLine, ScaledCapture

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
    """The book after update `last`, as deep as it was asked for."""

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
class Quote:
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
    quotes: list[Quote] = field(default_factory=list)
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

    >>> told = {"U": 5, "u": 6, "E": 1700000000000, "b": [["1.5", "2"]], "a": []}
    >>> diff_of(told, 0, lambda text: round(float(text) * 10**10)).bids
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

    def _market(self, data: dict[str, Any], venue: str) -> BinanceMarket:
        symbol = data["s"]
        return self.markets.setdefault((venue, symbol), BinanceMarket(venue, symbol))

    def _diff(self, data: dict[str, Any], line: CaptureLine) -> None:
        venue = COINM if "ps" in data else USDM if "pu" in data else SPOT
        market = self._market(data, venue)
        diff = diff_of(data, line.recv_ns, lambda text: self.scaled(text, line.where))
        self.books.setdefault((venue, market.symbol), []).append((self.order, diff))

    def _trade(self, data: dict[str, Any], line: CaptureLine) -> None:
        symbol = data["s"]
        venue = COINM if "_" in symbol else USDM if "X" in data else SPOT
        market = self._market(data, venue)
        if data.get("X", "MARKET") != "MARKET":
            market.off_book += 1
            return
        market.trades.append(
            trade_of(data, line.recv_ns, lambda text: self.scaled(text, line.where))
        )

    def _quote(self, data: dict[str, Any], line: CaptureLine) -> None:
        venue = COINM if "ps" in data else USDM if "T" in data else SPOT
        market = self._market(data, venue)
        bid = (self.scaled(data["b"], line.where), self.scaled(data["B"], line.where))
        ask = (self.scaled(data["a"], line.where), self.scaled(data["A"], line.where))
        market.quotes.append(Quote(int(data["u"]), bid, ask))

    def _snapshot(self, data: dict[str, Any], line: CaptureLine) -> None:
        snapshot = snapshot_of(data, line.recv_ns, lambda text: self.scaled(text, line.where))
        self.loose.append((str(data.get("symbol", "")), snapshot, self.order, line.where))

    def _information(self, data: dict[str, Any], line: CaptureLine) -> None:
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
