"""The two WebSocket connections of a Binance venue: opened, subscribed, and opened again after a pause when they break."""

import selectors
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from tercel.core.errors import VenueError
from tercel.core.link.connection import TlsSettings
from tercel.venues.binance_venue.api import ErrorCode, depth_weight
from tercel.venues.binance_venue.book import StreamedBook
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel
from tercel.venues.binance_venue.json_socket import JsonSocket
from tercel.venues.binance_venue.rest import BinanceRest, RequestRefusedError
from tercel.venues.binance_venue.terms import Endpoints

FIRST_S = 0.1
LONGEST_S = 5.0
STABLE_S = 5.0
LISTEN_KEY: Final = "/api/v3/userDataStream"
_RENEW_S: Final = 1500.0
_AGAIN_S: Final = 60.0
_BETWEEN_S: Final = 0.25
"""Between two messages to the streams, which take five a second."""
_USER_STREAM_ENDS: Final = frozenset({"eventStreamTerminated", "listenKeyExpired"})
Event = Mapping[str, Any]


class SpotLinks(Protocol):
    """Port of the connections to a venue of spot markets."""

    followed: list[str]
    """Symbols whose market data are wanted."""
    refusal: str
    """Reason why the venue refuses the logon, else ""."""
    on_feed_lost: Callable[[str], object]
    """Called when the connection of market data broke, with why."""

    @property
    def up(self) -> bool:
        """Whether orders can be sent and their reports come."""

    @property
    def down_reason(self) -> str:
        """Reason why the links are not up."""

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's market data."""

    def renew(self, name: str) -> None:
        """Open a new stream for a symbol's market data, since the old one is of no use."""

    def request_book(
        self,
        name: str,
        book: StreamedBook,
        now_s: float,
        on_snapshot: Callable[[Event], object],
    ) -> None:
        """Have a symbol's whole book come: by `on_snapshot`, or with the next messages of the market."""

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Events of the account, and messages of the market, since the last call."""

    def close(self) -> None:
        """Close all connections."""


class _ReconnectingSocket:
    """A WebSocket that is connected again after a pause when it breaks."""

    def __init__(self, url: str, tls: TlsSettings, allow: Callable[[str], object]) -> None:
        """Set up a connection that is not opened yet; `allow` raises where the URL may not be connected to."""
        self.url = url
        self._tls = tls
        self._allow = allow
        self.close_reason = ""
        self.socket: JsonSocket | None = None
        self._tries = 0
        self._next_s = 0.0
        self._made_s = 0.0

    def connect_if_due(self) -> bool:
        """Open the connection if there is none and its pause is over; whether it was opened."""
        now = time.monotonic()
        if self.socket is not None or now < self._next_s:
            return False
        try:
            self._allow(self.url)
            self.socket = JsonSocket(self.url, self._tls)
            self._made_s = now
        except VenueError as error:
            self.drop(error.received)
            return False
        return True

    def drop(self, reason: str) -> None:
        """Close the connection: the next attempt waits, longer after each short-lived one."""
        now = time.monotonic()
        if self.socket is not None and self.socket.up and now - self._made_s > STABLE_S:
            self._tries = 0
        self._next_s = now + min(FIRST_S * 2 ** min(self._tries, 10), LONGEST_S)
        self._tries += 1
        self.close_reason = reason
        if self.socket is not None:
            self.socket.close(reason)
            self.socket = None

    @property
    def up(self) -> bool:
        """Whether the connection is open."""
        return self.socket is not None and self.socket.up


class BinanceLinks:
    """Connection of orders and account, and that of market data.

    Parameters
    ----------
    endpoints : Endpoints
    tls : TlsSettings
    channel : ApiChannel
    rest : BinanceRest
        For listen keys, where a server knows no subscription by signature.
    selector : selectors.BaseSelector
        Watches both.
    depth : int
        Levels of a side that a snapshot has.
    allow : callable
        As `fix.link.open_link` has it.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        tls: TlsSettings,
        channel: ApiChannel,
        rest: BinanceRest,
        selector: selectors.BaseSelector,
        depth: int,
        allow: Callable[[str], object],
    ) -> None:
        """Set up both connections, not opened yet."""
        self._channel = channel
        self._rest = rest
        self._selector = selector
        self._depth = depth
        self.on_feed_lost: Callable[[str], object] = lambda _: None
        self._api, self._feed = (
            _ReconnectingSocket(url, tls, allow)
            for url in (endpoints.ws_api, f"{endpoints.ws.rstrip('/')}/stream")
        )
        self.followed: list[str] = []
        self._streams: list[str] = []
        self._requested: set[str] = set()
        self._unsubscribed: list[str] = []
        """Streams that are unsubscribed, to be subscribed to again."""
        self._sent_s = 0.0
        self._renew_s = 0.0
        self._has_account = False
        self._subscribing = False
        self._listen_key = ""
        self._count = self._key_id = 0
        self.refusal = ""
        """Reason why the venue refuses the logon, else ""."""
        self._registered: dict[int, tuple[JsonSocket, int]] = {}

    @property
    def up(self) -> bool:
        """Whether orders can be sent and their reports come."""
        return self._api.up and self._has_account

    @property
    def down_reason(self) -> str:
        """Reason why the links are not up."""
        return self.refusal or self._api.close_reason or "it is not open yet"

    def follow(self, name: str) -> None:
        """Note a symbol's streams: `poll` subscribes to them, on every connection."""
        if name not in self.followed:
            self.followed.append(name)
            self._streams += [f"{name.lower()}@{stream}" for stream in ("depth@100ms", "trade")]

    def renew(self, name: str) -> None:
        """Unsubscribe from a symbol's streams, to be subscribed to again, since the old ones are of no use."""
        self._unsubscribed += [
            stream
            for stream in self._streams
            if stream.partition("@")[0] == name.lower() and stream in self._requested
        ]

    def request_book(
        self,
        name: str,
        book: StreamedBook,
        now_s: float,
        on_snapshot: Callable[[Event], object],
    ) -> None:
        """Request a book's snapshot over the order channel if the weight budget allows."""
        request_snapshot(self._channel, self._depth, name, book, now_s, on_snapshot)

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Connect, subscribe, read and pass on answers as is due; events of the account, and messages of the market,
        since the last call."""
        account_events: list[Event] = []
        market_events: list[Event] = []
        if not self._channel.budget.wait_s:
            if self._api.connect_if_due():
                self._channel.socket = self._api.socket
            if self.followed or self._listen_key:
                self._feed.connect_if_due()
        for message in self._read(self._api):
            if "event" in message:
                self._on_account_event(message["event"], account_events)
            elif "id" in message:
                self._channel.receive(message)
        self._keep_api()
        for message in self._read(self._feed):
            data = message.get("data")
            if (
                not isinstance(data, Mapping)
                and "error" in message
                and self._feed.socket is not None
            ):
                reason = f"a subscription was refused: {str(message['error'])[:200]}"
                self._feed.socket.close(reason)
            elif not isinstance(data, Mapping):
                if self._subscribing and message.get("id") == self._key_id:
                    self._has_account = True
                    self._subscribing = False
            elif message.get("stream") == self._listen_key and self._listen_key:
                self._on_account_event(data, account_events)
            else:
                market_events.append(data)
        self._keep_feed()
        self._register_sockets()
        return account_events, market_events

    @staticmethod
    def _read(line: _ReconnectingSocket) -> list[Any]:
        """JSON objects received on a connection since the last call."""
        messages = line.socket.poll() if line.socket is not None else ()
        return [message for message in messages if isinstance(message, dict)]

    def _on_account_event(self, event: Any, account_events: list[Event]) -> None:
        """Append an event of the account to `account_events`; handle the end of its stream and a server's shutdown."""
        if not isinstance(event, Mapping):
            return
        if event.get("e") in _USER_STREAM_ENDS:
            self._has_account = False
            self._listen_key = ""
        elif event.get("e") == "serverShutdown":
            self._api.drop("the server shuts down")
        else:
            account_events.append(event)

    def _keep_api(self) -> None:
        """Give up a closed WebSocket API with its pending requests, or subscribe to the account's events if due."""
        line = self._api
        if line.socket is not None and line.socket.closed:
            line.drop(line.socket.close_reason)
        if line.socket is None:
            self._subscribing = False
            if self._channel.socket is not None:
                self._channel.socket = None
                self._has_account = False
                self._listen_key = ""
                self._channel.fail_pending(line.close_reason)
        elif line.up and not self._has_account and not self._subscribing:
            with suppress(VenueError):
                self._channel.ask(
                    "userDataStream.subscribe.signature", {}, 2, self._on_subscribed, lambda _: None
                )
                self._subscribing = True

    def _on_subscribed(self, answer: ApiAnswer[None]) -> None:
        """Process the answer to the subscription of account events."""
        self._subscribing = False
        if answer.succeeded or answer.code == ErrorCode.SUBSCRIPTION_ACTIVE:
            self._has_account = True
            self.refusal = ""
        elif answer.code == ErrorCode.UNSUPPORTED_OPERATION:
            # the user stream of an older server: a key that is a stream's name, renewed before its hour is over
            try:
                self._listen_key = str(self._rest.ask(LISTEN_KEY, 2, method="POST")["listenKey"])
                self._subscribing = True
                self._renew_s = time.monotonic() + _RENEW_S
            except (VenueError, KeyError, TypeError) as error:
                self._api.drop(f"no listen key: {error}")
        elif answer.error is not None:
            self.refusal = "" if answer.unknown else answer.text
            self._api.drop(answer.text)

    def _renew_listen_key(self) -> None:
        """Renew the listen key of the user stream; subscribe anew if the key is over."""
        self._renew_s = time.monotonic() + _RENEW_S
        try:
            self._rest.ask(LISTEN_KEY, 2, {"listenKey": self._listen_key}, method="PUT")
        except RequestRefusedError as error:
            if not error.unsure:  # it is over, and its stream has been silent for an unknown time
                self._has_account = False
                self._listen_key = ""
        except VenueError:
            self._renew_s = time.monotonic() + _AGAIN_S

    def _keep_feed(self) -> None:
        """Give up a closed connection of market data, or send due subscriptions and renew the listen key."""
        line = self._feed
        if line.socket is not None and line.socket.closed:
            line.drop(line.socket.close_reason)
            self._requested = set()
            self._unsubscribed = []
            self.on_feed_lost(line.close_reason)
            if self._listen_key:
                self._has_account = False
                self._subscribing = False
                self._listen_key = ""
        if not line.up or line.socket is None:
            return
        wanted = [*self._streams, *([self._listen_key] if self._listen_key else [])]
        new = self._unsubscribed or [stream for stream in wanted if stream not in self._requested]
        if new and time.monotonic() - self._sent_s >= _BETWEEN_S:
            self._count = self._count + 1
            self._sent_s = time.monotonic()
            with suppress(VenueError):
                line.socket.send(
                    {
                        "method": f"{'UN' * bool(self._unsubscribed)}SUBSCRIBE",
                        "params": new,
                        "id": self._count,
                    }
                )
                self._requested.symmetric_difference_update(
                    new
                )  # those that are left were there, the others were not
                self._unsubscribed = []
                self._key_id = self._count if self._listen_key in new else self._key_id
        if self._listen_key and time.monotonic() > self._renew_s:
            self._renew_listen_key()

    def _register_sockets(self) -> None:
        """Register open sockets with the selector: to read, and to write if data wait."""
        registrations: dict[int, tuple[JsonSocket, int]] = {}
        for line in (self._api, self._feed):
            if line.socket is not None and (fd := line.socket.fileno()) >= 0:
                events = selectors.EVENT_READ | (
                    selectors.EVENT_WRITE if line.socket.wants_write else 0
                )
                registrations[fd] = line.socket, events
        for fd, (socket, events) in self._registered.items():
            if registrations.get(fd) != (socket, events):
                with suppress(KeyError, ValueError, OSError):
                    self._selector.unregister(fd)
        for fd, (socket, events) in registrations.items():
            if self._registered.get(fd) != (socket, events):
                self._selector.register(fd, events)
        self._registered = registrations

    def close(self) -> None:
        """Close both connections, and that of REST."""
        for line in (self._api, self._feed):
            if line.socket is not None:
                line.socket.close()
                line.socket = None
        self._rest.close()


def request_snapshot(
    channel: ApiChannel,
    depth: int,
    name: str,
    book: StreamedBook,
    now_s: float,
    on_snapshot: Callable[[Event], object],
) -> None:
    """Request a book's snapshot over the order channel if the weight budget allows; `on_snapshot` gets it."""
    weight = depth_weight(depth)
    if not channel.budget.fits(weight, True):
        return

    def receive(answer: ApiAnswer[Event]) -> None:
        """Pass the snapshot in the answer on, with its symbol."""
        book.snapshot_pending = False
        if answer.succeeded:
            on_snapshot({"s": name, **answer.result})

    book.note_request(now_s, awaits_answer=True)
    params = {"symbol": name, "limit": depth}
    try:
        channel.ask("depth", params, weight, receive, dict, signed=False)
    except VenueError:
        book.snapshot_pending = False
