"""Server of the wire: clients' frames, logins and accounts, routing of reports. One thread, no blocking call.

A server of a venue derives from :class:`OrderServer` and answers commands, steps and queries.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tercel.core.errors import JournalError, TercelError, VenueError
from tercel.core.orders import (
    ClientEvent,
    Command,
    Holdings,
    MarketRows,
    MassCancel,
    Report,
    StatusRequest,
    VenueEvent,
)
from tercel.core.ports import Venue, needed
from tercel.core.quotes import QuoteEvent
from tercel.venues.wire import frames

CHUNK = 1 << 16
MOST_WAITING = 256 << 20
"""Bytes that may wait for clients that do not read; beyond, the one for which most waits is dropped."""
_MUCH: Final = 1 << 20
CLIENT = "connect with `RemoteVenue`"
MOST_CLIENTS = 128
"""Connections at a time; one more is closed at once."""
LONGEST_TAKE_S = 0.05
"""Longest time for one client's requests in a row, seconds; then the others have their turn."""


@dataclass(eq=False, slots=True)
class Client:
    """One client connection; `heard` grows with everything received and taken from it, so that silence shows."""

    socket: socket.socket
    reader: frames.FrameReader = field(
        default_factory=lambda: frames.FrameReader(frames.LONGEST_ASKED)
    )
    accounts: set[str] = field(default_factory=set)
    instruments: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    out: bytearray = field(default_factory=bytearray)
    waiting: list[ClientEvent | QuoteEvent] = field(default_factory=list)
    asked: deque[tuple[int, bytes]] = field(default_factory=deque)
    gone: bool = False
    heard: int = 0


class OrderServer:
    """Listens on a socket and serves clients of a venue.

    Parameters
    ----------
    venue : Venue
    path : str
        Socket file that clients connect to.
    stepped : bool
        Whether time passes when a client asks.

    Raises
    ------
    VenueError
        When the file is taken.
    """

    def __init__(self, venue: Venue, path: str, *, stepped: bool) -> None:
        self._venue = venue
        self.path = path
        self._stepped = stepped
        self._listener = frames.listen(path)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._clients: list[Client] = []

    def poll(self, timeout_s: float) -> None:
        """Read clients' data, waiting at most `timeout_s`."""
        behind = [client for client in self._clients if client.asked]
        for client in behind:
            self._take(client)
            self.flush(client)
        for key, events in self._selector.select(0.0 if behind else timeout_s):
            if key.data is None:
                self._accept()
            elif isinstance(key.data, Client):
                if events & selectors.EVENT_WRITE:
                    self.flush(key.data)
                if events & selectors.EVENT_READ:
                    self._receive(key.data)
            else:
                key.data(events)
        for client in [client for client in self._clients if client.gone]:
            self._drop(client)

    def close(self) -> None:
        """Disconnect all clients and stop listening; the venue is closed too."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        self._listener.close()
        Path(self.path).unlink(missing_ok=True)
        self._venue.close()

    # -- answers of a subclass ----------------------------------------------------------------------------------------
    def on_commands(self, client: Client, commands: Sequence[Command]) -> None:
        """Commands of one client, for accounts it holds, in their order."""
        raise NotImplementedError

    def on_subscribe(self, instrument: str) -> None:
        """Subscribe to market data; raises for an instrument that is not listed."""
        raise NotImplementedError

    def on_step(self, client: Client, until_ns: int) -> None:
        """A client advances time."""
        raise NotImplementedError

    def on_executions(self, account: str, after: str) -> Sequence[Report]:
        """Trades of an account."""
        teller = needed(self._venue.capabilities.executions, "repeats executions", self._venue.name)
        return teller.executions(account, after)

    def on_positions(self, account: str) -> Mapping[str, int]:
        """Signed positions of an account, 10^-8 of a lot, by instrument."""
        return needed(
            self._venue.capabilities.positions, "tells positions", self._venue.name
        ).positions(account)

    def on_login(self, client: Client, account: str) -> None:
        """A client has taken an account."""

    def handshake(self) -> frames.Fields:
        """Additional fields of the answer to a login."""
        return {}

    def on_other(self, client: Client, body: frames.Fields) -> None:
        """Any other request."""
        raise VenueError(
            "login, subscribe, step, executions or positions", repr(body.get("do")), CLIENT
        )

    def on_gone(self, client: Client) -> None:
        """A client has disconnected, or was dropped."""

    # -- clients ------------------------------------------------------------------------------------------------------
    def _accept(self) -> None:
        try:
            found, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= MOST_CLIENTS:
            found.close()
            return
        found.setblocking(False)
        client = Client(found)
        self._clients.append(client)
        self._selector.register(found, selectors.EVENT_READ, client)

    def _receive(self, client: Client) -> None:
        if client.asked:  # earlier requests come first
            return
        try:
            data = client.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            client.gone = True
            return
        client.heard += 1
        try:
            client.asked += client.reader.feed(data)
        except TercelError as error:
            self._refuse(client, error)
            self.flush(client)
            client.gone = True  # its next frame's start is unknown
            return
        self._take(client)
        self.flush(client)

    def _take(self, client: Client) -> None:
        """Answer frames in order, within the time limit; consecutive commands are passed on together.

        Raises
        ------
        JournalError
        """
        client.heard += 1
        until, commands = time.monotonic() + LONGEST_TAKE_S, list[Command]()
        while client.asked and time.monotonic() < until and len(client.out) <= MOST_WAITING:
            kind, body = client.asked.popleft()
            try:
                if kind == frames.MESSAGE:
                    command: Command = frames.message_of(body, commands=True)
                    self._claim(client, command.account)
                    # without an account, a mass cancel or a question about all means the client's own
                    of_all = isinstance(command, MassCancel) or (
                        isinstance(command, StatusRequest) and not command.cl_ord_id
                    )
                    own = of_all and not command.account
                    accounts = sorted(client.accounts) if own else [command.account]
                    if "" in accounts:
                        named = f"{command.cl_ord_id[:80]!r}, of none"
                        raise VenueError("a command of an account", named, "name one")
                    commands += [replace(command, account=account) for account in accounts]
                    continue
                self._hand_over(client, commands)
                if kind != frames.JSON:
                    raise VenueError("JSON from a client", "market data", CLIENT)
                self._answer(client, frames.fields_of(body))
            except JournalError:
                raise
            except TercelError as error:
                self._refuse(client, error)
        self._hand_over(client, commands)

    def _hand_over(self, client: Client, commands: list[Command]) -> None:
        """Commands are handed over once, whatever becomes of them."""
        if not commands:
            return
        batch = list(commands)
        commands.clear()
        try:
            self.on_commands(client, batch)
        except JournalError:
            raise
        except TercelError as error:
            self._refuse(client, error)

    def _refuse(self, client: Client, error: TercelError) -> None:
        self.send(
            client, {"said": "error", "parts": [error.expected, error.received, error.remedy]}
        )

    def _drop(self, client: Client) -> None:
        self._selector.unregister(client.socket)
        with suppress(OSError):
            client.socket.close()
        self._clients.remove(client)
        self.on_gone(client)

    def send(self, client: Client, body: frames.Fields) -> None:
        """Queue an answer."""
        client.out += frames.pack(body)

    def flush(self, client: Client) -> None:
        """Write as much as the socket takes now."""
        try:
            while client.out and not client.gone:
                del client.out[: client.socket.send(client.out)]
        except BlockingIOError:
            pass
        except OSError:
            client.gone = True
        if len(client.out) > _MUCH and sum(len(one.out) for one in self._clients) > MOST_WAITING:
            max(self._clients, key=lambda one: len(one.out)).gone = True
        if not client.gone:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)
            if self._selector.get_key(client.socket).events != events:
                self._selector.modify(client.socket, events, client)

    # -- what clients ask ---------------------------------------------------------------------------------------------
    def _answer(self, client: Client, body: frames.Fields) -> None:
        what = body.get("do")
        if what == "login":
            self._login(client, body)
        elif what == "subscribe":
            instrument = str(body.get("instrument"))
            self.on_subscribe(instrument)
            client.instruments.add(instrument)
            client.fresh.add(instrument)
        elif what == "step":
            if not self._stepped:
                raise VenueError(
                    "a venue that is stepped", "a step of one that runs freely", "wait for its time"
                )
            self.on_step(client, whole(body, "until"))
        elif what == "executions":
            account = str(body.get("account"))
            self._claim(client, account)
            trades = self.on_executions(account, str(body.get("after", "")))
            self.send(client, {"said": "executions", "count": len(trades)})
            for trade in trades:
                client.out += frames.pack_event(trade)
        elif what == "positions":
            account = str(body.get("account"))
            self._claim(client, account)
            self.hand_out(client)  # what the answer counts is sent before it
            self.send(client, {"said": "positions", "qty": dict(self.on_positions(account))})
        else:
            self.on_other(client, body)

    def _claim(self, client: Client, account: str) -> None:
        if account in client.accounts or not account:
            return
        if any(account in other.accounts for other in self._clients if not other.gone):
            raise VenueError(
                f"account {account!r} free",
                "another connection holds it",
                "close that one, or use another account",
            )
        self.on_login(client, account)
        client.accounts.add(account)

    def _login(self, client: Client, body: frames.Fields) -> None:
        accounts = body.get("accounts")
        for account in accounts if isinstance(accounts, list) else []:
            self._claim(client, str(account))
        listings = self._venue.listings()
        answer: frames.Fields = {
            "said": "hello",
            "name": self._venue.name,
            "now": self._venue.now_ns,
        }
        answer |= {"stepped": self._stepped, "listings": len(listings), **self.handshake()}
        answer["answers"] = self._venue.capabilities.answers_questions
        if (depth := self._venue.capabilities.depth) is not None:
            with suppress(VenueError):
                answer["width"] = [depth.width(listing.instrument) for listing in listings]
                answer["feed_levels"] = [
                    depth.feed_levels(listing.instrument) for listing in listings
                ]
        self.send(client, answer)
        for listing in listings:
            client.out += frames.pack_message(listing)

    # -- what happened ------------------------------------------------------------------------------------------------
    def route(
        self, events: Iterable[VenueEvent], mine: Callable[[Client, VenueEvent], bool]
    ) -> None:
        """Queue events for the clients whose accounts they concern; answers to the server's own questions: none."""
        for event in events:
            if isinstance(event, Holdings):
                continue
            for client in self._clients:
                if mine(client, event):
                    client.waiting.append(event)

    def hand_out(self, client: Client) -> None:
        """Send a client's queued events, and the time."""
        for event in client.waiting:
            client.out += frames.pack_event(event)
        client.waiting.clear()
        self.send(client, {"said": "now", "now": self._venue.now_ns})


def of_account(client: Client, event: VenueEvent) -> bool:
    """Whether a report belongs to an account that the client holds."""
    return not isinstance(event, MarketRows) and event.account in client.accounts


def whole(body: frames.Fields, name: str) -> int:
    """A whole number from a request's field.

    Raises
    ------
    VenueError
    """
    value = body.get(name)
    if type(value) is not int:
        raise VenueError(f"{name} as a whole number", repr(value), CLIENT)
    return value
