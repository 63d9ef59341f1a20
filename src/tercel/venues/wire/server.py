"""The exchange behind a socket: one thread, many clients, each with accounts of its own.

Stepped, the exchange's clock moves when a client asks for a step; free-running, it follows a clock of its own,
`speed` seconds of the exchange in each second of that. What happens to an account goes to the client that holds it;
market data goes to everyone who subscribed. A client that vanishes leaves the exchange running: its orders stay, unless
it asked for them to be cancelled, and whoever holds the account next can ask what became of them.
"""

from collections.abc import Callable, Sequence

from tercel.core.errors import VenueError
from tercel.core.orders import Command, MarketRows, VenueEvent
from tercel.venues.exchange import SimulatedExchange
from tercel.venues.pace import Pace
from tercel.venues.wire.hub import Client, Hub, of_account

TICK_S = 0.005
"""How often a free-running exchange looks at its clock."""


class WireServer(Hub):
    """Serve an exchange on a socket.

    Parameters
    ----------
    exchange : SimulatedExchange
        Used by this server alone from now on.
    host : str
        Address, or ``unix:PATH``.
    port : int
        0: any that is free, see `address`.
    pace : Pace, optional
        Lets the exchange run freely; without one it is stepped.

    Raises
    ------
    VenueError
        When the port is taken.
    """

    def __init__(
        self, exchange: SimulatedExchange, host: str = "127.0.0.1", port: int = 0, *, pace: Pace | None = None
    ) -> None:
        super().__init__(exchange, host, port, stepped=pace is None)
        self._exchange, self._pace = exchange, pace
        if pace is not None:
            pace.begin(exchange.now_ns)
        for instrument in exchange.instruments:
            exchange.subscribe(instrument)
        exchange.step(exchange.now_ns)

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Serve until `stop()` is true (it is asked between two looks at the sockets)."""
        while not stop():
            self.poll(TICK_S if self._pace else 0.1)

    def poll(self, timeout_s: float) -> None:
        """Read what peers have sent, at most `timeout_s` later; let time pass if it passes by itself."""
        super().poll(timeout_s)
        if self._pace is not None:
            self._run_to(self._pace.now_ns)

    # -- what clients ask ---------------------------------------------------------------------------------------------

    def on_commands(self, client: Client, commands: Sequence[Command]) -> None:
        """See :class:`Hub`."""
        for command in commands:
            self._exchange.send(command)

    def on_subscribe(self, instrument: str) -> None:
        """See :class:`Hub`."""
        self._exchange.width(instrument)  # refuses the unknown

    def on_login(self, client: Client, account: str) -> None:
        """See :class:`Hub`."""
        self._exchange.login(account, cancel_on_disconnect=client.cancel_on_disconnect)

    def on_gone(self, client: Client) -> None:
        """See :class:`Hub`."""
        for account in sorted(client.accounts) if client.cancel_on_disconnect else ():
            self._exchange.disconnect(account)

    # -- time ---------------------------------------------------------------------------------------------------------

    def on_step(self, client: Client, until_ns: int) -> None:
        """See :class:`Hub`."""
        if until_ns - self._exchange.now_ns > 10**16:
            raise VenueError("a step of at most 100 days", f"{until_ns} ns", "step to a nearer time")
        client.waiting += self._books(client)
        if not client.waiting or all(isinstance(event, MarketRows) for event in client.waiting):
            self._route(self._exchange.step(until_ns))
        self.hand_out(client)

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
            self.hand_out(client)
            self.flush(client)

    def _books(self, client: Client) -> list[MarketRows]:
        """Snapshots asked for; what waits from before them is part of them."""
        fresh, client.fresh = sorted(client.fresh), set()
        client.waiting = [e for e in client.waiting if not isinstance(e, MarketRows) or e.instrument not in fresh]
        return [self._exchange.snapshot(instrument) for instrument in fresh]

    def _route(self, events: list[VenueEvent]) -> None:
        self.route((event for event in events if not (isinstance(event, MarketRows) and event.snapshot)), _mine)


def _mine(client: Client, event: VenueEvent) -> bool:
    if isinstance(event, MarketRows):
        return event.instrument in client.instruments and event.instrument not in client.fresh
    return of_account(client, event)
