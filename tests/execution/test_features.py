"""What is seen: oriented alike for buyers and sellers, own orders left out, every number where the table says."""

import numpy as np
import pytest
from tests.market.simulator.audit import ledger_of

from tercel.execution import columns as c, intent as it
from tercel.execution.features import FEATURES, encode, features_of, observe
from tercel.execution.reconcile import reconcile
from tercel.execution.step import run
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.tape.schema import ADD, EXECUTE

PRIVATE = FEATURES.index("spread")
ROWS = [
    (0, ADD, 0, 1, 99, 7),
    (0, ADD, 1, 1, 97, 5),
    (0, ADD, 2, -1, 102, 4),
    (0, ADD, 3, -1, 103, 9),
]
LATER = [(5, EXECUTE, 2, -1, 102, 1), (6, EXECUTE, 0, 1, 99, 2), (8, ADD, 4, 1, 100, 3)]


def mirror(rows):
    return [
        (ns, kind, slot, -side, 201 - price, lots) for ns, kind, slot, side, price, lots in rows
    ]


def seen(side, latency=0, quantity=20):
    """Rest 3 improved and 2 at touch - 2 at ns 1, look at ns 10; the x, m and float rows and the market."""
    table = np.array(ROWS + LATER if side > 0 else mirror(ROWS + LATER), np.int64)
    b = lay.new_book(16, 64, 8)
    k = sim.extend(blank_state(sim.REPLAY), 2)
    k[sim.SIDE], k[sim.QUANTITY], k[sim.LEFT], k[sim.PHASE] = side, quantity, quantity, sim.WORKING
    k[sim.HORIZON_NS], k[sim.CURSOR_END], k[sim.FLOW_NS], k[sim.LATENCY_A] = (
        100,
        len(table),
        0,
        latency,
    )
    x, m = np.zeros(c.PX, np.int64), np.zeros(c.MX, np.int64)
    k[sim.DUE_NS] = 1
    run(b, k, np.zeros(1), table)
    k[sim.ARRIVAL_MID2] = k[sim.MID2]
    observe(b, k, x, m)
    row = it.ladder(x[[c.SIDE]], m[[c.TOUCH]])[0]
    row[[it.REST0, it.REST0 + 3]] = 3, 2
    reconcile(b, k, row)
    k[sim.DUE_NS] = 10
    run(b, k, np.zeros(1), table)
    observe(b, k, x, m)
    return b, k, x, m, features_of(x[None], m[None])[0]


def test_every_column_of_a_small_market():
    _, _, x, m, _ = seen(1)
    named = dict(zip(c.X_NAMES, x.tolist(), strict=True)) | dict(
        zip(c.M_NAMES, m.tolist(), strict=True)
    )
    # the execution at 99 filled two of the three lots at 100; the touch is now 100, a public add behind them
    assert named["left"] == 18
    assert named["live"] == 3
    assert [named[f"rest{j}"] for j in range(5)] == [0, 1, 0, 0, 2]
    assert [named[f"ahead{j}"] for j in range(5)] == [-1, 0, -1, -1, 5]
    assert (named["touch"], named["far"], named["mid2"]) == (100, 102, 202)
    assert [named[f"own{n}"] for n in range(1, 6)] == [3, 5, 5, 0, 0]
    assert [named[f"far{n}"] for n in range(1, 6)] == [3, 9, 0, 0, 0]
    assert (named["v_same"], named["v_against"]) == (1, 2)
    assert (named["drift"], named["rv"], named["events"]) == (1, 1, 3)
    assert named["ofi"] == -2 + 1 + 3
    assert named["time_left_ns"] == 90


def test_buyers_and_sellers_see_the_same():
    _, _, x, m, o = seen(1)
    _, _, xs, ms, os_ = seen(-1)
    keep = [i for i in range(c.PX) if i != c.SIDE]
    assert x[keep].tolist() == xs[keep].tolist()
    # before the first look, and when the warm-up began, the mid was 0 here
    priced = (c.TOUCH, c.FAR, c.MID2, c.ARRIVAL_MID2, c.PAST_DRIFT1, c.LONG_DRIFT)
    assert [v for i, v in enumerate(m.tolist()) if i not in priced] == [
        v for i, v in enumerate(ms.tolist()) if i not in priced
    ]
    assert o.tobytes() == os_.tobytes()


def test_lots_in_flight_are_where_they_will_stand():
    b, _, x, _, _ = seen(1, latency=1000)
    assert x[c.INFLIGHT] == 5
    assert x[c.LIVE] == 5
    assert x[c.REST0 : c.REST0 + 5].tolist() == [0, 3, 0, 0, 2]
    assert (x[c.AHEAD0 : c.AHEAD0 + 5] == -1).all()
    assert (ledger_of(b)[:2, lay.STATE] == lay.IN_FLIGHT).all()


def test_the_float_row_splits_into_private_and_market():
    """Changing one integer row leaves the other's entries alone; a twin without an order stays finite."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        _, _, x, m, o = seen(1)
        other = o.copy()
        x2, m2 = x.copy(), m.copy()
        x2[c.LEFT : c.HORIZON_NS] = rng.integers(0, 50, c.HORIZON_NS - c.LEFT)
        encode(x2, m, other)
        assert other[PRIVATE:].tobytes() == o[PRIVATE:].tobytes()
        m2[c.OWN1 :] = rng.integers(0, 50, c.MX - c.OWN1)
        encode(x, m2, other)
        assert other[:PRIVATE].tobytes() == o[:PRIVATE].tobytes()
    x[[c.QTY0, c.LEFT]] = 0
    encode(x, m, o)
    assert np.isfinite(o).all()


@pytest.mark.parametrize("side", [1, -1])
def test_an_empty_market_is_finite(side):
    b, k = lay.new_book(16, 64, 8), sim.extend(blank_state(sim.REPLAY), 2)
    k[sim.SIDE] = side
    x, m = np.zeros(c.PX, np.int64), np.zeros(c.MX, np.int64)
    observe(b, k, x, m)
    o = features_of(x[None], m[None])[0]
    assert np.isfinite(o).all()
    assert o[15] == 0.0
