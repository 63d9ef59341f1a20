"""Recovery: rebuild a session from its journal and reconcile it with the venue.

1. Fold the journal: orders, positions, parents, what limits count.
2. A new session begins: every order not over is UNKNOWN.
3. Ask the venue for executions that were missed; each is booked once.
4. Cancel every own order at the venue, known here or not: no order stays without an owner.
5. Ask what became of each order; ask again until the venue has ended every one. Where the venue answers no questions,
   each is cancelled: the report of its end is the answer.
6. Journal, order by order, the state in the ledger, the venue's report, and the evidence by which they agree now.

Nothing is inferred. The session does not begin while the venue is silent. Where the venue answers, and has not ended
an order all the same (it does not know it, or refuses its cancel), the session begins with the order's account
reducing: its lots stay reserved, and `Inquiry` asks about it and cancels it again.

`Inquiry` asks at most once a second, however often the link comes up, and about one order at growing intervals while
no answer settles it. Kills, cancels and orders wait for none of it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from tercel.core.errors import OrderError, VenueError
from tercel.core.lifecycle import ChildOrder, Code
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    Command,
    MassCancel,
    OrdStatus,
    Report,
    StatusRequest,
    Unread,
    shown,
    text as decimals,
)
from tercel.core.ports import Entry, Journal
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import BUY
from tercel.desk.limits import LimitGate
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import MarketEntry, ParentEntry, QuoteEntry
from tercel.desk.trading.journal.codec import command_of, message_of
from tercel.desk.trading.ledger import FOLDED, ArchiveIndex, Ledger, obey
from tercel.desk.trading.reconciliation.positions import clear_codes, paused_agents
from tercel.desk.trading.reconciliation.snapshot import begin
from tercel.desk.trading.risk.cancels import AGAIN_NS, cancels, questions
from tercel.desk.trading.risk.trading_state import Sender, StateReason

PATIENCE: Final = 40
"""Rounds of status requests before the venue counts as silent."""
FIRST_WAIT_NS: Final = 1_000_000
LONGEST_WAIT_NS: Final = 1_000_000_000
SWEEP_AGAIN: Final = 9
"""Rounds after which the mass cancels, which a venue has to answer, are repeated: half a second, then nine."""
ENOUGH: Final = 12
"""Rounds after which a session begins at a venue that answers, without further requests: some three seconds."""
AGAIN: Final = (
    "start again when it answers; if it never will, ask the venue's support how the orders ended, and settle them: "
    "tercel trade settle `order=ORDER` `reason=TEXT`"
)
LOOK_UP: Final = (
    "see at the venue how the orders ended, and settle them: tercel trade settle `order=ORDER` `reason=TEXT`; "
    "other fills show when positions are compared"
)
"""Remedy if the venue answers no status requests."""
BEHIND_NS: Final = 60_000_000_000
"""Most that a venue's clock may lie behind its last report, ns."""


@dataclass(frozen=True, slots=True)
class RecoveryLine:
    """One order compared: own state against the venue's.

    Parameters
    ----------
    order, instrument, account, parent : str
    ours, venue : str
        Status before, and what the venue has made of it.
    filled_before, filled : int or float
        Lots booked before and after.
    action : str
        What was done: "agreed", "booked 5 lots", "cancelled", "never arrived" and the like.
    evidence : tuple of str
        exec_ids booked on the way.
    """

    order: str
    instrument: str
    account: str
    parent: str
    ours: str
    venue: str
    filled_before: int | float
    filled: int | float
    action: str
    evidence: tuple[str, ...] = ()


def refold(journal: Journal, limits: LimitGate) -> Ledger:
    """Fold of a whole journal, limit counts included; from its newest snapshot on, if any.

    Raises
    ------
    OrderError
        When limits no longer know an agent or instrument that has a parent in the journal.
    """
    ledger = Ledger(ArchiveIndex(journal), limits)
    begin(journal, ledger, limits)
    for seq, entry in journal.read(ledger.last, [*FOLDED, kinds.MARKET, kinds.HEARTBEAT]):
        ledger.last = seq
        ledger.apply(entry)
        count(entry, limits, ledger)
    return ledger


def count(entry: Entry, limits: LimitGate, ledger: Ledger) -> None:
    """Feed a folded entry to the limit counts."""
    event = ParentEntry.of(entry) if entry.kind == kinds.PARENT else None
    if event is not None and event.event == "accepted":
        lots = event.lots or 0
        try:
            limits.parent(entry.parent, entry.instrument, entry.agent, event.side, lots)
        except OrderError as error:
            raise OrderError(
                "limits for every agent and instrument of the journal",
                f"{error.received} (parent {entry.parent})",
                "put them back into the limits file; they may be as low as you like",
            ) from error
    elif event is not None and event.event == "amended" and event.lots is not None:
        limits.amend(entry.parent, event.lots)
    elif entry.kind == kinds.ORDER_OUT:
        limits.sent(command_of(entry.body), entry.ns)
    elif entry.kind == kinds.QUOTE and (asked := QuoteEntry.of(entry)).event == "requested":
        limits.requested(
            entry.instrument,
            entry.agent,
            asked.lots,
            asked.mid2 or 0,
            asked.dealers or (),
            entry.ns,
        )
    elif entry.kind == kinds.REPORT_IN:
        message = message_of(entry.body)
        if isinstance(message, Report):
            if not ledger.orders.changes_nothing(message):
                limits.report(message, entry.ns)
        elif isinstance(message, CancelReject):
            limits.cancel_reject(message)
    elif entry.kind == kinds.MARKET:
        market = MarketEntry.of(entry)
        limits.mark(entry.instrument, market.bid, market.ask, entry.ns)
    elif entry.kind == kinds.HEARTBEAT and "day" in entry.body:
        limits.restore_day(**entry.body["day"])
    else:
        obey(entry, limits)


def resend(gateway: OrderGateway, accounts: Sequence[str]) -> list[str]:
    """Book executions the venue has and the journal lacks, where it can repeat them; their exec_ids."""
    teller = gateway.venue.capabilities.executions
    if teller is None:
        return []
    found = []
    for account in accounts:
        missing = [
            report for report in teller.executions(account) if not gateway.ledger.knows(report)
        ]
        gateway.receive(missing)
        found += [report.exec_id for report in missing]
    return found


def reconcile(
    gateway: OrderGateway,
    name: Callable[[], str],
    before: dict[str, ChildOrder] | None = None,
    more: Sequence[str] = (),
) -> list[RecoveryLine]:
    """Bring every open order to the state the venue reports.

    Parameters
    ----------
    gateway : OrderGateway
    name : callable
        Makes a cl_ord_id that was never used.
    before : dict
        Open orders, in their states before they became UNKNOWN; by default in their current states.
    more : sequence of str
        Accounts to ask about whatever the journal says: it may have lost them.

    Returns
    -------
    list of RecoveryLine
        One for each of `before`.

    Raises
    ------
    VenueError
        When the venue does not answer for all of them, or its time lies before its last report on them: it was restarted.
    """
    orders, mute = gateway.ledger.orders, not gateway.venue.capabilities.answers_questions
    last_ns, now = orders.last_ns, gateway.venue.now_ns
    # A venue that lost its orders answers that there are none; believed, that would free lots that may fill.
    if now + BEHIND_NS < last_ns:
        raise VenueError(
            f"a venue whose clock is past {last_ns / 1e9:.0f} s",
            f"{gateway.venue.name} at {now / 1e9:.0f} s: one that was restarted, and does not know these orders",
            "give the desk a folder of its own with `desk=`",
        )
    before = {order.root: order for order in orders.live()} if before is None else before
    booked = {(fill.account, fill.order, fill.exec_id) for fill in orders.fills}
    accounts = sorted({*gateway.ledger.accounts, *more})
    resend(gateway, accounts)
    fences = _sweep(gateway, name, accounts)
    wait, refused = FIRST_WAIT_NS, ""
    for tried in range(PATIENCE):
        if tried and tried % SWEEP_AGAIN == 0:
            fences |= _sweep(gateway, name, sorted(set(fences.values())))
        live = sorted(orders.live(), key=attrgetter("parent"))
        gateway.submit(
            [*questions(gateway, name), *cancels(gateway, live, name)], sender=Sender.STOPPER
        )
        refused = _listen(gateway, wait, fences) or refused
        # Ended, with executions missing: only the venue's list has them.
        if any(order.done for order in orders.unknown()):
            resend(gateway, accounts)
        live = orders.live()
        # While a mass cancel is not answered an order of it may still be on its way to the venue.
        if not fences and (
            not live
            or tried >= ENOUGH
            or (mute and all(order.gone or order.done for order in live))
        ):
            break
        wait = min(2 * wait, LONGEST_WAIT_NS)
    if fences:
        names = ", ".join(f"{order.root} ({order.status})" for order in orders.live()) or ", ".join(
            fences
        )
        raise VenueError(
            "the venue's state of every order",
            f"none on {names:.300}"
            + (f". It refuses to answer: {refused:.300}" if refused else ""),
            LOOK_UP if mute else AGAIN,
        )
    fills = [
        fill for fill in orders.fills if (fill.account, fill.order, fill.exec_id) not in booked
    ]
    lines = [
        _line(
            order, orders.get(root) or order, [fill.exec_id for fill in fills if fill.order == root]
        )
        for root, order in before.items()
    ]
    gateway.write([_entry(line, gateway.venue.now_ns) for line in lines])
    for account in sorted({order.account for order in orders.live()}):
        wait_for(gateway, account, orders.live(account))
    return lines


def wait_for(gateway: OrderGateway, account: str, left: Sequence[ChildOrder]) -> None:
    """Put an account into REDUCING until the venue has ended these orders of an earlier session."""
    names = ", ".join(f"{order.root} ({order.status})" for order in left)
    reason = (
        f"the venue has not ended {names:.300}; status requests and cancels are repeated until it has"
        if left
        else ""
    )
    gateway.wait_for(account, [order.root for order in left], reason)


def _sweep(
    gateway: OrderGateway, name: Callable[[], str], accounts: Sequence[str]
) -> dict[str, str]:
    """Cancel all open orders of accounts, then send one fence (:func:`_fence`) for each; returns accounts by fence.

    A venue that misses earlier messages requests them again, is answered that none of them comes, and never processes the
    messages sent meanwhile: so both are sent again, until a fence is answered.
    """
    now, fences = gateway.venue.now_ns, {name(): account for account in accounts}
    gateway.submit(
        [MassCancel(name(), account, "", now) for account in accounts], sender=Sender.STOPPER
    )
    gateway.submit(
        [_fence(gateway, fence, account) for fence, account in fences.items()],
        sender=Sender.STOPPER,
    )
    return fences


def _fence(gateway: OrderGateway, name: str, account: str) -> Command:
    """A status request for an unused name; if the venue answers none, a cancel of it, which the venue refuses."""
    now = gateway.venue.now_ns
    if gateway.venue.capabilities.answers_questions or not (listings := gateway.venue.listings()):
        return StatusRequest(name, account, now)
    return CancelOrder(name, f"{name}-none", listings[0].instrument, BUY, account, now)


def _listen(gateway: OrderGateway, wait_ns: int, fences: dict[str, str]) -> str:
    """Take the venue's reports within a time; returns why it refused a status request, "" if it did not.

    A fence is a status request for an unused name: once it is answered, the venue has processed everything that was sent
    before it, also for orders that are unknown here.
    """
    until, refused = gateway.venue.now_ns + wait_ns, ""
    for _ in range(100_000):
        events = gateway.step(until)
        for event in events:
            refused = event.why if isinstance(event, Unread) else refused
            if (
                isinstance(event, Report | CancelReject)
                and (account := fences.get(event.cl_ord_id)) is not None
            ):
                for fence in [one for one, whose in fences.items() if whose == account]:
                    del fences[fence]
        spoke = any(isinstance(event, Report | CancelReject) for event in events)
        settled = not gateway.ledger.orders.live() and not fences
        if settled or (gateway.venue.now_ns >= until and not spoke):
            break
    return refused


def _line(before: ChildOrder, after: ChildOrder, evidence: list[str]) -> RecoveryLine:
    more = after.cum_qty - before.cum_qty
    done = (
        [f"booked {decimals(more)} lots" if more > 0 else f"took back {decimals(-more)} lots"]
        if more
        else []
    )
    if after.status != before.status or not more:
        done.append(
            {
                OrdStatus.CANCELED: "cancelled",
                OrdStatus.REJECTED: "never arrived" if not before.acked else "refused by the venue",
                OrdStatus.EXPIRED: "expired",
                OrdStatus.FILLED: "filled",
            }.get(after.base, "agreed" if after.settled else "not ended")
        )
    return RecoveryLine(
        before.root,
        before.instrument,
        before.account,
        before.parent,
        before.status.value,
        after.status.value,
        shown(before.cum_qty),
        shown(after.cum_qty),
        ", ".join(done),
        tuple(evidence),
    )


def _entry(line: RecoveryLine, ns: int) -> Entry:
    said = ("ours", "venue", "action", "evidence", "filled_before", "filled")
    body = {name: to_jsonable(getattr(line, name)) for name in said}
    return Entry(kinds.RECONCILED, ns, line.instrument, line.account, line.parent, line.order, body)


ACK_S: Final = 5.0
"""Seconds that an order may wait for its acknowledgement."""
MISSING_S: Final = 3.0
"""Seconds by which an execution may come after the venue counts its lots as filled."""


class AckWatch:
    """Finds orders the venue has not acknowledged in time, and fills it counts without an execution.

    Parameters
    ----------
    gateway : OrderGateway
    """

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self.seconds = ACK_S
        self.missing_s = MISSING_S
        self._since: dict[str, float] = {}
        self._lacks: dict[str, float] = {}
        self._alerted: set[str] = set()

    def look(self) -> None:
        """Mark overdue orders UNKNOWN and pause agents with missing executions; `Inquiry` asks the venue."""
        live = self._gateway.ledger.orders.live()
        waits = [
            order for order in live if order.base is OrdStatus.PENDING_NEW and not order.last_ns
        ]
        self._since, late = self._late(waits, self._since, self.seconds)
        if late:
            names = [order.root for order in late]
            self._gateway.alert(
                "critical",
                kinds.NO_ACK,
                f"no answer from the venue in {self.seconds:g} s on {', '.join(names):.200}: status requested, not sent again",
                agent=late[0].account,
                orders=names,
            )
        self._missing([order for order in live if order.cum_qty < order.counted_qty])

    def _late(
        self, waits: Sequence[ChildOrder], before: dict[str, float], seconds: float
    ) -> tuple[dict[str, float], list[ChildOrder]]:
        """Since when each has waited, and those that have for too long."""
        now = time.monotonic()
        since = {order.root: before.get(order.root, now) for order in waits}
        return since, [order for order in waits if now - since[order.root] >= seconds]

    def _missing(self, lacks: Sequence[ChildOrder]) -> None:
        self._lacks, late = self._late(lacks, self._lacks, self.missing_s)
        for order in late:
            if order.root not in self._alerted:
                lots = f"{decimals(order.counted_qty - order.cum_qty)} of {decimals(order.counted_qty)} lots"
                text = f"no execution of {order.root} for {lots} that the venue counts as filled: requested"
                text = f"{text}, and {order.account} waits until they come"
                where = "", order.account, "", order.root
                self._gateway.alert("critical", Code.GAP, text, *where, stops="until they come")
        self._alerted = {order.root for order in late}
        owed = {order.account for order in lacks}
        for agent, codes in paused_agents(self._gateway).items():
            if Code.GAP in codes and agent not in owed:
                text = "every execution that the venue counts is booked"
                clear_codes(self._gateway, agent, "executions", text, [Code.GAP.value])


# -- orders of unknown fate -------------------------------------------------------------------------------------------
LONGEST_NS: Final = 32 * AGAIN_NS
"""Longest venue time, ns, between two status requests for one order: each wait is twice the one before."""


class Inquiry:
    """Status requests of a session or a gate, with their timing.

    Parameters
    ----------
    gateway : OrderGateway
    accounts : callable
        Whose executions may have been missed.
    name : callable
        Makes a cl_ord_id that was never used.
    caught_up : callable
        Called once what was missed is here.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        accounts: Callable[[], Sequence[str]],
        name: Callable[[], str],
        caught_up: Callable[[], object],
    ) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._name = name
        self._caught_up = caught_up
        self._next_ns = 0
        self._owed = False
        self._waits: dict[str, tuple[int, int]] = {}
        """Venue time, ns, of an order's next status request, and the wait before it, ns, by root."""
        self.acks = AckWatch(gateway)

    def link(self, up: bool) -> None:
        """The link came up or went down: on reconnect all questions are due."""
        self._owed = self._owed or up
        self._next_ns = self._next_ns if up else 0

    def turn(self) -> None:
        """Ask the questions that are due, where the link is up."""
        now = self._gateway.venue.now_ns
        if now < self._next_ns or self._gateway.states.why(StateReason.LINK_DOWN) is not None:
            return
        owed = self._owed
        self._owed = False
        if owed:
            self._waits.clear()
            resend(self._gateway, self._accounts())
        elif accounts := {
            order.account
            for order in self._gateway.ledger.orders.live()
            if order.cum_qty < order.counted_qty
        }:
            resend(self._gateway, sorted(accounts))
        self.acks.look()
        if asked := self._due(now, self._left()):
            self._gateway.submit(asked, sender=Sender.STOPPER)
        if owed:
            self._caught_up()
        self._next_ns = now + AGAIN_NS

    def _left(self) -> dict[str, ChildOrder]:
        """Orders of earlier sessions that the venue has not ended; an account that has none any more is active."""
        gateway, found = self._gateway, dict[str, ChildOrder]()
        for account in gateway.states.held(StateReason.ORDERS_OPEN):
            names = gateway.states.causes(StateReason.ORDERS_OPEN, account)
            mine = {order.root: order for order in gateway.ledger.orders.live(account)}
            left = {root: mine[root] for root in names if root in mine}
            found |= left
            if len(left) < len(names):
                wait_for(gateway, account, list(left.values()))
        return found

    def _due(self, now: int, left: dict[str, ChildOrder]) -> list[Command]:
        """Questions about orders of unknown fate, and those that were left, whose turn it is; cancels of the latter, and
        of those that have ended while a replace of theirs is not answered: a refusal answers it."""
        ended = self._gateway.limits.unanswered
        asked = {order.root: order for order in self._gateway.ledger.orders.unknown()} | left
        before = self._waits
        self._waits = {}
        due = []
        for root in [*asked, *(root for root in ended if root not in asked)]:
            # The answer to a replace is mostly on its way when its order ends.
            at, waited = before.get(root, (now if root in asked else now + AGAIN_NS, 0))
            if now >= at:
                due.append(root)
                waited = min(max(2 * waited, AGAIN_NS), LONGEST_NS)
                at = now + waited
            self._waits[root] = at, waited
        known = [left[root] for root in due if root in left]
        return [
            *questions(self._gateway, self._name, [asked[root] for root in due if root in asked]),
            *cancels(self._gateway, known, self._name),
            *(ended[root].probe(self._name(), now) for root in due if root in ended),
        ]
