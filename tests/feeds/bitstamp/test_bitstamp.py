"""Bitstamp captures to tapes: against a small exchange that knows its true book (no recorded file was available)."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.feeds.bitstamp.bitstamp_twin import MIDNIGHT_US, UNIT, Bitstamp, decimal, write

from certify.kits.feed import FeedContract
from tercel.core.errors import FeedError
from tercel.feeds import BitstampFeed, Feed, FeedOptions, Imported
from tercel.feeds.capture_day import book_after
from tercel.feeds.captures import ONE, exact
from tercel.feeds.verify import verify_alone
from tercel.feeds.verify_captures import verify_orders
from tercel.market.tape import schema, validate

LOT = "0.00000001"


def days(path: Path, lot: str | None = LOT, **options: object) -> list[Imported]:
    with BitstampFeed(lot).days([path], FeedOptions(**options)) as found:  # type: ignore[arg-type]
        return [day.read() for day in found]


def made(
    messages: list[dict[str, Any]], lot: str | None = LOT, tick: float | None = 0.01
) -> Imported:
    with TemporaryDirectory() as folder:
        (day,) = days(write(Path(folder) / "a.jsonl", messages), lot, tick=tick)
    validate(day.events, day.instrument)
    return day


class TestBitstampKeepsTheContract(FeedContract):
    @pytest.fixture
    def feed(self) -> Feed:
        return BitstampFeed()

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        exchange = Bitstamp(1)
        return [write(tmp_path / "files" / "a.jsonl", exchange.shuffled([exchange.snapshot(3)]))]


# -- oracle -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**6))
def test_after_each_operation_the_tape_shows_the_true_book(seed: int) -> None:
    exchange = Bitstamp(seed)
    day = made(exchange.shuffled([exchange.snapshot(7)]))
    for us, book in exchange.books[7:]:
        rows = int(np.searchsorted(day.events.exch_ns, us * 1000, "right"))
        assert book_after(day.events, rows) == book
    extra = day.instrument.extra
    assert [
        extra[n] for n in ("unknown_ids", "ghosts", "fills_without_trade", "trades_unknown_order")
    ] == [0] * 4


@given(st.integers(0, 10**6), st.sampled_from([0, 5, 3000]))
def test_every_traded_lot_is_an_execution_once_and_the_book_never_crosses(
    seed: int, jitter: int
) -> None:
    exchange = Bitstamp(seed, jitter_us=jitter)
    day = made(
        exchange.shuffled([exchange.snapshot(0), exchange.snapshot(len(exchange.books) - 1)])
    )
    events = day.events
    executed = events.qty_lots[events.kind == schema.EXECUTE].astype(np.int64).sum()
    first = exchange.books[0][0]
    before = sum(
        round(float(t["data"]["amount_str"]) * UNIT)
        for t in exchange.trades
        if int(t["data"]["microtimestamp"]) <= first
    )
    assert executed == exchange.executed - before
    assert not np.any(events.kind == schema.TRADE_HIDDEN)
    counts = verify_alone(events)
    assert counts["crossed"] == counts["locked"] == counts["unknown_ids"] == 0
    assert book_after(events, events.n) == exchange.books[-1][1]
    assert day.instrument.extra["snapshots_agree"] == 1


@given(st.integers(0, 10**6), st.sets(st.integers(0, 120), min_size=1, max_size=6))
def test_a_lost_message_ends_at_the_next_snapshot(seed: int, lost: set[int]) -> None:
    exchange = Bitstamp(seed)
    kept = [m for i, m in enumerate(exchange.orders) if i not in lost]
    middle = len(exchange.books) - 10
    us = exchange.books[middle][0]
    whole = [m for m in exchange.orders if int(m["data"]["microtimestamp"]) > us]
    exchange.orders = [m for m in kept if int(m["data"]["microtimestamp"]) <= us] + whole
    day = made(exchange.shuffled([exchange.snapshot(3), exchange.snapshot(middle)]))
    extra = day.instrument.extra
    assert extra["resyncs"] + extra["snapshots_agree"] == 1
    for at, book in exchange.books[middle:]:
        rows = int(np.searchsorted(day.events.exch_ns, at * 1000, "right"))
        assert book_after(day.events, rows) == book
    assert verify_alone(day.events)["crossed"] == 0


@given(st.integers(0, 10**6), st.sampled_from(["0.001", "0.5", None]))
def test_coarse_lots_cover_what_is_left_of_every_order(seed: int, lot: str | None) -> None:
    exchange = Bitstamp(seed)
    day = made(exchange.shuffled([exchange.snapshot(7)]), lot)
    size = exact(day.instrument.extra["lot_size"], "here") // (ONE // UNIT)
    covered = {n: (s, p, -(-a // size)) for n, (s, p, a) in exchange.books[-1][1].items()}
    assert book_after(day.events, day.events.n) == covered


@given(st.integers(0, 10**6), st.sampled_from([LOT, "0.01"]))
def test_later_snapshots_of_another_capture_agree(seed: int, lot: str) -> None:
    exchange = Bitstamp(seed)
    with TemporaryDirectory() as name:
        path = write(Path(name) / "a.jsonl", exchange.shuffled([exchange.snapshot(3)]))
        (day,) = days(path, lot, tick=0.01)
        steps = [s for s in (20, 40, 60) if exchange.books[s][0] * 1000 <= day.events.exch_ns[-1]]
        other = write(Path(name) / "b.jsonl", [exchange.snapshot(s) for s in steps])
        found = verify_orders(day.instrument, day.events, other)
        assert found["explained"]
        assert found["matched"] == found["orders"] == sum(len(exchange.books[s][1]) for s in steps)
        spoiled = exchange.snapshot(steps[-1])
        spoiled["data"]["bids"].append(["1.00", "1.00000000", "7"])
        worse = verify_orders(day.instrument, day.events, write(Path(name) / "c.jsonl", [spoiled]))
        assert not worse["explained"]
        assert worse["first_mismatch"]["order"] == 7


# -- examples ---------------------------------------------------------------------------------------------------------


def order(event: str, number: int, side: int, price: int, amount: int, us: int) -> dict[str, Any]:
    data = {
        "id": number,
        "order_type": 0 if side > 0 else 1,
        "amount_str": decimal(amount, 8),
        "amount": 0,
    }
    data |= {"price_str": decimal(price, 2), "price": 0, "microtimestamp": str(MIDNIGHT_US + us)}
    return {"event": event, "channel": "live_orders_btcusd", "data": data}


def snapshot(us: int, *orders: tuple[int, int, int, int]) -> dict[str, Any]:
    """Orders as (id, side, price, amount)."""
    sides = {
        name: [[decimal(p, 2), decimal(a, 8), str(n)] for n, s, p, a in orders if s == side]
        for side, name in ((1, "bids"), (-1, "asks"))
    }
    return {
        "event": "snapshot",
        "channel": "order_book_btcusd",
        "data": {"microtimestamp": str(MIDNIGHT_US + us), **sides},
    }


def rows(day: Imported) -> list[tuple[str, int, int, int]]:
    e = day.events
    names = [schema.KIND_NAMES[kind] for kind in e.kind.tolist()]
    return list(
        zip(names, e.order_id.tolist(), e.price_ticks.tolist(), e.qty_lots.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("messages", "expected", "extra"),
    [
        (
            [
                order("order_created", 3, 1, 999_999_999_900, 7, 10),
                order("order_deleted", 2, -1, 10_000, 0, 10),
                order("order_deleted", 3, 1, 999_999_999_900, 2, 10),
            ],
            [("execute", 2, 10_000, 5)],
            {"ghosts": 0, "unknown_ids": 0},
        ),
        (
            [
                order("order_created", 3, 1, 10_000, 7, 10),
                order("order_created", 4, 1, 9_000, 7, 500_000),
                order("order_created", 5, 1, 9_000, 7, 1_500_000),
            ],
            [("add", 4, 9_000, 7), ("add", 5, 9_000, 7), ("delete", 2, 10_000, 5), ("add", 3, 10_000, 7)],
            {"ghosts": 1, "unknown_ids": 0},
        ),
        (
            [order("order_changed", 1, 1, 9_900, 3, 10), order("order_deleted", 99, 1, 9_900, 3, 11)],
            [("reduce", 1, 9_900, 2)],
            {"ghosts": 0, "unknown_ids": 1},
        ),
    ],
    ids=["a market order at an absurd price never rests", "a ghost is withdrawn after a second", "its owner's change"],
)  # fmt: skip
def test_what_orders_do_in_a_book_of_two(
    messages: list[dict[str, Any]], expected: list[tuple[str, int, int, int]], extra: dict[str, int]
) -> None:
    day = made([snapshot(1, (1, 1, 9_900, 5), (2, -1, 10_000, 5)), *messages])
    assert rows(day)[2:] == expected
    assert {name: day.instrument.extra[name] for name in extra} == extra


def test_an_order_over_midnight_opens_the_next_day(tmp_path: Path) -> None:
    day_us = 86_400_000_000
    messages = [snapshot(day_us - 500, (1, 1, 9_900, 5), (2, -1, 10_000, 5))]
    messages += [order("order_deleted", 1, 1, 9_900, 5, day_us + 10)]
    first, second = days(write(tmp_path / "a.jsonl", messages))
    assert [row[0] for row in rows(first)] == ["add", "add"]
    assert [row[0] for row in rows(second)] == ["add", "add", "delete"]
    for day in (first, second):
        validate(day.events, day.instrument)


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    created = order("order_created", 1, 1, 9_900, 5, 10)
    bare = {**created, "data": {k: v for k, v in created["data"].items() if k != "microtimestamp"}}
    for messages, said in (
        ([created], "snapshot of the order book"),
        ([{"event": "bts:heartbeat"}], "order events of Bitstamp"),
        ([bare], "with all its fields"),
    ):
        with pytest.raises(FeedError, match=said):
            days(write(tmp_path / "a.jsonl", messages))
