"""The census kernel: a tape small enough to count by hand, and a brute-force twin on a simulated day."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.market.flow.conformance import as_events

from tercel.core.errors import ConfigError
from tercel.market.flow.census import census
from tercel.market.flow.census_kernel import LEVELS, REACH
from tercel.market.tape import Events
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    LEVEL_SET,
    MODIFY,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE_HIDDEN,
)

S = 10**9


def rows(*given: tuple[float, int, int, int, int, int]) -> Events:
    """(seconds, kind, id, side, price, lots) rows as events."""
    return as_events([(round(t * S), *rest) for t, *rest in given])


BY_HAND: dict[str, tuple[Events, dict[str | tuple[str, int], object]]] = {
    "every kind of row": (
        rows(
            (0, ADD, 1, 1, 100, 10), (0, ADD, 2, -1, 103, 20),
            (1, ADD, 3, 1, 102, 5),  # distance 1
            (2, ADD, 4, -1, 105, 7),  # distance 3 from the bid of 102
            (3, REDUCE, 3, 1, 102, 2),  # distance 1
            (4, EXECUTE, 2, -1, 103, 20),  # one market order of 22 lots over two orders ...
            (4, EXECUTE, 4, -1, 105, 2),
            (4, TRADE_HIDDEN, 0, -1, 105, 9),  # ... whose hidden part is not seen
            (4, ADD, 5, 1, 103, 6),  # its remainder: rests, no placement
            (6, DELETE, 1, 1, 100, 10),  # distance 5
            (7, EXECUTE, 5, 1, 103, 1), (8, DELETE, 99, 1, 101, 4),  # nobody knows it
        ),
        {
            "seconds": 8.0,  # from 0 to the last row, two-sided all along
            "placed": {1: 1, 3: 1}, "cancelled_lots": {1: 2, 5: 10}, "cancelled_orders": {5: 1},
            "market_sizes": {0: 22, 1: 1}, "limit_sizes": {0: 5, 1: 7}, "remainders": 1, "hidden_lots": 9,
            "unknown_ids": 1,
            # bid 5 lots for 2 s, 3 for 1 s, ask 20 lots for 3 s (bid at 102)
            ("lots_time", 1): 5 * 2 + 3 * 1 + 20 * 3, "spread_time": 3 * 1 + 1 * 3 + 2 * 4,
            "mid2": dict(enumerate([203] + [205] * 3 + [208] * 6, 1)), "curve_lots": {5: 22, 9: 1},
        },
    ),
    # what comes back is a block that cancels of unknown orders take from: the second withdrawal finds three of it
    "a level that rolled out is forgotten": (
        rows(
            (0, ROLL_IN, 0, 1, 99, 30), (0, ADD, 1, 1, 100, 10), (0, ADD, 2, -1, 102, 20), (1, ROLL_OUT, 0, 1, 99, 0),
            (2, ROLL_IN, 0, 1, 99, 8), (3, DELETE, 7, 1, 99, 5), (4, DELETE, 7, 1, 99, 5), (5, DELETE, 1, 1, 100, 10),
            (6, DELETE, 2, -1, 102, 20),
        ),
        {
            ("lots_time", 3): 30 * 1 + 8 * 1 + 3 * 1, "cancelled_lots": {2: 10, 3: 8}, "unknown_ids": 0,
            "seconds": 5.0,  # the bid is gone from second 5
        },
    ),
    "a reduction to nothing is a withdrawn order": (
        rows(
            (0, ADD, 1, 1, 100, 10), (0, ADD, 2, -1, 102, 20), (1, ADD, 3, 1, 99, 4), (2, REDUCE, 1, 1, 100, 4),
            (3, REDUCE, 3, 1, 99, 4), (4, DELETE, 1, 1, 100, 6),
        ),
        {"cancelled_orders": {2: 1, 3: 1}, "cancelled_lots": {2: 10, 3: 4}},
    ),
    "halts, clears, changes and stub quotes": (
        rows(
            (0, ADD, 1, 1, 10000, 10), (0, ADD, 2, -1, 10002, 20), (1, ADD, 3, 1, 1, 100),  # a stub quote
            (2, STATUS, 0, 0, -1, 0), (3, ADD, 4, 1, 9999, 10),  # in a halt: rests, not counted
            (4, STATUS, 0, 0, 1, 0), (5, MODIFY, 4, 1, 10001, 3), (7, CLEAR, 0, 0, 0, 0), (8, ADD, 5, 1, 10000, 10),
            (8, ADD, 6, 1, 10000, 10), (9, ADD, 7, 1, 10000, 10),
        ),
        {
            "far_rows": 1, "seconds": 2.0 + 3.0, "placed": {},
            ("depth_time", 0): 0.5 * (10 * 3 + 3 * 2) + 0.5 * 20 * 5,
        },
    ),
}  # fmt: skip
"""A tape, and what is counted of it: numbers, arrays by their entries that are not 0, or single entries."""


@pytest.mark.parametrize("tape", BY_HAND)
def test_counts_a_tape_that_can_be_counted_by_hand(tape: str) -> None:
    events, expected = BY_HAND[tape]
    day = census(events, 0, 10 * S, 0)
    for what, wanted in expected.items():
        found = getattr(day, what[0])[what[1]] if isinstance(what, tuple) else getattr(day, what)
        if isinstance(wanted, dict):
            found = {n: value for n, value in enumerate(np.asarray(found).tolist()) if value}
        assert found == pytest.approx(wanted), what


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (rows(), "0 events"),
        (rows((0, ADD, 1, 1, 100, 1), (0, LEVEL_SET, 0, 1, 100, 1)), "level feed"),
        (rows((0, LEVEL_SET, 0, 1, 100, 1)), "level feed"),
        (rows((0, TRADE_HIDDEN, 0, 1, 100, 1)), "trades alone have no book"),
    ],
)
def test_refuses_what_cannot_be_counted(events: Events, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        census(events, 0, 10 * S, 0)
    with pytest.raises(ConfigError, match="skipped"):
        census(rows((0, ADD, 1, 1, 100, 1)), 0, 10 * S, 10 * S)


def brute_force(events: Events, start: int, stop: int) -> SimpleNamespace:
    """The integrals again, with dictionaries and no cleverness."""
    book: dict[int, dict[int, list[int]]] = {1: {}, -1: {}}  # side -> id -> [price, lots]
    out = SimpleNamespace(seconds=0.0, spread=0.0, lots=np.zeros(REACH + 1), live=0.0)
    out.depth, out.placed = np.zeros(LEVELS), np.zeros(REACH + 1)
    before = start
    for t, kind, order, side, price, qty in zip(
        events.exch_ns,
        events.kind,
        events.order_id,
        events.side,
        events.price_ticks,
        events.qty_lots,
        strict=True,
    ):
        t, order, side, price, qty = int(t), int(order), int(side), int(price), int(qty)  # noqa: PLW2901
        dt = max(0, min(t, stop) - before) * 1e-9
        if book[1] and book[-1]:
            best = {s: s * max(s * p for p, _ in book[s].values()) for s in (1, -1)}
            if start <= t < stop and kind == ADD:
                out.placed[side * (best[-side] - price)] += 1
            if dt > 0.0:
                out.seconds += dt
                out.spread += dt * (best[-1] - best[1])
                for s in (1, -1):
                    levels: dict[int, int] = {}
                    for p, lots in book[s].values():
                        levels[p] = levels.get(p, 0) + lots
                        out.lots[s * (best[-s] - p)] += dt * lots
                        out.live += dt
                    for k, p in enumerate(sorted(levels, key=lambda p: -s * p)[:LEVELS]):
                        out.depth[k] += 0.5 * dt * levels[p]
        before = max(before, min(t, stop))
        if kind == ADD:
            book[side][order] = [price, qty]
        elif kind == DELETE:
            del book[side][order]
        else:
            book[side][order][1] -= qty
            if book[side][order][1] == 0:
                del book[side][order]
    return out


def test_agrees_with_brute_force_on_a_simulated_day(toy_day: Events) -> None:
    start, stop = 300 * S, 1500 * S
    events = toy_day.slice(0, int(np.searchsorted(toy_day.exch_ns, 1600 * S)))
    kernel, slow = census(events, 0, stop, start), brute_force(events, start, stop)
    assert kernel.seconds == pytest.approx(slow.seconds)
    assert kernel.spread_time == pytest.approx(slow.spread)
    assert kernel.orders_live_time == pytest.approx(slow.live)
    np.testing.assert_allclose(kernel.lots_time, slow.lots)
    np.testing.assert_allclose(kernel.depth_time, slow.depth)
    np.testing.assert_array_equal(kernel.placed, slow.placed)
