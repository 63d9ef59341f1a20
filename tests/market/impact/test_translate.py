"""The book moved by ticks, held against a brute-force book of lists; followers of the record get the same bytes."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings, strategies as st
from tests.market.simulator.audit import announce, audit, is_own, orders_of
from tests.market.simulator.test_kept import OURS, PUBLIC, Order

from tercel.execution.driver_kernels import FINE, apply_row
from tercel.market.book import layout as lay
from tercel.market.book.price_window import allocate
from tercel.market.impact.book_shift import translate
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import kill_own, public_add, public_take, rest_own
from tercel.market.simulator.layout import blank_state
from tercel.market.tape.schema import DELETE

OWN = 4
MID = 1000


@dataclass
class Brute:
    """All orders in one list by arrival; a queue is what has one side and price, in that order."""

    orders: list[Order] = field(default_factory=list)
    fills: list[tuple[int, int, int]] = field(default_factory=list)

    def best(self, side: int) -> int | None:
        prices = [o.price * side for o in self.orders if o.side == side]
        return max(prices) * side if prices else None

    def translate(self, ticks: int) -> None:
        side = 1 if ticks > 0 else -1
        coming = sorted(
            (o for o in self.orders if o.side == side and o.what == PUBLIC),
            key=lambda o: -o.price * side,
        )
        for order in coming:
            price = order.price + ticks
            for mine in sorted(
                (o for o in self.orders if o.what == OURS and o.side == -side),
                key=lambda o: o.price * side,
            ):
                if (price - mine.price) * side < 0 or order.lots == 0:
                    break
                traded = min(mine.lots, order.lots)
                mine.lots -= traded
                order.lots -= traded
                self.fills.append((mine.slot, mine.price, traded))
                self.orders = [o for o in self.orders if o.lots > 0]
        for order in self.orders:
            if order.what == PUBLIC:
                order.price += ticks
        # at own prices: what came from a worse price stands behind, what came from a better one in front
        mine = [o for o in self.orders if o.what == OURS]
        self.orders = (
            [o for o in mine if ticks * o.side > 0]
            + [o for o in self.orders if o.what == PUBLIC]
            + [o for o in mine if ticks * o.side < 0]
        )


class World:
    """The packed market and the brute book side by side."""

    def __init__(self, width: int) -> None:
        self.b = lay.new_book(64, width, OWN)
        self.k = sim.extend(blank_state(sim.SANTA_FE), 0, 256, 64)
        self.brute = Brute()
        self.k[[sim.SIDE, sim.LEFT, sim.QUANTITY]] = 1, 10**9, 10**9

    def add(self, side: int, price: int, lots: int) -> None:
        touch = self.brute.best(-side)
        if (touch is not None and (price - touch) * side >= 0) or len(self.brute.orders) > 50:
            return
        slot = allocate(self.b)
        public_add(self.b, self.k, slot, side, price, lots)
        self.brute.orders.append(Order(PUBLIC, slot, side, price, lots))

    def take(self, pick: int, lots: int) -> None:
        public = [o for o in self.brute.orders if o.what == PUBLIC]
        if public:
            order = public[pick % len(public)]
            order.lots -= public_take(self.b, self.k, order.slot, lots, DELETE, False)
            self.brute.orders = [o for o in self.brute.orders if o.lots > 0]

    def rest(self, own: int, side: int, price: int, lots: int) -> None:
        touch = self.brute.best(-side)
        if any((o.what, o.slot) == (OURS, own) for o in self.brute.orders):
            return
        if touch is not None and (price - touch) * side >= 0:
            return
        announce(self.b, own, side, price, lots)
        rest_own(self.b, self.k, own, price, lots, False)
        self.brute.orders.append(Order(OURS, own, side, price, lots))

    def cancel(self, own: int, lots: int) -> None:
        for order in self.brute.orders:
            if (order.what, order.slot) == (OURS, own):
                lots = min(lots, order.lots)
                kill_own(self.b, self.k, own, lots, 0)
                order.lots -= lots
        self.brute.orders = [o for o in self.brute.orders if o.lots > 0]

    def translate(self, ticks: int) -> None:
        b, k = self.b.copy(), self.k.copy()
        self.k[sim.RECORD] = 0
        self.brute.fills = []
        translate(self.b, self.k, ticks)
        self.brute.translate(ticks)
        rows = self.k[self.k[sim.RECORD_AT] : self.k[sim.LOG_AT]].reshape(-1, sim.RECORD_WORDS)[
            : self.k[sim.RECORD]
        ]
        fills = [
            tuple(r[[sim.R_WHO, sim.R_PRICE, sim.R_LOTS]].tolist())
            for r in rows
            if r[1] == sim.OWN_FILL
        ]
        assert fills == self.brute.fills
        assert all(r[sim.R_MID2] == k[sim.MID2] for r in rows if r[1] == sim.OWN_FILL)
        k[sim.RECORD] = 0
        for row in rows.copy():
            assert apply_row(b, k, row) == FINE
        np.testing.assert_array_equal(b, self.b)
        for venues in (sim.AGGRESSOR_MID2, sim.TRANSLATED_LOTS):
            k[venues] = self.k[venues]
        np.testing.assert_array_equal(k, self.k)

    def check(self) -> None:
        """Counts are those of a walk, and queues those of the brute book."""
        audit(self.b, self.k)
        queues = {
            level: [(is_own(self.b, slot), slot, lots) for _, slot, lots in queue]
            for level, queue in orders_of(self.b).items()
        }
        wanted: dict[tuple[int, int], list[tuple[bool, int, int]]] = {}
        for o in self.brute.orders:
            slot = o.slot + int(self.b[lay.ORDERS]) * (o.what == OURS)
            wanted.setdefault((o.side, o.price), []).append((o.what == OURS, slot, o.lots))
        assert queues == wanted


SIDES = st.sampled_from([1, -1])
NEAR = st.integers(-14, 14)
CALLS = st.one_of(
    st.tuples(st.just("add"), SIDES, NEAR, st.integers(1, 5)),
    st.tuples(st.just("add"), SIDES, NEAR, st.integers(1, 5)),
    st.tuples(st.just("rest"), SIDES, st.integers(-5, 5), st.integers(1, 5)),
    st.tuples(st.just("take"), st.integers(0, 40), st.integers(1, 5)),
    st.tuples(st.just("cancel"), st.integers(0, OWN - 1), st.integers(1, 5)),
    st.tuples(st.just("translate"), st.sampled_from([1, -1, 1, -1, 2, -2, 3, -5, 9, -17])),
)


@settings(max_examples=3 * settings.default.max_examples)
@given(width=st.sampled_from([8, 16, 64]), calls=st.lists(CALLS, min_size=5, max_size=60))
def test_a_translated_book_is_the_brute_one(width: int, calls: list[tuple[int, ...]]) -> None:
    world = World(width)
    for price in (1, 2, 4, 7):
        world.add(1, MID - price, 3)
        world.add(-1, MID + price, 3)
    own = 0
    for what, *words in calls:
        if what == "add":
            world.add(words[0], MID + words[1], words[2])
        elif what == "rest":
            world.rest(own := (own + 1) % OWN, words[0], MID + words[1], words[2])
        else:
            getattr(world, str(what))(*words)
        world.check()


def test_a_move_of_the_book_is_a_move_of_the_mid() -> None:
    world = World(16)
    world.add(1, 99, 4)
    world.add(-1, 101, 4)
    before = int(world.k[sim.VARIANCE])
    world.translate(3)
    assert world.k[sim.MID2] == 206
    assert world.k[sim.VARIANCE] - before == 36
    assert (world.k[sim.LAST_BID], world.k[sim.LAST_ASK]) == (102, 104)
