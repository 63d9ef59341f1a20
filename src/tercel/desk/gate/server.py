"""The gate's server: trading sessions on one side, the venue on the other; limits, a journal and a latch between.

    session → frames → limits, journal → venue
    session ← frames ← journal, limits ← venue

One thread turns; no call in it waits for a session. What leaves is durable before it leaves. A session that is silent
or gone has its orders cancelled. A second thread looks at the kill latch too: its cancels wait for the wire alone, so
that they leave while the first thread waits for a disk.
"""

import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from tercel.core import orders as o
from tercel.core.errors import OrderError, TapeError, TercelError, VenueError
from tercel.core.ports import Entry
from tercel.core.quotes import QuoteReject, QuoteRequest, is_name
from tercel.core.system import PeriodicThread
from tercel.core.version import code_mark
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.limits import Denial
from tercel.desk.limits.quotes import QuoteBook
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.heartbeat import (
    carry_out,
    check_store,
    emergency_log,
    heartbeat,
    take_inbox,
)
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import OperatorEntry, ParentEntry, QuoteEntry
from tercel.desk.trading.journal.codec import message_of
from tercel.desk.trading.parent_orders.parent import LONGEST_NS, ParentRequest, accepted, entry_of
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.reconciliation.recovery import Inquiry
from tercel.desk.trading.risk.cancels import KillCanceller, OrderWithdrawal
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.desk.trading.risk.limit_keeper import LimitKeeper
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.venues.wire import frames
from tercel.venues.wire.server import CLIENT, Client, OrderServer, of_account, whole

if TYPE_CHECKING:
    from tercel.desk.gate.drop_copy import DropCopy

TURN_S: Final = 0.01
"""Longest wait of a turn, s, and so the longest delay of a kill."""
# How names begin that gates and watchdogs give to their cancels.
_OWN_NAMES: Final = ("~g", "~w")
OPENING_S: Final = 120.0
"""Longest silence of a session without open orders, s."""
_STEP_NS: Final = 1_000_000


LOOK_S: Final = 1.0
"""Seconds between two checks of sessions' proofs for live trading, after a refusal."""
Prove = Callable[[frames.Fields, int], str]


def refuse_all(shown: frames.Fields, uid: int) -> str:
    """Refuse every session's proof: none may trade at a venue that moves money.

    Raises
    ------
    VenueError
    """
    raise VenueError(
        "a gate that looks at a second person's password", "another", "start it with `tercel gate`"
    )


def user_of(link: socket.socket) -> int:
    """User id at the other end of a socket file; this process's own if the system does not tell."""
    if sys.platform != "linux":
        return os.geteuid()
    return int(struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])


class Gate(OrderServer):
    """The gate: forwards sessions' commands through limits and journal to the venue, and reports back.

    Parameters
    ----------
    gateway : OrderGateway
        Folded and reconciled.
    latch : KillLatch
        The one that the gateway's limits ask.
    name : callable
        Makes a cl_ord_id that was never used.
    accounts : sequence of str
        Whose orders pass.
    listen : str
        Path of the socket file.
    silence_s, heartbeat_s : float
        See `gate.config`.
    copy : DropCopy, optional
    journal : str
        Folder of the gateway's journal, for desks that show its alerts.
    money : str
        Why money is behind the venue; "" where none is. Sessions then cancel alone, until `prove` lets each trade.
    prove : callable
        Called with a session's proof and its user id; returns the name of the person who lets it trade, or raises.

    Raises
    ------
    VenueError
        When the socket is taken.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        latch: KillLatch,
        name: Callable[[], str],
        accounts: Sequence[str],
        listen: str,
        *,
        silence_s: float,
        heartbeat_s: float,
        copy: "DropCopy | None" = None,
        journal: str = "",
        money: str = "",
        prove: Prove = refuse_all,
    ) -> None:
        super().__init__(gateway.venue, listen, stepped=gateway.venue.capabilities.stepped)
        self.gateway = gateway
        self._name = name
        self._accounts = tuple(accounts)
        self._journal = journal
        self._silence_s = silence_s
        self._heartbeat_ns = round(heartbeat_s * NS_PER_SECOND)
        self._stopper = KillCanceller(gateway, latch, name)
        self._withdrawal = OrderWithdrawal(gateway, name)
        self._books: dict[str, QuoteBook] = {}
        self._beat_ns = 0
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
        self._refused_s = -LOOK_S
        self.keeper = LimitKeeper(gateway, latch, self._look)
        self.keeper.begin()
        self._copy = copy
        self.positions = PositionKeeper(gateway, lambda: self._accounts)
        self.positions.begin(wait=True)
        self.inquiry = Inquiry(gateway, lambda: self._accounts, name, self.positions.begin)
        self._stopper.begin()
        self.watch = PeriodicThread("tercel-gate-watch", TURN_S, self._watched)

    def run(self, stop: Callable[[], bool]) -> None:
        """Run the loop until `stop()` is true.

        Raises
        ------
        JournalError
            The journal cannot be written: what was open has been cancelled.
        """
        self.watch.start()
        try:
            while not stop():
                self.turn()
        finally:
            self.watch.stop(1.0)

    def _look(self) -> None:
        """Read the kill latch; cancel open orders of killed accounts at once."""
        self._stopper.look(self._accounts)

    def _watched(self) -> None:
        with suppress(TercelError):  # the loop meets the same error, and tells it
            self._look()

    def turn(self, timeout_s: float = TURN_S) -> None:
        """One loop iteration: sessions' frames, the venue's reports, the latch, silent sessions."""
        self._watch_venue()
        # Silence is counted up to here: what comes while this turn works is read in the next one.
        asked_s = time.monotonic()
        self.poll(timeout_s)
        self._cut_off(asked_s)
        self._pump()
        check_store(self.gateway)
        self._look()
        for entry in take_inbox(
            self.gateway
        ):  # what people ask of limits; a desk's own commands are for the desk
            carry_out(self.gateway, entry, self._obey)
        self._look_after()

    def close(self) -> None:
        """See :class:`OrderServer`; a gate that cannot write stays with the venue until its cancels are answered, a little."""
        try:
            for client in list(self._clients):
                self._drop(client)
        finally:
            emergency_log(self.gateway)
            super().close()

    def leave(self) -> None:
        """Cancel every open order, as the gate closes; frames of a session that just ended are read first."""
        self.poll(0.0)
        self._withdrawal.begin(self._accounts, "the gate closes")

    def alarm(self) -> None:
        """Alert at orders still open as the gate ends, unless an alarm was raised before."""
        self._withdrawal.alarm()

    @property
    def open(self) -> int:
        """Orders that the venue has not ended."""
        return len(self.gateway.ledger.orders.live())

    # -- sessions -----------------------------------------------------------------------------------------------------
    def on_login(self, client: Client, account: str) -> None:
        """See :class:`OrderServer`."""
        if account not in self._accounts:
            raise VenueError(
                f"one of the accounts {', '.join(self._accounts)}",
                repr(account),
                "correct `accounts`",
            )
        self._withdrawal.end(account)

    def handshake(self) -> frames.Fields:
        """See :class:`OrderServer`."""
        return {
            "beat_s": self._silence_s / 4,
            "code": code_mark(),
            "journal": self._journal,
            "money": self.money,
            "quotes": self._venue.capabilities.quotes is not None,
        }

    def on_commands(self, client: Client, commands: Sequence[o.Command]) -> None:
        """See :class:`OrderServer`."""
        self._traded.add(client)
        passed = list[o.Command]()
        for command in commands:
            if (
                self.money
                and client not in self._live
                and isinstance(command, o.NewOrder | o.ReplaceOrder)
            ):
                self._refuse(
                    client,
                    VenueError("a session that has shown what live asks", self.money, "show it"),
                )
            elif why := self._not_theirs(command):
                self._refuse(client, VenueError(*why, "choose another name"))
            else:
                passed.append(command)
        # Which person takes a quote is its desk's to know.
        outcome = self.gateway.submit(passed, sender=Sender.PERSON)
        client.waiting += [
            event for one, why in outcome.denied if (event := self._refusal(one, why)) is not None
        ]
        if client.waiting:
            self.hand_out(client)

    def _quotes(self, client: Client, body: frames.Fields) -> None:
        """Ask dealers for a session, through limits and journal; what does not pass is answered."""
        try:
            request = msgspec.convert(body.get("request"), QuoteRequest)
        except msgspec.ValidationError as error:
            raise VenueError("a request for quotes", str(error), CLIENT) from None
        try:
            mine = request.account in client.accounts and (not self.money or client in self._live)
            if not mine or not all(
                map(is_name, (request.id, request.instrument, *request.dealers))
            ):
                what = "an account that this session may trade, printable names"
                raise VenueError(what, f"{request!a:.200}", CLIENT)
            self._traded.add(client)
            self.gateway.request_quotes(request, QuoteEntry(event="", request=""))
        except (OrderError, VenueError) as error:
            where = request.instrument, request.account, self._venue.now_ns
            client.waiting.append(QuoteReject(request.id, "", *where, f"the gate: {error}"))
            self.hand_out(client)

    def _pass(self, client: Client, body: frames.Fields) -> None:
        """Pass the named quotes of a session's request, or all of them if none is named."""
        name = str(body.get("request"))
        asked = self.gateway.ledger.asked.get(name)
        asker = self._venue.capabilities.quotes
        if asked is not None and asked[0].agent in client.accounts and asker is not None:
            with self.gateway.wire, suppress(VenueError):  # its dealers see it expire
                quotes = body.get("quotes")
                asker.pass_quotes(name, list(map(str, quotes if isinstance(quotes, list) else ())))

    def _not_theirs(self, command: o.Command) -> tuple[str, str] | None:
        """Expected and received text if a command uses a name of the gate or of another account's order, else None."""
        name, orders = command.cl_ord_id, self.gateway.ledger.orders
        if name.startswith(_OWN_NAMES):
            return f"names that do not begin with {' or '.join(_OWN_NAMES)}", repr(name)
        if isinstance(command, o.CancelOrder | o.MassCancel) and orders.get(name) is not None:
            return "a name for a cancel that no order has", repr(name)
        about = orders.get(name if isinstance(command, o.StatusRequest) else command.orig)
        if about is not None and about.account != command.account:
            return f"an order of {command.account}", f"{about.name!r}, another's"
        return None

    def _refusal(self, command: o.Command, denied: Denial) -> o.ClientEvent | None:
        """The answer to a command that did not pass."""
        now, text = self._venue.now_ns, f"the gate: {denied.code}: {denied.text}"
        if isinstance(command, o.NewOrder):
            return o.refused(command, self._name(), now, text)
        orig = command.orig
        order = self.gateway.ledger.orders.get(orig)
        status = order.status if order is not None else o.OrdStatus.REJECTED
        return (
            o.CancelReject(command.cl_ord_id, orig, command.account, status, now, text)
            if orig
            else None
        )

    def on_subscribe(self, instrument: str) -> None:
        """See :class:`OrderServer`."""
        if instrument not in self._books:
            listing = next(
                (one for one in self._venue.listings() if one.instrument == instrument), None
            )
            if listing is None:
                raise VenueError(
                    "an instrument that the venue lists", repr(instrument), "choose another"
                )
            self._books[instrument] = QuoteBook(listing)
        with self.gateway.wire:
            self._venue.subscribe(instrument)

    def on_step(self, client: Client, until_ns: int) -> None:
        """See :class:`OrderServer`."""
        if all(isinstance(event, o.MarketRows) for event in client.waiting):
            self._stepped_to(until_ns)
        self.hand_out(client)

    def on_executions(self, account: str, after: str) -> list[o.Report]:
        """Every trade, bust and correction of an account in the gate's own journal."""
        found, seen = list[o.Report](), not after
        for _, entry in self.gateway.journal.read(kinds=(kinds.REPORT_IN,)):
            if entry.agent != account or entry.body["what"] != "report":
                continue
            report = message_of(entry.body)
            assert isinstance(report, o.Report)
            if seen and report.exec_type in _EXECUTIONS:
                found.append(report)
            seen = seen or report.exec_id == after
        if not seen:
            raise VenueError(
                f"an execution of {account}", repr(after), "ask without one for all of them"
            )
        return found

    def on_positions(self, account: str) -> Mapping[str, int]:
        """The venue's positions of an account; the gate's own where the venue reports none."""
        if (teller := self._venue.capabilities.positions) is not None:
            with self.gateway.wire:
                return teller.positions(account)
        return self.positions.last_reported(account)

    def on_other(self, client: Client, body: frames.Fields) -> None:
        """Handle a heartbeat, a parent order, the end of a session, or a watchdog's question."""
        what = body.get("do")
        if what == "parent":
            self._parent(client, body)
        elif what == "quotes":
            self._quotes(client, body)
        elif what == "pass":
            self._pass(client, body)
        elif what == "alive":
            self.send(client, {"said": "alive", "up": self._venue.capabilities.up})
        elif what == "live":
            # Let a session trade where money is, if it shows what it has to; a password takes long to look at.
            if time.monotonic() < self._refused_s + LOOK_S:
                raise VenueError(f"{LOOK_S:g} s after one that was refused", "another", "try again")
            try:
                by = self._prove(body, user_of(client.socket))
            except TercelError:
                self._refused_s = time.monotonic()
                raise
            self._live.add(client)
            said = OperatorEntry(
                "live",
                {"accounts": sorted(client.accounts)},
                by,
                str(body.get("reason", "")),
                time.time_ns(),
            )
            self.gateway.write([Entry(kinds.OPERATOR, self._venue.now_ns, body=said.json())])
            self.send(client, {"said": "live"})
        elif what == "leave":
            self._leaving.add(client)
            client.gone = True
        elif what != "beat":
            raise VenueError(
                "login, subscribe, step, executions, parent, quotes, pass, live, alive, leave or beat",
                repr(what),
                CLIENT,
            )

    def _parent(self, client: Client, body: frames.Fields) -> None:
        id_, instrument, account = (str(body.get(name)) for name in ("id", "instrument", "account"))
        side, lots = whole(body, "side"), whole(body, "lots")
        if account not in client.accounts:
            raise VenueError("an account that this session holds", repr(account), "log in with it")
        now, ledger = self._venue.now_ns, self.gateway.ledger
        known = ledger.parents.get(id_)
        same = known and (known.order.instrument, known.order.agent, known.order.side) == (
            instrument,
            account,
            side,
        )
        if lots == 0:  # over: it may leave memory once its orders are settled
            if known is not None and known.order.agent == account and not known.over:
                done = ParentEntry("done", reason="by its session")
                self.gateway.write([entry_of(id_, done, now, instrument, account)])
        elif known is None and not ledger.used(id_):
            request = ParentRequest(
                id_, instrument, side, lots, LONGEST_NS, 1, "behind the gate", account
            )
            # Limits first, as they may refuse it: the journal has no parent that they do not know.
            self.gateway.limits.parent(id_, instrument, account, side, lots)
            self.gateway.write([accepted(request, now)])
        elif known is None or known.over or lots < 0 or not same:
            raise OrderError(
                "a parent as announced before, not over, of some lots",
                f"{id_}: {body}",
                "rename it",
            )
        elif known.lots != lots:
            self.gateway.limits.amend(id_, lots)
            amended = ParentEntry("amended", lots=lots, reason="by its session")
            self.gateway.write([entry_of(id_, amended, now, instrument, account)])

    def on_gone(self, client: Client) -> None:
        """See :class:`OrderServer`."""
        calm, why = (
            client in self._leaving,
            "its session ended" if client in self._leaving else "its session is gone",
        )
        for group in (self._traded, self._leaving, self._live):
            group.discard(client)
        # A journal that is down has cancelled everything already.
        if client.accounts and self.gateway.states.why(StateReason.JOURNAL_DOWN) is None:
            self._withdrawal.begin(client.accounts, why, calm=calm)

    def _cut_off(self, now: float) -> None:
        """Add up how long each session has been silent: it said nothing up to `now`, when its socket was read.

        What came while the gate was held up is read before: that is no silence of a session. A turn counts as half of it at
        most, as what held up the gate may have held up the session too. A session without open orders may be silent for
        `OPENING_S`: a desk that begins reads its journal first.
        """
        passed = min(now - self._turned_s, self._silence_s / 2)
        self._turned_s = now
        silent = self._silent
        self._silent = {}
        for client in self._clients:
            heard, seconds = silent.get(client, (client.heard, 0.0))
            seconds = seconds + passed if heard == client.heard else 0.0
            self._silent[client] = client.heard, seconds
            client.gone |= seconds > self._silence_s and (
                seconds > OPENING_S or not self._harmless(client)
            )

    def _harmless(self, client: Client) -> bool:
        """Whether a session has logged in, has sent nothing yet, and nothing of its accounts is open."""
        live = self.gateway.ledger.orders.live
        begins = bool(client.accounts) and client not in self._traded
        return begins and not any(live(account) for account in client.accounts)

    # -- the venue ----------------------------------------------------------------------------------------------------
    def _watch_venue(self) -> None:
        """Wait for the venue's socket with the others; come back to it when it is gone."""
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

    def _pump(self) -> None:
        """Take the venue's reports; step a stepped venue if no session does, and poll its link."""
        if not self._stepped:
            with suppress(VenueError):
                self._take_events(self._reports())
        elif (self._withdrawal or self._stopper.open) and not any(
            client.accounts for client in self._clients
        ):
            with suppress(VenueError):
                self._stepped_to(self._venue.now_ns + _STEP_NS)
        elif (connection := self._venue.capabilities.connection) is not None:
            with suppress(VenueError), self.gateway.wire:
                connection.poll()

    def _reports(self) -> list[o.VenueEvent]:
        """Reports of the venue, without waiting."""
        connection = self._venue.capabilities.connection
        with self.gateway.wire:
            return (
                self._venue.step(self._venue.now_ns)
                if connection is None or connection.poll()
                else []
            )

    def _stepped_to(self, until_ns: int) -> None:
        with self.gateway.wire:
            events = self._venue.step(until_ns)
        self._take_events(events)

    def _take_events(self, events: Sequence[o.VenueEvent]) -> None:
        """Journal and count the venue's reports, then route them to their sessions."""
        self.gateway.receive(events)
        if self._copy is not None:
            self._copy.ours(events)
        for event in events:
            if isinstance(event, o.MarketRows):
                self._mark(event)
            elif isinstance(event, o.LinkStatus):
                self.inquiry.link(event.up)
        self.route(events, _mine)
        moved = self._venue.now_ns != self._sent_ns and not self._stepped
        self._sent_ns = self._venue.now_ns
        for client in self._clients if not self._stepped else ():
            if client.waiting or moved:
                self.hand_out(client)
                self.flush(client)

    def _mark(self, event: o.MarketRows) -> None:
        book = self._books.get(event.instrument)
        if book is None:
            return
        quotes: tuple[int | None, int | None] = None, None
        try:
            book.on_market(event)
            quotes = book.quotes
        except TapeError:
            self.on_subscribe(event.instrument)
        self.gateway.limits.mark(
            event.instrument, *quotes, event.dated_ns or book.now_ns, self._venue.now_ns
        )

    def _obey(self, entry: Entry) -> None:
        said = OperatorEntry.of(entry)
        command = said.command
        if command not in (*kinds.NOTED, "limits", "settle"):
            raise OrderError(
                f"{', '.join(kinds.NOTED)}, limits or settle, at a gate",
                command,
                "ask the desk behind it",
            )
        if command == "limits":
            self.keeper.obey(said)
        elif command == "settle" and (ended := self.positions.settle(said)):
            self._take_events(ended)

    # -- periodic work of every turn ----------------------------------------------------------------------------------
    def _look_after(self) -> None:
        now = self._venue.now_ns
        if self._copy is not None:
            self._copy.turn()
        self.keeper.watch()
        self._stopper.follow_up()
        self._withdrawal.follow_up()
        self.inquiry.turn()
        if now - self._beat_ns >= self._heartbeat_ns:
            self._beat_ns = now
            self._heartbeat()

    def _heartbeat(self) -> None:
        self.gateway.write(heartbeat(self.gateway, self._books))
        self.positions.look()


_EXECUTIONS: Final = frozenset({o.ExecType.TRADE, o.ExecType.BUSTED, o.ExecType.CORRECTED})


def _mine(client: Client, event: o.VenueEvent) -> bool:
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
    return of_account(client, event)
