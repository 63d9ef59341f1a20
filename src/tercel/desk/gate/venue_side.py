"""The gate's side of the venue: reports taken, journaled and routed, the kill latch, people's commands on limits, heartbeats."""

import selectors
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tercel.core import orders as o
from tercel.core.errors import OrderError, TapeError, TercelError, VenueError
from tercel.core.ports import Entry
from tercel.core.system import PeriodicThread
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.limits.quotes import BestQuotes, QuoteBook
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import HeartbeatWriter
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import OperatorEntry
from tercel.desk.trading.reconciliation.inquiry import Inquiry
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.risk.cancels import KillCanceller, SilentSessionCanceller
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.risk.limit_keeper import LimitKeeper
from tercel.venues.wire import frames
from tercel.venues.wire.server import Client, OrderServer, concerns_client

if TYPE_CHECKING:
    from tercel.desk.gate.config import GateTerms
    from tercel.desk.gate.drop_copy import DropCopy


TURN_S: Final = 0.01
"""Longest wait of a turn, s, and so the longest delay of a kill."""
_STEP_NS: Final = 1_000_000
PROOF_WAIT_S: Final = 1.0
"""Seconds between two checks of sessions' proofs for live trading, after a refusal."""
Prove = Callable[[frames.Fields, int], str]


def refuse_all(proof: frames.Fields, uid: int) -> str:
    """Refuse every session's proof: none may trade at a venue that moves money.

    Raises
    ------
    VenueError
    """
    raise VenueError(
        "a gate that looks at a second person's password", "another", "start it with `tercel gate`"
    )


class VenueSide(OrderServer):
    """The gate towards its venue; `server.Gate` adds the sessions.

    Parameters
    ----------
    gateway : OrderGateway
        Folded and reconciled.
    latch : KillLatch
        The one that the gateway's limits ask.
    terms : GateTerms
        Accounts whose orders pass, longest silence of a session, time between heartbeats.
    path, selector
        Socket file that sessions connect to, and what watches it (`venues.wire.server.open_listener`).
    copy : DropCopy, optional
    journal : str
        Folder of the gateway's journal, for desks that show its alerts.
    money : str
        Why money is behind the venue; "" where none is. Sessions then cancel alone, until `prove` lets each trade.
    prove : callable
        Called with a session's proof and its user id; returns the name of the person who lets it trade, or raises.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        latch: KillLatch,
        terms: "GateTerms",
        path: str,
        selector: selectors.BaseSelector,
        *,
        copy: "DropCopy | None" = None,
        journal: str = "",
        money: str = "",
        prove: Prove = refuse_all,
    ) -> None:
        super().__init__(gateway.venue, path, selector, stepped=gateway.venue.capabilities.stepped)
        self.gateway = gateway
        self._accounts = terms.accounts
        self._journal = journal
        self._silence_s = terms.silence_s
        self._stopper = KillCanceller(gateway, latch)
        self._withdrawal = SilentSessionCanceller(gateway)
        self._books: dict[str, QuoteBook] = {}
        self._fd = -1
        self._sent_ns = -1
        self._back_s = 0.0
        self._turned_s = 0.0
        self._silent: dict[Client, tuple[int, float]] = {}
        self._traded = set[Client]()
        self._leaving = set[Client]()
        self._live = set[Client]()
        self.money = money
        self._prove = prove
        self._refused_s = -PROOF_WAIT_S
        self.keeper = LimitKeeper(gateway, latch, self._check_latch)
        self._copy = copy
        self.positions = PositionKeeper(gateway, lambda: self._accounts)
        self.heartbeat = HeartbeatWriter(
            gateway, self._books, self.positions, round(terms.heartbeat_s * NS_PER_SECOND)
        )
        self.inquiry = Inquiry(gateway, lambda: self._accounts, self.positions.begin)
        self.watch = PeriodicThread("tercel-gate-watch", TURN_S, self._watch_latch)

    def begin(self) -> None:
        """Put the tighter of given and journaled limits in force, and compare positions with the venue's."""
        self.keeper.begin()
        self.positions.begin(wait=True)
        self._stopper.begin()

    def _check_latch(self) -> None:
        """Read the kill latch; cancel open orders of killed accounts at once."""
        self._stopper.poll_latch(self._accounts)

    def _watch_latch(self) -> None:
        """Read the kill latch in the second thread; errors are left to the loop."""
        with suppress(TercelError):  # the loop meets the same error, and tells it
            self._check_latch()

    def _watch_venue(self) -> None:
        """Add the venue's socket to the selector, and reconnect about once a second while the venue is down."""
        can = self._venue.capabilities
        if self._stepped or can.connection is None:
            return
        up = can.up
        fd = can.connection.fileno() if up else -1
        if fd != self._fd:
            if self._fd >= 0:
                with suppress(KeyError, ValueError):
                    self._selector.unregister(self._fd)
            if fd >= 0:
                self._selector.register(fd, selectors.EVENT_READ, lambda _events: None)
            self._fd = fd
        if not up and can.reconnects is not None and time.monotonic() - self._back_s > 1.0:
            self._back_s = time.monotonic()
            with suppress(VenueError):
                can.reconnects.reconnect()

    def _take_reports(self) -> None:
        """Take the venue's reports; step a stepped venue if no session does, and poll its link."""
        if not self._stepped:
            with suppress(VenueError):
                self._take_events(self._read_reports())
        elif (self._withdrawal or self._stopper.open) and not any(
            client.accounts for client in self._clients
        ):
            with suppress(VenueError):
                self._step_venue(self._venue.now_ns + _STEP_NS)
        elif (connection := self._venue.capabilities.connection) is not None:
            with suppress(VenueError), self.gateway.wire:
                connection.poll()

    def _read_reports(self) -> list[o.VenueEvent]:
        """Reports of the venue, without waiting."""
        connection = self._venue.capabilities.connection
        with self.gateway.wire:
            return (
                self._venue.step(self._venue.now_ns)
                if connection is None or connection.poll()
                else []
            )

    def _step_venue(self, until_ns: int) -> None:
        """Step a stepped venue to a time, ns, and take its events."""
        with self.gateway.wire:
            events = self._venue.step(until_ns)
        self._take_events(events)

    def _take_events(self, events: Sequence[o.VenueEvent]) -> None:
        """Journal and count the venue's reports, then route them to their sessions."""
        self.gateway.receive(events)
        if self._copy is not None:
            self._copy.add_own(events)
        for event in events:
            if isinstance(event, o.MarketRows):
                self._mark_limits(event)
            elif isinstance(event, o.LinkStatus):
                self.inquiry.on_link(event.up)
        self.route(events, _is_for_client)
        moved = self._venue.now_ns != self._sent_ns and not self._stepped
        self._sent_ns = self._venue.now_ns
        for client in self._clients if not self._stepped else ():
            if client.waiting or moved:
                self.hand_out(client)
                self.flush(client)

    def _mark_limits(self, event: o.MarketRows) -> None:
        """Update the limits' reference quotes with market data; data that do not fit the book clear the quotes and
        subscribe anew."""
        book = self._books.get(event.instrument)
        if book is None:
            return
        quotes = BestQuotes()
        try:
            book.on_market(event)
            quotes = book.quotes
        except TapeError:
            self.on_subscribe(event.instrument)
        self.gateway.limits.mark(
            event.instrument, quotes, event.dated_ns or book.now_ns, self._venue.now_ns
        )

    def _apply_command(self, entry: Entry) -> None:
        """Carry out an operator's command on limits or positions; others are refused at a gate."""
        operator_entry = OperatorEntry.of(entry)
        command = operator_entry.command
        if command not in (*kinds.NOTED, "limits", "settle"):
            raise OrderError(
                f"{', '.join(kinds.NOTED)}, limits or settle, at a gate",
                command,
                "ask the desk behind it",
            )
        if command == "limits":
            self.keeper.execute(operator_entry)
        elif command == "settle" and (ended := self.positions.settle(operator_entry)):
            self._take_events(ended)

    def _run_periodic(self) -> None:
        """Periodic work of every turn: drop copy, limits, cancels, inquiries, heartbeat."""
        if self._copy is not None:
            self._copy.turn()
        self.keeper.watch()
        self._stopper.follow_up()
        self._withdrawal.follow_up()
        self.inquiry.on_step()
        self.heartbeat.write_if_due()


def _is_for_client(client: Client, event: o.VenueEvent) -> bool:
    """Whether a session gets an event, by its subscriptions and accounts; market data only from a snapshot on, which
    leaves `client.fresh`."""
    if isinstance(event, o.MarketRows):
        if event.instrument not in client.instruments or (
            event.instrument in client.fresh and not event.snapshot
        ):
            return False
        client.fresh.discard(event.instrument)
        return True
    if isinstance(event, o.LinkStatus):
        return True
    if isinstance(event, o.Unread) and not event.account:
        return not event.instrument or event.instrument in client.instruments
    return concerns_client(client, event)
