"""The compiled book and its oracle, held to the same rules: example by example, and over long rude streams."""

from typing import Any

import pytest
from tests.market.book.conformance import (
    STUB_ASK,
    STUB_BID,
    AnyBook,
    columns,
    picture,
    random_columns,
)
from tests.market.book.own_book import OwnBook

from benchmarks.reference_book import IOC, LIMIT, MARKET, POST_ONLY, ReferenceBook
from tercel.core.vocabulary import BUY, NO_ASK, NO_BID, SELL
from tercel.market.tape.schema import ADD

ANY = [-(2**63), 2**63 - 1, -1, 1, 2**32, 2**40, -(2**40)]
FILLED = [
    (True, "add", 1, BUY, 100, 5), (True, "add", 2, BUY, 100, 7), (True, "add", 3, BUY, 99, 4),
    (True, "add", 4, SELL, 102, 6), (True, "add", 5, SELL, 103, 3),
]  # fmt: skip
CROSSES = [(1, 1, 100), (2, -1, 101), (3, 1, 101), (4, 1, 102), (5, -1, 110)]
"""Id, side and price of adds: one locks, two cross."""

RULES: dict[str, list[tuple[Any, ...]]] = {
    "an empty book has no prices": [
        (NO_BID, "best_bid"), (NO_ASK, "best_ask"), ([[NO_ASK] * 3, [0] * 3], "depth", SELL, 3), ([], "orders"),
    ],
    "depth lists occupied levels best first": [*FILLED, ([[100, 99, NO_BID], [12, 4, 0]], "depth", BUY, 3)],
    "lots ahead are those that came earlier at the price": [
        *FILLED, (0, "lots_ahead", 1), (5, "lots_ahead", 2), (0, "lots_ahead", 3), (-1, "lots_ahead", 77),
    ],
    "depth sees stub quotes far away": [
        *FILLED, (True, "add", 8, BUY, STUB_BID, 1), (True, "add", 9, SELL, STUB_ASK, 2),
        ([[100, 99, STUB_BID, NO_BID], [12, 4, 1, 0]], "depth", BUY, 4),
        ([[102, 103, STUB_ASK], [6, 3, 2]], "depth", SELL, 3),
        (2, "lots_at", SELL, STUB_ASK), (100, "best_bid"), (102, "best_ask"),
        (5, "delete", 1), (7, "delete", 2), (4, "delete", 3), (6, "delete", 4), (3, "delete", 5),
        (STUB_BID, "best_bid"), (STUB_ASK, "best_ask"), (True, "add", 1, BUY, 100, 5),
        ([[100, STUB_BID], [5, 1]], "depth", BUY, 2),
    ],
    "reduce and execute keep the place and take at most what is left": [
        *FILLED, (2, "reduce", 1, 2), (2, "execute", 1, 2), ([1, 2, 3], "ids", BUY), (1, "reduce", 1, 50),
        ([2, 3], "ids", BUY), (7, "lots_at", BUY, 100), (0, "unknown_ids"), (0, "unknown_lots"),
    ],
    "delete takes the order whole": [*FILLED, (7, "delete", 2, 1, BUY, 100), ([1, 3], "ids", BUY)],
    "modify keeps the place only for fewer lots at the same price": [
        *FILLED, (True, "modify", 1, 100, 4), ([1, 2, 3], "ids", BUY), (True, "modify", 1, 100, 4),
        ([2, 1, 3], "ids", BUY), (True, "modify", 2, 100, 9), ([1, 2, 3], "ids", BUY), (True, "modify", 1, 99, 2),
        ([2, 3, 1], "ids", BUY), (6, "lots_at", BUY, 99), (False, "modify", 77, 99, 2), (1, "unknown_ids"),
    ],
    "replace always loses the place and inherits the side": [
        *FILLED, (True, "replace", 1, 11, 100, 1), ([2, 11, 3], "ids", BUY), (7, "lots_ahead", 11),
        (False, "replace", 77, 78, 100, 1), (1, "unknown_ids"), (-1, "lots_ahead", 78),
    ],
    "a second add of a live id removes the first": [
        *FILLED, (True, "add", 1, SELL, 104, 2), (1, "duplicate_ids"), ([2, 3], "ids", BUY), ([4, 5, 1], "ids", SELL),
    ],
    "ids are any 64-bit numbers but 0": [
        *((True, "add", one, BUY, 100, i) for i, one in enumerate(ANY, 1)),
        *((lots, "lots_ahead", one) for one, lots in zip(ANY, (0, 1, 3, 6, 10, 15, 21), strict=True)),
        *((i, "delete", one) for i, one in enumerate(ANY, 1)), ([], "orders"),
    ],
    "clear empties the book": [
        *FILLED, (None, "clear"), ([], "orders"), (NO_BID, "best_bid"), (NO_ASK, "best_ask"), (0, "delete", 1),
        (True, "add", 1, BUY, 5, 5), (5, "best_bid"),
    ],
    "unknown ids take from the anonymous block and the rest is counted": [
        *FILLED, (None, "roll_in", BUY, 98, 10), (3, "reduce", 50, 3, BUY, 98), (4, "execute", 51, 4, BUY, 98),
        (3, "lots_at", BUY, 98), (0, "unknown_ids"), (0, "unknown_lots"), (3, "delete", 52, 5, BUY, 98),
        (0, "unknown_ids"), (2, "unknown_lots"), (0, "delete", 53, 5, BUY, 98), (1, "unknown_ids"),
        (7, "unknown_lots"), (0, "lots_at", BUY, 98),
    ],
    "a level that rolls out forgets its ids": [
        *FILLED, (None, "roll_out", BUY, 100), (99, "best_bid"), (0, "delete", 1, 5, BUY, 100), (1, "unknown_ids"),
        (None, "roll_in", BUY, 100, 12), (100, "best_bid"), (True, "add", 2, BUY, 100, 1), (0, "duplicate_ids"),
        (12, "lots_ahead", 2),
    ],
    "level_set makes the total and removes the newest first": [
        *FILLED, (None, "level_set", BUY, 100, 20), (20, "lots_at", BUY, 100), (None, "level_set", BUY, 100, 9),
        ([[5, 100], [4, 100], [4, 99]], "queue", BUY), ([1, 2, 3], "ids", BUY), (None, "level_set", BUY, 100, 3),
        ([[3, 100], [4, 99]], "queue", BUY), (None, "level_set", BUY, 100, 0), (99, "best_bid"),
        (None, "level_set", SELL, 101, 8), (101, "best_ask"), (8, "lots_at", SELL, 101),
    ],
    "a limit order takes what it crosses and rests with the remainder": [
        *FILLED, ([(1, 100, 5), (2, 100, 7), (3, 99, 4)], "submit", 9, SELL, 99, 20, LIMIT), (NO_BID, "best_bid"),
        (99, "best_ask"), (4, "lots_at", SELL, 99),
    ],
    "remainders of market and IOC orders are dropped": [
        *FILLED, ([(4, 102, 6)], "submit", 9, BUY, 102, 8, IOC), ([(5, 103, 3)], "submit", 9, BUY, 0, 8, MARKET),
        ([], "submit", 9, BUY, 0, 8, MARKET), ([1, 2, 3], "ids", BUY),
    ],
    "post-only never takes": [
        *FILLED, ([], "submit", 9, BUY, 102, 8, POST_ONLY), (-1, "lots_ahead", 9),
        ([], "submit", 9, BUY, 101, 8, POST_ONLY), (101, "best_bid"),
    ],
    "anonymous lots match under id 0": [
        (None, "roll_in", SELL, 50, 4), (True, "add", 1, SELL, 50, 4),
        ([(0, 50, 4), (1, 50, 2)], "submit", 9, BUY, 50, 6, IOC),
    ],
    "own orders queue with the others": [
        *FILLED, (0, "own_add", BUY, 100, 3), (True, "add", 6, BUY, 100, 9), (12, "own_ahead", 0), (3, "own_lots", 0),
        (15, "lots_ahead", 6), (2, "reduce", 1, 2), (7, "delete", 2), (9, "delete", 6), (3, "own_ahead", 0),
        ([(1, 100, 3), (-1, 100, 2)], "submit", 9, SELL, 100, 5, IOC), (0, "own_ahead", 0), (1, "own_lots", 0),
        (1, "own_cancel", 0, 5), (0, "own_lots", 0),
    ],
    "lots ahead freeze when the level rolls out": [
        *FILLED, (0, "own_add", BUY, 100, 3), (None, "roll_out", BUY, 100), (12, "own_ahead", 0),
        (3, "lots_at", BUY, 100), (None, "roll_in", BUY, 100, 20), (12, "own_ahead", 0), (23, "lots_at", BUY, 100),
        (8, "reduce", 70, 8, BUY, 100), (12, "own_ahead", 0), (5, "execute", 70, 5, BUY, 100), (7, "own_ahead", 0),
        (3, "reduce", 70, 3, BUY, 100), (4, "own_ahead", 0),
    ],
    "lots ahead are at most what rolled in": [
        *FILLED, (0, "own_add", BUY, 100, 3), (None, "roll_out", BUY, 100), (None, "roll_in", BUY, 100, 4),
        (4, "own_ahead", 0),
    ],
    "an own order outside the feed has the whole block ahead": [
        *FILLED, (0, "own_add", BUY, 90, 3, True), (None, "roll_in", BUY, 90, 40), (40, "own_ahead", 0),
    ],
    "a block is split around each frozen own order": [  # of the third nobody can know that others are ahead
        (True, "add", 1, BUY, 100, 4), (0, "own_add", BUY, 100, 1), (True, "add", 2, BUY, 100, 3),
        (1, "own_add", BUY, 100, 2), (None, "roll_out", BUY, 100), (2, "own_add", BUY, 100, 5),
        (None, "roll_in", BUY, 100, 20), (4, "own_ahead", 0), (8, "own_ahead", 1), (10, "own_ahead", 2),
        ([(0, 100, 4), (-1, 100, 1), (0, 100, 3), (-2, 100, 2), (-3, 100, 5), (0, 100, 13)],
         "submit", 9, SELL, 100, 100, IOC),
    ],
    "the piece of a dead own order is left alone": [
        (0, "own_add", BUY, 100, 1, True), (None, "roll_in", BUY, 100, 7), (1, "own_cancel", 0),
        (0, "own_add", BUY, 95, 1, True), (None, "roll_in", BUY, 95, 5), (5, "own_ahead", 0), (7, "lots_at", BUY, 100),
        (6, "lots_at", BUY, 95),
    ],
    "crossed and locked rows are counted": [
        (None, "apply", columns([ADD] * 5, *zip(*CROSSES, strict=True), [1] * 5)), (1, "locked"), (2, "crossed"),
    ],
}  # fmt: skip
"""What each call answers or each property says, in turn, of an empty book."""


def answer(book: AnyBook, what: str, *words: Any) -> Any:
    rows = book.orders().tolist()
    if what == "ids":
        return [order_id for order_id, side, *_ in rows if side == words[0]]
    if what == "queue":
        return [[lots, price] for _, side, price, lots, _ in rows if side == words[0]]
    if what == "orders":
        return rows
    if what == "lots_ahead":
        before = {
            row[0]: [lots for *of, lots, _ in rows[:at] if of[1:] == row[1:3]]
            for at, row in enumerate(rows)
        }
        return sum(before.get(words[0], [-1]))
    found = getattr(book, what)
    found = found(*words) if callable(found) else found
    return [part.tolist() for part in found] if what == "depth" else found


@pytest.mark.parametrize("make", [OwnBook, ReferenceBook])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_by_hand(rule: str, make: type[AnyBook]) -> None:
    book = make(512, 64, 8)
    for expected, what, *words in RULES[rule]:
        assert answer(book, what, *words) == expected, (what, words)


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_leaves_the_book_where_the_reference_stands(seed: int) -> None:
    tape = random_columns(seed, n=1500)
    book, reference = OwnBook(512, 16, 8), ReferenceBook()
    for start in range(0, 1500, 300):
        book.apply(tape, start, start + 300)
        reference.apply(tape, start, start + 300)
        assert picture(book) == picture(reference)
    for counter in ("crossed", "locked", "checksum"):
        assert getattr(book, counter) == getattr(reference, counter)
    whole = OwnBook(512, 16, 8)
    whole.apply(tape)
    assert picture(whole) == picture(book)


def test_too_many_orders_are_counted_and_leave_the_others_alone() -> None:
    book, reference = OwnBook(16, 16, 8), ReferenceBook()
    for i in range(1, 41):
        if book.add(i, BUY, 100 + i % 3, i):
            reference.add(i, BUY, 100 + i % 3, i)
    assert book.overflow == 40 - len(reference.orders()) > 0
    assert book.orders()[:, :4].tolist() == reference.orders()[:, :4].tolist()
    for i in range(1, 41):
        assert book.delete(i) == reference.delete(i, 0)
    assert book.orders().shape == (0, 5)
    assert book.add(1, BUY, 100, 1)
