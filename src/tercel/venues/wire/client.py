"""Client of the wire: a venue, or the gate before it, behind a local socket."""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict

import numpy as np

from tercel.core.capabilities import Capabilities
from tercel.core.errors import UnknownNameError, VenueError
from tercel.core.orders import (
    MARKET_COLUMNS,
    Command,
    ExecType,
    LinkStatus,
    Listing,
    MarketRows,
    Report,
    VenueEvent,
)
from tercel.core.quotes import QuoteRequest
from tercel.venues.wire import frames

CHUNK = 1 << 18


class RemoteQuotes:
    """Requests for quotes of a `RemoteVenue` whose other end has dealers."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        """Set the function that sends bytes to the other end."""
        self._send = send

    def request_quotes(self, request: QuoteRequest) -> None:
        """Send a request for quotes to the other end's dealers; a refusal comes as a `QuoteReject` of no dealer."""
        self._send(frames.pack({"do": "quotes", "request": asdict(request)}))

    def pass_quotes(self, request: str, quotes: Sequence[str] = ()) -> None:
        """Decline quotes of a request at the other end; without `quotes` all open ones."""
        self._send(frames.pack({"do": "pass", "request": request, "quotes": list(quotes)}))


class RemoteVenue:
    """Venue client of a :class:`~tercel.venues.wire.server.OrderServer`: the venue of a gate, and the gate before it.

    A gate cancels the orders of a silent session: it is sent a beat while this side waits, and none while its caller
    does something else than wait or send.

    Parameters
    ----------
    path : str
        Socket file that it listens at.
    accounts : sequence of str
        Claimed at login; others are claimed by their first command. One connection holds an account at a time.
    timeout_s : float
        How long an answer may take.
    agree : callable, optional
        Given why money is behind a gate, what it is shown for this session to send orders: `venues.address.connect`.
        Without it, or with {}, the session cancels alone there.

    Raises
    ------
    VenueError
        No gate answers, or an account is held by another connection.
    """

    name: str
    """In journals and tables."""
    now_ns: int
    """The venue's time, as last reported."""
    code: str
    """Mark of the code that the other side runs; "" where it does not say."""
    journal: str
    """Folder of its journal; "" if unknown."""
    money: str
    """Reason why it counts as real money; "" if it is a test."""

    def __init__(
        self,
        path: str,
        accounts: Sequence[str] = (),
        *,
        timeout_s: float = 30.0,
        agree: Callable[[str], Mapping[str, str]] = lambda money: {},
    ) -> None:
        """Connect and log in with the accounts."""
        self._path = path
        self._accounts = list(accounts)
        self._timeout_s = timeout_s
        self._agree = agree
        self._subscribed: list[str] = []
        self._beat_s = 0.0
        self._sent_s = 0.0
        self._socket: socket.socket | None = None
        self._events: list[VenueEvent] = []
        self._returned_ids = set[str]()
        self.now_ns = 0
        self._connect()

    def _connect(self) -> None:
        """Connect to the server's socket file and log in with the accounts."""
        self._socket = frames.connect(self._path, self._timeout_s)
        self._reader = frames.FrameReader()
        self._frames: list[tuple[int, bytes]] = []
        self._request({"do": "login", "accounts": self._accounts})
        answer = self._wait_for("hello")
        self._beat_s = float(answer.get("beat_s", 0.0))
        self._require_link().settimeout(
            min(self._beat_s or self._timeout_s, self._timeout_s)
        )  # reads return as beats are due
        self.code, self.journal, self.money = (
            str(answer.get(name, "")) for name in ("code", "journal", "money")
        )
        self.name = str(answer["name"])
        self._stepped = answer["stepped"] is True
        self._answers = answer.get("answers", True) is not False
        self._quotes = RemoteQuotes(self._send) if answer.get("quotes") is True else None
        self.now_ns = int(answer["now"])
        self._listings: list[Listing] = [
            frames.message_of(self._next_frame()[1], commands=False)
            for _ in range(int(answer["listings"]))
        ]
        names = [listing.instrument for listing in self._listings]
        self._shapes: dict[str, dict[str, int]] = {
            name: dict(zip(names, answer[name], strict=True))
            for name in ("width", "feed_levels")
            if name in answer
        }
        if self.money and self._accounts and (proof := self._agree(self.money)):
            self._request({"do": "live", **proof})
            self._wait_for("live")

    def reconnect(self) -> None:
        """Reconnect with the same accounts and market data subscriptions, beginning with snapshots.

        Raises
        ------
        VenueError
            No gate answers, or an account is still held: there is no link.
        """
        self.close()
        waiting = list(self._events)
        try:
            self._connect()
            for instrument in self._subscribed:
                self._request({"do": "subscribe", "instrument": instrument})
        except VenueError:
            self.close()
            self._events = waiting
            raise
        self._events.append(LinkStatus(True, self.now_ns, "reconnected"))

    @property
    def up(self) -> bool:
        """Whether the link to the server is up."""
        return self._socket is not None

    def fileno(self) -> int:
        """Descriptor for a selector, readable when data has come; -1 without a link."""
        return -1 if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def _require_link(self) -> socket.socket:
        """The socket; raises VenueError without a link."""
        if self._socket is None:
            raise VenueError("a link to the gate", "none", "reconnect()")
        return self._socket

    def _break_link(self, reason: str) -> VenueError:
        """Close the broken link and queue an event of it; returns the error, for the caller to raise."""
        self.close()
        self._events.append(LinkStatus(False, self.now_ns, reason))
        return VenueError("a link to the gate", reason, "reconnect()")

    def _request(self, body: frames.Fields) -> None:
        """Send a JSON request."""
        self._send(frames.pack(body))

    def _send(self, data: bytes) -> None:
        """Write bytes to the socket; an error breaks the link and is raised as VenueError."""
        link = self._require_link()
        try:
            link.sendall(data)
        except OSError as error:
            raise self._break_link(error.strerror or str(error)) from None
        self._sent_s = time.monotonic()

    def _next_frame(self) -> tuple[int, bytes]:
        """Wait for the next frame; its kind and body."""
        until = time.monotonic() + self._timeout_s
        while not self._frames:
            self._read()
            if not self._frames and time.monotonic() > until:
                raise self._break_link(f"no answer within {self._timeout_s:g} s")
        return self._frames.pop(0)

    def _send_heartbeat(self) -> None:
        """Send a heartbeat if one is due."""
        if self._beat_s and time.monotonic() - self._sent_s >= self._beat_s:
            self._request({"do": "beat"})

    def _read(self) -> None:
        """Receive bytes and split them into frames, waiting one heartbeat interval at most."""
        self._send_heartbeat()
        try:
            data = self._require_link().recv(CHUNK)
        except TimeoutError:
            return
        except OSError as error:
            raise self._break_link(error.strerror or str(error)) from None
        if not data:
            raise self._break_link("the other side closed it")
        self._frames += self._reader.feed(data)

    def _wait_for(self, answer: str) -> frames.Fields:
        """Read until an answer; events on the way are stored."""
        while True:
            fields = self._handle_frame(*self._next_frame())
            if fields.get("said") == answer:
                return fields

    def _handle_frame(self, kind: int, body: bytes) -> frames.Fields:
        """Process a frame: store an event, {} then, or return the answer to a request; raises VenueError for an error answer."""
        if kind == frames.ROWS:
            self._events.append(rows_of(body))
        elif kind == frames.MESSAGE:
            self._events.append(frames.message_of(body, commands=False))
        else:
            fields = frames.fields_of(body)
            if fields.get("said") == "error":
                raise VenueError(*(str(part) for part in fields["parts"]))
            if fields.get("said") == "now":
                self.now_ns = int(fields["now"])
            return fields
        return {}

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`: a gate answers for the venue behind it."""
        return Capabilities(
            stepped=self._stepped,
            answers_questions=self._answers,
            connection=self,
            reconnects=self,
            executions=self,
            positions=self,
            parents=self,
            depth=self,
            quotes=self._quotes,
        )

    def listings(self) -> Sequence[Listing]:
        """Listings of the instruments traded here."""
        return list(self._listings)

    def width(self, instrument: str) -> int:
        """Prices of the ring of an instrument's book at the venue."""
        return self._shape("width", instrument)

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed behind an instrument shows; 0: all of them."""
        return self._shape("feed_levels", instrument)

    def _shape(self, name: str, instrument: str) -> int:
        """Book width or feed levels of an instrument, as the server reported them at login."""
        try:
            return int(self._shapes[name][instrument])
        except KeyError:
            raise VenueError(
                f"a venue that tells a book's {name}", f"none for {instrument}", "choose one"
            ) from None

    def subscribe(self, instrument: str) -> None:
        """Subscribe to market data: a snapshot comes with the next step, then every change.

        Raises
        ------
        UnknownNameError, VenueError
            Not listed; the link is down.
        """
        names = [listing.instrument for listing in self._listings]
        if instrument not in names:
            raise UnknownNameError(
                "an instrument that is listed", f"{instrument!r}", f"use one of {', '.join(names)}"
            )
        self._request({"do": "subscribe", "instrument": instrument})
        if instrument not in self._subscribed:
            self._subscribed.append(instrument)

    def send(self, command: Command) -> None:
        """Send a command.

        Raises
        ------
        VenueError
            The link is down: nothing was sent, or only part of a frame that the gate will not read.
        """
        self._send(frames.pack_message(command))

    def announce(self, parent: str, instrument: str, account: str, side: int, lots: int) -> None:
        """Announce a parent order, its amended lots, or that it is over (0), to a gate, which bounds its children.

        A gate without heartbeats needs no parents and gets none.

        Raises
        ------
        VenueError
            There is no link.
        """
        if not self._beat_s:
            return
        fields = {"instrument": instrument, "account": account, "side": side, "lots": lots}
        self._request({"do": "parent", "id": parent, **fields})

    def leave(self) -> None:
        """Tell the gate that this session ends in order; nothing is sent over a link that is down."""
        if self._beat_s and self.up:
            with suppress(VenueError):
                self._request({"do": "leave"})

    def poll(self, seconds: float = 0.0) -> bool:
        """Read what has come, waiting at most so many seconds; whether a step has something to return.

        Raises
        ------
        VenueError
            There is no link.
        """
        link = self._require_link()
        with self._suppress_lost_link():
            self._send_heartbeat()
            if select.select([link], [], [], seconds)[0]:
                self._read()
            while self._frames:
                self._handle_frame(*self._frames.pop(0))
        return bool(self._events)

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Advance to `until_ns`, or wait until the venue has; returns early with a report on own orders.

        A link that breaks is an event; the next step without a link raises.

        Raises
        ------
        VenueError
            There is no link.
        """
        if not self._events:
            self._require_link()
        with self._suppress_lost_link():
            if self._stepped:
                if not self._has_non_market_event():
                    self._request({"do": "step", "until": int(until_ns)})
                    self._wait_for("now")
            else:
                while not self._has_non_market_event() and self.now_ns < until_ns:
                    self._wait_for("now")
        events = self._events
        self._events = []
        self._returned_ids.clear()
        return events

    def _has_non_market_event(self) -> bool:
        """Whether any queued event is no market data: a report, a reject or news of the link."""
        return any(not isinstance(event, MarketRows) for event in self._events)

    @contextmanager
    def _suppress_lost_link(self) -> Iterator[None]:
        """Suppress VenueError of a link that breaks, which is queued as an event."""
        try:
            yield
        except VenueError:
            if self._socket is not None or not self._events:
                raise

    def executions(self, account: str, after: str = "") -> list[Report]:
        """Trades of an account after execution `after` ("": all), as first reported; VenueError if that is unknown.

        Raises
        ------
        VenueError
            No such execution; no link.
        """
        self._request({"do": "executions", "account": account, "after": after})
        reports: list[Report] = [
            frames.message_of(self._next_frame()[1], commands=False)
            for _ in range(int(self._wait_for("executions")["count"]))
        ]
        self._returned_ids |= {report.exec_id for report in reports}
        return reports

    def positions(self, account: str) -> dict[str, int]:
        """Signed positions of an account, 10^-8 of a lot, by instrument.

        As the other side has them, less the executions that came meanwhile and wait for the next step, unless
        :meth:`executions` has returned them.

        Raises
        ------
        VenueError
            There is no link.
        """
        self._request({"do": "positions", "account": account})
        positions = {
            str(name): int(qty) for name, qty in self._wait_for("positions")["qty"].items()
        }
        for event in self._events:
            if (
                isinstance(event, Report)
                and event.account == account
                and event.exec_type == ExecType.TRADE
            ):
                if event.exec_id not in self._returned_ids:
                    positions[event.instrument] = (
                        positions.get(event.instrument, 0) - event.side * event.last_qty
                    )
        return positions


def rows_of(body: bytes) -> MarketRows:
    """Market data of a ROWS frame's body.

    Raises
    ------
    VenueError
        For a length that is none.
    """
    try:
        snapshot, as_of_ns, length = frames.ROWS_HEAD.unpack_from(body)
        name = body[frames.ROWS_HEAD.size : frames.ROWS_HEAD.size + length].decode()
        rows = np.frombuffer(body, "<i8", offset=frames.ROWS_HEAD.size + length).reshape(
            -1, MARKET_COLUMNS
        )
    except (struct.error, ValueError) as error:
        raise frames.protocol_error("a frame of market data", str(error)) from None
    return MarketRows(name, rows.astype(np.int64), bool(snapshot), as_of_ns)
