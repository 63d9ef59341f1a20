"""The gate's quotes are those of the book that a session follows, and it refuses the same rows."""

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from tercel.core import vocabulary as v
from tercel.core.errors import TapeError
from tercel.core.orders import Listing, MarketRows
from tercel.desk.limits.quotes import BestQuotes, QuoteBook
from tercel.desk.trading.parent_orders.follower import Follower

IDS = 12
LISTING = Listing("X", 0.01, 1, dense_ids=IDS)
OF_ORDERS = (
    v.ADD, v.REDUCE, v.DELETE, v.EXECUTE, v.CLEAR, v.STATUS, v.TRADE_HIDDEN, v.ROLL_IN, v.ROLL_OUT, v.SHIFTED, v.CROSS,
)  # fmt: skip
FIRST = 95


def rows_of(draw: st.DrawFn, kinds: tuple[int, ...]) -> list[tuple[int, ...]]:
    one = st.tuples(
        st.integers(1, 9),
        st.sampled_from(kinds),
        st.integers(-2, IDS + 2),
        st.sampled_from([v.BUY, v.SELL]),
        st.integers(1, 6),
        st.integers(-1, 3),
    )
    found = []
    for ns, kind, who, side, step, lots in draw(st.lists(one, max_size=25)):
        price = step if kind in (v.SHIFTED, v.STATUS) else FIRST + step
        found.append((ns, kind, who, side, price, lots, -1))
    return found


@st.composite
def of_orders(draw: st.DrawFn) -> list[tuple[int, ...]]:
    return rows_of(draw, OF_ORDERS)


@st.composite
def of_totals(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Each level has a number of its own."""
    found = rows_of(draw, (v.LEVEL_SET, v.TRADE, v.CLEAR, v.STATUS))
    return [
        (ns, kind, (price - FIRST - 1) + (6 if side > 0 else 0), side, price, lots, by)
        if kind in (v.LEVEL_SET, v.TRADE)
        else (ns, kind, -1, side, price, lots, by)
        for ns, kind, _, side, price, lots, by in found
    ]


def refusal(market: Follower | QuoteBook, event: MarketRows) -> tuple[str, str]:
    try:
        market.on_market(event)
    except TapeError as error:
        return error.expected, error.received
    return "", ""


@given(of_orders() | of_totals())
@example([(1, v.STATUS, -1, 1, 1, 0, -1), (1, v.LEVEL_SET, 0, -1, 96, 0, -1)])
def test_quotes_are_a_followers(rows: list[tuple[int, ...]]) -> None:
    follower, book = Follower(LISTING, history=4), QuoteBook(LISTING)
    level = 5 if any(row[1] in (v.LEVEL_SET, v.TRADE) for row in rows) else 0
    whole = [(1, v.STATUS, 0, 0, 1, 0, -1)]
    whole += (
        [] if level else [(2, v.ADD, 0, v.BUY, 98, 3, -1), (2, v.ROLL_IN, IDS, v.SELL, 99, 2, -1)]
    )
    for event in (
        MarketRows("X", np.array(whole), snapshot=True),
        *(MarketRows("X", np.array([row])) for row in rows),
    ):
        assert refusal(book, event) == refusal(follower, event)
        assert (book.quotes, book.now_ns) == (follower.quotes, follower.now_ns), event.rows


@pytest.mark.parametrize(
    "row",
    [
        (1, v.ADD, 0, 0, 98, 3, -1),
        (1, v.ADD, 0, v.BUY, 98, 0, -1),
        (1, v.DELETE, 0, v.BUY, 98, 1, -1),
    ],
)
def test_a_snapshot_that_is_none_leaves_no_book(row: tuple[int, ...]) -> None:
    book = QuoteBook(LISTING)
    with pytest.raises(TapeError, match="a snapshot of orders"):
        book.on_market(
            MarketRows("X", np.array([(1, v.ADD, 1, v.SELL, 99, 3, -1), row]), snapshot=True)
        )
    assert book.quotes == BestQuotes()
