"""Server of the wire: clients' frames, logins and accounts, routing of reports. One thread, no blocking call.

A server of a venue derives from :class:`OrderServer` and answers commands, steps and queries.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tercel.core.capabilities import require_capability
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
from tercel.core.ports import Venue
from tercel.core.quotes import QuoteEvent
from tercel.venues.wire import frames

CHUNK = 1 << 16
MOST_WAITING = 256 << 20
"""Bytes that may wait for clients that do not read; beyond, the one for which most waits is dropped."""
_LARGE_OUTBOX: Final = 1 << 20
CLIENT_REMEDY = "connect with `RemoteVenue`"
MOST_CLIENTS = 128
"""Connections at a time; one more is closed at once."""
LONGEST_TAKE_S = 0.05
"""Longest time for one client's requests in a row, seconds; then the others have their turn."""


@dataclass(eq=False, slots=True)
class Client:
    """One client connection; `activity` grows with everything received and taken from it, so that silence shows."""

    socket: socket.socket
    reader: frames.FrameReader = field(
        default_factory=lambda: frames.FrameReader(frames.LONGEST_REQUEST)
    )
    accounts: set[str] = field(default_factory=set)
    instruments: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    outbox: bytearray = field(default_factory=bytearray)
    waiting: list[ClientEvent | QuoteEvent] = field(default_factory=list)
    requests: deque[tuple[int, bytes]] = field(default_factory=deque)
    gone: bool = False
    activity: int = 0


@contextmanager
def open_listener(path: str) -> Iterator[selectors.BaseSelector]:
    """Listen on a socket file until the block ends, and yield the selector of its socket; VenueError if it is taken."""
    with closing(frames.listen(path)) as listener, selectors.DefaultSelector() as selector:
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, None)
        try:
            yield selector
        finally:
            Path(path).unlink(missing_ok=True)


class OrderServer:
    """Serves clients of a venue, who connect to a socket file.

    Parameters
    ----------
    venue : Venue
    path : str
        Socket file.
    selector : BaseSelector
        Watches it (`open_listener`), and the clients' sockets from here on.
    stepped : bool
        Whether time passes when a client asks.
    """

    def __init__(
        self, venue: Venue, path: str, selector: selectors.BaseSelector, *, stepped: bool
    ) -> None:
        self._venue = venue
        self.path = path
        self._stepped = stepped
        self._selector = selector
        self._clients: list[Client] = []

    def poll(self, timeout_s: float) -> None:
        """Read clients' data, waiting at most `timeout_s`; answer their requests, write to them, and drop those that
        have gone.
        """
        backlog = [client for client in self._clients if client.requests]
        for client in backlog:
            self._take_requests(client)
            self.flush(client)
        for key, events in self._selector.select(0.0 if backlog else timeout_s):
            if key.data is None:
                self._accept(key.fileobj)
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
        """Disconnect all clients; the venue is closed too."""
        for client in list(self._clients):
            self._drop(client)
        self._venue.close()

    def on_commands(self, client: Client, commands: Sequence[Command]) -> None:
        """Carry out commands of one client, for accounts that it holds, in their order: a subclass says how."""
        raise NotImplementedError

    def on_subscribe(self, instrument: str) -> None:
        """Subscribe to an instrument's market data; raises for one that is not listed."""
        raise NotImplementedError

    def on_step(self, client: Client, until_ns: int) -> None:
        """Advance time as a client requests: a subclass says how."""
        raise NotImplementedError

    def on_executions(self, account: str, after: str) -> Sequence[Report]:
        """Trades of an account after execution `after` ("": all), by the venue; raises where it cannot repeat them."""
        source = require_capability(
            self._venue.capabilities.executions, "repeats executions", self._venue.name
        )
        return source.executions(account, after)

    def on_positions(self, account: str) -> Mapping[str, int]:
        """Signed positions of an account, 10^-8 of a lot, by instrument, by the venue; raises where it tells none."""
        return require_capability(
            self._venue.capabilities.positions, "tells positions", self._venue.name
        ).positions(account)

    def on_login(self, client: Client, account: str) -> None:
        """Called before a client is given an account: nothing here, for subclasses, which may raise to refuse it."""

    def handshake(self) -> frames.Fields:
        """Additional fields of the answer to a login: none here, for subclasses."""
        return {}

    def on_other(self, client: Client, body: frames.Fields) -> None:
        """Called with any other JSON request: raises VenueError here, for subclasses."""
        raise VenueError(
            "login, subscribe, step, executions or positions", repr(body.get("do")), CLIENT_REMEDY
        )

    def on_gone(self, client: Client) -> None:
        """Called after a client has disconnected or was dropped: nothing here, for subclasses."""

    def _accept(self, listener: Any) -> None:
        """Accept a client's connection, or close it where there are MOST_CLIENTS already."""
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if len(self._clients) >= MOST_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        client = Client(connection)
        self._clients.append(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _receive(self, client: Client) -> None:
        """Read a client's bytes and answer the requests in them; drop a client that has gone."""
        if client.requests:  # earlier requests come first
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
        client.activity += 1
        try:
            client.requests += client.reader.feed(data)
        except TercelError as error:
            self._refuse(client, error)
            self.flush(client)
            client.gone = True  # its next frame's start is unknown
            return
        self._take_requests(client)
        self.flush(client)

    def _take_requests(self, client: Client) -> None:
        """Answer frames in order, within the time limit; consecutive commands are passed on together.

        Raises
        ------
        JournalError
        """
        client.activity += 1
        until = time.monotonic() + LONGEST_TAKE_S
        commands = list[Command]()
        while client.requests and time.monotonic() < until and len(client.outbox) <= MOST_WAITING:
            kind, body = client.requests.popleft()
            try:
                if kind == frames.MESSAGE:
                    command: Command = frames.message_of(body, commands=True)
                    self._claim(client, command.account)
                    # without an account, a mass cancel or a question about all means the client's own
                    of_all = isinstance(command, MassCancel) or (
                        isinstance(command, StatusRequest) and not command.cl_ord_id
                    )
                    uses_own_accounts = of_all and not command.account
                    accounts = sorted(client.accounts) if uses_own_accounts else [command.account]
                    if "" in accounts:
                        command_text = f"{command.cl_ord_id[:80]!r}, of none"
                        raise VenueError("a command of an account", command_text, "name one")
                    commands += [replace(command, account=account) for account in accounts]
                    continue
                self._hand_over(client, commands)
                if kind != frames.JSON:
                    raise VenueError("JSON from a client", "market data", CLIENT_REMEDY)
                self._answer(client, frames.fields_of(body))
            except JournalError:
                raise
            except TercelError as error:
                self._refuse(client, error)
        self._hand_over(client, commands)

    def _hand_over(self, client: Client, commands: list[Command]) -> None:
        """Pass a client's commands on and empty the list, even if that raises."""
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
        """Send an error's three parts to a client."""
        self.send(
            client, {"said": "error", "parts": [error.expected, error.received, error.remedy]}
        )

    def _drop(self, client: Client) -> None:
        """Close a client's connection and forget the client."""
        self._selector.unregister(client.socket)
        with suppress(OSError):
            client.socket.close()
        self._clients.remove(client)
        self.on_gone(client)

    def send(self, client: Client, body: frames.Fields) -> None:
        """Append an answer to the client's outbox; `flush` writes it."""
        client.outbox += frames.pack(body)

    def flush(self, client: Client) -> None:
        """Write to a client as much as its socket takes now."""
        try:
            while client.outbox and not client.gone:
                del client.outbox[: client.socket.send(client.outbox)]
        except BlockingIOError:
            pass
        except OSError:
            client.gone = True
        if (
            len(client.outbox) > _LARGE_OUTBOX
            and sum(len(peer.outbox) for peer in self._clients) > MOST_WAITING
        ):
            max(self._clients, key=lambda peer: len(peer.outbox)).gone = True
        if not client.gone:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.outbox else 0)
            if self._selector.get_key(client.socket).events != events:
                self._selector.modify(client.socket, events, client)

    def _answer(self, client: Client, body: frames.Fields) -> None:
        """Carry out one JSON request of a client, by its key `do`."""
        action = body.get("do")
        if action == "login":
            self._login(client, body)
        elif action == "subscribe":
            instrument = str(body.get("instrument"))
            self.on_subscribe(instrument)
            client.instruments.add(instrument)
            client.fresh.add(instrument)
        elif action == "step":
            if not self._stepped:
                raise VenueError(
                    "a venue that is stepped", "a step of one that runs freely", "wait for its time"
                )
            self.on_step(client, read_int(body, "until"))
        elif action == "executions":
            account = str(body.get("account"))
            self._claim(client, account)
            trades = self.on_executions(account, str(body.get("after", "")))
            self.send(client, {"said": "executions", "count": len(trades)})
            for trade in trades:
                client.outbox += frames.pack_event(trade)
        elif action == "positions":
            account = str(body.get("account"))
            self._claim(client, account)
            self.hand_out(client)  # what the answer counts is sent before it
            self.send(client, {"said": "positions", "qty": dict(self.on_positions(account))})
        else:
            self.on_other(client, body)

    def _claim(self, client: Client, account: str) -> None:
        """Give a client an account; raises VenueError if another client holds it."""
        if account in client.accounts or not account:
            return
        if any(account in peer.accounts for peer in self._clients if not peer.gone):
            raise VenueError(
                f"account {account!r} free",
                "another connection holds it",
                "close that one, or use another account",
            )
        self.on_login(client, account)
        client.accounts.add(account)

    def _login(self, client: Client, body: frames.Fields) -> None:
        """Give a client its accounts, and send it the venue's listings, time and capabilities."""
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
            client.outbox += frames.pack_message(listing)

    def route(
        self, events: Iterable[VenueEvent], concerns: Callable[[Client, VenueEvent], bool]
    ) -> None:
        """Queue events for the clients for which `concerns` is true; answers to the server's own questions go to none."""
        for event in events:
            if isinstance(event, Holdings):
                continue
            for client in self._clients:
                if concerns(client, event):
                    client.waiting.append(event)

    def hand_out(self, client: Client) -> None:
        """Move a client's queued events, then the venue's time, to its outbox; `flush` writes it."""
        for event in client.waiting:
            client.outbox += frames.pack_event(event)
        client.waiting.clear()
        self.send(client, {"said": "now", "now": self._venue.now_ns})


def concerns_client(client: Client, event: VenueEvent) -> bool:
    """Whether an event is a report, not market data, of an account that the client holds."""
    return not isinstance(event, MarketRows) and event.account in client.accounts


def read_int(body: frames.Fields, name: str) -> int:
    """A whole number from a request's field; raises VenueError for anything else, bool included.

    Raises
    ------
    VenueError
    """
    value = body.get(name)
    if type(value) is not int:
        raise VenueError(f"{name} as a whole number", repr(value), CLIENT_REMEDY)
    return value
