"""Live streams of venues as a recorder uses them: URLs, subscriptions, new messages, when a snapshot is due; no sockets.

Pure words and numbers: a stream opens no socket and reads no clock, so it is tested without either.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from tercel.core.errors import check_known, refuse_if
from tercel.feeds.binance_messages import COINM, SPOT, USDM
from tercel.feeds.captures import Message

_API: Final = {
    SPOT: "https://api.binance.com/api/v3",
    USDM: "https://fapi.binance.com/fapi/v1",
    COINM: "https://dapi.binance.com/dapi/v1",
}
BINANCE_MARKETS: Final = {"spot": SPOT, "usdm": USDM, "coinm": COINM}


@dataclass
class StreamCounts:
    """Counts of a stream's messages."""

    messages: int = 0
    accepted: int = 0
    duplicates: int = 0
    """Messages that came before, dropped."""
    gaps: int = 0
    """Breaks in the numbers: each asks for a new snapshot."""
    others: int = 0
    """Messages that say nothing of the market: answers to subscriptions, heartbeats."""


class Stream:
    """A venue's live stream of one symbol.

    Parameters
    ----------
    url : str
        Where to connect.
    snapshot_url : str
        URL of a snapshot of the book.
    information_url : str
        URL of tick and lot, requested once; empty where unknown.
    subscriptions : tuple of str
        What to say after connecting.
    """

    def __init__(
        self,
        url: str,
        snapshot_url: str,
        information_url: str = "",
        subscriptions: tuple[str, ...] = (),
    ) -> None:
        self.url = url
        self.snapshot_url = snapshot_url
        self.information_url = information_url
        self.subscriptions = subscriptions
        self.wants_snapshot = False
        """Whether the book is unknown, so that a snapshot is due; asking for one clears it."""
        self.counts = StreamCounts()
        self._trade = 0
        self._fresh = True

    def begin_connection(self) -> None:
        """Note a new connection: the book may be out of date, so that its first message will ask for a snapshot."""
        self._fresh = True

    def accept(self, text: str) -> bool:
        """Whether a received message is new and has market data, and so is to be recorded; counts it, and sets
        `wants_snapshot` where the book becomes unknown; ValueError for text that is no JSON."""
        self.counts.messages += 1
        new = self._is_new(json.loads(text))
        self.counts.others += new is None
        self.counts.accepted += new is True
        self.counts.duplicates += new is False
        return new is True

    def _is_new(self, message: Any) -> bool | None:
        """Whether a message did not come before; None for one without market data; for subclasses."""
        raise NotImplementedError

    def _is_new_trade(self, number: int) -> bool:
        """Whether a trade's number is above all earlier ones, which it then joins."""
        last = self._trade
        self._trade = max(number, self._trade)
        return number > last

    def snapshot(self, body: str) -> str:
        """Message to record for the answer of the snapshot server; ValueError if that is none; for subclasses.

        Raises
        ------
        ValueError
            When it is no snapshot.
        """
        raise NotImplementedError

    def information(self, body: str) -> str:
        """Message to record for an answer about tick and lot; here always ValueError: a venue that has it overrides this.

        Raises
        ------
        ValueError
            When it says nothing of this symbol.
        """
        raise ValueError(body[:80])


class BinanceStream(Stream):
    """Stream of depth diffs, trades and best quotes of a Binance symbol.

    Parameters
    ----------
    symbol : str
        As the venue writes it, in any case.
    market : str
        ``BINANCE``, ``BINANCE-USDM`` or ``BINANCE-COINM``.
    url : str
        Of the stream server; the names of the streams are added when it has no query.
    snapshot_url : str, optional
        Default: the venue's own.
    information_url : str, optional
        Default: the venue's own, or none where `snapshot_url` is another's.
    """

    def __init__(
        self,
        symbol: str,
        market: str,
        url: str,
        snapshot_url: str | None = None,
        information_url: str | None = None,
    ) -> None:
        self._symbol = symbol.upper()
        depth, levels, symbol_query = (
            ("0ms", 1000, "") if market != SPOT else ("100ms", 5000, f"?symbol={self._symbol}")
        )
        names = "/".join(
            f"{symbol.lower()}@{kind}" for kind in (f"depth@{depth}", "trade", "bookTicker")
        )
        default_url = "" if snapshot_url else f"{_API[market]}/exchangeInfo{symbol_query}"
        super().__init__(
            url if "?" in url else f"{url.rstrip('/')}?streams={names}",
            snapshot_url or f"{_API[market]}/depth?symbol={self._symbol}&limit={levels}",
            default_url if information_url is None else information_url,
        )
        self._update = 0
        self._begins = 0
        """Last update id; the one that a snapshot must have reached to meet the diffs since the connection or gap."""

    def _is_new(self, message: Any) -> bool | None:
        """Whether a diff or trade is newer than those before; a break in the ids asks for a snapshot."""
        data = message.get("data", message) if isinstance(message, dict) else None
        if not isinstance(data, dict):
            return None
        if data.get("e") == "depthUpdate":
            return self._diff(data)
        if data.get("e") == "trade":
            return self._is_new_trade(int(data["t"]))
        return True if "u" in data else None

    def _diff(self, data: Message) -> bool:
        """Whether a diff is newer than those before; a gap or a new connection asks for a snapshot."""
        first = int(data["U"])
        last = int(data["u"])
        before = data.get("pu")
        fresh = self._fresh
        self._fresh = False
        reached = first - 1 if before is None else int(before)
        if fresh:
            self._begins = reached
            self.wants_snapshot = True
        if last <= self._update:
            return False
        follows = first == self._update + 1 if before is None else int(before) == self._update
        if self._update and not follows:
            self.counts.gaps += 1
            self._begins = reached
            self.wants_snapshot = True
        self._update = last
        return True

    def snapshot(self, body: str) -> str:
        """Message to record for a depth answer; for one older than the stored diffs another is requested; ValueError if none."""
        answer = json.loads(body)
        if not isinstance(answer, dict) or "lastUpdateId" not in answer:
            raise ValueError(body[:80])
        self.wants_snapshot |= int(answer["lastUpdateId"]) < self._begins
        return json.dumps(answer, separators=(",", ":"))

    def information(self, body: str) -> str:
        """Message to record for the exchange's answer: what it says of this symbol alone; ValueError if nothing."""
        answer = json.loads(body)
        entries = answer.get("symbols", ()) if isinstance(answer, dict) else ()
        matching = [entry for entry in entries if entry.get("symbol") == self._symbol]
        if not matching:
            raise ValueError(f"nothing of {self._symbol}: {body[:80]}")
        return json.dumps({"symbols": matching}, separators=(",", ":"))


class BitstampStream(Stream):
    """Stream of order events and trades of a Bitstamp pair; one snapshot for each connection.

    Parameters
    ----------
    pair : str
        Such as ``btcusd``.
    url, snapshot_url : str
        Of the stream and of the order book; the latter's default is the venue's own.
    """

    def __init__(self, pair: str, url: str, snapshot_url: str | None = None) -> None:
        self._pair = pair.lower()
        default_url = f"https://www.bitstamp.net/api/v2/order_book/{self._pair}/?group=2"
        channels = ({"channel": f"live_{kind}_{self._pair}"} for kind in ("orders", "trades"))
        subscriptions = tuple(
            json.dumps({"event": "bts:subscribe", "data": data}) for data in channels
        )
        super().__init__(url, snapshot_url or default_url, subscriptions=subscriptions)

    def begin_connection(self) -> None:
        """Note a new connection; unless no order event came in the last one, count a gap."""
        self.counts.gaps += not self._fresh
        super().begin_connection()

    def _is_new(self, message: Any) -> bool | None:
        """Whether a message is new: a trade by its number, an order event always; None for others.

        The first order event of a connection asks for a snapshot.
        """
        event = message.get("event", "") if isinstance(message, dict) else ""
        if event == "trade":
            return self._is_new_trade(int(message["data"]["id"]))
        if event not in ("order_created", "order_changed", "order_deleted"):
            return None
        if self._fresh:
            self._fresh = False
            self.wants_snapshot = True
        return True

    def snapshot(self, body: str) -> str:
        """Message to record for an order book answer: the answer wrapped as a message of a channel; ValueError for others."""
        answer = json.loads(body)
        if not isinstance(answer, dict) or "bids" not in answer:
            raise ValueError(body[:80])
        wrapped = {"event": "snapshot", "channel": f"order_book_{self._pair}", "data": answer}
        return json.dumps(wrapped, separators=(",", ":"))


def stream_of(venue: str, symbol: str, market: str, url: str, snapshot_url: str | None) -> Stream:
    """The stream of a symbol at a venue, "binance" or "bitstamp"; UnknownNameError for others, ConfigError for a bad address.

    Raises
    ------
    UnknownNameError
        When venue or market is none that can be recorded.
    ConfigError
        When the address is none of a WebSocket.
    """
    refuse_if(
        not url.startswith(("ws://", "wss://")),
        "an address that begins with ws:// or wss://",
        f"`url={url}`",
        "give the stream server's",
    )
    check_known(venue, ("binance", "bitstamp"), "a venue:", f"`venue={venue}`")
    if venue == "bitstamp":
        return BitstampStream(symbol, url, snapshot_url)
    check_known(market, BINANCE_MARKETS, "a market:", f"`market={market}`")
    return BinanceStream(symbol, BINANCE_MARKETS[market], url, snapshot_url)
