"""The venue of a gate: one caller at a time, and a thread that cancels when the gate itself stands still."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from tercel.core.errors import TercelError
from tercel.core.orders import CancelOrder, Command, Listing, VenueEvent
from tercel.core.ports import Venue
from tercel.core.turns import Turns
from tercel.trading.orders import Orders

EVERY_S: Final = 0.01
STILL_S: Final = 0.03
"""Seconds after which a gate that has not seen a kill is taken to stand still."""
_MOST_WAIT_S: Final = 0.02


class SharedVenue:
    """A venue that two threads may use: one call at a time, none of which waits for a disk or a strategy.

    Parameters
    ----------
    venue : Venue
    """

    def __init__(self, venue: Venue) -> None:
        self._venue, self._lock = venue, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    @property
    def name(self) -> str:
        """See `core.ports.Venue`."""
        return self._venue.name

    @property
    def now_ns(self) -> int:
        """See `core.ports.Venue`."""
        return self._venue.now_ns

    def listings(self) -> Sequence[Listing]:
        """See `core.ports.Venue`."""
        return self._venue.listings()

    def subscribe(self, instrument: str) -> None:
        """See `core.ports.Venue`."""
        with self._lock:
            self._venue.subscribe(instrument)

    def send(self, command: Command) -> None:
        """See `core.ports.Venue`."""
        with self._lock:
            self._venue.send(command)

    def sent_within(self, command: Command, seconds: float) -> bool:
        """Send unless another call lasts longer than so many seconds, or the way is down; whether it was sent."""
        if not self._lock.acquire(timeout=seconds):
            return False
        try:
            self._venue.send(command)
        except (TercelError, OSError):
            return False
        finally:
            self._lock.release()
        return True

    def step(self, until_ns: int) -> list[VenueEvent]:
        """See `core.ports.Venue`."""
        with self._lock:
            return self._venue.step(until_ns)

    def take(self) -> list[VenueEvent]:
        """What has come, without waiting."""
        with self._lock:
            return self._venue.step(self._venue.now_ns) if self._venue.poll() else []  # type: ignore[attr-defined]

    def close(self) -> None:
        """See `core.ports.Venue`."""
        self._venue.close()


class Panic(Turns):
    """Looks at the kill latch beside the gate's own loop, and cancels when that loop stands still.

    It waits for no journal and no limit, and for the venue's lock 20 ms at most. What it sent is journaled by the loop
    when that turns again.

    Parameters
    ----------
    venue : SharedVenue
    orders : Orders
        Read only, while the loop that changes them stands still.
    accounts : iterable of str
    killed : callable
        Why an account is killed, or None; of this thread alone.
    beats : callable
        A number that grows while the loop turns.
    """

    def __init__(
        self,
        venue: SharedVenue,
        orders: Orders,
        accounts: Iterable[str],
        killed: Callable[[str], str | None],
        beats: Callable[[], int],
    ) -> None:
        super().__init__("tercel-gate-panic", EVERY_S, self._look)
        self._venue, self._orders, self._accounts = venue, orders, sorted(accounts)
        self._killed, self._beats = killed, beats
        self._beat, self._since_s, self._count = -1, 0.0, 0
        self._cancelled: set[str] = set()
        self.sent: list[CancelOrder] = []
        """Not yet journaled."""

    def _look(self) -> None:
        now = time.monotonic()
        if self._beats() != self._beat:
            self._beat, self._since_s = self._beats(), now
            self._cancelled.clear()
        elif now - self._since_s >= STILL_S:
            for account in self._accounts:
                if self._killed(account) is not None:
                    self.cancel(account)

    def cancel(self, account: str) -> None:
        """Send a cancel for every order of an account, each once while the loop stands still."""
        try:
            live = [order for order in self._orders.live(account) if order.root not in self._cancelled]
        except RuntimeError:  # the loop turns after all, and changes them
            return
        for order in live:
            self._count += 1
            name = f"~panic{time.time_ns():x}.{self._count}"
            command = CancelOrder(name, order.name, order.instrument, order.side, account, self._venue.now_ns)
            if not self._venue.sent_within(command, _MOST_WAIT_S):
                return
            self._cancelled.add(order.root)
            self.sent.append(command)
