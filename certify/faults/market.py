"""The market of the fault matrix: an exchange in a process of its own, which goes on when its FIX front is killed.

A served exchange (`tercel venue serve`) is one process with its front. Here the two talk over the channel that a gate
has (`venues/wire`). What a front that is gone left open is cancelled.
"""

from collections.abc import Callable, Sequence
from selectors import BaseSelector

from tercel.core import Command, MarketRows, Pace, VenueEvent
from tercel.venues.exchange import SimulatedExchange
from tercel.venues.wire.server import Client, OrderServer, concerns_client

_TICK_S = 0.005
"""How often the exchange looks at its clock."""


class MarketServer(OrderServer):
    """An exchange behind a socket file; its time passes at a pace.

    Parameters
    ----------
    exchange : SimulatedExchange
        Used by this server alone from now on.
    path, selector
        Socket file that a front connects to, and what watches it (`open_listener`).
    pace : Pace
    """

    def __init__(
        self, exchange: SimulatedExchange, path: str, selector: BaseSelector, pace: Pace
    ) -> None:
        super().__init__(exchange, path, selector, stepped=False)
        self._exchange = exchange
        self._pace = pace
        pace.begin(exchange.now_ns)
        for instrument in exchange.instruments:
            exchange.subscribe(instrument)
        exchange.step(exchange.now_ns)

    def run(self, stop: Callable[[], bool]) -> None:
        """Serve until `stop()` is true."""
        while not stop():
            self.poll(_TICK_S)
            self._run_to(self._pace.now_ns)

    # -- what clients ask ---------------------------------------------------------------------------------------------
    def on_commands(self, client: Client, commands: Sequence[Command]) -> None:
        """See :class:`OrderServer`."""
        for command in commands:
            self._exchange.send(command)

    def on_subscribe(self, instrument: str) -> None:
        """See :class:`OrderServer`."""
        self._exchange.width(instrument)  # refuses the unknown

    def on_login(self, client: Client, account: str) -> None:
        """See :class:`OrderServer`."""
        self._exchange.login(account, cancel_on_disconnect=True)

    def on_gone(self, client: Client) -> None:
        """See :class:`OrderServer`."""
        for account in sorted(client.accounts):
            self._exchange.disconnect(account)

    # -- time ---------------------------------------------------------------------------------------------------------
    def _run_to(self, target_ns: int) -> None:
        """Everything up to the clock's time, reported at once."""
        for client in self._clients:
            client.waiting += self._books(client)
        while True:
            events = self._exchange.step(target_ns)
            self.route(
                (
                    event
                    for event in events
                    if not (isinstance(event, MarketRows) and event.snapshot)
                ),
                _mine,
            )
            if self._exchange.now_ns >= target_ns and all(
                isinstance(event, MarketRows) for event in events
            ):
                break
        for client in self._clients:
            self.hand_out(client)
            self.flush(client)

    def _books(self, client: Client) -> list[MarketRows]:
        """Snapshots asked for; what waits from before them is part of them."""
        fresh = sorted(client.fresh)
        client.fresh = set()
        client.waiting = [
            e for e in client.waiting if not isinstance(e, MarketRows) or e.instrument not in fresh
        ]
        return [self._exchange.snapshot(instrument) for instrument in fresh]


def _mine(client: Client, event: VenueEvent) -> bool:
    if isinstance(event, MarketRows):
        return event.instrument in client.instruments
    return concerns_client(client, event)
