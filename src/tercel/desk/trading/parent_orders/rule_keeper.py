"""`RuleKeeper`: brings the commands of one executor within the rules of its instrument, and its schedule over breaks.

A price moves to the nearest legal one that is no worse for the order, lots are cut to a legal quantity: the driver learns of
what is cut as of lots that were denied, and asks for them again with its next decision. While nothing may be sent, cancels
and the order of the horizon wait; other orders are denied to the driver.
"""

from dataclasses import replace

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.fixed_point import ONE
from tercel.core.orders import CancelOrder, Command, NewOrder, ReplaceOrder
from tercel.core.venue_rules import VenueRules
from tercel.core.vocabulary import BREAK, FOREVER_NS, NO_ASK, NO_BID, STATUS
from tercel.desk.trading.parent_orders.children import Children
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.market.simulator import layout as sim

SWEEP_PARTS = 50
"""Where market orders are not taken and no daily limit is known, they go as far as the far touch and 1 / 50 of it."""


class RuleKeeper:
    """Commands of one executor within the rules of its instrument, and the breaks that its schedule meets.

    Parameters
    ----------
    follower : Follower
        Its listing has the rules; it tells of halts.
    children : Children
        Of the executor.
    """

    def __init__(self, follower: Follower, children: Children) -> None:
        self.rules: VenueRules = follower.listing.rules
        self._follower = follower
        self._children = children
        self.held: list[Command] = []
        """Commands that wait until something may be sent."""
        self.change_ns = FOREVER_NS
        """When the driver has to hear next that a window begins or ends; set at arrival, in a window."""
        self._closed = False
        self._asked_ns = 0
        """Last time of `can_send`; market data may be older."""

    def take_status(self) -> Ints:
        """Driver row, int64 (8,), of the window that ends or begins at `change_ns`; the next change is noted."""
        ns = self.change_ns
        row = np.zeros(sim.RECORD_WORDS, np.int64)
        row[[sim.R_NS, sim.R_KIND]] = ns, STATUS
        if self._closed:
            row[sim.R_PRICE] = -1 if self._follower.halted else 1
            self.change_ns = self.rules.next_stop_ns(ns)
        else:
            break_ns = self.rules.break_ns(ns)
            row[[sim.R_PRICE, sim.R_LOTS]] = (BREAK, break_ns) if break_ns else (-1, 0)
            self.change_ns = self.rules.next_open_ns(ns)
        self._closed = not self._closed
        return row

    def can_send(self, now_ns: int) -> bool:
        """As `Follower.can_send`, noting the time."""
        self._asked_ns = max(self._asked_ns, now_ns)
        return self._follower.can_send(now_ns)

    @property
    def due_ns(self) -> int:
        """When the executor has to act next: at `change_ns`, or to send what waits; FOREVER_NS: never."""
        if not self.held or self._follower.halted:
            return self.change_ns
        now_ns = max(self._follower.now_ns, self._asked_ns)
        return min(self.change_ns, self.rules.next_open_ns(now_ns))

    def release(self, now_ns: int) -> list[Command]:
        """Commands that waited, if they may leave now."""
        released = self.held if self.can_send(now_ns) else []
        self.held = self.held[len(released) :]
        return released

    def drop_orders(self) -> list[NewOrder]:
        """New orders that waited; they wait no more."""
        orders = [command for command in self.held if isinstance(command, NewOrder)]
        self.held = [command for command in self.held if not isinstance(command, NewOrder)]
        return orders

    def hold(self, command: Command) -> bool:
        """Keep a cancel, or the order of the horizon, until it may be sent; False for another order."""
        if isinstance(command, NewOrder) and not self._children.child_of(command.cl_ord_id).forced:
            return False
        self.held.append(command)
        return True

    def fit_new(self, order: NewOrder, unsent: int) -> NewOrder | None:
        """An order with a legal price and a legal part of its lots; None where there is none.

        `unsent` are the lots of the parent that are neither filled nor open, these among them.
        """
        price = order.price
        if price is None and not self.rules.market_orders:
            price = self._farthest_price(order.side)
        legal_price = None if price is None else self.rules.legal_price(order.side, price)
        lots = self.rules.legal_lots(order.side, order.lots, unsent)
        if not lots or (legal_price is None and not (price is None and self.rules.market_orders)):
            return None
        child = self._children.child_of(order.cl_ord_id)
        child.new = replace(order, lots=lots, price=legal_price)
        child.lots = lots
        return child.new

    def fit_replace(self, command: ReplaceOrder) -> CancelOrder | ReplaceOrder:
        """A replace whose total is legal, with fewer lots where it must; the cancel of the order where no total is."""
        cut_lots, filled_qty = self._children.cancel_of(command.cl_ord_id)
        odd = (command.lots + cut_lots) % self.rules.round_lots
        lots = (command.lots - odd) // self.rules.round_lots * self.rules.round_lots + odd
        self._children.cut_further(command.cl_ord_id, command.lots - lots)
        if lots >= self.rules.least_lots and lots * ONE > filled_qty:
            return replace(command, lots=lots)
        return CancelOrder(
            command.cl_ord_id,
            command.orig,
            command.instrument,
            command.side,
            command.account,
            command.sent_ns,
        )

    def _farthest_price(self, side: int) -> int | None:
        """Price of an order that takes whatever is there; None without a daily limit or a touch."""
        limit = self.rules.high if side > 0 else self.rules.low
        touch = self._follower.touch[side > 0]
        sweep = max(touch + side * (touch // SWEEP_PARTS + 1), 1)
        return limit or (None if touch in (NO_BID, NO_ASK) else sweep)
