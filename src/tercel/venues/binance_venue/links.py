"""The two connections of a Binance venue: made, subscribed, and made again after a pause when they break."""

import selectors
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from tercel.core.errors import VenueError
from tercel.fix.connection import TlsSettings
from tercel.venues.binance_venue.api import ErrorCode
from tercel.venues.binance_venue.channel import ApiAnswer, ApiChannel, JsonSocket
from tercel.venues.binance_venue.rest import BinanceRest, RequestRefusedError
from tercel.venues.binance_venue.terms import Endpoints

FIRST_S, LONGEST_S, STABLE_S = 0.1, 5.0, 5.0
LISTEN_KEY: Final = "/api/v3/userDataStream"
_RENEW_S: Final = 1500.0
_AGAIN_S: Final = 60.0
_BETWEEN_S: Final = 0.25
"""Between two messages to the streams, which take five a second."""
_OVER: Final = frozenset({"eventStreamTerminated", "listenKeyExpired"})
Event = Mapping[str, Any]


class SpotLinks(Protocol):
    """The ways to a venue of spot markets."""

    followed: list[str]
    """Symbols whose market data are wanted."""
    refusal: str
    """Reason why the venue refuses the logon, else ""."""

    @property
    def up(self) -> bool:
        """Whether orders can be sent and their reports come."""

    @property
    def why(self) -> str:
        """Reason why it is not up."""

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's market data."""

    def renew(self, name: str) -> None:
        """Take a new stream for a symbol's market data, whose old one is of no use."""

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Events of the account, and messages of the market, since the last call."""

    def close(self) -> None:
        """Close all."""


class _Line:
    """One connection with reconnects."""

    def __init__(self, url: str, tls: TlsSettings, allow: Callable[[str], object]) -> None:
        self.url = url
        self._tls = tls
        self._allow = allow
        self.why = ""
        self.socket: JsonSocket | None = None
        self._tries = 0
        self._next_s = 0.0
        self._made_s = 0.0

    def made(self) -> bool:
        """Make it, where it is not there and it is time."""
        now = time.monotonic()
        if self.socket is not None or now < self._next_s:
            return False
        try:
            self._allow(self.url)
            self.socket = JsonSocket(self.url, self._tls)
            self._made_s = now
        except VenueError as error:
            self.broke(error.received)
            return False
        return True

    def broke(self, why: str) -> None:
        """Close the connection: the next attempt waits, longer after each short-lived one."""
        now = time.monotonic()
        if self.socket is not None and self.socket.up and now - self._made_s > STABLE_S:
            self._tries = 0
        self._next_s = now + min(FIRST_S * 2 ** min(self._tries, 10), LONGEST_S)
        self._tries += 1
        self.why = why
        if self.socket is not None:
            self.socket.close(why)
            self.socket = None

    @property
    def up(self) -> bool:
        """Whether it is open."""
        return self.socket is not None and self.socket.up


class BinanceLinks:
    """Connection of orders and account, and that of market data.

    Parameters
    ----------
    where : Endpoints
    tls : TlsSettings
    channel : ApiChannel
    rest : BinanceRest
        For listen keys, where a server knows no subscription by signature.
    selector : selectors.BaseSelector
        Watches both.
    lost : callable
        Called when the connection of market data broke, with why.
    allow : callable
        As `FixLink` has it.
    """

    def __init__(
        self,
        where: Endpoints,
        tls: TlsSettings,
        channel: ApiChannel,
        rest: BinanceRest,
        selector: selectors.BaseSelector,
        lost: Callable[[str], object],
        allow: Callable[[str], object],
    ) -> None:
        self._channel = channel
        self._rest = rest
        self._selector = selector
        self._lost = lost
        self._api, self._feed = (
            _Line(url, tls, allow) for url in (where.ws_api, f"{where.ws.rstrip('/')}/stream")
        )
        self.followed: list[str] = []
        self._streams: list[str] = []
        self._asked: set[str] = set()
        self._gone: list[str] = []
        """Streams that are unsubscribed, to be subscribed to again."""
        self._sent_s = 0.0
        self._renew_s = 0.0
        self._user = False
        self._asking = False
        self._key = ""
        self._count = self._key_id = 0
        self.refusal = ""
        """Reason why the venue refuses the logon, else ""."""
        self._watched: dict[int, tuple[JsonSocket, int]] = {}

    @property
    def up(self) -> bool:
        """Whether orders can be sent and their reports come."""
        return self._api.up and self._user

    @property
    def why(self) -> str:
        """Reason why it is not up."""
        return self.refusal or self._api.why or "it is not open yet"

    def follow(self, name: str) -> None:
        """Subscribe to a symbol's streams."""
        if name not in self.followed:
            self.followed.append(name)
            self._streams += [f"{name.lower()}@{what}" for what in ("depth@100ms", "trade")]

    def renew(self, name: str) -> None:
        """See `SpotLinks`."""
        self._gone += [
            one
            for one in self._streams
            if one.partition("@")[0] == name.lower() and one in self._asked
        ]

    def poll(self) -> tuple[list[Event], list[Event]]:
        """Events of the account, and messages of the market, since the last call."""
        user: list[Event] = []
        market: list[Event] = []
        if not self._channel.budget.wait_s:
            if self._api.made():
                self._channel.socket = self._api.socket
            if self.followed or self._key:
                self._feed.made()
        for message in self._read(self._api):
            if "event" in message:
                self._event(message["event"], user)
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
                why = f"a subscription was refused: {str(message['error'])[:200]}"
                self._feed.socket.close(why)
            elif not isinstance(data, Mapping):
                if self._asking and message.get("id") == self._key_id:
                    self._user = True
                    self._asking = False
            elif message.get("stream") == self._key and self._key:
                self._event(data, user)
            else:
                market.append(data)
        self._keep_feed()
        self._watch()
        return user, market

    @staticmethod
    def _read(line: _Line) -> list[Any]:
        found = line.socket.poll() if line.socket is not None else ()
        return [one for one in found if isinstance(one, dict)]

    def _event(self, event: Any, user: list[Event]) -> None:
        if not isinstance(event, Mapping):
            return
        if event.get("e") in _OVER:
            self._user = False
            self._key = ""
        elif event.get("e") == "serverShutdown":
            self._api.broke("the server shuts down")
        else:
            user.append(event)

    # -- orders and account -------------------------------------------------------------------------------------------
    def _keep_api(self) -> None:
        line = self._api
        if line.socket is not None and line.socket.closed:
            line.broke(line.socket.why)
        if line.socket is None:
            self._asking = False
            if self._channel.socket is not None:
                self._channel.socket = None
                self._user = False
                self._key = ""
                self._channel.lost(line.why)
        elif line.up and not self._user and not self._asking:
            with suppress(VenueError):
                self._channel.ask("userDataStream.subscribe.signature", {}, 2, self._subscribed)
                self._asking = True

    def _subscribed(self, answer: ApiAnswer) -> None:
        self._asking = False
        if (
            answer.error is None and not answer.why
        ) or answer.code == ErrorCode.SUBSCRIPTION_ACTIVE:
            self._user = True
            self.refusal = ""
        elif answer.code == ErrorCode.UNSUPPORTED_OPERATION:
            # the user stream of an older server: a key that is a stream's name, renewed before its hour is over
            try:
                self._key = str(self._rest.ask(LISTEN_KEY, 2, method="POST")["listenKey"])
                self._asking = True
                self._renew_s = time.monotonic() + _RENEW_S
            except (VenueError, KeyError, TypeError) as error:
                self._api.broke(f"no listen key: {error}")
        elif answer.error is not None:
            self.refusal = "" if answer.unknown else answer.text
            self._api.broke(answer.text)

    # -- listen keys --------------------------------------------------------------------------------------------------
    def _renew(self) -> None:
        self._renew_s = time.monotonic() + _RENEW_S
        try:
            self._rest.ask(LISTEN_KEY, 2, {"listenKey": self._key}, method="PUT")
        except RequestRefusedError as error:
            if not error.unsure:  # it is over, and its stream has been silent for an unknown time
                self._user = False
                self._key = ""
        except VenueError:
            self._renew_s = time.monotonic() + _AGAIN_S

    # -- market data --------------------------------------------------------------------------------------------------
    def _keep_feed(self) -> None:
        line = self._feed
        if line.socket is not None and line.socket.closed:
            line.broke(line.socket.why)
            self._asked = set()
            self._gone = []
            self._lost(line.why)
            if self._key:
                self._user = False
                self._asking = False
                self._key = ""
        if not line.up or line.socket is None:
            return
        wanted = [*self._streams, *([self._key] if self._key else [])]
        new = self._gone or [one for one in wanted if one not in self._asked]
        if new and time.monotonic() - self._sent_s >= _BETWEEN_S:
            self._count = self._count + 1
            self._sent_s = time.monotonic()
            with suppress(VenueError):
                line.socket.send(
                    {
                        "method": f"{'UN' * bool(self._gone)}SUBSCRIBE",
                        "params": new,
                        "id": self._count,
                    }
                )
                self._asked.symmetric_difference_update(
                    new
                )  # those that are left were there, the others were not
                self._gone = []
                self._key_id = self._count if self._key in new else self._key_id
        if self._key and time.monotonic() > self._renew_s:
            self._renew()

    # -- waiting ------------------------------------------------------------------------------------------------------
    def _watch(self) -> None:
        """Register open sockets with the selector: to read, and to write if data wait."""
        now: dict[int, tuple[JsonSocket, int]] = {}
        for line in (self._api, self._feed):
            if line.socket is not None and (fd := line.socket.fileno()) >= 0:
                events = selectors.EVENT_READ | (
                    selectors.EVENT_WRITE if line.socket.wants_write else 0
                )
                now[fd] = line.socket, events
        for fd, (socket, events) in self._watched.items():
            if now.get(fd) != (socket, events):
                with suppress(KeyError, ValueError, OSError):
                    self._selector.unregister(fd)
        for fd, (socket, events) in now.items():
            if self._watched.get(fd) != (socket, events):
                self._selector.register(fd, events)
        self._watched = now

    def close(self) -> None:
        """Close both."""
        for line in (self._api, self._feed):
            if line.socket is not None:
                line.socket.close()
                line.socket = None
        self._rest.close()
