"""Recorder of a WebSocket feed: connect, subscribe, write every message, request snapshots, reconnect.

A message is written before the next one is read. Snapshots are fetched beside the stream, which continues meanwhile, and
written in their place among its messages; the importer does the aligning. A connection that ends is followed by
another one after a pause that doubles up to half a minute and shrinks again with the first message.

Lines are appended to a capture file one system call each, so that a kill leaves all of them, the last one maybe cut.
"""

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.extras import needed
from tercel.core.ports import Closing
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds.binance_messages import COINM, SPOT, USDM
from tercel.feeds.members import Message

# -- streams ---------------------------------------------------------------------------------------
# What a recorder must know of a venue's live stream: where to ask, what to subscribe to, when a snapshot is due.
#
# Pure words and numbers: a stream opens no socket and reads no clock, so it is tested without either.

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
        self.seen = StreamCounts()
        self._trade = 0
        self._fresh = True

    def connected(self) -> None:
        """A connection begins: what was known of the book may be out of date, so that its first word asks for it."""
        self._fresh = True

    def take(self, text: str) -> bool:
        """A message came; whether it is to be written."""
        self.seen.messages += 1
        new = self._is_new(json.loads(text))
        self.seen.others += new is None
        self.seen.accepted += new is True
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

    def _diff(self, data: Message) -> bool:
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
        """See :meth:`Stream.snapshot`: one older than the stored diffs is written, and another is requested."""
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
    """Order events and trades of a Bitstamp pair; the book is requested once a connection, order by order.

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
        channels = ({"channel": f"live_{what}_{self._pair}"} for what in ("orders", "trades"))
        subscriptions = tuple(
            json.dumps({"event": "bts:subscribe", "data": data}) for data in channels
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


SYNC_NS: Final = NS_PER_SECOND
"""Period of syncs to disk: a kill loses no lines, a power cut those of the last second."""


class CaptureWriter(Closing):
    """Appends lines of local ns and a message to a new file.

    Parameters
    ----------
    folder : path
        Made when missing. Each writer starts a file of its own, named after its first moment, so that a line that a
        kill cut is always the last of its file.
    start_ns : int
        Local time, ns since 1970.
    """

    def __init__(self, folder: Path, start_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = start_ns
        while (folder / f"{name}.jsonl").exists():
            name += 1
        self.path = folder / f"{name}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._synced = self._last = start_ns
        self.lines = 0
        self.clock_back = 0
        """Lines at a local time before that of the line above."""

    def append(self, recv_ns: int, message: str) -> None:
        """Write one message, whole, before returning."""
        line = f"{recv_ns} {message}\n".encode()
        at = 0
        while at < len(line):
            at += os.write(self._file, line[at:])
        self.lines += 1
        self.clock_back += recv_ns < self._last
        self._last = recv_ns
        if recv_ns - self._synced >= SYNC_NS or recv_ns < self._synced:
            os.fsync(self._file)
            self._synced = recv_ns

    def close(self) -> None:
        """Force everything to the disk; an empty file is removed."""
        os.fsync(self._file)
        os.close(self._file)
        if self.lines == 0:
            self.path.unlink()


FIRST_PAUSE_NS: Final = NS_PER_SECOND // 10
LONGEST_PAUSE_NS: Final = 30 * NS_PER_SECOND
LOOK_S: Final = 0.05
"""Time-out of one wait for a message, after which stop and snapshots are checked, seconds."""
HTTP_S: Final = 10.0
LARGEST_MESSAGE: Final = 1 << 26
_NO_ANSWER: Final = (OSError, HTTPException, ValueError)


class RecorderClock(Protocol):
    """The recorder's time, and whether a person has stopped it; `cli` gives the real one."""

    def now_ns(self) -> int:
        """Local time, ns since 1970."""

    def sleep_ns(self, ns: int) -> None:
        """Wait."""

    def stopping(self) -> bool:
        """Whether to stop."""


@dataclass
class RecordingSummary:
    """Counts of a recording."""

    connections: int = 0
    failures: int = 0
    """Connections that could not be made, or that broke."""
    snapshots: int = 0
    failed_snapshots: int = 0


class Recorder:
    """Records one stream into one capture.

    Parameters
    ----------
    stream : Stream
        What to record.
    writer : CaptureWriter
        Where it goes.
    clock : Senses
        Time and the wish to stop.
    notify : callable, optional
        Called with a sentence when a connection ends.
    """

    def __init__(
        self,
        stream: Stream,
        writer: CaptureWriter,
        clock: RecorderClock,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._stream = stream
        self._writer = writer
        self._clock = clock
        self._notify = notify or (lambda _: None)
        self._answer: Future[str] | None = None
        """A requested snapshot."""
        self._details: Future[str] | None = None
        """The answer about tick and lot."""
        self._again_ns = 0
        self._pause = FIRST_PAUSE_NS
        self.recorded = RecordingSummary()

    def run(self) -> RecordingSummary:
        """Record until the clock reports that a person stopped it.

        Raises
        ------
        ConfigError
            When the WebSocket library is not installed.
        """
        connect, errors = websocket_client()
        if self._stream.information_url:
            self._details = _fetched(self._stream.information_url)
        broken: tuple[type[Exception], ...] = (OSError, TimeoutError, *errors)
        while not self._clock.stopping():
            try:
                with connect(
                    self._stream.url, max_size=LARGEST_MESSAGE, open_timeout=HTTP_S
                ) as socket:
                    self.recorded.connections += 1
                    self._stream.connected()
                    for message in self._stream.subscriptions:
                        socket.send(message)
                    self._listen(socket)
            except broken as error:
                self.recorded.failures += 1
                if not self._clock.stopping():
                    self._notify(
                        f"the connection ended ({error or type(error).__name__}); connecting again"
                    )
                    self._rest()
        return self.recorded

    def _rest(self) -> None:
        """Pause before the next connection, in short steps so that a stop is noticed."""
        left = self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_NS)
        while left > 0 and not self._clock.stopping():
            step = min(left, NS_PER_SECOND // 10)
            self._clock.sleep_ns(step)
            left -= step

    def _listen(self, socket: Any) -> None:
        while not self._clock.stopping():
            self._snapshots()
            self._information()
            try:
                message = socket.recv(timeout=LOOK_S)
            except TimeoutError:
                continue
            text = (
                message if isinstance(message, str) else message.decode("utf-8", errors="replace")
            )
            self._pause = FIRST_PAUSE_NS
            now = self._clock.now_ns()
            if self._recorded(text):
                self._writer.append(now, text.replace("\n", " "))

    def _recorded(self, text: str) -> bool:
        """Whether the stream wants a message stored; what it cannot read is stored too, for the importer to name."""
        try:
            return self._stream.take(text)
        except (ValueError, KeyError, TypeError):
            return True

    def _snapshots(self) -> None:
        """Ask for a snapshot when one is due; write those that came."""
        now = self._clock.now_ns()
        if self._stream.wants_snapshot and self._answer is None and now >= self._again_ns:
            self._stream.wants_snapshot = False
            self._answer = _fetched(self._stream.snapshot_url)
        if self._answer is None or not self._answer.done():
            return
        answer = self._answer
        self._answer = None
        try:
            line = self._stream.snapshot(answer.result())
        except _NO_ANSWER as error:
            self.recorded.failed_snapshots += 1
            self._stream.wants_snapshot = True
            self._again_ns = now + NS_PER_SECOND
            self._notify(f"no snapshot from {self._stream.snapshot_url} ({error}); asking again")
            return
        self.recorded.snapshots += 1
        self._writer.append(now, line)
        if self._stream.wants_snapshot:  # it came too late to meet the stream
            self._again_ns = now + NS_PER_SECOND

    def _information(self) -> None:
        """Write the exchange's tick and lot, once; without it the importer infers them."""
        if self._details is None or not self._details.done():
            return
        answer = self._details
        self._details = None
        try:
            self._writer.append(self._clock.now_ns(), self._stream.information(answer.result()))
        except _NO_ANSWER as error:
            self._notify(
                f"no tick and lot from {self._stream.information_url} ({error}): they will be inferred"
            )


def _fetched(url: str) -> Future[str]:
    """A page, fetched in a thread of its own."""
    answer: Future[str] = Future()

    def fetch() -> None:
        try:
            with urlopen(Request(url, headers={"User-Agent": "tercel"}), timeout=HTTP_S) as page:
                answer.set_result(page.read().decode())
        except Exception as error:  # reported by the recorder, which asks again
            answer.set_exception(error)

    threading.Thread(target=fetch, daemon=True).start()
    return answer


def websocket_client() -> tuple[Any, tuple[type[Exception], ...]]:
    """The WebSocket library's way to connect, and its errors.

    Raises
    ------
    ConfigError
        When it is not installed; names the extra.
    """
    client = needed("websockets.sync.client", "record")
    return client.connect, (needed("websockets.exceptions", "record").WebSocketException,)


# -- recorder -------------------------------------------------------------------------------------

__all__ = ["CaptureWriter", "Recorder", "RecorderClock", "RecordingSummary"]
