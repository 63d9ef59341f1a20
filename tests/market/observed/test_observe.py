"""The flow of a tape against a plain twin in dictionaries, against the book itself, and by hand."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.flow.conformance import as_events
from tests.market.tape.tapes import DAY, OPEN, rude_events

from tercel.core.errors import TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import load
from tercel.market.observed import Observed, event_columns, observe
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Events, Instrument, schema


class Twin:
    """The same reading with dictionaries of orders and levels, one row at a time."""

    def __init__(self, levels: int, window: int) -> None:
        self.levels, self.window = levels, window
        self.orders: dict[int, list[int]] = {}  # id -> side, price, lots
        self.nobody: dict[tuple[int, int], int] = defaultdict(int)
        self.halted = False
        self.rows: list[tuple[int, ...]] = []
        self.books: list[list[list[tuple[int, int]]]] = []
        self.last: tuple[int, int] | None = None
        self.last_row: int | None = None
        self.cleared, self.counted = (-1, -1), False
        self.hidden: list[list[int]] = []

    def depth(self, side: int) -> list[tuple[int, int]]:
        total: dict[int, int] = defaultdict(int)
        for s, price, lots in self.orders.values():
            if s == side:
                total[price] += lots
        for (s, price), lots in self.nobody.items():
            if s == side:
                total[price] += lots
        return sorted(((p, q) for p, q in total.items() if q > 0), reverse=side > 0)

    def event(
        self,
        now: int,
        kind: str,
        side: int,
        price: int,
        lots: int,
        key: int,
        remainder: bool = False,
    ) -> bool:
        bids, asks = self.depth(1), self.depth(-1)
        if not self.counted or self.halted or not bids or not asks or bids[0][0] >= asks[0][0]:
            return False
        own, other = (bids, asks) if side > 0 else (asks, bids)
        distance = (other[0][0] - price) * side
        if kind != "market":
            if kind == "limit" and distance <= 0:
                return False
            if self.window and sum((p - price) * side > 0 for p, _ in own) >= self.window:
                return False
        best = own[0][0]
        if kind == "limit":
            code = event_columns.LIMIT_AT_BEST
            if price != best:
                code = (
                    event_columns.LIMIT_IN_SPREAD
                    if (price - best) * side > 0
                    else event_columns.LIMIT_DEEPER
                )
        elif kind == "cancel":
            code = event_columns.CANCEL_AT_BEST if price == best else event_columns.CANCEL_DEEPER
        else:
            code, distance, side = event_columns.MARKET, 0, -side
        self.rows.append((now, code, side, price, distance, lots, key, int(remainder)))
        self.books.append([bids[: self.levels], asks[: self.levels]])
        return True

    def unseen(self, now: int, price: int, lots: int, counted: bool) -> None:
        bids, asks = self.depth(1), self.depth(-1)
        if counted and not self.halted and bids and asks and bids[0][0] < asks[0][0]:
            self.hidden.append([now, price, lots, bids[0][0], asks[0][0]])

    def take(self, key: int, side: int, price: int, lots: int) -> None:
        if key in self.orders and self.orders[key][:2] == [side, price]:
            self.orders[key][2] -= lots
            if self.orders[key][2] <= 0:
                del self.orders[key]
        else:
            self.nobody[side, price] = max(0, self.nobody[side, price] - lots)

    def held(self, key: int, side: int, price: int) -> int:
        if key in self.orders and self.orders[key][:2] == [side, price]:
            return self.orders[key][2]
        return self.nobody[side, price]

    def row(
        self,
        now: int,
        seq: int,
        kind: int,
        key: int,
        side: int,
        price: int,
        lots: int,
        counted: bool,
    ) -> None:
        if kind == schema.TRADE_HIDDEN:
            self.unseen(now, price, lots, counted)
        self.counted = counted and now != self.cleared[0] and seq != self.cleared[1]
        if kind == schema.STATUS:
            self.halted = price != 1
        elif kind == schema.CLEAR:
            self.orders.clear()
            self.nobody.clear()
            self.cleared = now, seq
        elif kind == schema.ADD:
            remainder = self.last is not None and now == self.last[0] and side != self.last[1]
            self.event(now, "limit", side, price, lots, key, remainder)
            self.rest(key, side, price, lots)
        elif kind == schema.ROLL_IN:
            self.nobody[side, price] += lots
        elif kind == schema.ROLL_OUT:
            self.orders = {k: o for k, o in self.orders.items() if o[:2] != [side, price]}
            self.nobody.pop((side, price), None)
        elif kind == schema.EXECUTE:
            if self.last == (now, side) and self.last_row is not None:
                row = self.rows[self.last_row]
                self.rows[self.last_row] = (*row[:5], row[5] + lots, *row[6:])
            else:
                written = self.event(now, "market", side, price, lots, key)
                self.last_row = len(self.rows) - 1 if written else None
            self.last = now, side
            self.take(key, side, price, lots)
        elif kind in (schema.REDUCE, schema.DELETE):
            gone = self.held(key, side, price)
            known = key in self.orders and self.orders[key][:2] == [side, price]
            if kind == schema.REDUCE or not known:
                gone = min(gone, lots)
            if gone > 0:
                self.event(now, "cancel", side, price, gone, key)
                self.take(key, side, price, gone)
        elif kind == schema.MODIFY and key in self.orders:
            side, old, left = self.orders[key]
            if price == old and lots < left:
                self.event(now, "cancel", side, old, left - lots, key)
                self.take(key, side, old, left - lots)
                return
            self.event(now, "cancel", side, old, left, key)
            del self.orders[key]
            if lots > 0:
                remainder = self.last is not None and now == self.last[0] and side != self.last[1]
                self.event(now, "limit", side, price, lots, key, remainder)
                self.rest(key, side, price, lots)

    def rest(self, key: int, side: int, price: int, lots: int) -> None:
        if key == 0:
            self.nobody[side, price] += lots
        else:
            self.orders[key] = [side, price, lots]


def read_by_twin(events: Events, start: int, stop: int, levels: int, window: int) -> Twin:
    twin = Twin(levels, window)
    for now, _, seq, kind, key, side, price, lots, _ in zip(
        *(c.tolist() for c in events.columns()), strict=True
    ):
        if side != 0 or kind in (schema.STATUS, schema.CLEAR, schema.TRADE_HIDDEN):
            twin.row(now, seq, kind, key, side, price, lots, start <= now < stop)
    return twin


def rows_of(seen: Observed) -> list[tuple[int, ...]]:
    columns = (
        seen.ns,
        seen.kind,
        seen.side,
        seen.price,
        seen.distance,
        seen.lots,
        seen.order_id,
        seen.remainder,
    )
    return [tuple(int(x) for x in row) for row in zip(*columns, strict=True)]


def books_of(seen: Observed) -> list[list[list[tuple[int, int]]]]:
    out = []
    for i in range(seen.n):
        sides = ((seen.bid_px, seen.bid_lots), (seen.ask_px, seen.ask_lots))
        out.append(
            [
                [(int(p), int(q)) for p, q in zip(px[i], lots[i], strict=True) if q > 0]
                for px, lots in sides
            ]
        )
    return out


def once_alive(events: Events) -> Events:
    """Ids of orders that are alive are not used again (a glitch that feeds count and the book has rules for)."""
    alive: dict[int, int] = {}
    fresh = 10_000
    for i in np.flatnonzero(events.order_id != 0):
        key = int(events.order_id[i])
        if events.kind[i] == schema.ADD:
            fresh += 1
            alive[key] = fresh
        events.order_id[i] = alive.get(key, key)
    return events


@given(
    seed=st.integers(0, 2**31),
    levels=st.integers(1, 6),
    window=st.integers(0, 3),
    step=st.sampled_from([1, 10**9]),
)
def test_as_the_twin_reads_it(seed: int, levels: int, window: int, step: int) -> None:
    events = once_alive(rude_events(seed, 300, step_ns=step))
    instrument = Instrument(
        "NASDAQ", "TOY", DAY.date, 0.01, session_open_ns=OPEN, session_close_ns=OPEN + 10**12
    )
    start = int(events.exch_ns[100])
    seen = observe(
        instrument, events, 0.0, levels, from_s=(start - OPEN) / NS_PER_SECOND, window=window
    )
    twin = read_by_twin(events, seen.start_ns, seen.stop_ns, levels, window)
    assert rows_of(seen) == twin.rows
    assert books_of(seen) == twin.books
    assert seen.hidden.tolist() == twin.hidden


def tape(*rows: tuple[int, int, int, int, int, int]) -> Events:
    """Rows of (second, kind, id, side, price, lots), each a message."""
    return as_events([(second * NS_PER_SECOND, *rest) for second, *rest in rows])


BOOK = (
    (0, schema.ROLL_IN, 0, 1, 99, 10),
    (0, schema.ROLL_IN, 0, -1, 101, 10),
)


def seen_in(*rows: tuple[int, int, int, int, int, int], **options: int) -> Observed:
    instrument = Instrument("X", "Y", DAY.date, 0.01)
    return observe(instrument, tape(*BOOK, *rows), 0.0, **options)


def test_the_kinds_and_where_they_stand() -> None:
    seen = seen_in(
        (1, schema.ADD, 1, 1, 100, 5),
        (2, schema.ADD, 2, 1, 100, 5),
        (3, schema.ADD, 3, -1, 103, 5),
        (4, schema.REDUCE, 3, -1, 103, 2),
        (5, schema.DELETE, 2, 1, 100, 5),
        (6, schema.TRADE_HIDDEN, 0, 1, 100, 7),
        (7, schema.EXECUTE, 1, 1, 100, 5),
        (7, schema.EXECUTE, 0, 1, 99, 10),
        (7, schema.ADD, 4, -1, 99, 1),
        (8, schema.CROSS, 0, 1, 99, 10),
        (9, schema.ADD, 5, 1, 95, 1),
    )
    assert [event_columns.NAMES[x] for x in seen.kind] == [
        "limit in spread", "limit at best", "limit deeper", "cancel deeper", "cancel at best", "market",
    ]  # fmt: skip
    assert seen.distance.tolist() == [1, 1, 3, 3, 1, 0]
    assert seen.lots.tolist() == [5, 5, 5, 2, 5, 15]
    assert seen.side.tolist() == [1, 1, -1, -1, 1, -1]
    assert seen.bid_px[1, :2].tolist() == [100, 99]
    assert seen.mid2.tolist() == [0, 200, 201, 201, 201, 201, 201, 201, 201, 201]
    assert seen.counts["hidden_lots"] == 7


def test_totals_of_levels_become_orders() -> None:
    seen = seen_in(
        (1, schema.LEVEL_SET, 0, 1, 99, 14),
        (2, schema.TRADE, 0, 1, 99, 4),
        (2, schema.LEVEL_SET, 0, 1, 99, 8),
        (3, schema.TRADE, 0, -1, 101, 3),
        (4, schema.LEVEL_SET, 0, -1, 101, 7),
        (5, schema.TRADE, 0, -1, 101, 2),
        (6, schema.LEVEL_SET, 0, -1, 101, 6),
    )
    got = list(
        zip(
            (event_columns.NAMES[x] for x in seen.kind),
            seen.side.tolist(),
            seen.lots.tolist(),
            strict=True,
        )
    )
    assert got == [
        ("limit at best", 1, 4), ("market", -1, 4), ("cancel at best", 1, 2),
        ("market", 1, 3), ("market", 1, 2), ("limit at best", -1, 1),
    ]  # fmt: skip


def test_a_message_of_many_levels_never_crosses_on_the_way() -> None:
    events = tape(*BOOK, (1, schema.LEVEL_SET, 0, 1, 101, 4), (1, schema.LEVEL_SET, 0, -1, 101, 0))
    events = Events(*(np.append(column, column[-1]) for column in events.columns()))
    events.seq[-2:] = events.seq[-3]
    events.price_ticks[-1], events.qty_lots[-1] = (
        102,
        6,
    )  # the ask's next level, in the same message
    seen = observe(Instrument("X", "Y", DAY.date, 0.01), events, 0.0)
    assert [event_columns.NAMES[x] for x in seen.kind] == [
        "cancel at best"
    ]  # then the ask is empty: no distance, no event


@pytest.mark.parametrize(("rows", "words"), [((), "without either"), (BOOK, "without either")])
def test_what_shows_no_book(rows, words: str) -> None:
    with pytest.raises(TapeError, match=words):
        observe(Instrument("X", "Y", DAY.date, 0.01), tape(*rows) if rows else Events.empty(0))


def test_a_stretch_of_nothing() -> None:
    with pytest.raises(TapeError, match="stretch"):
        observe(DAY, rude_events(1, 50), 900.0)


def test_stretches_are_the_day_in_parts() -> None:
    events = simulated_day(load("amzn-santa-fe"), 3, 1200.0, 60.0)
    instrument = Instrument("X", "Y", DAY.date, 0.01)
    whole = observe(instrument, events, 60.0)
    parts = [observe(instrument, events, 60.0, from_s=a, to_s=a + 600) for a in (0.0, 600.0)]
    cut = np.searchsorted(whole.ns, 600 * NS_PER_SECOND)
    for name in ("ns", "kind", "side", "price", "distance", "lots", "bid_px", "ask_lots"):
        values = getattr(whole, name)
        np.testing.assert_array_equal(getattr(parts[1], name), values[cut : cut + parts[1].n], name)
    assert parts[0].seconds == 540.0
