"""Manual trading: parents taken over from their strategy, worked by a person's orders, and given back.

A parent's manual orders come from the person who took it over, and pass the same limits and gateway as a strategy's. Anyone
with the right to pause a parent may give it back. The state survives a restart. At its horizon nothing is forced through, as
no strategy works it: open orders are cancelled, and an alert states the rest.
"""

from typing import Final

from tercel.core.errors import OrderError, refuse_if
from tercel.core.orders import NewOrder, Tif
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.limits.persons import is_same_person
from tercel.desk.trading.heartbeat import trading_units
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.parent import ParentOrder, Parents, ParentStatus, entry_of
from tercel.desk.trading.risk.cancels import AGAIN_NS, cancels
from tercel.desk.trading.risk.trading_state import Sender

_REMEDIES: Final = {
    "OWN_CROSS": "it would trade with an own order on the other side: cancel that one, or give a price short of it"
}
"""What a person may do about an order that a limit refuses, where asking for less does not help."""


class ManualTrading:
    """Parents taken over by persons: takes them over, sends and cancels their orders, gives them back.

    Parameters
    ----------
    manager : ParentOrderManager
    """

    def __init__(self, manager: ParentOrderManager) -> None:
        self._manager = manager
        self._gateway = manager.gateway
        self._hand_parents = set[str]()
        """Open parents that a person took over and that no strategy works yet again."""
        self._cancelled_ns: dict[str, int] = {}
        """Venue time, ns, of the last cancels of such a parent's open orders."""

    def begin(self) -> None:
        """Take up the parents that persons had taken over in an earlier session."""
        self._hand_parents.update(
            parent.id for parent in self._parents.open() if parent.hand and not parent.pair
        )

    @property
    def due_ns(self) -> int:
        """Earliest horizon still to come, venue ns, of a parent that a person has taken over; FOREVER_NS if none."""
        by_hand = [
            parent
            for id_ in self._hand_parents
            if (parent := self._parents.get(id_)) and parent.status == ParentStatus.BY_HAND
        ]
        now = self._gateway.venue.now_ns
        return min(
            [parent.ends_ns for parent in by_hand if parent.ends_ns > now], default=FOREVER_NS
        )

    def take_over(self, id_: str, by: str, reason: str, operator: int) -> None:
        """Give a parent into a person's hands: its strategy's orders are cancelled, later ones are the person's.

        Raises
        ------
        OrderError
            When it is over, being cancelled, in somebody's hands, or its horizon has passed.
        """
        parent = self._parents.require_for_event(id_, "taken_over")
        parent.require_time_left(self._gateway.venue.now_ns)
        body = ParentEntry("taken_over", by=by, reason=reason, operator=operator)
        self._manager.journal(parent, body)
        self._hand_parents.add(id_)
        if (executor := self._manager.executors.get(id_)) is not None:
            self._manager.detach(executor, f"taken over by {by}")

    def order(self, id_: str, by: str, lots: object, limit_price: object, operator: int) -> None:
        """Send a person's order of a parent, at a price or (None) at the market.

        Parameters
        ----------
        id_, by : str
            The parent, and the person who took it over.
        lots : int
            At most the lots that are neither filled nor open.
        limit_price : float or None
            In price units, on a tick; None: at the market, within the parent's own limit price.
        operator : int
            The operator's command that it obeys.

        Raises
        ------
        OrderError
            When the parent is not in this person's hands, or for an order that its lots, its limit price, limits or
            the trading state do not allow: nothing has left.
        """
        parent = self._parents.require_for_event(id_, "ordered")
        ledger = self._gateway.ledger
        refuse_if(
            not is_same_person(parent.hand, by),
            f"{parent.hand}, who took over {id_}",
            by,
            "give it back first, then take it over",
            OrderError,
        )
        parent.require_time_left(self._gateway.venue.now_ns)
        room = self._manager.free_lots(parent)
        if type(lots) is not int or not 0 < lots <= room:
            expected = (
                f"1 to {room:,} lots, the rest that is not open"
                if room > 0
                else "an order where lots are left"
            )
            raise OrderError(expected, f"{lots!r}", "ask for fewer, or cancel open orders first")
        with self._gateway.lock:
            arrival_entries, limit = self._manager.arrival_entries(parent)
            price = self._price(parent, limit_price, limit)
            order = parent.order
            now = self._gateway.venue.now_ns
            tif = Tif.IOC if limit_price is None else Tif.DAY
            name = f"{id_}.{ledger.next_child(id_)}"
            command = NewOrder(
                name, order.instrument, order.side, lots, price, tif, order.agent, id_, now
            )
            if (denial := self._gateway.denial_of(command, Sender.PERSON, now)) is not None:
                raise OrderError(
                    "an order that limits and the trading state allow",
                    f"{denial.code}: {denial.text}",
                    _REMEDIES.get(denial.code, "see limits, ask for less"),
                )
            hand = {"lots": lots, "price": price}
            body = ParentEntry("ordered", by=by, order=name, hand=hand, operator=operator)
            entry = entry_of(id_, body, now, order.instrument, order.agent)
            self._gateway.submit([command], [*arrival_entries, entry], Sender.PERSON)

    def withdraw(self, id_: str, by: str, order: object, operator: int) -> None:
        """Cancel one manual order of a parent, or (None) all that are open.

        Raises
        ------
        OrderError
            When no person has taken the parent over, or no such order is open.
        """
        parent = self._parents.require_for_event(id_, "withdrawn")
        selected = {name for name, _ in parent.by_hand if order in (None, name)}
        live = [
            child
            for child in self._gateway.ledger.orders.live(parent=id_)
            if child.root in selected
        ]
        refuse_if(
            not live,
            f"an open manual order of {id_}",
            "none" if order is None else f"{order!r}",
            "see the open orders",
            OrderError,
        )
        roots = [child.root for child in live]
        body = ParentEntry("withdrawn", by=by, orders=roots, operator=operator)
        self._manager.journal(parent, body)
        self._gateway.submit(cancels(self._gateway, live), sender=Sender.PERSON)

    def give_back(self, id_: str, by: str, reason: str, operator: int) -> None:
        """Give a parent back to its strategy; it works the remainder once manual orders have ended.

        Raises
        ------
        OrderError
            When no person has taken it over, its agent is killed or paused, its horizon has passed, or it is a leg
            of a pair.
        """
        parent = self._parents.require_for_event(id_, "given_back")
        refuse_if(
            parent.pair,
            "a parent that a person has taken over",
            f"{id_}, a leg of a pair",
            "cancel it, which closes the pair",
            OrderError,
        )
        self._manager.require_can_trade(parent.order.agent)
        parent.require_time_left(self._gateway.venue.now_ns)
        body = ParentEntry("given_back", by=by, reason=reason, operator=operator)
        self._manager.journal(parent, body)
        self.on_step()

    def on_step(self) -> None:
        """End or restart parents that are or were taken over, as due; called in every step."""
        for id_ in list(self._hand_parents):
            parent = self._parents.get(id_)
            executor = self._manager.executors.get(id_)
            live = self._gateway.ledger.orders.live(parent=id_)
            now = self._gateway.venue.now_ns
            is_worked = executor is not None and not executor.detach_reason
            if parent is None or is_worked or (parent.over and not live):
                self._hand_parents.discard(id_)
                self._cancelled_ns.pop(id_, None)
            elif live and not (parent.status == ParentStatus.BY_HAND and parent.ends_ns > now):
                if now - self._cancelled_ns.get(id_, -AGAIN_NS) >= AGAIN_NS:
                    self._cancelled_ns[id_] = now
                    self._gateway.submit(cancels(self._gateway, live), sender=Sender.MANAGER)
            elif not live and executor is None:
                # Nothing of it is open, and no strategy works it.
                self._manager.settle(parent)
                if parent.status == ParentStatus.WORKING:
                    self._hand_parents.discard(parent.id)

    @property
    def _parents(self) -> Parents:
        """Parents in the session's ledger."""
        return self._gateway.ledger.parents

    def _price(self, parent: ParentOrder, limit_price: object, limit: int) -> int | None:
        """Price of a manual order in ticks, checked against tick size and the parent's limit (its default); None: at the
        market."""
        side = parent.order.side
        tick = float(trading_units(self._manager.follow(parent.order.instrument).listing)["tick"])
        if limit_price is None:
            return limit or None
        if (
            isinstance(limit_price, bool)
            or not isinstance(limit_price, int | float)
            or not 0 < limit_price < 1e12
        ):
            raise OrderError(
                "a price above 0", f"{limit_price!r}", "or leave it out: at the market"
            )
        ticks = round(limit_price / tick)
        refuse_if(
            ticks < 1 or abs(ticks * tick - limit_price) > 1e-9 * limit_price or ticks >= 2**30,
            f"a price on a tick of {tick:g}",
            f"{limit_price:g}",
            f"try {max(ticks, 1) * tick:.10g}",
            OrderError,
        )
        refuse_if(
            limit and side * ticks > side * limit,
            f"a price within the limit price of {parent.id}, {limit * tick:.10g}",
            f"{limit_price:g}",
            "amend its limit price first",
            OrderError,
        )
        return ticks
