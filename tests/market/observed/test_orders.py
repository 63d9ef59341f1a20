"""Level totals as orders: the same book after every message."""

import numpy as np
from hypothesis import given, strategies as st
from tests.market.tape.tapes import DAY

from tercel.market.book import Book
from tercel.market.observed import observe
from tercel.market.observed.anonymous_orders import as_orders
from tercel.market.tape import Events, Instrument, schema

SECOND = 10**9


def totals(seed: int, messages: int) -> Events:
    """Messages of one to four levels each, some after prints; bids below 100, asks above."""
    rng = np.random.default_rng(seed)
    rows = [
        (1, schema.LEVEL_SET, s, 100 - s * i, 10, schema.OPENING)
        for s in (1, -1)
        for i in range(1, 6)
    ]
    held = {(s, 100 - s * i): 10 for s in (1, -1) for i in range(1, 6)}
    for seq in range(2, messages + 2):
        side, price = int(rng.choice([1, -1])), 0
        if rng.random() < 0.3:
            price = max(
                (p for s, p in held if s == side and held[s, p] > 0),
                key=lambda p: p * side,
                default=0,
            )
            if price:
                lots = int(rng.integers(1, held[side, price] + 1))
                rows.append((seq, schema.TRADE, side, price, lots, 0))
                held[side, price] -= lots
                rows.append((seq, schema.LEVEL_SET, side, price, held[side, price], 0))
                continue
        for i in rng.choice(np.arange(1, 8), int(rng.integers(1, 5)), replace=False):
            price = 100 - side * int(i)
            held[side, price] = int(rng.integers(0, 12))
            rows.append((seq, schema.LEVEL_SET, side, price, held[side, price], 0))
    table = np.array(rows)
    at = table[:, 0] * SECOND
    return Events.from_columns(
        {"exch_ns": at, "recv_ns": at, "seq": table[:, 0], "kind": table[:, 1], "order_id": np.zeros(len(at)),
         "side": table[:, 2], "price_ticks": table[:, 3], "qty_lots": table[:, 4], "flags": table[:, 5]}
    )  # fmt: skip


def depth(events: Events) -> list[list[tuple[int, int]]]:
    book = Book(orders=4096, width=256)
    book.apply(events)
    return [
        [(int(p), int(q)) for p, q in zip(*book.depth(side, 20), strict=True) if q]
        for side in (1, -1)
    ]


@given(st.integers(0, 2**31))
def test_the_same_book(seed: int) -> None:
    events = totals(seed, 60)
    orders = as_orders(events)
    assert not np.any(np.isin(orders.kind, [schema.LEVEL_SET, schema.TRADE]))
    for seq in (10, 40, 61):
        assert depth(Events(*(c[events.seq <= seq] for c in events.columns()))) == depth(
            Events(*(c[orders.seq <= seq] for c in orders.columns()))
        )


@given(st.integers(0, 2**31))
def test_the_same_flow(seed: int) -> None:
    events = totals(seed, 60)
    bounds = {
        "session_open_ns": SECOND,
        "session_close_ns": 70 * SECOND,
    }  # a last message may change nothing
    instrument = Instrument("X", "Y", DAY.date, 0.01, **bounds)
    ways = [observe(instrument, tape, 0.0, from_s=1.5) for tape in (events, as_orders(events))]
    for name in ("ns", "side", "price", "distance", "lots", "bid_px", "ask_lots", "mid2"):
        np.testing.assert_array_equal(*(getattr(seen, name) for seen in ways), name)
    assert ways[0].kind.tolist() == ways[1].kind.tolist()


def test_orders_stay_as_they_are() -> None:
    events = Events.empty(3)
    events.kind[:] = schema.ADD
    assert as_orders(events) is events
