"""What a recorder must know of a venue's live stream: where to ask, what to subscribe to, when a snapshot is due.

Pure words and numbers: a stream opens no socket and reads no clock, so it is tested without either.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.feeds.binance_messages import COINM, SPOT, USDM

_API: Final = {
    SPOT: "https://api.binance.com/api/v3",
    USDM: "https://fapi.binance.com/fapi/v1",
    COINM: "https://dapi.binance.com/dapi/v1",
}
BINANCE_MARKETS: Final = {"spot": SPOT, "usdm": USDM, "coinm": COINM}


@dataclass
class StreamCounts:
    """What a stream counted."""

    messages: int = 0
    kept: int = 0
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
        Where a snapshot of the book is asked for.
    information_url : str
        Where tick and lot are asked for, once; empty where nobody says.
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
        """Whether the book is unknown, so that a snapshot is due; whoever asks for one clears it."""
        self.seen = StreamCounts()
        self._trade = 0
        self._fresh = True

    def connected(self) -> None:
        """A connection begins: what was known of the book may be out of date, so that its first word asks for it."""
        self._fresh = True

    def take(self, text: str) -> bool:
        """A message came; whether it is to be kept."""
        self.seen.messages += 1
        new = self._is_new(json.loads(text))
        self.seen.others += new is None
        self.seen.kept += new is True
        self.seen.duplicates += new is False
        return new is True

    def _is_new(self, message: Any) -> bool | None:
        """Whether a message did not come before; None for one that says nothing of the market."""
        raise NotImplementedError

    def _is_new_trade(self, number: int) -> bool:
        last, self._trade = self._trade, max(number, self._trade)
        return number > last

    def snapshot(self, body: str) -> str:
        """The message to keep for an answer of the snapshot's server.

        Raises
        ------
        ValueError
            When it is no snapshot.
        """
        raise NotImplementedError

    def information(self, body: str) -> str:
        """The message to keep for an answer about tick and lot.

        Raises
        ------
        ValueError
            When it says nothing of this symbol.
        """
        raise ValueError(body[:80])


class BinanceStream(Stream):
    """Depth diffs, trades and best quotes of a Binance symbol.

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
        depth, levels, mine = (
            ("0ms", 1000, "") if market != SPOT else ("100ms", 5000, f"?symbol={self._symbol}")
        )
        names = "/".join(
            f"{symbol.lower()}@{kind}" for kind in (f"depth@{depth}", "trade", "bookTicker")
        )
        own = "" if snapshot_url else f"{_API[market]}/exchangeInfo{mine}"
        super().__init__(
            url if "?" in url else f"{url.rstrip('/')}?streams={names}",
            snapshot_url or f"{_API[market]}/depth?symbol={self._symbol}&limit={levels}",
            own if information_url is None else information_url,
        )
        self._update = 0
        self._begins = 0
        """Last update id; the one that a snapshot must have reached to meet the diffs since the connection or gap."""

    def _is_new(self, message: Any) -> bool | None:
        """Old diffs and trades are dropped, a break in the ids asks for a snapshot."""
        data = message.get("data", message) if isinstance(message, dict) else None
        if not isinstance(data, dict):
            return None
        if data.get("e") == "depthUpdate":
            return self._diff(data)
        if data.get("e") == "trade":
            return self._is_new_trade(int(data["t"]))
        return True if "u" in data else None

    def _diff(self, data: dict[str, Any]) -> bool:
        first, last, before = int(data["U"]), int(data["u"]), data.get("pu")
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
            self.seen.gaps += 1
            self._begins = reached
            self.wants_snapshot = True
        self._update = last
        return True

    def snapshot(self, body: str) -> str:
        """See :meth:`Stream.snapshot`: one older than the diffs at hand is kept, and asks for another."""
        answer = json.loads(body)
        if not isinstance(answer, dict) or "lastUpdateId" not in answer:
            raise ValueError(body[:80])
        self.wants_snapshot |= int(answer["lastUpdateId"]) < self._begins
        return json.dumps(answer, separators=(",", ":"))

    def information(self, body: str) -> str:
        """See :meth:`Stream.information`: what the exchange says of this symbol alone."""
        answer = json.loads(body)
        entries = answer.get("symbols", ()) if isinstance(answer, dict) else ()
        mine = [entry for entry in entries if entry.get("symbol") == self._symbol]
        if not mine:
            raise ValueError(f"nothing of {self._symbol}: {body[:80]}")
        return json.dumps({"symbols": mine}, separators=(",", ":"))


class BitstampStream(Stream):
    """Order events and trades of a Bitstamp pair; the book is asked for once a connection, order by order.

    Parameters
    ----------
    pair : str
        Such as ``btcusd``.
    url, snapshot_url : str
        Of the stream and of the order book; the latter's default is the venue's own.
    """

    def __init__(self, pair: str, url: str, snapshot_url: str | None = None) -> None:
        self._pair = pair.lower()
        own = f"https://www.bitstamp.net/api/v2/order_book/{self._pair}/?group=2"
        asked = ({"channel": f"live_{what}_{self._pair}"} for what in ("orders", "trades"))
        subscriptions = tuple(
            json.dumps({"event": "bts:subscribe", "data": data}) for data in asked
        )
        super().__init__(url, snapshot_url or own, subscriptions=subscriptions)

    def connected(self) -> None:
        """See :meth:`Stream.connected`."""
        self.seen.gaps += not self._fresh
        super().connected()

    def _is_new(self, message: Any) -> bool | None:
        """Order events carry no number, so only trades can be known to come twice."""
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
        """See :meth:`Stream.snapshot`: the answer, wrapped as a message of a channel."""
        answer = json.loads(body)
        if not isinstance(answer, dict) or "bids" not in answer:
            raise ValueError(body[:80])
        wrapped = {"event": "snapshot", "channel": f"order_book_{self._pair}", "data": answer}
        return json.dumps(wrapped, separators=(",", ":"))


def stream_of(venue: str, symbol: str, market: str, url: str, snapshot_url: str | None) -> Stream:
    """The stream of a venue by name.

    Raises
    ------
    UnknownNameError
        When venue or market is none that can be recorded.
    ConfigError
        When the address is none of a WebSocket.
    """
    if not url.startswith(("ws://", "wss://")):
        raise ConfigError(
            "an address that begins with ws:// or wss://",
            f"`url={url}`",
            "give the stream server's",
        )
    if venue == "bitstamp":
        return BitstampStream(symbol, url, snapshot_url)
    if venue != "binance":
        raise UnknownNameError(
            "a venue: binance or bitstamp", f"`venue={venue}`", "give one of them"
        )
    if market not in BINANCE_MARKETS:
        raise UnknownNameError(
            f"a market: {', '.join(BINANCE_MARKETS)}", f"`market={market}`", "give one of them"
        )
    return BinanceStream(symbol, BINANCE_MARKETS[market], url, snapshot_url)
