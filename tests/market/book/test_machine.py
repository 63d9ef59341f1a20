"""Hypothesis drives the compiled book and the reference through the same calls; they never differ.

The ring is tiny and prices lie near, at its edge and very far, so that re-centring and the far list work all the time.
"""

import numpy as np
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.market.book.conformance import STUB_ASK, STUB_BID, picture, random_columns
from tests.market.book.own_book import OwnBook

from benchmarks.reference_book import IOC, LIMIT, MARKET, POST_ONLY, ReferenceBook
from tercel.core.vocabulary import BUY, SELL

OWN = 5
sides = st.sampled_from([BUY, SELL])
prices = st.one_of(
    st.integers(95, 105),
    st.integers(60, 140),
    st.sampled_from([STUB_BID, STUB_ASK, 1000, 5000]),
)
lots = st.integers(1, 12)
ids = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, -1, -(2**63), 2**63 - 1, 2**40 + 1, 2**40 + 2])


class BookMachine(RuleBasedStateMachine):
    """Each rule makes one call on both books, compares what they return, and keeps the ledger of lots."""

    own_orders = Bundle("own_orders")

    @initialize(width=st.sampled_from([8, 16, 32]))
    def start(self, width: int) -> None:
        self.book, self.reference = (
            OwnBook(orders=256, width=width, own_orders=OWN),
            ReferenceBook(),
        )
        self.added = self.executed = self.cancelled = self.forgotten = 0

    def both(self, call: str, *arguments: int) -> object:
        """The same call on both; equal answers."""
        got = getattr(self.book, call)(*arguments)
        assert got == getattr(self.reference, call)(*arguments), (call, arguments)
        return got

    def lots_of(self, order_id: int) -> int:
        rows = self.book.orders()
        return int(rows[rows[:, 0] == order_id, 3].sum())

    def public_at(self, side: int, price: int) -> int:
        own = (i for i in range(OWN) if self.book.own_lots(i))
        rows = self.book.orders()
        here = rows[(rows[:, 1] == side) & (rows[:, 2] == price)]
        return int(here[:, 3].sum()) - sum(int(here[here[:, 0] == -1 - i, 3].sum()) for i in own)

    # -- the feed's messages --------------------------------------------------------------------------------

    @rule(order_id=ids.filter(lambda i: i < -OWN or i > 0), side=sides, price=prices, qty=lots)
    def add(self, order_id: int, side: int, price: int, qty: int) -> None:
        self.cancelled += self.lots_of(order_id)
        assert self.both("add", order_id, side, price, qty)
        self.added += qty

    @rule(order_id=ids, qty=lots, side=sides, price=prices)
    def reduce(self, order_id: int, qty: int, side: int, price: int) -> None:
        self.cancelled += self.both("reduce", order_id, qty, side, price)

    @rule(order_id=ids, qty=lots, side=sides, price=prices)
    def execute(self, order_id: int, qty: int, side: int, price: int) -> None:
        self.executed += self.both("execute", order_id, qty, side, price)

    @rule(order_id=ids, qty=lots, side=sides, price=prices)
    def delete(self, order_id: int, qty: int, side: int, price: int) -> None:
        self.cancelled += self.both("delete", order_id, qty, side, price)

    @rule(order_id=ids.filter(lambda i: i != -1), price=prices, qty=lots)
    def modify(self, order_id: int, price: int, qty: int) -> None:
        had = self.lots_of(order_id)
        if self.both("modify", order_id, price, qty):
            self.cancelled += had
            self.added += qty

    @rule(order_id=ids.filter(lambda i: i != -1), less=st.integers(0, 3))
    def modify_in_place(self, order_id: int, less: int) -> None:
        rows = self.reference.orders()
        for price, had in rows[rows[:, 0] == order_id, 2:4].tolist():
            if had > less:
                assert self.both("modify", order_id, price, had - less)
                self.cancelled += less

    @rule(
        old=ids.filter(lambda i: i != -1), new=ids.filter(lambda i: i != -1), price=prices, qty=lots
    )
    def replace(self, old: int, new: int, price: int, qty: int) -> None:
        gone = self.lots_of(old) + (self.lots_of(new) if new != old else 0)
        if self.both("replace", old, new, price, qty):
            self.cancelled += gone
            self.added += qty

    @rule(side=sides, price=prices)
    def roll_out(self, side: int, price: int) -> None:
        self.forgotten += self.public_at(side, price)
        self.both("roll_out", side, price)

    @rule(side=sides, price=prices, qty=lots)
    def roll_in(self, side: int, price: int, qty: int) -> None:
        self.both("roll_in", side, price, qty)
        self.added += qty

    @rule(side=sides, back=st.integers(0, 30))
    def roll_a_level_out_and_in(self, side: int, back: int) -> None:
        """What a level-limited feed does, at a level that is there."""
        occupied = sorted(
            set(self.reference.orders()[:, 2][self.reference.orders()[:, 1] == side].tolist())
        )
        if occupied:
            price = occupied[back % len(occupied)]
            self.roll_out(side, price)
            self.roll_in(side, price, back + 1)

    @rule(side=sides, price=prices, qty=st.integers(0, 30))
    def level_set(self, side: int, price: int, qty: int) -> None:
        had = self.public_at(side, price)
        self.both("level_set", side, price, qty)
        self.added += max(qty - had, 0)
        self.cancelled += max(had - qty, 0)

    @rule(seed=st.integers(0, 10_000))
    def tape(self, seed: int) -> None:
        """A rude piece of tape in one call; what it moved is not in the ledger's words, so the ledger starts anew."""
        rows = random_columns(seed, 12, span=6, ids=5)
        near = np.where(rows.price_ticks > 9_000, rows.price_ticks - 9_900, rows.price_ticks)
        rows = rows._replace(
            price_ticks=np.where(rows.price_ticks < 20_000, near, rows.price_ticks)
        )
        self.both("apply", rows)
        for name in ("crossed", "locked", "checksum"):
            assert getattr(self.book, name) == getattr(self.reference, name), name
        self.added, self.executed, self.cancelled, self.forgotten = self.resting(), 0, 0, 0

    # -- matching -------------------------------------------------------------------------------------------

    @rule(
        order_id=ids.filter(lambda i: i != -1),
        side=sides,
        price=prices,
        qty=st.integers(1, 60),
        kind=st.sampled_from([LIMIT, MARKET, IOC, POST_ONLY]),
    )
    def submit(self, order_id: int, side: int, price: int, qty: int, kind: int) -> None:
        before = self.reference.orders()
        fills = self.book.submit(order_id, side, price, qty, kind)
        assert fills == self.reference.submit(order_id, side, price, qty, kind)
        self.check_priority(before, fills, side, price, kind)
        filled = sum(fill.lots for fill in fills)
        self.added = self.resting() + self.executed + self.cancelled + self.forgotten + filled
        self.executed += filled

    @staticmethod
    def check_priority(
        before: np.ndarray, fills: list[tuple[int, int, int]], side: int, price: int, kind: int
    ) -> None:
        """Fills run through the other side as it stood, in priority order, each but the last whole."""
        queue = before[before[:, 1] == -side]
        for row, fill in zip(queue.tolist(), fills, strict=False):
            assert (row[0], row[2]) == fill[:2]
            assert kind == MARKET or side * row[2] <= side * price
        for row, fill in zip(queue.tolist(), fills[:-1], strict=False):
            assert row[3] == fill[2]

    # -- own orders -----------------------------------------------------------------------------------------

    @precondition(lambda self: sum(self.book.own_lots(i) > 0 for i in range(OWN)) < OWN)
    @rule(target=own_orders, side=sides, price=prices, qty=lots, outside=st.booleans())
    def own_add(self, side: int, price: int, qty: int, outside: bool) -> int:
        self.added += qty
        outside = outside and self.public_at(side, price) == 0
        return self.both("own_add", side, price, qty, outside)

    @rule(own=own_orders, qty=lots)
    def own_cancel_some(self, own: int, qty: int) -> None:
        self.cancelled += self.both("own_cancel", own, qty)

    @rule(own=consumes(own_orders))
    def own_cancel(self, own: int) -> None:
        self.cancelled += self.both("own_cancel", own)

    # -- what always holds ----------------------------------------------------------------------------------

    def resting(self) -> int:
        return sum(int(self.book.depth(side, 300)[1].sum()) for side in (BUY, SELL))

    @invariant()
    def books_agree(self) -> None:
        assert picture(self.book, levels=30) == picture(self.reference, levels=30)
        for own in range(OWN):
            assert self.book.own_lots(own) == self.reference.own_lots(own)
            if self.book.own_lots(own):
                assert self.book.own_ahead(own) == self.reference.own_ahead(own), own

    @invariant()
    def lots_are_conserved(self) -> None:
        assert self.added == self.resting() + self.executed + self.cancelled + self.forgotten
        assert int(self.book.orders()[:, 3].sum()) == self.resting()

    @invariant()
    def queues_are_in_order_of_arrival(self) -> None:
        rows = self.book.orders()
        same_level = (rows[1:, 1] == rows[:-1, 1]) & (rows[1:, 2] == rows[:-1, 2])
        assert (rows[1:, 4] >= rows[:-1, 4])[same_level].all()

    @invariant()
    def nothing_overflows(self) -> None:
        assert self.book.overflow == 0


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(stateful_step_count=40)
