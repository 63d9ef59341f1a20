"""Status requests for orders of unknown fate, and for executions that the venue counts and has not sent.

An order is asked about at growing intervals, and at most once a second, however often the link comes up, while no
answer settles it. Kills, cancels and orders wait for none of it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from tercel.core.child_order import ChildOrder, Code
from tercel.core.fixed_point import format_decimal as decimals
from tercel.core.orders import Command, OrdStatus
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.reconciliation.positions import clear_codes, paused_agents
from tercel.desk.trading.reconciliation.recovery import book_missed_executions, hold_reducing
from tercel.desk.trading.risk.cancels import AGAIN_NS, cancels, status_requests
from tercel.desk.trading.risk.trading_state import Sender, StateReason

ACK_S: Final = 5.0
"""Seconds that an order may wait for its acknowledgement."""
MISSING_S: Final = 3.0
"""Seconds by which an execution may come after the venue counts its lots as filled."""


LONGEST_NS: Final = 32 * AGAIN_NS
"""Longest venue time, ns, between two status requests for one order: each wait is twice the one before."""


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

    def check(self) -> None:
        """Alert orders without an acknowledgement in time, which become UNKNOWN, and pause agents with missing executions."""
        live = self._gateway.ledger.orders.live()
        pending = [
            order for order in live if order.base is OrdStatus.PENDING_NEW and not order.last_ns
        ]
        self._since, late = self._late(pending, self._since, self.seconds)
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
        self, orders: Sequence[ChildOrder], waiting_since: dict[str, float], seconds: float
    ) -> tuple[dict[str, float], list[ChildOrder]]:
        """Time since which each order waits, by root, and the orders that have waited for `seconds`."""
        now = time.monotonic()
        since = {order.root: waiting_since.get(order.root, now) for order in orders}
        return since, [order for order in orders if now - since[order.root] >= seconds]

    def _missing(self, lacking: Sequence[ChildOrder]) -> None:
        """Pause the agents of orders whose executions are overdue; resume those whose executions have come."""
        self._lacks, late = self._late(lacking, self._lacks, self.missing_s)
        for order in late:
            if order.root not in self._alerted:
                lots = f"{decimals(order.counted_qty - order.cum_qty)} of {decimals(order.counted_qty)} lots"
                text = f"no execution of {order.root} for {lots} that the venue counts as filled: requested"
                text = f"{text}, and {order.account} waits until they come"
                subject = "", order.account, "", order.root
                self._gateway.alert("critical", Code.GAP, text, *subject, stops="until they come")
        self._alerted = {order.root for order in late}
        awaiting_agents = {order.account for order in lacking}
        for agent, codes in paused_agents(self._gateway).items():
            if Code.GAP in codes and agent not in awaiting_agents:
                text = "every execution that the venue counts is booked"
                clear_codes(self._gateway, agent, "executions", text, [Code.GAP.value])


class Inquiry:
    """Asks the venue, at growing intervals, about orders of unknown fate, and cancels those left by earlier sessions.

    Parameters
    ----------
    gateway : OrderGateway
    accounts : callable
        Accounts whose executions may have been missed.
    caught_up : callable
        Called once missed executions are booked, after a reconnect.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        accounts: Callable[[], Sequence[str]],
        caught_up: Callable[[], object],
    ) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._caught_up = caught_up
        self._next_ns = 0
        self._reconnected = False
        self._waits: dict[str, tuple[int, int]] = {}
        """Venue time, ns, of an order's next status request, and the wait before it, ns, by root."""
        self.acks = AckWatch(gateway)

    def on_link(self, up: bool) -> None:
        """Note that the link came up or went down; after a reconnect every order is asked about at once."""
        self._reconnected = self._reconnected or up
        self._next_ns = self._next_ns if up else 0

    def on_step(self) -> None:
        """Send the status requests that are due, if the link is up; called in every step."""
        now = self._gateway.venue.now_ns
        if now < self._next_ns or self._gateway.states.text_of(StateReason.LINK_DOWN) is not None:
            return
        reconnected = self._reconnected
        self._reconnected = False
        if reconnected:
            self._waits.clear()
            book_missed_executions(self._gateway, self._accounts())
        elif accounts := {
            order.account
            for order in self._gateway.ledger.orders.live()
            if order.cum_qty < order.counted_qty
        }:
            book_missed_executions(self._gateway, sorted(accounts))
        self.acks.check()
        if commands := self._due(now, self._unended_orders()):
            self._gateway.submit(commands, sender=Sender.STOPPER)
        if reconnected:
            self._caught_up()
        self._next_ns = now + AGAIN_NS

    def _unended_orders(self) -> dict[str, ChildOrder]:
        """Open orders that an earlier session left, by root; accounts whose last one has ended become active."""
        gateway = self._gateway
        unended = dict[str, ChildOrder]()
        for account in gateway.states.texts_by_owner(StateReason.ORDERS_OPEN):
            names = gateway.states.causes(StateReason.ORDERS_OPEN, account)
            live = {order.root: order for order in gateway.ledger.orders.live(account)}
            still_open = {root: live[root] for root in names if root in live}
            unended |= still_open
            if len(still_open) < len(names):
                hold_reducing(gateway, account, list(still_open.values()))
        return unended

    def _due(self, now: int, unended: dict[str, ChildOrder]) -> list[Command]:
        """Status requests and cancels that are due now, for orders of unknown fate, of earlier sessions, or with an open
        replace."""
        ended = self._gateway.limits.unanswered
        orders_asked = {
            order.root: order for order in self._gateway.ledger.orders.unknown()
        } | unended
        earlier_waits = self._waits
        self._waits = {}
        due = []
        for root in [*orders_asked, *(root for root in ended if root not in orders_asked)]:
            # The answer to a replace is mostly on its way when its order ends.
            next_ns, waited = earlier_waits.get(
                root, (now if root in orders_asked else now + AGAIN_NS, 0)
            )
            if now >= next_ns:
                due.append(root)
                waited = min(max(2 * waited, AGAIN_NS), LONGEST_NS)
                next_ns = now + waited
            self._waits[root] = next_ns, waited
        known_orders = [unended[root] for root in due if root in unended]
        return [
            *status_requests(
                self._gateway,
                [orders_asked[root] for root in due if root in orders_asked],
            ),
            *cancels(self._gateway, known_orders),
            *(ended[root].probe(self._gateway.new_name(), now) for root in due if root in ended),
        ]
