"""Pairs at a desk: two parents, each a leg, worked by `execution.pairs` instead of a strategy or a person.

The terms are in the journaled acceptance of both legs, and the unhedged quantity is computed from the booked fills: a
restarted session finds its pairs there and continues or flattens them. Lots that are traded back are children of parents of
their own, `ID-flatten` and `ID-unwind`, through the same limits, journal and gateway.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from tercel.core.errors import OrderError, refuse_if
from tercel.core.orders import ONE, NewOrder, OrdStatus, Tif
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.limits.watch import opened
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.parent import (
    ParentOrder,
    ParentRequest,
    ParentStatus,
    accepted,
)
from tercel.desk.trading.risk.cancels import AGAIN_NS, cancels
from tercel.execution.pairs import (
    LegBook,
    PairOrder,
    PairTerms,
    PairView,
    Role,
    decide,
    overlap,
)

LOOK_NS: Final = 100_000_000
"""Venue time after which a pair looks at its markets again, where no report comes before."""
SUFFIX: Final = {role: f"-{role}" if role is not Role.QUOTE else "" for role in Role}
"""What the names of a pair's parents end with."""


class PairTrading:
    """The pairs of a session.

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
        self._terms: dict[str, PairTerms] = {}
        self._quiet: dict[tuple[str, Role], int] = {}
        """Venue time, ns, until which a role whose last order was refused sends nothing, by pair and role."""
        self._last: dict[tuple[str, Role], str] = {}
        """Name of the last order sent, by pair and role."""
        parents = self._gateway.ledger.parents
        for one in parents.open():
            if one.pair and (first := parents.get(one.pair.get("of", ""))) is not None:
                try:
                    self._terms[first.id] = self._read(first.order, one.pair)
                except OrderError as error:  # the venue lists a leg no more, or otherwise
                    text = f"pair {first.id} is not worked: {error}"
                    self._gateway.alert_once(
                        "critical", "pair_left", text, "", first.order.agent, first.id
                    )
        self.due_ns = self._gateway.venue.now_ns if self._terms else FOREVER_NS
        """Latest venue time, ns, of the next turn of a pair."""

    def accept(
        self, request: ParentRequest, asked: Mapping[str, Any], operator: int | None
    ) -> None:
        """Accept a pair, both legs in one write.

        Parameters
        ----------
        request : ParentRequest
            The first leg.
        asked : mapping
            `leg`, the other instrument, and what `PairTerms.of` takes.

        Raises
        ------
        OrderError
            For legs or terms that make no pair, and as `ParentOrderManager.accept`.
        """
        refuse_if(
            request.limit_price is not None,
            "a pair, which has the limit of its spread",
            f"a limit price {request.limit_price}",
            "leave the limit price out",
            OrderError,
        )
        self._manager.must_trade(request.agent)
        ledger = self._gateway.ledger
        refuse_if(
            # All of them are names that a parent may have: a later flatten must not fail for its name.
            any(
                ledger.used(replace(request, id=request.id + suffix).id)
                for suffix in SUFFIX.values()
            ),
            "new ids for a new pair",
            f"{request.id}, or one that begins with it, which was used",
            "choose another",
            OrderError,
        )
        body = {**asked, "of": request.id}
        terms = self._read(request, body)
        names = terms.first.instrument, terms.second.instrument
        hours = [
            of.hours
            for name in names
            if (of := self._gateway.limits.limits.of_instrument(name)) is not None
        ]
        refuse_if(
            len(hours) == len(names) and not overlap(*hours),
            "legs that trade at the same hours",
            f"{names[0]} and {names[1]}, whose hours in the limits do not overlap",
            "name another leg",
            OrderError,
        )
        self._admit(terms, request, body, Role.HEDGE, terms.hedge_lots, operator)
        self._terms[request.id] = terms
        self.due_ns = self._gateway.venue.now_ns

    def _read(self, request: ParentRequest, asked: Mapping[str, Any]) -> PairTerms:
        first, second = (
            self._manager.follow(name).listing
            for name in (request.instrument, str(asked.get("leg", "")))
        )
        numbers = {key: value for key, value in asked.items() if key not in ("leg", "of")}
        return PairTerms.of(request.side, request.lots, first, second, numbers)

    def _admit(
        self,
        terms: PairTerms,
        request: ParentRequest,
        body: Mapping[str, Any],
        role: Role,
        lots: int,
        operator: int | None = None,
    ) -> None:
        """Accept the parent of a role, and with the hedge the first leg itself."""
        leg, side = _leg_of(terms, role)
        beside = replace(
            request, id=f"{request.id}{SUFFIX[role]}", instrument=leg, side=side, lots=lots
        )
        both = [request, beside] if role is Role.HEDGE else [beside]
        for one in both:
            self._manager.admit(one)
        now = self._gateway.venue.now_ns
        self._gateway.write([accepted(one, now, operator=operator, pair=body) for one in both])
        for one in both:
            self._manager.announce(self._gateway.ledger.parents.must(one.id))

    def turn(self) -> None:
        """Work every pair; called in every step, after reports are booked."""
        self.due_ns = FOREVER_NS
        for id_, terms in list(self._terms.items()):
            ledger = self._gateway.ledger
            parents = {
                role: one
                for role, suffix in SUFFIX.items()
                if (one := ledger.parents.get(id_ + suffix)) is not None
            }
            self.due_ns = self._gateway.venue.now_ns + LOOK_NS
            if any(role not in parents and ledger.used(id_ + SUFFIX[role]) for role in Role):
                # All of it was cancelled long ago, and its agent could not trade since: what was filled is not known here.
                text = f"pair {id_} was cancelled and is not worked any more: its unhedged position stays"
                self._gateway.alert("critical", "pair_left", text, parent=id_)
                del self._terms[id_]
            elif self._manager.killed(parents[Role.QUOTE].order.agent) is None:
                self._work(id_, terms, parents)

    def _work(self, id_: str, terms: PairTerms, parents: dict[Role, ParentOrder]) -> None:
        ledger = self._gateway.ledger
        now = self._gateway.venue.now_ns
        first = parents[Role.QUOTE]
        held = bool(ledger.held(first.order.agent))
        live = {role: ledger.orders.live(parent=one.id) for role, one in parents.items()}
        at_work = {role for role, one in parents.items() if one.status is ParentStatus.BY_HAND}
        view = PairView(
            now,
            self._book(terms.first.instrument),
            self._book(terms.second.instrument),
            {role: Fraction(one.filled_qty, ONE) for role, one in parents.items()},
            ledger.fills_of.get(id_, ()),
            [
                PairOrder(role, Fraction(order.open_qty, ONE), order.price, order.root)
                for role, orders in live.items()
                for order in orders
            ],
            held or first.ends_ns <= now or not at_work >= {Role.QUOTE, Role.HEDGE},
            frozenset(role for role in Role if self._waits(id_, role, parents.get(role))),
            ONE,
        )
        legs = (terms.first.instrument, terms.second.instrument)
        if all(self._manager.follow(leg).mid2 for leg in legs):
            arriving = [one for one in parents.values() if not one.arrival_ns and not one.over]
            self._gateway.write(
                [entry for one in arriving for entry in self._manager.arrival(one)[0]]
            )
        decision = decide(terms, view)
        if decision.over and not held:
            self._end(id_, parents)
            return
        commands = cancels(
            self._gateway,
            [
                order
                for orders in live.values()
                for order in orders
                if order.root in decision.cancel
            ],
            self._name,
        )
        roles = {}
        for order in decision.send:
            if order.role not in parents:
                most = terms.lots if order.role is Role.FLATTEN else terms.hedge_lots
                self._admit(terms, first.order, first.pair or {}, order.role, most)
            leg, side = _leg_of(terms, order.role)
            parent = id_ + SUFFIX[order.role]
            name = f"{parent}.{ledger.next_child(parent)}"
            tif = Tif.IOC if order.price is None else Tif.DAY
            commands.append(
                NewOrder(
                    name,
                    leg,
                    side,
                    int(order.lots),
                    order.price,
                    tif,
                    first.order.agent,
                    parent,
                    now,
                )
            )
            roles[name] = order.role
            self._last[id_, order.role] = name
        outcome = self._gateway.submit(commands) if commands else None
        for command, denial in outcome.denied if outcome else ():
            if (role := roles.get(command.cl_ord_id)) is not None:
                self._quiet[id_, role] = now + AGAIN_NS
                text = f"the {role} of pair {id_} is denied: {denial.code}"
                where = command.instrument, command.account, command.parent
                self._gateway.alert_once("critical", "pair_denied", text, *where)

    def _waits(self, id_: str, role: Role, parent: ParentOrder | None) -> bool:
        """Whether nothing of a role may be sent: its parent was taken away, or its last order came to nothing."""
        last = self._gateway.ledger.orders.get(self._last.get((id_, role), ""))
        if (
            last is not None
            and last.done
            and not last.cum_qty
            and (last.price is None or last.base is OrdStatus.REJECTED)
        ):
            self._quiet[id_, role] = max(self._quiet.get((id_, role), 0), last.last_ns + AGAIN_NS)
        refused = self._quiet.get((id_, role), 0) > self._gateway.venue.now_ns
        return refused or (parent is not None and parent.status is not ParentStatus.BY_HAND)

    def _book(self, instrument: str) -> LegBook:
        follower = self._manager.follow(instrument)
        limits = self._gateway.limits.limits.of_instrument(instrument)
        hours = None if limits is None else limits.hours
        now = self._gateway.venue.now_ns
        open_ = follower.ready and not follower.halted and opened(hours, now) is not None
        return LegBook(follower.depth(1), follower.depth(-1), open_)

    def _end(self, id_: str, parents: Mapping[Role, ParentOrder]) -> None:
        for one in parents.values():
            if not one.over:
                called_off = one.status is ParentStatus.CANCELLING
                self._manager.end(one, "cancelled" if called_off else "done")
        if back := parents.get(Role.FLATTEN):
            text = f"{back.filled:,} lots of pair {id_}, unhedged too long or at too great a loss, were flattened"
            order = back.order
            self._gateway.alert(
                "critical", "pair_flattened", text, order.instrument, order.agent, id_
            )
        del self._terms[id_]


def _leg_of(terms: PairTerms, role: Role) -> tuple[str, int]:
    """Instrument and side of the orders of a role."""
    leg = terms.first if role in (Role.QUOTE, Role.FLATTEN) else terms.second
    return leg.instrument, terms.side * (1 if role in (Role.QUOTE, Role.UNWIND) else -1)
