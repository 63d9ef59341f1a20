"""Lots that own orders stood in front of stay: the visible book held against a brute one of lists."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from numpy.typing import NDArray
from tests.market.simulator.audit import announce, audit, is_own, orders_of
from tests.market.simulator.test_background import behind, check, kept_slots, orders, public

from tercel.market.book import layout as lay
from tercel.market.book.price_window import allocate
from tercel.market.flow.santa_fe import market_order
from tercel.market.simulator import background, layout as sim, restoration
from tercel.market.simulator.account import kill_own, public_add, public_take, rest_own
from tercel.market.simulator.layout import blank_state
from tercel.market.tape.schema import DELETE, EXECUTE, REDUCE

Book = NDArray[np.int32]
State = NDArray[np.int64]
MID, OWN = 1000, 6
OURS, PUBLIC, KEPT = range(3)


@dataclass(eq=False)
class Order:
    """An order on show: ours, one that the background has (`slot`), or a kept one."""

    what: int
    slot: int
    side: int
    price: int
    lots: int


@dataclass
class Brute:
    """The visible book as one list in order of arrival, and the background's lots by slot."""

    shown: list[Order] = field(default_factory=list)
    real: dict[int, Order] = field(default_factory=dict)
    traded: dict[int, int] = field(default_factory=lambda: {1: 0, -1: 0})
    filled: int = 0
    early: dict[int, int] = field(default_factory=lambda: {1: 0, -1: 0})
    lost: int = 0
    """Lots that met what had traded early: they trade nothing, and its owner's side owes as many still."""

    def ahead(self, order: Order) -> list[Order]:
        """Orders that an aggressor meets before one, by price and time."""
        same = [o for o in self.shown if o.side == order.side]
        better = [o for o in same if (o.price - order.price) * order.side > 0]
        at = [o for o in same if o.price == order.price]
        return (
            sorted(better, key=lambda o: -o.price * o.side)
            + at[: at.index(order) if order in at else len(at)]
        )

    def counterpart(self, slot: int) -> Order | None:
        return next((o for o in self.shown if o.what == PUBLIC and o.slot == slot), None)

    def clear(self) -> None:
        self.shown = [o for o in self.shown if o.lots > 0]

    def add(self, slot: int, side: int, price: int, lots: int) -> None:
        self.real[slot] = Order(PUBLIC, slot, side, price, lots)
        self.shown = [
            o
            for o in self.shown
            if o.what != KEPT or o.side == side or (price - o.price) * side < 0
        ]
        mine = [
            o
            for o in self.shown
            if o.what == OURS and o.side != side and (price - o.price) * side >= 0
        ]
        for o in sorted(mine, key=lambda o: o.price * side):
            take = min(lots, o.lots)
            o.lots -= take
            lots -= take
            self.filled += take
            self.early[-side] += take
        self.shown.append(Order(PUBLIC, slot, side, price, lots))
        self.clear()

    def market(self, side: int, lots: int) -> None:
        while lots > 0:
            there = [o for o in self.real.values() if o.side == -side]
            if not there:
                return
            real = min(there, key=lambda o: o.price * side)  # a dict keeps the order of arrival
            lots -= self.meet(real, min(lots, real.lots))

    def meet(self, real: Order, lots: int) -> int:
        done = min(lots, self.early[real.side])
        self.early[real.side] -= done
        left, order = lots - done, self.counterpart(real.slot)
        blocked = False
        for o in self.ahead(order or Order(PUBLIC, -1, real.side, real.price, 0)):
            blocked |= o.what == PUBLIC and o.price == real.price
            if o.what == PUBLIC or (o.what == OURS and blocked and o.price == real.price):
                continue
            take = min(left, o.lots)
            o.lots -= take
            left -= take
            if o.what == OURS:
                self.filled += take
            else:
                self.traded[real.side] += take
        real.lots -= lots
        if order is not None:
            take = min(left, order.lots)
            order.lots -= take
            self.traded[real.side] += take
            left -= take
            if real.lots == 0:
                order.what = KEPT
        self.lost += left
        if real.lots == 0:
            del self.real[real.slot]
        self.clear()
        return lots

    def cancel(self, slot: int, lots: int) -> list[Order]:
        """Lots of the background's order go; the kept orders that may go with it, and must where it stands alone."""
        real, order = self.real[slot], self.counterpart(slot)
        end = [o.price * real.side for o in self.shown if o.side == real.side and o.what == PUBLIC]
        end = [p for p in end if p > real.price * real.side]
        stop = min(end, default=10**9)
        same = [o for o in self.shown if o.what == KEPT and o.side == real.side]
        may = [o for o in same if real.price * real.side <= o.price * real.side < stop]
        whole = lots >= real.lots
        real.lots -= min(lots, real.lots)
        if order is not None:
            order.lots = 0 if whole else max(order.lots - lots, 0)
        if whole:
            del self.real[slot]
        return may

    def queue(self, side: int, price: int) -> list[tuple[bool, int]]:
        return [(o.what == OURS, o.lots) for o in self.shown if (o.side, o.price) == (side, price)]


class World:
    """The packed market, its flow played by hand, beside the brute book."""

    def __init__(self, slots: int) -> None:
        self.b = lay.new_book(slots, 64, OWN, background=True)
        self.k = sim.extend(blank_state(sim.QUEUE_REACTIVE), 0, 4096, 256)
        self.k[[sim.SIDE, sim.LEFT, sim.QUANTITY]] = 1, 10**9, 10**9
        self.brute = Brute()
        for price in (1, 2, 3):
            for side in (1, -1):
                slot = allocate(self.b)
                public_add(self.b, self.k, slot, side, MID - side * price, 5)
                self.brute.add(slot, side, MID - side * price, 5)
        background.split_background(self.b, self.k)
        self.twin_b, self.twin_k = behind(self.b).copy(), self.k.copy()
        self.twin_k[sim.APART] = sim.WILL_PART

    def event(self, act: Callable[[Book, State], object]) -> None:
        """One event of the flow, in the background and in a twin."""
        act(self.twin_b, self.twin_k)
        self.k[sim.NOW] += 1
        self.k[sim.FLOW_RNG] += 12345
        background.enter_background(self.k)
        act(behind(self.b), self.k)
        background.leave_background(self.b, self.k)
        background.mirror(self.b, self.k)

    def add(self, side: int, off: int, lots: int) -> None:
        price = MID + off
        far = [o.price * side for o in self.brute.real.values() if o.side != side]
        if (far and price * side >= min(far)) or len(self.brute.real) > 20:
            return
        slots = []

        def act(b: Book, k: State) -> None:
            slots.append(allocate(b))
            public_add(b, k, slots[-1], side, price, lots)

        self.event(act)
        self.brute.add(slots[0], side, price, lots)

    def market(self, side: int, lots: int) -> None:
        self.event(lambda b, k: market_order(b, k, side, lots))
        self.brute.market(side, lots)

    def cancel(self, pick: int, lots: int) -> None:
        if not self.brute.real:
            return
        slot = list(self.brute.real)[pick % len(self.brute.real)]
        real = self.brute.real[slot]
        kind = DELETE if lots >= real.lots else REDUCE
        here = [
            o
            for o in self.brute.shown
            if o.what == PUBLIC and (o.side, o.price) == (real.side, real.price)
        ]
        may = self.brute.cancel(slot, lots)
        self.event(lambda b, k: public_take(b, k, slot, lots, kind, False))
        left = [
            int(self.b[lay.HEADER + s * lay.ORDER + lay.ARR]) for s in kept_slots(self.b, self.k)
        ]
        kept = [o for o in self.brute.shown if o.what == KEPT]
        by_place = self.kept_in_order()
        assert len(left) == len(by_place)
        for o in kept:
            if (o.side, o.price, o.lots) in by_place:
                by_place.remove((o.side, o.price, o.lots))
            else:
                assert o in may
                o.lots = 0
        assert not by_place
        assert len(here) > 1 or all(o.lots == 0 for o in may)
        self.brute.clear()

    def kept_in_order(self) -> list[tuple[int, int, int]]:
        found = orders(self.b)[kept_slots(self.b, self.k)]
        return [
            tuple(o[[lay.SIDE, lay.PRICE, lay.QTY]].tolist())
            for o in found[np.argsort(found[:, lay.ARR])]
        ]

    def rest(self, side: int, off: int, lots: int) -> None:
        price = MID + off
        free = [
            i
            for i in range(OWN)
            if self.b[self.b[lay.AT_LEDGER] + i * lay.LEDGER + lay.STATE] == lay.FREE_SLOT
        ]
        far = [o.price * side for o in self.brute.shown if o.side != side]
        if not free or (far and price * side >= min(far)):
            return
        announce(self.b, free[0], side, price, lots)
        rest_own(self.b, self.k, free[0], price, lots, False)
        self.brute.shown.append(Order(OURS, free[0], side, price, lots))

    def away(self, pick: int, lots: int) -> None:
        mine = [o for o in self.brute.shown if o.what == OURS]
        if mine:
            o = mine[pick % len(mine)]
            kill_own(self.b, self.k, o.slot, min(lots, o.lots), 0)
            o.lots -= min(lots, o.lots)
            self.brute.clear()

    def take(self, side: int, lots: int) -> None:
        """An own aggressor takes from the best public order."""
        there = [o for o in self.brute.shown if o.side != side]
        if not there or min(there, key=lambda o: o.price * side).what == OURS:
            return
        o = min(there, key=lambda o: o.price * side)
        at = int(self.b[lay.BEST_ASK if side > 0 else lay.BEST_BID])
        slot = next(s for _, s, _ in orders_of(self.b)[(-side, at)])
        taken = public_take(self.b, self.k, slot, lots, EXECUTE, True)
        o.lots -= taken
        self.brute.clear()

    def check(self, passive_only: bool) -> None:
        b, k = self.b, self.k
        audit(b, k)
        check(b, k)
        assert public(behind(b)) == public(self.twin_b)
        theirs = self.twin_k[sim.EVENTS : sim.EVENTS + sim.TALLIES]
        assert k[sim.BACKGROUND : sim.BACKGROUND + sim.TALLIES].tolist() == theirs.tolist()
        levels = {
            level: [(is_own(b, s), q) for _, s, q in queue] for level, queue in orders_of(b).items()
        }
        assert levels == {
            (o.side, o.price): self.brute.queue(o.side, o.price) for o in self.brute.shown
        }
        assert self.brute.filled == k[sim.PASSIVE_LOTS]
        assert self.brute.traded == {1: k[sim.SOLD], -1: k[sim.BOUGHT]}
        early = [self.brute.early[1], self.brute.early[-1]]
        assert k[sim.EARLY : sim.EARLY + 2].tolist() == early
        both = int(k[sim.SOLD] + k[sim.BOUGHT])
        twins = int(theirs[sim.SOLD - sim.EVENTS] + theirs[sim.BOUGHT - sim.EVENTS])
        if passive_only:
            assert both + self.brute.filled - sum(early) + self.brute.lost == twins
        assert both + self.brute.filled - sum(early) <= twins


SIDES, LOTS, NEAR = st.sampled_from([1, -1]), st.integers(1, 7), st.integers(-5, 5)
PASSIVE = (
    st.tuples(st.just("add"), SIDES, NEAR, LOTS),
    st.tuples(st.just("add"), SIDES, NEAR, LOTS),
    st.tuples(st.just("market"), SIDES, LOTS),
    st.tuples(st.just("market"), SIDES, LOTS),
    st.tuples(st.just("rest"), SIDES, NEAR, LOTS),
    st.tuples(st.just("rest"), SIDES, NEAR, LOTS),
    st.tuples(st.just("cancel"), st.integers(0, 30), LOTS),
    st.tuples(st.just("away"), st.integers(0, 30), LOTS),
)
TAKES = st.tuples(st.just("take"), SIDES, LOTS)


def play(world: World, calls: list[tuple[int | str, ...]]) -> World:
    passive = True
    for what, *words in calls:
        getattr(world, str(what))(*words)
        passive &= what != "take"
        world.check(passive)
    return world


STAYS = [
    ("rest", 1, 0, 4),
    ("add", 1, 0, 3),
    ("add", 1, 0, 2),
    ("rest", 1, 0, 6),
    ("market", -1, 4),
]
STAYS += [("add", 1, 0, 5), ("market", -1, 2), ("market", -1, 4)]
"""What own lots stood in front of stays at its place; its slot is used again: the new order stands at the end."""
TOUCHED = [("rest", 1, 0, 3), ("add", 1, 0, 3), ("market", -1, 3)]
"""An order of three is kept at the middle, in whose place ours was taken."""
GOES = [("rest", 1, 0, 3), ("add", 1, 0, 9), ("market", -1, 3), ("cancel", 6, 9)]
"""What is kept for an order that lives goes with it."""
YIELDS = [
    ("rest", 1, 0, 9),
    ("add", 1, 0, 3),
    ("add", 1, 0, 3),
    ("market", -1, 3),
    ("market", -1, 3),
]
YIELDS += [("add", -1, 1, 2), ("add", -1, 0, 5)]
"""A kept order gives way to who reaches it."""


@settings(max_examples=3 * settings.default.max_examples)
@given(calls=st.lists(st.one_of(*PASSIVE, TAKES), min_size=5, max_size=50))
@example(calls=STAYS)
@example(calls=GOES)
@example(calls=YIELDS)
@example(calls=[*TOUCHED, ("take", -1, 2), ("take", -1, 5), ("add", 1, 0, 4)])
def test_an_aggressors_lots_are_used_once_by_price_and_time(
    calls: list[tuple[int | str, ...]],
) -> None:
    play(World(256), calls)


def lane(world: World, side: int = 1) -> list[tuple[bool, int]]:
    best = int(world.b[lay.BEST_BID if side > 0 else lay.BEST_ASK])
    return [(is_own(world.b, s), q) for _, s, q in orders_of(world.b)[(side, best)]]


def test_kept_orders_go_as_often_as_one_of_the_next_price() -> None:
    """With three orders at the price behind, one of three cancels there takes it too; cancels further back none."""
    gone, n = 0, 400
    for at in range(n):
        world = World(256)
        world.k[sim.FLOW_RNG] += 7919 * at
        for what, *words in (*TOUCHED, ("add", 1, -1, 2), ("add", 1, -1, 2)):
            getattr(world, str(what))(*words)
        world.cancel(2, 5)  # two ticks off
        assert lane(world) == [(False, 3)]
        world.cancel(0, 5)
        gone += int(int(world.b[lay.BEST_BID]) == MID - 1)
    assert abs(gone / n - 1 / 3) < 4 * np.sqrt(2 / 9 / n)


def test_an_order_that_takes_the_slot_in_the_same_event_stands_behind() -> None:
    world = play(World(256), TOUCHED[:2])

    def act(b: Book, k: State) -> None:
        market_order(b, k, -1, 3)
        public_add(b, k, allocate(b), 1, MID, 4)

    world.event(act)
    assert lane(world) == [(False, 3), (False, 4)]
    check(world.b, world.k)
    world.event(lambda b, k: market_order(b, k, -1, 4))
    assert lane(world) == [(False, 3)]


@pytest.mark.parametrize("room", [0, 1])
def test_where_no_spare_slot_is_left_the_kept_order_goes(room: int) -> None:
    world = play(World(7 + room), TOUCHED)
    world.event(lambda b, k: public_add(b, k, allocate(b), 1, MID, 4))
    assert lane(world) == [(False, 3), (False, 4)][1 - room :]
    check(world.b, world.k)
    audit(world.b, world.k)


def test_as_many_orders_are_kept_as_there_is_room_for() -> None:
    world = World(256)
    world.k[sim.RESIDUAL] = sim.RESIDUAL_SLOTS
    for j, slot in enumerate(range(100, 100 + sim.RESIDUAL_SLOTS)):
        world.k[sim.RESIDUAL_AT + j] = slot
        public_add(world.b, world.k, slot, 1, MID - 9, 1)
    for what, *words in TOUCHED:
        getattr(world, str(what))(*words)
    assert world.k[sim.RESIDUAL] == sim.RESIDUAL_SLOTS
    assert int(world.b[lay.BEST_BID]) == MID - 1
    audit(world.b, world.k)


def test_nobody_brings_back_kept_lots_that_we_took() -> None:
    world = play(World(256), [*TOUCHED, ("take", -1, 2)])
    restoration.restore_event(world.b, world.k, np.zeros(sim.FLOW_HEAD))
    assert lane(world) == [(False, 1)]


@given(
    slots=st.integers(10, 28), calls=st.lists(st.one_of(*PASSIVE[:-2]), min_size=20, max_size=80)
)
def test_where_no_slot_is_left_a_kept_order_goes(slots: int, calls: list[tuple[int, ...]]) -> None:
    """Whatever the room: no count is wrong and the background is the twin."""
    world = World(slots)
    for what, *words in calls:
        if what in ("add", "market", "rest"):
            if what == "add" and world.b[world.b[lay.BACKGROUND] + lay.LIVE] >= slots:
                continue
            world.brute = Brute()  # not asked
            world.brute.real = {
                s: Order(PUBLIC, s, sd, p, q) for s, sd, p, q, _ in public(behind(world.b))
            }
            world.brute.shown = [
                Order(OURS if is_own(world.b, s) else PUBLIC, -1, sd, p, q)
                for (sd, p), queue in orders_of(world.b).items()
                for _, s, q in queue
            ]
            getattr(world, str(what))(*words)
        elif there := public(behind(world.b)):
            slot, *_, lots, _ = there[words[0] % len(there)]
            world.event(
                lambda b, k, slot=slot, lots=lots: public_take(b, k, slot, lots, DELETE, False)
            )  # type: ignore[misc]
        audit(world.b, world.k)
        check(world.b, world.k)
        assert public(behind(world.b)) == public(world.twin_b)
