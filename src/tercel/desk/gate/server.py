"""The gate's server: sessions' commands pass limits and journal to the venue, and its reports come back.

    session → frames → limits, journal → venue
    session ← frames ← journal, limits ← venue

One thread turns; no call in it waits for a session. What leaves is durable before it leaves. A session that is silent
or gone has its orders cancelled. A second thread looks at the kill latch too: its cancels wait for the wire alone, so
that they leave while the first thread waits for a disk.
"""

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from tercel.core import orders as o
from tercel.core.errors import OrderError, TercelError, VenueError
from tercel.core.ports import Entry
from tercel.core.quotes import QuoteReject, QuoteRequest, is_name
from tercel.core.version import code_mark
from tercel.desk.gate.venue_side import PROOF_WAIT_S, TURN_S, VenueSide
from tercel.desk.limits import Denial
from tercel.desk.limits.quotes import QuoteBook
from tercel.desk.trading.emergency import cancel_and_log_open, check_store
from tercel.desk.trading.inbox import carry_out, take_inbox
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import OperatorEntry, ParentEntry, QuoteEntry
from tercel.desk.trading.journal.codec import message_of
from tercel.desk.trading.parent_orders.parent import acceptance_entry, entry_of
from tercel.desk.trading.parent_orders.parent_request import LONGEST_NS, ParentRequest
from tercel.desk.trading.risk.trading_state import Sender, StateReason
from tercel.venues.wire import frames
from tercel.venues.wire.server import CLIENT_REMEDY, Client, read_int

# How names begin that gates and watchdogs give to their cancels.
_OWN_NAMES: Final = ("~g", "~w")
OPENING_S: Final = 120.0
"""Longest silence of a session without open orders, s."""


_EXECUTIONS: Final = frozenset({o.ExecType.TRADE, o.ExecType.BUSTED, o.ExecType.CORRECTED})


def user_of(link: socket.socket) -> int:
    """User id at the other end of a socket file; this process's own if the system does not tell."""
    if sys.platform != "linux":
        return os.geteuid()
    return int(struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])


class Gate(VenueSide):
    """The gate: forwards sessions' commands through limits and journal to the venue, and reports back.

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

    def turn(self, timeout_s: float = TURN_S) -> None:
        """One loop iteration: sessions' frames, the venue's reports, the latch, silent sessions."""
        self._watch_venue()
        # Silence is counted up to here: what comes while this turn works is read in the next one.
        read_s = time.monotonic()
        self.poll(timeout_s)
        self._cut_off_silent(read_s)
        self._take_reports()
        check_store(self.gateway)
        self._check_latch()
        for entry in take_inbox(
            self.gateway
        ):  # what people ask of limits; a desk's own commands are for the desk
            carry_out(self.gateway, entry, self._apply_command)
        self._run_periodic()

    def close(self) -> None:
        """Drop all sessions and close the server; waits a little for cancels if the journal is down."""
        try:
            for client in list(self._clients):
                self._drop(client)
        finally:
            cancel_and_log_open(self.gateway)
            super().close()

    def cancel_all(self) -> None:
        """Cancel every open order, as the gate closes; frames of a session that just ended are read first."""
        self.poll(0.0)
        self._withdrawal.begin(self._accounts, "the gate closes")

    def alarm(self) -> None:
        """Alert orders still open as the gate ends, unless an alarm was raised before."""
        self._withdrawal.alarm()

    @property
    def open_orders(self) -> list[str]:
        """ClOrdIDs of the orders that the venue has not ended."""
        return [order.root for order in self.gateway.ledger.orders.live()]

    def on_login(self, client: Client, account: str) -> None:
        """Refuse an account that the gate does not serve; of others, end the withdrawal of orders left by an earlier session."""
        if account not in self._accounts:
            raise VenueError(
                f"one of the accounts {', '.join(self._accounts)}",
                repr(account),
                "correct `accounts`",
            )
        self._withdrawal.end(account)

    def handshake(self) -> frames.Fields:
        """What a session is told at login: seconds between its heartbeats, code version, journal folder, money, and if
        there are quotes."""
        return {
            "beat_s": self._silence_s / 4,
            "code": code_mark(),
            "journal": self._journal,
            "money": self.money,
            "quotes": self._venue.capabilities.quotes is not None,
        }

    def on_commands(self, client: Client, commands: Sequence[o.Command]) -> None:
        """Submit a session's commands through limits and journal to the venue; refusals are handed back to the session."""
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
            elif fault := self._name_fault(command):
                self._refuse(client, VenueError(*fault, "choose another name"))
            else:
                passed.append(command)
        # Which person takes a quote is its desk's to know.
        outcome = self.gateway.submit(passed, sender=Sender.PERSON)
        client.waiting += [
            event
            for denied_command, denial in outcome.denied
            if (event := self._refusal(denied_command, denial)) is not None
        ]
        if client.waiting:
            self.hand_out(client)

    def _request_quotes(self, client: Client, body: frames.Fields) -> None:
        """Ask dealers for a session, through limits and journal; what does not pass is answered."""
        try:
            request = msgspec.convert(body.get("request"), QuoteRequest)
        except msgspec.ValidationError as error:
            raise VenueError("a request for quotes", str(error), CLIENT_REMEDY) from None
        try:
            is_allowed = request.account in client.accounts and (
                not self.money or client in self._live
            )
            if not is_allowed or not all(
                map(is_name, (request.id, request.instrument, *request.dealers))
            ):
                expected = "an account that this session may trade, printable names"
                raise VenueError(expected, f"{request!a:.200}", CLIENT_REMEDY)
            self._traded.add(client)
            self.gateway.request_quotes(request, QuoteEntry(event="", request=""))
        except (OrderError, VenueError) as error:
            origin = request.instrument, request.account, self._venue.now_ns
            client.waiting.append(QuoteReject(request.id, "", *origin, f"the gate: {error}"))
            self.hand_out(client)

    def _pass_quotes(self, client: Client, body: frames.Fields) -> None:
        """Decline the named quotes of a session's own request, or all of them if none is named; other requests are ignored."""
        name = str(body.get("request"))
        quote_request = self.gateway.ledger.quote_requests.get(name)
        quote_venue = self._venue.capabilities.quotes
        if (
            quote_request is not None
            and quote_request[0].agent in client.accounts
            and quote_venue is not None
        ):
            with self.gateway.wire, suppress(VenueError):  # its dealers see it expire
                quotes = body.get("quotes")
                quote_venue.pass_quotes(
                    name, list(map(str, quotes if isinstance(quotes, list) else ()))
                )

    def _name_fault(self, command: o.Command) -> tuple[str, str] | None:
        """(expected, received) texts if a command has a name of the gate's own or touches another account's order; else None."""
        name = command.cl_ord_id
        orders = self.gateway.ledger.orders
        if name.startswith(_OWN_NAMES):
            return f"names that do not begin with {' or '.join(_OWN_NAMES)}", repr(name)
        if isinstance(command, o.CancelOrder | o.MassCancel) and orders.get(name) is not None:
            return "a name for a cancel that no order has", repr(name)
        target_order = orders.get(name if isinstance(command, o.StatusRequest) else command.orig)
        if target_order is not None and target_order.account != command.account:
            return f"an order of {command.account}", f"{target_order.name!r}, another's"
        return None

    def _refusal(self, command: o.Command, denied: Denial) -> o.ClientEvent | None:
        """The report (of a new order) or reject that tells a session why its command was denied; None if it names no order."""
        now = self._venue.now_ns
        text = f"the gate: {denied.code}: {denied.text}"
        if isinstance(command, o.NewOrder):
            return o.refusal_report(command, self.gateway.new_name(), now, text)
        orig = command.orig
        order = self.gateway.ledger.orders.get(orig)
        status = order.status if order is not None else o.OrdStatus.REJECTED
        return (
            o.CancelReject(command.cl_ord_id, orig, command.account, status, now, text)
            if orig
            else None
        )

    def on_subscribe(self, instrument: str) -> None:
        """Subscribe to an instrument at the venue and begin its quote book; refuse one that the venue does not list."""
        if instrument not in self._books:
            listing = next(
                (listed for listed in self._venue.listings() if listed.instrument == instrument),
                None,
            )
            if listing is None:
                raise VenueError(
                    "an instrument that the venue lists", repr(instrument), "choose another"
                )
            self._books[instrument] = QuoteBook(listing)
        with self.gateway.wire:
            self._venue.subscribe(instrument)

    def on_step(self, client: Client, until_ns: int) -> None:
        """Step the venue to `until_ns` unless other events than market data wait for the session, then hand out what waits."""
        if all(isinstance(event, o.MarketRows) for event in client.waiting):
            self._step_venue(until_ns)
        self.hand_out(client)

    def on_executions(self, account: str, after: str) -> list[o.Report]:
        """Every trade, bust and correction of an account in the gate's own journal after execution id `after` ("":
        all); VenueError if it is unknown."""
        reports = list[o.Report]()
        is_after = not after
        for _, entry in self.gateway.journal.read(kinds=(kinds.REPORT_IN,)):
            if entry.agent != account or entry.body["what"] != "report":
                continue
            report = message_of(entry.body)
            assert isinstance(report, o.Report)
            if is_after and report.exec_type in _EXECUTIONS:
                reports.append(report)
            is_after = is_after or report.exec_id == after
        if not is_after:
            raise VenueError(
                f"an execution of {account}", repr(after), "ask without one for all of them"
            )
        return reports

    def on_positions(self, account: str) -> Mapping[str, int]:
        """The venue's positions of an account; the gate's own where the venue reports none."""
        if (position_venue := self._venue.capabilities.positions) is not None:
            with self.gateway.wire:
                return position_venue.positions(account)
        return self.positions.last_reported(account)

    def on_other(self, client: Client, body: frames.Fields) -> None:
        """Handle a heartbeat, parent order, quote request, live proof, logout, or a watchdog's question."""
        action = body.get("do")
        if action == "parent":
            self._take_parent(client, body)
        elif action == "quotes":
            self._request_quotes(client, body)
        elif action == "pass":
            self._pass_quotes(client, body)
        elif action == "alive":
            self.send(client, {"said": "alive", "up": self._venue.capabilities.up})
        elif action == "live":
            # Let a session trade where money is, if it shows what it has to; a password takes long to look at.
            if time.monotonic() < self._refused_s + PROOF_WAIT_S:
                raise VenueError(
                    f"{PROOF_WAIT_S:g} s after one that was refused", "another", "try again"
                )
            try:
                by = self._prove(body, user_of(client.socket))
            except TercelError:
                self._refused_s = time.monotonic()
                raise
            self._live.add(client)
            operator_entry = OperatorEntry(
                "live",
                {"accounts": sorted(client.accounts)},
                by,
                str(body.get("reason", "")),
                time.time_ns(),
            )
            self.gateway.write(
                [Entry(kinds.OPERATOR, self._venue.now_ns, body=operator_entry.json())]
            )
            self.send(client, {"said": "live"})
        elif action == "leave":
            self._leaving.add(client)
            client.gone = True
        elif action != "beat":
            raise VenueError(
                "login, subscribe, step, executions, parent, quotes, pass, live, alive, leave or beat",
                repr(action),
                CLIENT_REMEDY,
            )

    def _take_parent(self, client: Client, body: frames.Fields) -> None:
        """Register or amend a parent order that a session announces, or end it (0 lots)."""
        id_, instrument, account = (str(body.get(name)) for name in ("id", "instrument", "account"))
        side = read_int(body, "side")
        lots = read_int(body, "lots")
        if account not in client.accounts:
            raise VenueError("an account that this session holds", repr(account), "log in with it")
        now = self._venue.now_ns
        ledger = self.gateway.ledger
        parent = ledger.parents.get(id_)
        is_same = parent and (parent.order.instrument, parent.order.agent, parent.order.side) == (
            instrument,
            account,
            side,
        )
        if lots == 0:  # over: it may leave memory once its orders are settled
            if parent is not None and parent.order.agent == account and not parent.over:
                entry_body = ParentEntry("done", reason="by its session")
                self.gateway.write([entry_of(id_, entry_body, now, instrument, account)])
        elif parent is None and not ledger.is_used(id_):
            request = ParentRequest(
                id_, instrument, side, lots, LONGEST_NS, 1, "behind the gate", account
            )
            # Limits first, as they may refuse it: the journal has no parent that they do not know.
            self.gateway.limits.register_parent(id_, instrument, account, side, lots)
            self.gateway.write([acceptance_entry(request, now)])
        elif parent is None or parent.over or lots < 0 or not is_same:
            raise OrderError(
                "a parent as announced before, not over, of some lots",
                f"{id_}: {body}",
                "rename it",
            )
        elif parent.lots != lots:
            self.gateway.limits.amend(id_, lots)
            amended = ParentEntry("amended", lots=lots, reason="by its session")
            self.gateway.write([entry_of(id_, amended, now, instrument, account)])

    def on_gone(self, client: Client) -> None:
        """Cancel open orders of a session that logged out or is gone, unless the journal is down: that has cancelled them."""
        is_calm = client in self._leaving
        reason = "its session ended" if client in self._leaving else "its session is gone"
        for group in (self._traded, self._leaving, self._live):
            group.discard(client)
        # A journal that is down has cancelled everything already.
        if client.accounts and self.gateway.states.text_of(StateReason.JOURNAL_DOWN) is None:
            self._withdrawal.begin(client.accounts, reason, calm=is_calm)

    def _cut_off_silent(self, now: float) -> None:
        """Cut off sessions that have been silent too long; `now` is when their sockets were read, s.

        What came while the gate was held up is read before: that is no silence of a session. A turn counts as half of it at
        most, as what held up the gate may have held up the session too. A session without open orders may be silent for
        `OPENING_S`: a desk that begins reads its journal first.
        """
        elapsed_s = min(now - self._turned_s, self._silence_s / 2)
        self._turned_s = now
        silent = self._silent
        self._silent = {}
        for client in self._clients:
            heard, seconds = silent.get(client, (client.activity, 0.0))
            seconds = seconds + elapsed_s if heard == client.activity else 0.0
            self._silent[client] = client.activity, seconds
            client.gone |= seconds > self._silence_s and (
                seconds > OPENING_S or not self._is_harmless(client)
            )

    def _is_harmless(self, client: Client) -> bool:
        """Whether a session has logged in, has sent nothing yet, and nothing of its accounts is open."""
        live = self.gateway.ledger.orders.live
        begins = bool(client.accounts) and client not in self._traded
        return begins and not any(live(account) for account in client.accounts)
