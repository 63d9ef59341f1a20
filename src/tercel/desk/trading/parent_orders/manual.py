"""Manual trading of parents: taken over from their strategy, worked by a person's orders, given back.

A parent's manual orders come from the person who took it over, and pass the same limits and gateway as a strategy's. Anyone
with the right to pause a parent may give it back. The state survives a restart. At its horizon nothing is forced through, as
no strategy works it: open orders are cancelled, and an alert states the rest.
"""

from collections.abc import Callable
from typing import Final

from tercel.core.errors import OrderError, refuse_if
from tercel.core.orders import NewOrder, Tif
from tercel.core.ports import Entry
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.limits.change import same_person
from tercel.desk.trading.heartbeat import traded_in
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import HoldEntry, ParentEntry
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.parent import (
    ParentOrder,
    Parents,
    ParentStatus,
    entry_of,
)
from tercel.desk.trading.risk.cancels import AGAIN_NS, cancels
from tercel.desk.trading.risk.trading_state import Sender

_REMEDIES: Final = {
    "OWN_CROSS": "it would trade with an own order on the other side: cancel that one, or give a price short of it"
}
"""What a person may do about an order that a limit refuses, where asking for less does not help."""


class ManualTrading:
    """Manual trading of a parent: take over, order, cancel, give back.

    Parameters
    ----------
    manager : ParentOrderManager
    name : callable
        Makes a cl_ord_id that was never used.
    """

    def __init__(self, manager: ParentOrderManager, name: Callable[[], str]) -> None:
        self._manager = manager
        self._gateway = manager.gateway
        self._name = name
        self._seen = {
            one.id for one in manager.gateway.ledger.parents.open() if one.hand and not one.pair
        }
        """Open parents that a person took over and that no strategy works yet again."""
        self._asked_ns: dict[str, int] = {}
        """Venue time, ns, of the last cancels of such a parent's open orders."""

    @property
    def due_ns(self) -> int:
        """Earliest horizon of such a parent, venue ns; FOREVER_NS if none."""
        held = [
            one
            for id_ in self._seen
            if (one := self._parents.get(id_)) and one.status == ParentStatus.BY_HAND
        ]
        now = self._gateway.venue.now_ns
        return min([one.ends_ns for one in held if one.ends_ns > now], default=FOREVER_NS)

    def take_over(self, id_: str, by: str, reason: str, operator: int) -> None:
        """Take a parent over: its orders are cancelled, and from here on its orders are this person's.

        Raises
        ------
        OrderError
            When it is over, being cancelled, in somebody's hands, or its horizon has passed.
        """
        parent = self._parents.may(id_, "taken_over")
        parent.must_have_time(self._gateway.venue.now_ns)
        body = ParentEntry("taken_over", by=by, reason=reason, operator=operator)
        self._manager.journal(parent, body)
        self._seen.add(id_)
        if (executor := self._manager.executors.get(id_)) is not None:
            self._manager.detach(executor, f"taken over by {by}")

    def order(self, id_: str, by: str, lots: object, limit_price: object, operator: int) -> None:
        """Send an order of a parent: at a price, or at the market against the present book.

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
        parent, ledger = self._parents.may(id_, "ordered"), self._gateway.ledger
        if not same_person(parent.hand, by):
            raise OrderError(
                f"{parent.hand}, who took over {id_}",
                by,
                "give it back first, then take it over",
            )
        parent.must_have_time(self._gateway.venue.now_ns)
        room = self._manager.room(parent)
        if type(lots) is not int or not 0 < lots <= room:
            what = (
                f"1 to {room:,} lots, the rest that is not open"
                if room > 0
                else "an order where lots are left"
            )
            raise OrderError(what, f"{lots!r}", "ask for fewer, or cancel open orders first")
        with self._gateway.lock:
            before, limit = self._manager.arrival(parent)
            price = self._price(parent, limit_price, limit)
            order, now = parent.order, self._gateway.venue.now_ns
            tif = Tif.IOC if limit_price is None else Tif.DAY
            name = f"{id_}.{ledger.next_child(id_)}"
            command = NewOrder(
                name, order.instrument, order.side, lots, price, tif, order.agent, id_, now
            )
            if (denial := self._gateway.refuses(command, Sender.PERSON)) is not None:
                raise OrderError(
                    "an order that limits and the trading state allow",
                    f"{denial.code}: {denial.text}",
                    _REMEDIES.get(denial.code, "see limits, ask for less"),
                )
            hand = {"lots": lots, "price": price}
            body = ParentEntry("ordered", by=by, order=name, hand=hand, operator=operator)
            said = entry_of(id_, body, now, order.instrument, order.agent)
            self._gateway.submit([command], [*before, said], Sender.PERSON)

    def withdraw(self, id_: str, by: str, order: object, operator: int) -> None:
        """Cancel a manual order, or (None) all that are open.

        Raises
        ------
        OrderError
            When no person has taken the parent over, or no such order is open.
        """
        parent = self._parents.may(id_, "withdrawn")
        given = {name for name, _ in parent.by_hand if order in (None, name)}
        live = [one for one in self._gateway.ledger.orders.live(parent=id_) if one.root in given]
        if not live:
            raise OrderError(
                f"an open manual order of {id_}",
                "none" if order is None else f"{order!r}",
                "see the open orders",
            )
        roots = [one.root for one in live]
        body = ParentEntry("withdrawn", by=by, orders=roots, operator=operator)
        self._manager.journal(parent, body)
        self._gateway.submit(cancels(self._gateway, live, self._name), sender=Sender.PERSON)

    def give_back(self, id_: str, by: str, reason: str, operator: int) -> None:
        """Let its strategy work the remainder, once its manual orders have ended.

        Raises
        ------
        OrderError
            When no person has taken it over, its agent is killed or paused, its horizon has passed, or it is a leg
            of a pair.
        """
        parent = self._parents.may(id_, "given_back")
        refuse_if(
            parent.pair,
            "a parent that a person has taken over",
            f"{id_}, a leg of a pair",
            "cancel it, which closes the pair",
            OrderError,
        )
        self._manager.must_trade(parent.order.agent)
        parent.must_have_time(self._gateway.venue.now_ns)
        body = ParentEntry("given_back", by=by, reason=reason, operator=operator)
        self._manager.journal(parent, body)
        self.turn()

    def turn(self) -> None:
        """Settle parents that a person has or had taken over; called in every step, after ended executors are gone."""
        for id_ in list(self._seen):
            parent, executor = self._parents.get(id_), self._manager.executors.get(id_)
            live, now = self._gateway.ledger.orders.live(parent=id_), self._gateway.venue.now_ns
            works = executor is not None and not executor.off
            if parent is None or works or (parent.over and not live):
                self._seen.discard(id_)
                self._asked_ns.pop(id_, None)
            elif live and not (parent.status == ParentStatus.BY_HAND and parent.ends_ns > now):
                if now - self._asked_ns.get(id_, -AGAIN_NS) >= AGAIN_NS:
                    self._asked_ns[id_] = now
                    self._gateway.submit(
                        cancels(self._gateway, live, self._name), sender=Sender.MANAGER
                    )
            elif not live and executor is None:
                # Nothing of it is open, and no strategy works it.
                self._manager.settle(parent)
                if parent.status == ParentStatus.WORKING:
                    self._seen.discard(parent.id)

    @property
    def _parents(self) -> Parents:
        return self._gateway.ledger.parents

    def _price(self, parent: ParentOrder, limit_price: object, limit: int) -> int | None:
        """The order's price in ticks; None at the market, of a parent without a limit price of its own."""
        side, tick = (
            parent.order.side,
            float(traded_in(self._manager.follow(parent.order.instrument).listing)["tick"]),
        )
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
        if ticks < 1 or abs(ticks * tick - limit_price) > 1e-9 * limit_price or ticks >= 2**30:
            raise OrderError(
                f"a price on a tick of {tick:g}",
                f"{limit_price:g}",
                f"try {max(ticks, 1) * tick:.10g}",
            )
        if limit and side * ticks > side * limit:
            raise OrderError(
                f"a price within the limit price of {parent.id}, {limit * tick:.10g}",
                f"{limit_price:g}",
                "amend its limit price first",
            )
        return ticks


# -- agents that a person paused --------------------------------------------------------------------------------------
def suspend_agent(
    manager: ParentOrderManager, agent: str, by: str, reason: str, operator: int
) -> None:
    """Pause an agent, with every parent that its strategies work.

    Raises
    ------
    OrderError
        For an agent that is not of this desk, or is paused.
    """
    gateway = manager.gateway
    if agent not in gateway.limits.agents:
        known = ", ".join(sorted(gateway.limits.agents))
        raise OrderError(f"an agent of this desk: {known}", repr(agent), "name one of them")
    if held := gateway.ledger.held(agent):
        raise OrderError("an agent that is not paused", held, "leave it")
    ids = _write(manager, agent, "paused", by, reason, operator)
    for id_ in ids:
        if (executor := manager.executors.get(id_)) is not None and not executor.off:
            manager.send(executor, executor.pause(), sender=Sender.PERSON)


def resume_agent(
    manager: ParentOrderManager, agent: str, by: str, reason: str, operator: int
) -> None:
    """Let a paused agent go on, with those of its parents that were paused with it and have time left; what was paused
    by itself waits until it is resumed itself.

    Raises
    ------
    OrderError
        When it is not paused, or is killed.
    """
    manager.must_live(agent)
    if agent not in manager.gateway.ledger.holds:
        raise OrderError(
            "an agent that is paused", agent, "see the page; parents are resumed one by one"
        )
    for id_ in _write(manager, agent, "resumed", by, reason, operator):
        manager.resume_work(id_)


def _write(
    manager: ParentOrderManager, agent: str, event: str, by: str, reason: str, operator: int
) -> list[str]:
    """The hold's entry and those of its parents; which they are."""
    now, ledger = manager.gateway.venue.now_ns, manager.gateway.ledger
    parents = [one for one in ledger.parents.open() if one.order.agent == agent]
    if event == "paused":
        parents = [one for one in parents if one.status == ParentStatus.WORKING]
    else:
        held = HoldEntry.of(ledger.holds[agent]).parents
        waits = [one for one in parents if one.status == ParentStatus.PAUSED and one.ends_ns > now]
        parents = [one for one in waits if one.id in held]
    why = f"its agent is {event} by {by}: {reason}"
    ids = [one.id for one in parents]
    said = HoldEntry(event=event, by=by, reason=reason, parents=ids, operator=operator)
    body = ParentEntry(event, reason=why)
    entries = [entry_of(one.id, body, now, one.order.instrument, agent) for one in parents]
    manager.gateway.write([Entry(kinds.HOLD, now, agent=agent, body=said.json()), *entries])
    return ids
