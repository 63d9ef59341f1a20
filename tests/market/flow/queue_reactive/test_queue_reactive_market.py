"""Markets of the queue-reactive flow as markets: nothing crosses or is lost, twins are equal, own trades unseen."""

import numpy as np
from hypothesis import given, settings, strategies as st
from tests.market.flow.queue_reactive.made import PilotFactors, made

from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.book_records import changes
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.cancellation import best_cancel_weight, sum_cancel_weights
from tercel.market.flow.queue_reactive.events import scan
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import resting_rows, run_recorded
from tercel.market.simulator.records import real
from tercel.market.simulator.source import NO_TAPE, first_world, run_free
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, TRADE_HIDDEN


def replay(rows: np.ndarray, first: np.ndarray) -> None:
    """A plain book of dictionaries: every row takes what is there, and the best prices never meet."""
    orders: dict[int, list[int]] = {}
    levels: dict[int, dict[int, int]] = {1: {}, -1: {}}

    def change(side: int, price: int, lots: int) -> None:
        levels[side][price] = levels[side].get(price, 0) + lots
        if levels[side][price] == 0:
            del levels[side][price]
        assert levels[side].get(price, 0) >= 0

    for row in np.concatenate((first, rows)).tolist():
        _, kind, who, side, price, lots = row[:6]
        if kind == TRADE_HIDDEN:
            assert who == 0
            assert lots > 0
            assert max(levels[1]) <= price <= min(levels[-1])
        elif kind == ADD:
            assert who not in orders
            orders[who] = [side, price, lots]
            change(side, price, lots)
        else:
            assert kind in (DELETE, EXECUTE)
            assert orders[who][:2] == [side, price]
            orders[who][2] -= lots
            assert orders[who][2] >= 0
            assert kind == EXECUTE or orders[who][2] == 0
            if kind == EXECUTE:
                assert price == (max if side > 0 else min)(levels[side])
            change(side, price, -lots)
            if orders[who][2] == 0:
                del orders[who]
        if levels[1] and levels[-1]:
            assert max(levels[1]) < min(levels[-1])


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.booleans(), st.booleans())
def test_random_tables_make_a_sound_book(
    seed: int, rough: float, limited: bool, by_imbalance: bool
) -> None:
    preset = made(
        seed, rough, scalars={"limited": float(limited), "by_imbalance": float(by_imbalance)}
    )
    b, k, flow = first_world(preset, seed)
    first = resting_rows(b)
    rows = run_recorded(b, k, flow, 900 * NS_PER_SECOND)
    replay(rows, first)
    assert rows[rows[:, sim.R_KIND] == TRADE_HIDDEN, sim.R_LOTS].sum() == k[sim.HIDDEN_LOTS]
    assert rows[rows[:, sim.R_KIND] == EXECUTE, sim.R_LOTS].sum() == k[sim.BOUGHT] + k[sim.SOLD]
    assert len(rows) > 500
    assert b[lay.OVERFLOW] == 0
    assert np.diff(rows[:, sim.R_NS]).min() >= 0
    live = b[lay.HEADER : lay.HEADER + preset.orders * lay.ORDER].reshape(-1, lay.ORDER)
    assert int((live[:, lay.QTY] > 0).sum()) == b[lay.LIVE]
    assert np.isfinite(
        [real(k, at) for at in (q.MEAN_SLOW, q.MEAN_FAST, q.SIGN_FLOW, q.PACE)]
    ).all()


def test_a_minute_without_events_passes() -> None:
    """Its activity is 0, of which a power below 0 is infinite: waits were no numbers, and time stood still."""
    preset = made(3, minutes=((0.0, 1.0, 0.0),) * 60, knobs=PilotFactors(swing=-0.2))
    b, k, flow = first_world(preset, 3)
    run_free(b, k, flow, NO_TAPE, 60 * NS_PER_SECOND)
    assert real(k, q.PACE) == 0.2


def test_what_is_kept_of_a_side_is_what_stands_there() -> None:
    """Levels and orders at the best are looked at again where a side has changed, and only there."""
    preset = made(5)
    b, k, flow = first_world(preset, 5)
    kept, k2 = np.zeros(2, np.int64), np.zeros_like(k)
    for event in range(2_000):
        run_free(b, k, flow, NO_TAPE, int(k[sim.FLOW_NS]))
        k2[:] = k
        for at, side in enumerate((1, -1)):
            if k[q.SCANNED + at] == changes(b, side):
                kept[0] += 1
                scan(b, k2, flow, side)
            stood = (
                k[q.STOOD + at] == changes(b, side) and k[q.STOOD_ARRIVAL + at] == b[lay.ARRIVAL]
            )
            if stood and k[sim.PUBLIC_BID + at] not in (NO_BID, NO_ASK):
                kept[1] += 1
                found = sum_cancel_weights(b, flow, side, int(k[sim.PUBLIC_BID + at]))
                assert found == (k[q.STANDING + at], real(k, q.STANDING_WEIGHT + at)), event
                assert best_cancel_weight(b, k2, flow, side) == found[1]
        np.testing.assert_array_equal(k, k2)
    assert 1_000 < kept[0] < 3_500
    assert 300 < kept[1] < kept[0]


def test_a_market_in_pieces_is_the_market_in_one() -> None:
    preset = made(4)
    whole, parts = first_world(preset, 9), first_world(preset, 9)
    run_free(*whole, NO_TAPE, 1_200 * NS_PER_SECOND)
    for second in range(0, 1_201, 75):
        run_free(*parts, NO_TAPE, second * NS_PER_SECOND)
    run_recorded(*parts, 1_200 * NS_PER_SECOND)
    for a, c in zip(whole[:2], parts[:2], strict=True):
        moved = np.flatnonzero(a != c[: len(a)])
        assert set(moved.tolist()) <= {sim.DUE_NS, sim.RECORD} if a is whole[1] else not len(moved)
