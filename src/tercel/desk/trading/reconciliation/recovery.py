"""Recovery: cancel the orders of an earlier session at the venue, and reconcile how each ended.

An order is UNKNOWN while neither the journal nor a report says whether it is still open. A *fence* is a request about an
unused order name: once the venue has answered it, the venue has processed everything sent before.

1. Fold the journal (`refold`): orders, positions, parents, what limits count.
2. A new session begins: every order not over is UNKNOWN.
3. Ask the venue for executions that were missed; each is booked once.
4. Cancel every own order at the venue, known here or not: no order stays without an owner.
5. Ask what became of each order; ask again until the venue has ended every one. Where the venue answers no questions,
   each is cancelled: the report of its end is the answer.
6. Journal, order by order, the state in the ledger, the venue's report, and the evidence by which they agree now.

Nothing is inferred. The session does not begin while the venue is silent. Where the venue answers, and has not ended
an order all the same (it does not know it, or refuses its cancel), the session begins with the order's account
reducing: its lots stay reserved, and `inquiry.Inquiry` asks about it and cancels it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from tercel.core.child_order import ChildOrder
from tercel.core.errors import VenueError, refuse_if
from tercel.core.fixed_point import format_decimal as decimals, to_number
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    Command,
    OrdStatus,
    Report,
    StatusRequest,
    Unread,
)
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import BUY
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.risk.cancels import cancels, status_requests
from tercel.desk.trading.risk.trading_state import Sender

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
    """Result of reconciling one order: status and filled lots before and after, action, evidence.

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


def book_missed_executions(gateway: OrderGateway, accounts: Sequence[str]) -> list[str]:
    """Book the executions of some accounts that the venue has and the journal lacks; returns their exec_ids."""
    repeater = gateway.venue.capabilities.executions
    if repeater is None:
        return []
    exec_ids = []
    for account in accounts:
        missing = [
            report
            for report in repeater.executions(account)
            if not gateway.ledger.has_execution(report)
        ]
        gateway.receive(missing)
        exec_ids += [report.exec_id for report in missing]
    return exec_ids


def reconcile(
    gateway: OrderGateway,
    orders_before: dict[str, ChildOrder] | None = None,
    extra_accounts: Sequence[str] = (),
) -> list[RecoveryLine]:
    """Bring every open order to the venue's state, by status requests and cancels; returns a line for each order.

    Parameters
    ----------
    gateway : OrderGateway
    orders_before : dict
        Open orders, in their states before they became UNKNOWN; by default in their current states.
    extra_accounts : sequence of str
        Accounts to ask about whatever the journal says: it may have lost them.

    Returns
    -------
    list of RecoveryLine
        One for each of `orders_before`.

    Raises
    ------
    VenueError
        When the venue does not answer for all of them, or its time lies before its last report on them: it was restarted.
    """
    orders = gateway.ledger.orders
    mute = not gateway.venue.capabilities.answers_questions
    last_ns = orders.last_ns
    now = gateway.venue.now_ns
    # A venue that lost its orders answers that there are none; believed, that would free lots that may fill.
    refuse_if(
        now + BEHIND_NS < last_ns,
        f"a venue whose clock is past {last_ns / 1e9:.0f} s",
        f"{gateway.venue.name} at {now / 1e9:.0f} s: one that was restarted, and does not know these orders",
        "give the desk a folder of its own with `desk=`",
        VenueError,
    )
    orders_before = (
        {order.root: order for order in orders.live()} if orders_before is None else orders_before
    )
    booked = {(fill.account, fill.order, fill.exec_id) for fill in orders.fills}
    accounts = sorted({*gateway.ledger.accounts, *extra_accounts})
    book_missed_executions(gateway, accounts)
    fences = _sweep(gateway, accounts)
    wait = FIRST_WAIT_NS
    refusal_text = ""
    for attempt in range(PATIENCE):
        if attempt and attempt % SWEEP_AGAIN == 0:
            fences |= _sweep(gateway, sorted(set(fences.values())))
        live = sorted(orders.live(), key=attrgetter("parent"))
        gateway.submit([*status_requests(gateway), *cancels(gateway, live)], sender=Sender.STOPPER)
        refusal_text = _listen(gateway, wait, fences) or refusal_text
        # Ended, with executions missing: only the venue's list has them.
        if any(order.done for order in orders.unknown()):
            book_missed_executions(gateway, accounts)
        live = orders.live()
        # While a mass cancel is not answered an order of it may still be on its way to the venue.
        if not fences and (
            not live
            or attempt >= ENOUGH
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
            + (f". It refuses to answer: {refusal_text:.300}" if refusal_text else ""),
            LOOK_UP if mute else AGAIN,
        )
    fills = [
        fill for fill in orders.fills if (fill.account, fill.order, fill.exec_id) not in booked
    ]
    lines = [
        _line(
            order, orders.get(root) or order, [fill.exec_id for fill in fills if fill.order == root]
        )
        for root, order in orders_before.items()
    ]
    gateway.write([_entry(line, gateway.venue.now_ns) for line in lines])
    for account in sorted({order.account for order in orders.live()}):
        hold_reducing(gateway, account, orders.live(account))
    return lines


def hold_reducing(gateway: OrderGateway, account: str, orders: Sequence[ChildOrder]) -> None:
    """Put an account into REDUCING until the venue has ended some orders of an earlier session; [] ends that."""
    names = ", ".join(f"{order.root} ({order.status})" for order in orders)
    reason = (
        f"the venue has not ended {names:.300}; status requests and cancels are repeated until it has"
        if orders
        else ""
    )
    gateway.hold_reducing(account, [order.root for order in orders], reason)


def _sweep(gateway: OrderGateway, accounts: Sequence[str]) -> dict[str, str]:
    """Mass-cancel the orders of accounts, and send a fence (:func:`_fence`) after each; returns accounts by fence name.

    A venue that misses earlier messages requests them again, is answered that none of them comes, and never processes the
    messages sent meanwhile: so both are sent again, until a fence is answered.
    """
    fences = {gateway.new_name(): account for account in accounts}
    gateway.submit(gateway.mass_cancels(accounts), sender=Sender.STOPPER)
    gateway.submit(
        [_fence(gateway, fence, account) for fence, account in fences.items()],
        sender=Sender.STOPPER,
    )
    return fences


def _fence(gateway: OrderGateway, name: str, account: str) -> Command:
    """Request about an unused order name, whose answer shows that the venue has processed all earlier messages."""
    now = gateway.venue.now_ns
    if gateway.venue.capabilities.answers_questions or not (listings := gateway.venue.listings()):
        return StatusRequest(name, account, now)
    return CancelOrder(name, f"{name}-none", listings[0].instrument, BUY, account, now)


def _listen(gateway: OrderGateway, wait_ns: int, fences: dict[str, str]) -> str:
    """Process the venue's reports for some time, dropping answered fences; the text of a refused status request, or "".

    A fence is a status request for an unused name: once it is answered, the venue has processed everything that was sent
    before it, also for orders that are unknown here.
    """
    until_ns = gateway.venue.now_ns + wait_ns
    refusal_text = ""
    for _ in range(100_000):
        events = gateway.step(until_ns)
        for event in events:
            refusal_text = event.why if isinstance(event, Unread) else refusal_text
            if (
                isinstance(event, Report | CancelReject)
                and (account := fences.get(event.cl_ord_id)) is not None
            ):
                for fence in [name for name, owner in fences.items() if owner == account]:
                    del fences[fence]
        spoke = any(isinstance(event, Report | CancelReject) for event in events)
        settled = not gateway.ledger.orders.live() and not fences
        if settled or (gateway.venue.now_ns >= until_ns and not spoke):
            break
    return refusal_text


def _line(before: ChildOrder, after: ChildOrder, evidence: list[str]) -> RecoveryLine:
    """Result of reconciling an order, from its states before and after and the exec_ids booked."""
    added_qty = after.cum_qty - before.cum_qty
    actions = (
        [
            f"booked {decimals(added_qty)} lots"
            if added_qty > 0
            else f"took back {decimals(-added_qty)} lots"
        ]
        if added_qty
        else []
    )
    if after.status != before.status or not added_qty:
        actions.append(
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
        to_number(before.cum_qty),
        to_number(after.cum_qty),
        ", ".join(actions),
        tuple(evidence),
    )


def _entry(line: RecoveryLine, ns: int) -> Entry:
    """Journal entry of a reconciled order."""
    field_names = ("ours", "venue", "action", "evidence", "filled_before", "filled")
    body = {name: to_jsonable(getattr(line, name)) for name in field_names}
    return Entry(kinds.RECONCILED, ns, line.instrument, line.account, line.parent, line.order, body)
