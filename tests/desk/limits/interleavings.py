"""A model checker of limits: every interleaving of commands, of what a venue makes of them, and of its reports.

A venue takes the commands of one order in the order in which they were sent, but replaces that are on their way together
in any, and those of different orders in any. It accepts or refuses each, fills open lots in any parts, cancels without a
request, and may accept a replace after the order's end. A report counts as read when it is made: whatever is sent before
it is read could as well have been sent before it was made, since the venue takes it later in both cases.

One order's states come from a real gate and the journal's view of an order, told what happens to this order alone
(`OrderModel`); states with the same future are one. A state of the whole is a multiset of them (`explore`), as orders
of one side are alike. Whether a command may leave is asked of a real gate that has been told everything (`Admission`).
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from tests.desk.limits.test_gate import NOON, limits

from tercel.core.child_order import ChildOrder, add_request, apply_reject, apply_report, open_order
from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType as X,
    Listing,
    NewOrder,
    OrdStatus as S,
    ReplaceOrder,
    Report,
    Tif,
)
from tercel.desk.limits import LimitGate
from tercel.desk.limits.limit_sets import Limits
from tercel.desk.limits.quotes import BestQuotes

Command = NewOrder | ReplaceOrder | CancelOrder
Event = Command | Report | CancelReject
AT_ONCE = 2
"""Most commands of an order on their way to the venue, beside its first."""


class Label(NamedTuple):
    """A command: its kind, and lots and price of a new order or a replace."""

    kind: str
    lots: int = 0
    price: int = 0


VENUE = Label("venue")
"""Anything that the venue does: one report."""


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue has it: `status` PENDING_NEW before it is taken; `inbox`: commands on their way."""

    status: S = S.PENDING_NEW
    lots: int = 0
    price: int = 0
    cum: int = 0
    inbox: tuple[Command, ...] = ()

    @property
    def open(self) -> int:
        """Lots that may fill."""
        return self.lots - self.cum if self.status in (S.NEW, S.PARTIALLY_FILLED) else 0


class Seen(NamedTuple):
    """What an invariant, or another order's command, can see of an order, in lots.

    Filled and reserved lots and quoted prices by limits; filled and open lots and the resting price (0: none) by the
    venue; `waits`: something is on its way to it; `may_open`: lots that it may open at most, late acceptances included;
    `settled`: the journal's view is that nothing can come.
    """

    cum: int = 0
    reserved: int = 0
    quoted: tuple[int, ...] = ()
    venue_cum: int = 0
    venue_open: int = 0
    venue_price: int = 0
    waits: bool = False
    may_open: int = 0
    settled: bool = False


def tell(gate: LimitGate, event: Event) -> None:
    """Let a gate count an event."""
    if isinstance(event, Report):
        gate.report(event, event.ns)
    elif isinstance(event, CancelReject):
        gate.cancel_reject(event)
    else:
        gate.count_sent(event, NOON)


def make_gate(gate_type: type[LimitGate], room: Limits, side: int, lots: int) -> LimitGate:
    """A gate of one agent and one instrument at 99 to 103, with a parent of some lots on each side."""
    gate = gate_type(room, [Listing("A", 0.01, 100)], ["x"])
    for each in (side, -side):
        gate.register_parent(f"p{each}", "A", "x", each, lots)
    gate.mark("A", BestQuotes(99, 103), NOON)
    return gate


def fold(child: ChildOrder | None, event: Event) -> ChildOrder:
    """The journal's view of an order after an event, as `trading.child_orders.fold` moves it."""
    if isinstance(event, NewOrder):
        return open_order(event)
    assert child is not None
    if isinstance(event, Report):
        return apply_report(child, event)[0]
    if isinstance(event, CancelReject):
        return apply_reject(child, event)[0]
    return child if child.settled else add_request(child, event)


@dataclass(slots=True)
class _State:
    gate: bytes
    child: ChildOrder | None
    venue: VenueOrder
    path: tuple[Event, ...]


class OrderModel:
    """Every state of one order.

    Parameters
    ----------
    gate_type : type of LimitGate
    side : int
    sizes, prices : sequence of int
        Of its new order and its replaces.

    Attributes
    ----------
    seen : list of Seen
        By state; state 0 is an order that was not sent yet.
    moves : list of dict
        By state: the states that a label may lead to.
    paths : list of tuple
        By state: one story that leads there.
    """

    def __init__(
        self, gate_type: type[LimitGate], side: int, sizes: Sequence[int], prices: Sequence[int]
    ) -> None:
        self.side, self.sizes, self.prices = side, sizes, prices
        start = pickle.dumps(make_gate(gate_type, limits(), side, 100))
        self._states = [_State(start, None, VenueOrder(), ())]
        index, moves = {self._key(pickle.loads(start), None, VenueOrder()): 0}, []
        seen = [Seen()]
        waiting = deque([0])
        while waiting:
            state = self._states[waiting.popleft()]
            found: dict[Label, set[int]] = {}
            for label, venue, event in self._steps(state):
                gate = pickle.loads(state.gate)
                if label is not VENUE and gate.check(event, NOON) is not None:
                    continue
                tell(gate, event)
                child = fold(state.child, event)
                key = self._key(gate, child, venue)
                if key not in index:
                    index[key] = len(index)
                    story = (*state.path, event)
                    self._states.append(_State(pickle.dumps(gate), child, venue, story))
                    seen.append(_see(gate, child, venue, self.side))
                    waiting.append(index[key])
                found.setdefault(label, set()).add(index[key])
            moves.append(found)
        self.raw = len(index)
        self._merge(seen, moves)

    def _merge(self, seen: list[Seen], moves: list[dict[Label, set[int]]]) -> None:
        """Make states with the same future one: partition refinement."""
        known: dict[object, int] = {}
        group = [known.setdefault(each, len(known)) for each in seen]
        while True:
            signs: dict[object, int] = {}
            fresh = []
            for at, steps in enumerate(moves):
                leads = {label: frozenset(group[to] for to in tos) for label, tos in steps.items()}
                sign = group[at], frozenset(leads.items())
                fresh.append(signs.setdefault(sign, len(signs)))
            if len(signs) == len(set(group)):
                break
            group = fresh
        first: dict[int, int] = {}
        for at, number in enumerate(group):
            first.setdefault(number, at)
        order = sorted(first, key=first.__getitem__)
        new = {number: at for at, number in enumerate(order)}
        self.seen = [seen[first[number]] for number in order]
        self.paths = [self._states[first[number]].path for number in order]
        self.moves = [
            {
                label: tuple(sorted({new[group[to]] for to in tos}))
                for label, tos in moves[first[number]].items()
            }
            for number in order
        ]

    @staticmethod
    def _key(gate: LimitGate, child: ChildOrder | None, venue: VenueOrder) -> object:
        """What limits, journal and venue know, without the names of replaces and cancels."""
        order = gate.orders.get("o")
        numbers = {asked.cl_ord_id: at for at, asked in enumerate(venue.inbox)}
        inbox = tuple((type(each), getattr(each, "lots", 0), each.price) if not isinstance(each, CancelOrder)
                      else (CancelOrder, numbers.get(each.cl_ord_id)) for each in venue.inbox)  # fmt: skip
        there = venue.status, venue.lots, venue.price, venue.cum, inbox
        if order is None or child is None:
            return there
        asked = tuple(
            (numbers.get(name, -1), turn > order.taken, lots, price)
            for name, (turn, lots, price) in order.requested.items()
        )
        probes = tuple(
            (numbers.get(name, -1), sum(turn[0] <= at for turn in order.requested.values()))
            for name, at in (order.probes.items() if order.requested else ())
        )
        agent = gate.agents["x"]
        here = order.base, order.lots, order.price, order.cum_qty, order.counted_qty
        pending = tuple(
            (numbers.get(e.cl_ord_id, -1), e.lots, e.price, e.late) for e in child.pending
        )
        journal = child.base, child.lots, child.price, child.cum_qty, child.gone, pending
        alarms = agent.stopped, gate.fault
        return there, here, order.open_qty, order.quoted, asked, probes, journal, alarms

    def _steps(self, state: _State) -> Iterator[tuple[Label, VenueOrder, Event]]:
        """What may happen next: the label, the venue's order after it, and the event that a gate is told."""
        yield from self._commands(state)
        yield from self._reports(state)

    def _commands(self, state: _State) -> Iterator[tuple[Label, VenueOrder, Event]]:
        venue, parent = state.venue, f"p{self.side}"
        if not state.path:
            for lots in self.sizes:
                for price in self.prices:
                    new = NewOrder("o", "A", self.side, lots, price, Tif.DAY, "x", parent, NOON)
                    yield Label("new", lots, price), replace(venue, inbox=(new,)), new
            return
        if len(venue.inbox) - any(isinstance(each, NewOrder) for each in venue.inbox) >= AT_ONCE:
            return
        name = f"o.{len(state.path)}"
        orig = next((e.cl_ord_id for e in reversed(state.path) if isinstance(e, ReplaceOrder)), "o")
        for lots in self.sizes:
            for price in self.prices:
                asked = ReplaceOrder(name, orig, "A", self.side, lots, price, "x", parent, NOON)
                inbox = (*venue.inbox, asked)
                yield Label("replace", lots, price), replace(venue, inbox=inbox), asked
        if not any(isinstance(each, CancelOrder) for each in venue.inbox):
            cancel = CancelOrder(name, orig, "A", self.side, "x", NOON)
            yield Label("cancel"), replace(venue, inbox=(*venue.inbox, cancel)), cancel

    def _reports(self, state: _State) -> Iterator[tuple[Label, VenueOrder, Event]]:
        venue = state.venue
        report = partial(self._report, len(state.path))
        for lots in range(1, venue.open + 1):
            cum = venue.cum + lots
            status = S.FILLED if cum == venue.lots else S.PARTIALLY_FILLED
            after = replace(venue, status=status, cum=cum)
            yield VENUE, after, report(X.TRADE, after, last=lots)
        if venue.open:
            after = replace(venue, status=S.CANCELED)
            yield VENUE, after, report(X.CANCELED, after)
        for at, command in enumerate(venue.inbox):
            if at == 0 or isinstance(command, ReplaceOrder):
                left = (*venue.inbox[:at], *venue.inbox[at + 1 :])
                yield from self._answers(replace(venue, inbox=left), command, len(state.path))
            if not isinstance(command, ReplaceOrder):
                return

    def _answers(
        self, refused: VenueOrder, command: Command, at: int
    ) -> Iterator[tuple[Label, VenueOrder, Event]]:
        """What a venue may make of a command, by its order without it."""
        report = partial(self._report, at)
        name = command.cl_ord_id
        if isinstance(command, NewOrder):
            after = replace(refused, status=S.NEW, lots=command.lots, price=command.price or 0)
            yield VENUE, after, report(X.NEW, after)
            after = replace(refused, status=S.REJECTED, lots=command.lots)
            yield VENUE, after, report(X.REJECTED, after)
            return
        reject = CancelReject(name, command.orig, "x", refused.status, NOON + at)
        yield VENUE, refused, reject
        if isinstance(command, CancelOrder):
            if refused.open:
                after = replace(refused, status=S.CANCELED)
                yield VENUE, after, report(X.CANCELED, after, name, command.orig)
        elif refused.status is not S.REJECTED and (command.lots > refused.cum or refused.open):
            lots = max(command.lots, refused.cum)
            status = (
                S.FILLED if lots == refused.cum else S.PARTIALLY_FILLED if refused.cum else S.NEW
            )
            after = replace(refused, status=status, lots=lots, price=command.price)
            yield VENUE, after, report(X.REPLACED, after, name, command.orig)

    def _report(
        self, at: int, kind: X, venue: VenueOrder, name: str = "o", orig: str = "", last: int = 0
    ) -> Report:
        price = venue.price * ONE if last else 0
        cum, leaves = venue.cum * ONE, venue.open * ONE
        here = name, orig, "1", "x", "A", self.side, venue.lots, venue.price
        return Report(
            f"e{at}", kind, venue.status, *here, last * ONE, price, cum, leaves, NOON + at
        )


def _see(gate: LimitGate, child: ChildOrder, venue: VenueOrder, side: int) -> Seen:
    order, held = gate.orders["o"], gate.holdings["x", "A"]
    reserved = held.buys if side > 0 else held.sells
    assert reserved == order.open_qty
    assert gate.parents[f"p{side}"].used == order.cum_qty + order.open_qty
    price = venue.price if venue.open else 0
    here = order.cum_qty // ONE, order.open_qty // ONE, tuple(sorted(set(order.quoted)))
    assert not gate.fault, gate.fault
    sizes = [each.lots for each in venue.inbox if not isinstance(each, CancelOrder)]
    most = max([venue.cum + venue.open, *sizes]) - venue.cum
    return Seen(*here, venue.cum, venue.open, price, bool(venue.inbox), most, child.settled)


class Admission:
    """Whether a command of one order may leave beside the others: what a gate says that was told all of them.

    Parameters
    ----------
    models : sequence of OrderModel
        One a side.
    gate : callable
        Makes a gate with the limits that are checked.
    """

    def __init__(self, models: Sequence[OrderModel], gate: Callable[[], LimitGate]) -> None:
        self._models, self._gate = models, gate
        self._known: dict[object, bool] = {}
        self.asked = 0

    def __call__(self, orders: Sequence[tuple[int, int]], at: int, label: Label) -> bool:
        if label.kind == "cancel":
            return True
        sums, quoted = [0, 0, 0, 0], [set[int](), set[int]()]
        for which, state in orders:
            seen = self._models[which].seen[state]
            sums[2 * which] += seen.cum
            sums[2 * which + 1] += seen.reserved
            quoted[which].update(seen.quoted)
        which, state = orders[at]
        own = self._models[which].seen[state]
        buys, sells = max(quoted[0], default=0), min(quoted[1], default=0)
        key = (*sums, buys, sells, which, own.cum + own.reserved, label)
        if key not in self._known:
            self.asked += 1
            self._known[key] = self.ask(orders, at, label)
        return self._known[key]

    def ask(self, orders: Sequence[tuple[int, int]], at: int, label: Label) -> bool:
        """The same by a gate alone."""
        gate = self._gate()
        for number, (which, state) in enumerate(orders):
            for event in self._models[which].paths[state]:
                tell(gate, _renamed(event, number))
        which, state = orders[at]
        step = _State(b"", None, VenueOrder(), self._models[which].paths[state])
        steps = self._models[which]._commands(step)
        command = next(event for found, _, event in steps if found == label)
        return gate.check(_renamed(command, at), NOON) is None  # type: ignore[arg-type]


def _renamed(event: Event, number: int) -> Event:
    names = {"cl_ord_id": f"{number}:{event.cl_ord_id}"}
    orig = getattr(event, "orig", "")
    return replace(event, **names, **({"orig": f"{number}:{orig}"} if orig else {}))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Found:
    """What a search came to: states of one order by side before and after merging, states of the whole, steps between
    them, and the first story that breaks the invariant, if any."""

    orders: tuple[tuple[int, int], ...]
    states: int
    steps: int
    broken: tuple[tuple[Event, ...], ...] = ()


Holds = Callable[[Sequence[Seen], Sequence[int]], bool]
"""An invariant: of what is seen of each order, and their sides."""


def explore(
    models: Sequence[OrderModel],
    counts: Sequence[int],
    admission: Admission,
    holds: Holds,
    reports: int,
) -> Found:
    """Visit every state that so many orders of each side reach with so many reports, until the invariant breaks.

    States are visited by the fewest reports that lead to them, as more reports left allow more.
    """
    start = tuple((which, 0) for which, count in enumerate(counts) for _ in range(count))
    seen, level, steps = {start}, [start], 0
    sides = [models[which].side for which, _ in start]
    merged = tuple((model.raw, len(model.seen)) for model in models)
    for left in range(reports, -1, -1):
        later = set()
        while level:
            state = level.pop()
            if not holds([models[which].seen[at] for which, at in state], sides):
                story = tuple(models[which].paths[at] for which, at in state)
                return Found(merged, len(seen), steps, story)
            for at, (which, one) in enumerate(state):
                if at and state[at - 1] == (which, one):
                    continue
                for label, tos in models[which].moves[one].items():
                    if label is VENUE:
                        if not left:
                            continue
                    elif not admission(state, at, label):
                        continue
                    for to in tos:
                        steps += 1
                        after = tuple(sorted((*state[:at], (which, to), *state[at + 1 :])))
                        if after not in seen:
                            if label is VENUE:
                                later.add(after)
                            else:
                                seen.add(after)
                                level.append(after)
        level = [after for after in later if after not in seen]
        seen |= later
    return Found(merged, len(seen), steps)
