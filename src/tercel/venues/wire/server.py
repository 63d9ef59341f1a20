"""The exchange behind a socket: one thread, many clients, each with accounts of its own.

Stepped, the exchange's clock moves when a client asks for a step; free-running, it follows a clock of its own,
`speed` seconds of the exchange in each second of that. What happens to an account goes to the client that holds it;
market data goes to everyone who subscribed. A client that vanishes leaves the exchange running: its orders stay, unless
it asked for them to be cancelled, and whoever holds the account next can ask what became of them.
"""

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tercel.core.errors import TercelError, VenueError
from tercel.core.orders import Command, MarketRows, MassCancel, StatusRequest, VenueEvent
from tercel.venues.exchange import SimulatedExchange
from tercel.venues.pace import Pace
from tercel.venues.wire import frames

CHUNK = 1 << 16
TICK_S = 0.005
"""How often a free-running exchange looks at its clock."""
MOST_WAITING = 256 << 20
"""Bytes that may wait for a client that does not read; it is dropped beyond."""


@dataclass(eq=False, slots=True)
class _Client:
    """One connection."""

    socket: socket.socket
    reader: frames.FrameReader = field(default_factory=frames.FrameReader)
    accounts: set[str] = field(default_factory=set)
    cancel_on_disconnect: bool = False
    instruments: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    out: bytearray = field(default_factory=bytearray)
    waiting: list[VenueEvent] = field(default_factory=list)
    gone: bool = False


class WireServer:
    """Serve an exchange on a socket.

    Parameters
    ----------
    exchange : SimulatedExchange
        Used by this server alone from now on.
    host : str
        Address, or ``unix:PATH``.
    port : int
        0: any that is free, see `address`.
    clock : Clock, optional
        Lets the exchange run freely; without one it is stepped.
    speed : float
        Seconds of the exchange in one of `clock`.

    Raises
    ------
    VenueError
        When the port is taken.
    """

    def __init__(
        self, exchange: SimulatedExchange, host: str = "127.0.0.1", port: int = 0, *, pace: Pace | None = None
    ) -> None:
        self._exchange, self._pace = exchange, pace
        self._listener = frames.listen(host, port)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._clients: list[_Client] = []
        self._host = host
        if pace is not None:
            pace.begin(exchange.now_ns)
        for instrument in exchange.instruments:
            exchange.subscribe(instrument)
        exchange.step(exchange.now_ns)

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect: host and port."""
        if self._host.startswith("unix:"):
            return self._host, 0
        return self._host, int(self._listener.getsockname()[1])

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Serve until `stop()` is true (it is asked between two looks at the sockets)."""
        while not stop():
            self.poll(TICK_S if self._pace else 0.1)

    def poll(self, timeout_s: float) -> None:
        """Read what peers have sent, at most `timeout_s` later; let time pass if it passes by itself."""
        for key, events in self._selector.select(timeout_s):
            if key.data is None:
                self._accept()
                continue
            if events & selectors.EVENT_WRITE:
                self._flush(key.data)
            if events & selectors.EVENT_READ:
                self._receive(key.data)
        if self._pace is not None:
            self._run_to(self._pace.now_ns)
        for client in [client for client in self._clients if client.gone]:
            self._drop(client)

    def close(self) -> None:
        """Let everybody go and stop listening."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        self._listener.close()
        self._exchange.close()

    # -- clients ------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            found, _ = self._listener.accept()
        except OSError:
            return
        found.setblocking(False)
        if found.family == socket.AF_INET:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(found)
        self._clients.append(client)
        self._selector.register(found, selectors.EVENT_READ, client)

    def _receive(self, client: _Client) -> None:
        try:
            data = client.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            client.gone = True
            return
        lost = True
        try:
            found = client.reader.feed(data)
            lost = False
            for kind, body in found:
                if kind != frames.JSON:
                    raise VenueError("JSON from a client", "market data", "connect with `RemoteVenue`")
                self._answer(client, frames.fields_of(body))
        except TercelError as error:
            self._send(client, {"said": "error", "parts": [error.expected, error.received, error.remedy]})
        self._flush(client)
        client.gone |= lost  # nobody knows where its next frame begins

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.socket)
        client.socket.close()
        self._clients.remove(client)
        for account in sorted(client.accounts):
            if client.cancel_on_disconnect:
                self._exchange.disconnect(account)

    def _send(self, client: _Client, body: dict[str, Any]) -> None:
        client.out += frames.pack(body)

    def _flush(self, client: _Client) -> None:
        try:
            while client.out and not client.gone:
                del client.out[: client.socket.send(client.out)]
        except BlockingIOError:
            pass
        except OSError:
            client.gone = True
        if len(client.out) > MOST_WAITING:
            client.gone = True
        if not client.gone:
            writes = selectors.EVENT_WRITE if client.out else 0
            self._selector.modify(client.socket, selectors.EVENT_READ | writes, client)

    # -- what clients ask ---------------------------------------------------------------------------------------------

    def _answer(self, client: _Client, body: dict[str, Any]) -> None:
        what = body.get("do")
        if what is None:
            command = frames.message_of(body, commands=True)
            self._claim(client, command.account)
            for account in _accounts_of(client, command):
                self._exchange.send(replace(command, account=account))
        elif what == "login":
            self._login(client, body)
        elif what == "subscribe":
            instrument = str(body.get("instrument"))
            self._exchange.width(instrument)  # refuses the unknown
            client.instruments.add(instrument)
            client.fresh.add(instrument)
        elif what == "step":
            self._step(client, _whole(body, "until"))
        elif what == "executions":
            self._claim(client, str(body.get("account")))
            trades = self._exchange.executions(str(body.get("account")), str(body.get("after", "")))
            self._send(client, {"said": "executions", "count": len(trades)})
            for trade in trades:
                client.out += frames.pack_event(trade)
        else:
            raise VenueError("login, subscribe, step or executions", repr(what), "connect with `RemoteVenue`")

    def _claim(self, client: _Client, account: str) -> None:
        if account in client.accounts or not account:
            return
        if any(account in other.accounts for other in self._clients if not other.gone):
            raise VenueError(
                f"account {account!r} free", "another connection holds it", "close that one, or use another account"
            )
        client.accounts.add(account)
        self._exchange.login(account, cancel_on_disconnect=client.cancel_on_disconnect)

    def _login(self, client: _Client, body: dict[str, Any]) -> None:
        client.cancel_on_disconnect = body.get("cancel_on_disconnect") is True
        accounts = body.get("accounts")
        for account in accounts if isinstance(accounts, list) else []:
            self._claim(client, str(account))
        names = self._exchange.instruments
        hello = {
            "said": "hello",
            "name": self._exchange.name,
            "now": self._exchange.now_ns,
            "stepped": self._pace is None,
            "widths": [self._exchange.width(name) for name in names],
            "feed_levels": [self._exchange.feed_levels(name) for name in names],
            "listings": len(names),
        }
        self._send(client, hello)
        for listing in self._exchange.listings():
            client.out += frames.pack_message(listing)

    # -- time ---------------------------------------------------------------------------------------------------------

    def _step(self, client: _Client, until_ns: int) -> None:
        if self._pace is not None:
            raise VenueError("an exchange that is stepped", "a step of one that runs freely", "wait for its time")
        if until_ns - self._exchange.now_ns > 10**16:
            raise VenueError("a step of at most 100 days", f"{until_ns} ns", "step to a nearer time")
        client.waiting += self._books(client)
        if not client.waiting or all(isinstance(event, MarketRows) for event in client.waiting):
            self._route(self._exchange.step(until_ns))
        for event in client.waiting:
            client.out += frames.pack_event(event)
        client.waiting.clear()
        self._send(client, {"said": "now", "now": self._exchange.now_ns})

    def _run_to(self, target_ns: int) -> None:
        """Free-running: everything up to the clock's time, reported at once."""
        for client in self._clients:
            client.waiting += self._books(client)
        while True:
            events = self._exchange.step(target_ns)
            self._route(events)
            quiet = all(isinstance(event, MarketRows) for event in events)
            if quiet and self._exchange.now_ns >= target_ns:
                break
        for client in self._clients:
            for event in client.waiting:
                client.out += frames.pack_event(event)
            client.waiting.clear()
            self._send(client, {"said": "now", "now": self._exchange.now_ns})
            self._flush(client)

    def _books(self, client: _Client) -> list[VenueEvent]:
        """Snapshots asked for; what waits from before them is part of them."""
        fresh, client.fresh = sorted(client.fresh), set()
        client.waiting = [e for e in client.waiting if not isinstance(e, MarketRows) or e.instrument not in fresh]
        return [self._exchange.snapshot(instrument) for instrument in fresh]

    def _route(self, events: list[VenueEvent]) -> None:
        for event in events:
            if isinstance(event, MarketRows) and event.snapshot:
                continue
            for client in self._clients:
                mine = (
                    event.instrument in client.instruments and event.instrument not in client.fresh
                    if isinstance(event, MarketRows)
                    else getattr(event, "account", "") in client.accounts
                )  # fmt: skip
                if mine:
                    client.waiting.append(event)


def _accounts_of(client: _Client, command: Command) -> list[str]:
    """The accounts that a command means; without one, a mass cancel or a question about all means the client's own."""
    of_all = isinstance(command, MassCancel) or (isinstance(command, StatusRequest) and not command.cl_ord_id)
    return sorted(client.accounts) if of_all and not command.account else [command.account]


def _whole(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if type(value) is not int:
        raise VenueError(f"{name} as a whole number", repr(value), "connect with `RemoteVenue`")
    return value
