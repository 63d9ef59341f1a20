"""Questions to the venue: missed executions after an outage, orders of unknown fate, ends of earlier orders.

However often the link speaks up, questions leave at most once a second, and about one order less and less often while
no answer settles it. Kills, cancels and orders wait for none of it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from tercel.core.orders import Command, OrdStatus
from tercel.core.orders import text as decimals
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.order import ChildOrder, Code
from tercel.desk.trading.recovery import resend, wait_for
from tercel.desk.trading.settlement import go_on, paused
from tercel.desk.trading.state import STOPS, Sender, StateReason
from tercel.desk.trading.stopping import AGAIN_NS, cancels, questions

ACK_S: Final = 5.0
"""Seconds that an order may wait for the venue's first word."""
MISSING_S: Final = 3.0
"""Seconds that an execution may come after the venue's word that lots are filled."""


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
        self._told: set[str] = set()

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
                f"no word from the venue in {self.seconds:g} s on {', '.join(names):.200}: asked, and not sent again",
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
            if order.root not in self._told:
                lots = f"{decimals(order.counted_qty - order.cum_qty)} of {decimals(order.counted_qty)} lots"
                text = f"no execution of {order.root} for {lots} that the venue counts as filled: asked"
                text = f"{text}, and {order.account} waits until they come"
                where = {"agent": order.account, "order": order.root}
                self._gateway.alert(
                    "critical", Code.GAP, text, **where, **{STOPS: "until they come"}
                )
        self._told = {order.root for order in late}
        owed = {order.account for order in lacks}
        for agent, codes in paused(self._gateway).items():
            if Code.GAP in codes and agent not in owed:
                text = "every execution that the venue counts is booked"
                go_on(self._gateway, agent, "executions", text, [Code.GAP.value])


# -- orders of unknown fate -------------------------------------------------------------------------------------------
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
