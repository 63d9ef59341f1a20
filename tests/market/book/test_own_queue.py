"""Own orders through the feed's window, the ring's window and each other: a brute random walk at a few telling prices.

Hypothesis rarely stacks up a frozen own order, a split block and a move of the ring; this walk does little else.
"""

import random

import pytest
from tests.market.book.conformance import picture
from tests.market.book.own_book import OwnBook

from benchmarks.reference_book import ReferenceBook
from tercel.core.vocabulary import BUY

OWN = 6
WEIGHTS = {
    "add": 18,
    "reduce": 8,
    "execute": 10,
    "delete": 5,
    "modify": 4,
    "roll_out": 12,
    "roll_in": 14,
    "level_set": 4,
    "clear": 0.5,
    "submit": 4,
    "own_add": 14,
    "own_cancel": 6,
}
Call = tuple[str, tuple[int, ...]]


def draw_call(
    rng: random.Random, reference: ReferenceBook, prices: list[int], live: list[int]
) -> Call | None:
    """One call, mostly about anonymous blocks and own orders."""
    side, price, lots, order_id = (
        rng.choice([1, -1]),
        rng.choice(prices),
        rng.randint(1, 9),
        rng.randint(1, 9),
    )
    what = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    if what == "own_add":
        here = [
            row
            for row in reference.orders().tolist()
            if row[1] == side and row[2] == price and row[0] >= 0
        ]
        outside = rng.random() < 0.5 and not here
        return (what, (side, price, lots, outside)) if len(live) < OWN - 1 else None
    if what == "own_cancel":
        return (what, (rng.choice(live), lots)) if live else None
    arguments: dict[str, tuple[int, ...]] = {
        "add": (order_id, side, price, lots),
        "modify": (order_id, price, lots),
        "roll_out": (side, price),
        "roll_in": (side, price, 2 * lots),
        "level_set": (side, price, 2 * lots - 2),
        "clear": (),
        "submit": (order_id, side, price, 2 * lots, rng.randint(0, 3)),
    }
    return what, arguments.get(what, (order_id, lots, side, price))


@pytest.mark.parametrize("block", range(8))
def test_own_orders_keep_their_place_whatever_happens(block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        rng = random.Random(seed)
        book, reference = OwnBook(orders=256, width=8, own_orders=OWN), ReferenceBook()
        prices = [991, 999, 1000, 1008] if seed % 2 else [970, 1000]
        live: list[int] = []
        calls: list[Call] = []
        for _ in range(120):
            call = draw_call(rng, reference, prices, live)
            if call is None:
                continue
            calls.append(call)
            name, arguments = call
            got, wanted = (getattr(one, name)(*arguments) for one in (book, reference))
            if book.overflow:  # more pieces of split blocks than places for them
                break
            assert got == wanted, (seed, calls)
            assert picture(book) == picture(reference), (seed, calls)
            live = [i for i in range(OWN) if reference.own_lots(i)]
            assert live == [i for i in range(OWN) if book.own_lots(i)], (seed, calls)
            for i in live:
                mine, theirs = ((one.own_lots(i), one.own_ahead(i)) for one in (book, reference))
                assert mine == theirs, (seed, calls)


def test_pieces_that_find_no_place_are_counted_and_stand_in_front() -> None:
    book = OwnBook(orders=64, width=16, own_orders=1)
    for k, price in enumerate((100, 98)):
        book.add(1, BUY, price, 2)
        own = book.own_add(BUY, price, 1)
        book.roll_out(BUY, price)
        book.roll_in(BUY, price, 6)
        assert (book.own_ahead(own), book.overflow) == ((2, 0), (6, 1))[k]
        book.own_cancel(own)
