"""Questions to the venue: missed executions after an outage, orders of unknown fate, ends of earlier orders.

However often the link speaks up, questions leave at most once a second, and about one order less and less often while
no answer settles it. Kills, cancels and orders wait for none of it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from tercel.core.orders import Command
from tercel.desk.trading.ack_watch import AckWatch
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.order import ChildOrder
from tercel.desk.trading.recovery import resend, wait_for
from tercel.desk.trading.state import Sender, StateReason
from tercel.desk.trading.stopping import AGAIN_NS, cancels, questions

LONGEST_NS: Final = 32 * AGAIN_NS
"""Venue time between two questions about one order at most: each wait is twice the one before."""


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
        """When an order is asked about again, and how long it waited before, by root."""
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
        """Questions about orders of unknown fate, and those that were left, whose turn it is; cancels of the latter."""
        asked = {order.root: order for order in self._gateway.ledger.orders.unknown()} | left
        before = self._waits
        self._waits = {}
        due = []
        for order in asked.values():
            at, waited = before.get(order.root, (now, 0))
            if now >= at:
                due.append(order)
                waited = min(max(2 * waited, AGAIN_NS), LONGEST_NS)
                at = now + waited
            self._waits[order.root] = at, waited
        known = [order for order in due if order.root in left]
        return [
            *questions(self._gateway, self._name, due),
            *cancels(self._gateway, known, self._name),
        ]
