"""Trading of pairs: two parents, one a leg, whose orders `execution.pairs` decides instead of a strategy or a person.

The terms are in the journaled acceptance of both legs, and the unhedged quantity is computed from the booked fills: a
restarted session finds its pairs there and continues or flattens them. Lots that are traded back are children of parents of
their own, `ID-flatten` and `ID-unwind`, through the same limits, journal and gateway.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from tercel.core.errors import OrderError, refuse_if
from tercel.core.fixed_point import ONE
from tercel.core.orders import NewOrder, OrdStatus, Tif
from tercel.core.vocabulary import FOREVER_NS
from tercel.desk.limits.watch import opening_ns
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.parent import ParentOrder, ParentStatus, acceptance_entry
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.risk.cancels import AGAIN_NS, cancels
from tercel.execution.pairs import (
    LegBook,
    PairOrder,
    PairTerms,
    PairView,
    Role,
    decide,
    hours_overlap,
)

POLL_NS: Final = 100_000_000
"""Longest venue time, ns, between two decisions for a pair."""
SUFFIX: Final = {role: f"-{role}" if role is not Role.QUOTE else "" for role in Role}
"""Suffix of the id of a pair's parent, by its role."""


class PairTrading:
    """Pairs of a session: accepts them, and works both legs by the rules of `execution.pairs`.

    Parameters
    ----------
    manager : ParentOrderManager
    """

    def __init__(self, manager: ParentOrderManager) -> None:
        self._manager = manager
        self._gateway = manager.gateway
        self._terms: dict[str, PairTerms] = {}
        self._quiet: dict[tuple[str, Role], int] = {}
        """Venue time, ns, until which a role whose last order was refused sends nothing, by pair and role."""
        self.due_ns = FOREVER_NS
        """Latest venue time, ns, of the next turn of a pair."""

    def begin(self) -> None:
        """Take up the pairs that an earlier session left open; one that cannot be worked is alerted."""
        parents = self._gateway.ledger.parents
        for parent in parents.open():
            if parent.pair and (first_leg := parents.get(parent.pair.get("of", ""))) is not None:
                try:
                    self._terms[first_leg.id] = self._read_terms(first_leg.order, parent.pair)
                except OrderError as error:  # the venue lists a leg no more, or otherwise
                    text = f"pair {first_leg.id} is not worked: {error}"
                    self._gateway.alert_once(
                        "critical", "pair_left", text, "", first_leg.order.agent, first_leg.id
                    )
        self.due_ns = self._gateway.venue.now_ns if self._terms else FOREVER_NS

    def accept(
        self, request: ParentRequest, pair_body: Mapping[str, Any], operator: int | None
    ) -> None:
        """Accept a pair, both legs in one write.

        Parameters
        ----------
        request : ParentRequest
            The first leg.
        pair_body : mapping
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
        self._manager.require_can_trade(request.agent)
        ledger = self._gateway.ledger
        refuse_if(
            # All of them are names that a parent may have: a later flatten must not fail for its name.
            any(
                ledger.is_used(replace(request, id=request.id + suffix).id)
                for suffix in SUFFIX.values()
            ),
            "new ids for a new pair",
            f"{request.id}, or one that begins with it, which was used",
            "choose another",
            OrderError,
        )
        body = {**pair_body, "of": request.id}
        terms = self._read_terms(request, body)
        names = terms.first.instrument, terms.second.instrument
        hours = [
            instrument_limits.hours
            for name in names
            if (instrument_limits := self._gateway.limits.limits.of_instrument(name)) is not None
        ]
        refuse_if(
            len(hours) == len(names) and not hours_overlap(*hours),
            "legs that trade at the same hours",
            f"{names[0]} and {names[1]}, whose hours in the limits do not overlap",
            "name another leg",
            OrderError,
        )
        self._admit(terms, request, body, Role.HEDGE, terms.hedge_lots, operator)
        self._terms[request.id] = terms
        self.due_ns = self._gateway.venue.now_ns

    def _read_terms(self, request: ParentRequest, pair_body: Mapping[str, Any]) -> PairTerms:
        """Terms of a pair, from the first leg's request and a person's fields."""
        first_leg, second_leg = (
            self._manager.follow(name).listing
            for name in (request.instrument, str(pair_body.get("leg", "")))
        )
        numbers = {key: value for key, value in pair_body.items() if key not in ("leg", "of")}
        return PairTerms.of(request.side, request.lots, first_leg, second_leg, numbers)

    def _admit(
        self,
        terms: PairTerms,
        request: ParentRequest,
        body: Mapping[str, Any],
        role: Role,
        lots: int,
        operator: int | None = None,
    ) -> None:
        """Journal and announce the parent of a role; with the hedge also that of the first leg."""
        leg, side = _leg_of(terms, role)
        role_request = replace(
            request, id=f"{request.id}{SUFFIX[role]}", instrument=leg, side=side, lots=lots
        )
        requests = [request, role_request] if role is Role.HEDGE else [role_request]
        for leg_request in requests:
            self._manager.admit(leg_request)
        now = self._gateway.venue.now_ns
        self._gateway.write(
            [
                acceptance_entry(leg_request, now, operator=operator, pair=body)
                for leg_request in requests
            ]
        )
        for leg_request in requests:
            self._manager.announce(self._gateway.ledger.parents.require(leg_request.id))

    def on_step(self) -> None:
        """Work every pair; called in every step, after reports are booked."""
        self.due_ns = FOREVER_NS
        for id_, terms in list(self._terms.items()):
            ledger = self._gateway.ledger
            parents = {
                role: parent
                for role, suffix in SUFFIX.items()
                if (parent := ledger.parents.get(id_ + suffix)) is not None
            }
            self.due_ns = self._gateway.venue.now_ns + POLL_NS
            if any(role not in parents and ledger.is_used(id_ + SUFFIX[role]) for role in Role):
                # All of it was cancelled long ago, and its agent could not trade since: what was filled is not known here.
                text = f"pair {id_} was cancelled and is not worked any more: its unhedged position stays"
                self._gateway.alert("critical", "pair_left", text, parent=id_)
                del self._terms[id_]
            elif self._manager.poll_kill_reason(parents[Role.QUOTE].order.agent) is None:
                self._work_pair(id_, terms, parents)

    def _work_pair(self, id_: str, terms: PairTerms, parents: dict[Role, ParentOrder]) -> None:
        """Take one decision for a pair: cancel and send its orders, or end it."""
        ledger = self._gateway.ledger
        now = self._gateway.venue.now_ns
        first_leg = parents[Role.QUOTE]
        is_paused = bool(ledger.describe_hold(first_leg.order.agent))
        live = {
            role: ledger.orders.live(parent=role_parent.id) for role, role_parent in parents.items()
        }
        at_work = {
            role
            for role, role_parent in parents.items()
            if role_parent.status is ParentStatus.BY_HAND
        }
        view = PairView(
            now,
            self._leg_book(terms.first.instrument),
            self._leg_book(terms.second.instrument),
            {role: Fraction(role_parent.filled_qty, ONE) for role, role_parent in parents.items()},
            ledger.orders.fills_of.get(id_, ()),
            [
                PairOrder(role, Fraction(order.open_qty, ONE), order.price, order.root)
                for role, orders in live.items()
                for order in orders
            ],
            is_paused or first_leg.ends_ns <= now or not at_work >= {Role.QUOTE, Role.HEDGE},
            frozenset(role for role in Role if self._must_wait(id_, role, parents.get(role))),
            ONE,
        )
        legs = (terms.first.instrument, terms.second.instrument)
        if all(self._manager.follow(leg).mid2 for leg in legs):
            arriving = [
                role_parent
                for role_parent in parents.values()
                if not role_parent.arrival_ns and not role_parent.over
            ]
            self._gateway.write(
                [
                    entry
                    for role_parent in arriving
                    for entry in self._manager.arrival_entries(role_parent)[0]
                ]
            )
        decision = decide(terms, view)
        if decision.over and not is_paused:
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
        )
        roles = {}
        for order in decision.send:
            if order.role not in parents:
                most_lots = terms.lots if order.role is Role.FLATTEN else terms.hedge_lots
                self._admit(terms, first_leg.order, first_leg.pair or {}, order.role, most_lots)
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
                    first_leg.order.agent,
                    parent,
                    now,
                )
            )
            roles[name] = order.role
        outcome = self._gateway.submit(commands) if commands else None
        for command, denial in outcome.denied if outcome else ():
            if (role := roles.get(command.cl_ord_id)) is not None:
                self._quiet[id_, role] = now + AGAIN_NS
                text = f"the {role} of pair {id_} is denied: {denial.code}"
                subject = command.instrument, command.account, command.parent
                self._gateway.alert_once("critical", "pair_denied", text, *subject)

    def _must_wait(self, id_: str, role: Role, parent: ParentOrder | None) -> bool:
        """Whether a role may send nothing now: its parent is in other hands, or its last order was refused or unfilled."""
        sent = self._gateway.ledger.orders.of_parent(id_ + SUFFIX[role])
        if (
            sent
            and (last_order := sent[-1]).done
            and not last_order.cum_qty
            and (last_order.price is None or last_order.base is OrdStatus.REJECTED)
        ):
            self._quiet[id_, role] = max(
                self._quiet.get((id_, role), 0), last_order.last_ns + AGAIN_NS
            )
        refused = self._quiet.get((id_, role), 0) > self._gateway.venue.now_ns
        return refused or (parent is not None and parent.status is not ParentStatus.BY_HAND)

    def _leg_book(self, instrument: str) -> LegBook:
        """Depth of both sides of a leg's book, and whether it is open for trading."""
        follower = self._manager.follow(instrument)
        limits = self._gateway.limits.limits.of_instrument(instrument)
        hours = None if limits is None else limits.hours
        now = self._gateway.venue.now_ns
        open_ = follower.ready and not follower.halted and opening_ns(hours, now) is not None
        return LegBook(follower.depth(1), follower.depth(-1), open_)

    def _end(self, id_: str, parents: Mapping[Role, ParentOrder]) -> None:
        """End the parents of a pair; alert what was flattened."""
        for parent in parents.values():
            if not parent.over:
                called_off = parent.status is ParentStatus.CANCELLING
                self._manager.end(parent, "cancelled" if called_off else "done")
        if flatten_parent := parents.get(Role.FLATTEN):
            text = f"{flatten_parent.filled:,} lots of pair {id_}, unhedged too long or at too great a loss, were flattened"
            order = flatten_parent.order
            self._gateway.alert(
                "critical", "pair_flattened", text, order.instrument, order.agent, id_
            )
        del self._terms[id_]


def _leg_of(terms: PairTerms, role: Role) -> tuple[str, int]:
    """Instrument and side of the orders of a role."""
    leg = terms.first if role in (Role.QUOTE, Role.FLATTEN) else terms.second
    return leg.instrument, terms.side * (1 if role in (Role.QUOTE, Role.UNWIND) else -1)
