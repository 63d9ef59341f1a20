"""Ghost fills against a slow twin, against the exchange's own queues, against a closed form, and trap by trap."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.studies.fills.fills_twin import run_ghost
from tests.studies.fills.tapes import drawn, tape

from studies.fills import fills_kernel as k
from studies.fills.fills import FillScale, add_fills, run_ghosts, scale_of, usable
from studies.fills.replayed import DISTANCES, ReplayedDay, ReplayTally, noted, replayed
from studies.fills.turns import TURNS, turns
from studies.tape.queue_study import placements, run_orders
from studies.tape.to_levels import to_levels
from tercel.core.errors import TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import load
from tercel.market.observed import observe
from tercel.market.score.half_hour_sums import Sums, figure_values, sums_table
from tercel.market.simulator.days import simulated_session
from tercel.market.simulator.tape_source import source_of
from tercel.market.tape import Events, Instrument
from tercel.market.tape.compiled import compile_day
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE_HIDDEN,
)

OPENS = [(1.0, ADD, 1, 1, 100, 10), (1.0, ADD, 2, -1, 102, 10)]
"""A bid of 10 lots at 100 and an ask of 10 at 102."""


def ghost(
    *rows: tuple[float, int, int, int, int, int], lots: int = 1, distance: int = 0
) -> np.ndarray:
    """What becomes of a bid that joins at 900 s, on a tape of these rows (seconds after 900)."""
    moved = [(900.0 + row[0], *row[1:]) for row in rows]
    day = replayed(*tape([*OPENS, *moved]))
    return run_ghosts(day, lots, distance)[0, 0]


def of_starts(
    day: tuple[Instrument, Events], starts: np.ndarray, lots: int, distance: int, wait_s: float
) -> np.ndarray:
    """Kernel ghosts at any starts, float64[G, 2, FOUND]."""
    compiled = compile_day(*day)
    rows = compiled.rows.copy()
    seen, first, stand = noted(rows, starts, compiled.slots)
    found, levels = (
        np.zeros((len(starts), 2, k.FOUND)),
        np.ascontiguousarray(stand[:, :, DISTANCES.index(distance)]),
    )
    k.ghosts(
        rows,
        seen,
        starts,
        first,
        levels,
        lots,
        round(wait_s * NS_PER_SECOND),
        np.zeros(k.GHOST, np.int64),
        found,
    )
    found[levels[..., k.STAND_PRICE] == 0] = np.nan
    return found


# -- oracles ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.sampled_from([1, 5, 20]), st.sampled_from(DISTANCES))
def test_ghosts_are_those_of_a_slow_twin(seed: int, lots: int, distance: int) -> None:
    day = drawn(seed)
    starts = np.round((900.0 + np.array([5.3, 40.1, 90.7])) * NS_PER_SECOND).astype(np.int64)
    found = of_starts(day, starts, lots, distance, 100.0)
    for g, start in enumerate(starts):
        for s, side in enumerate((1, -1)):
            fate = run_ghost(day[1], int(start), side, lots, distance, 100.0)
            if fate is None:
                assert np.isnan(found[g, s]).all()
            else:
                assert found[g, s].tolist() == pytest.approx(
                    list(vars(fate).values()), rel=1e-9, abs=1e-9
                )


def test_one_lot_fills_when_an_own_order_of_the_simulated_exchange_does() -> None:
    """On a tape whose orders trade in turn the ghost's queue is that of replay, where hidden executions fill nobody."""
    preset = load("sh600961")
    events = simulated_session(preset, 3, 3600.0, 1_000_000 * NS_PER_SECOND)
    events = Events(*(column[events.kind != TRADE_HIDDEN] for column in events.columns()))
    opening = 1_000_000 * NS_PER_SECOND
    instrument = Instrument(
        "SIM", "CSCO", "2030-01-02", preset.tick, session_open_ns=opening,
        session_close_ns=opening + 3600 * NS_PER_SECOND,
    )  # fmt: skip
    wait_ns = 60 * NS_PER_SECOND
    source = source_of([compile_day(instrument, events)])[0]
    places = placements(source, instrument, wait_ns)
    theirs = run_orders(source, places, wait_ns, 1).filled_s
    ours = of_starts((instrument, events), places[:, 0].copy(), 1, 0, 59.999999999)[
        ..., k.FILLED
    ].ravel()
    assert np.isfinite(theirs).mean() > 0.3
    assert np.where(ours < k.NEVER, ours, np.inf) == pytest.approx(theirs, abs=1e-6)


def test_market_orders_of_a_constant_rate_on_a_fixed_queue_fill_as_erlang_has_it() -> None:
    """Each takes a lot, another comes behind: a ghost behind n lots fills with the (n + 1)-th market order."""
    ahead, rate, close = 5, 0.1, 40_000.0
    rng = np.random.default_rng(1)
    at = 2.0 + np.cumsum(rng.exponential(1.0 / rate, int(rate * close)))
    rows = [(1.0, ADD, i + 1, 1, 100, 1) for i in range(ahead)] + [(1.0, ADD, 10**6, -1, 102, 10)]
    for i, second in enumerate(at[at < close - 1.0]):
        rows += [(second, EXECUTE, i + 1, 1, 100, 1), (second, ADD, i + 1 + ahead, 1, 100, 1)]
    day = replayed(*tape(rows, close))
    sums = tallied(day, FillScale(1, 1.0, (1.0, 2.0, 3.0)))
    for wait in (30, 100):
        x = rate * wait
        erlang = 1.0 - sum(math.exp(-x) * x**i / math.factorial(i) for i in range(ahead + 1))
        bids = run_ghosts(day, 1)[:, 0, k.FILLED] <= wait
        assert bids.mean() == pytest.approx(erlang, abs=0.03)
        both = sums[f"filled_{wait}s"].sum() / sums[f"filled_{wait}s#"].sum()
        assert both == pytest.approx(bids.mean() / 2.0, abs=0.01)  # nobody hits the asks


def test_a_ghost_inside_meets_who_comes_down_to_it_and_joins_no_narrow_touch() -> None:
    assert ghost((5.0, ADD, 3, -1, 101, 2), distance=-1)[k.FILLED] == pytest.approx(5.0)
    assert ghost((5.0, ADD, 3, -1, 101, 2))[k.FILLED] == k.NEVER
    assert ghost((5.0, EXECUTE, 1, 1, 100, 1), distance=-1)[k.FILLED] == pytest.approx(5.0)
    wide, narrow = (replayed(*tape([*OPENS, (2.0, ADD, 3, -1, 102 - off, 5)])) for off in (0, 1))
    counted = [
        tallied(day, FillScale(1, 1.0, (1.0, 2.0, 3.0)))["filled_30s_inside_1#"].sum()
        for day in (wide, narrow)
    ]
    assert counted[0] > counted[1] == 0.0


def test_moves_go_on_or_turn_as_a_plain_loop_says() -> None:
    """And a variance over 2 h is that over h twice, times 1 + trend - bounce."""
    day = observe(*drawn(5, 1200), skip_s=900.0)
    sums = turns(day)
    found = figure_values(TURNS, sums_table([sums], sorted(sums)), sorted(sums))
    mid = day.mid2[np.argmax(day.mid2 != 0) :] / 2.0
    for h in (10, 60):
        moved = [mid[i + h] - mid[i] for i in range(0, len(mid) - h, h)]
        pairs = list(pairwise(moved))
        squares = sum((x * x + y * y) / 2.0 for x, y in pairs)
        assert found[f"trend_{h}s"] == pytest.approx(
            sum(max(x * y, 0.0) for x, y in pairs) / squares
        )
        assert found[f"bounce_{h}s"] == pytest.approx(
            sum(max(-x * y, 0.0) for x, y in pairs) / squares
        )
        over_both = sum((x + y) ** 2 for x, y in pairs) / (2.0 * squares)
        assert over_both == pytest.approx(1.0 + found[f"trend_{h}s"] - found[f"bounce_{h}s"])


def tallied(day: ReplayedDay, scale: FillScale) -> Sums:
    tally = ReplayTally(day)
    add_fills(tally, scale)
    return tally.sums


# -- traps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "fills"), [(102, False), (101, False), (100, False), (99, True)])
def test_a_hidden_print_fills_only_strictly_through_the_price(price: int, fills: bool) -> None:
    """At its price the print may be a finer one inside the touch, rounded away from it."""
    found = ghost((5.0, TRADE_HIDDEN, 0, 1, price, 500))
    assert (found[k.FILLED] == 5.0) == fills
    assert ghost((5.0, TRADE_HIDDEN, 0, -1, 99, 500))[k.FILLED] == k.NEVER  # of the other side


def test_executions_take_from_the_front_whichever_order_the_tape_names() -> None:
    """Finer prices gave later orders priority; the ghost's queue is that of the tick."""
    late = (1.0, ADD, 3, 1, 100, 10)
    found = ghost(late, (2.0, EXECUTE, 3, 1, 100, 10), (3.0, EXECUTE, 1, 1, 100, 1))
    assert found[k.FILLED] == 3.0
    assert ghost(late, (2.0, EXECUTE, 1, 1, 100, 10), (3.0, EXECUTE, 3, 1, 100, 1))[k.FILLED] == 3.0


def test_minutes_without_a_book_are_dropped_and_days_are_not() -> None:
    wide = [(1200.0, DELETE, 2, -1, 102, 10), (1230.0, ADD, 3, -1, 102, 10)]
    day = replayed(*tape([*OPENS, *wide]))
    assert not day.booked[20]
    assert day.booked[[19, 21]].all()
    starts = day.starts[usable(day)[:, 0]] / NS_PER_SECOND
    assert 1190.0 in starts
    assert 1260.0 in starts
    assert not np.any((starts >= 1200.0) & (starts < 1260.0))
    far = [
        (1200.0, DELETE, 2, -1, 102, 10),
        (1200.0, ADD, 3, -1, 201, 10),
        (1260.0, ADD, 4, -1, 200, 10),
    ]
    assert replayed(*tape([*OPENS, *far])).booked[[20, 21]].tolist() == [
        False,
        True,
    ]  # 101 ticks, 100 ticks
    quick = [(1200.0, DELETE, 2, -1, 102, 10), (1200.0, ADD, 3, -1, 103, 10)]
    assert replayed(*tape([*OPENS, *quick])).booked[20]  # one stamp


def test_a_tape_that_ends_early_ends_the_session() -> None:
    instrument, events = tape([*OPENS, (3000.0, REDUCE, 1, 1, 100, 1)], 3600.0)
    kept = events.exch_ns <= 3000 * NS_PER_SECOND
    day = replayed(instrument, Events(*(column[kept] for column in events.columns())))
    assert day.close_ns == 3060 * NS_PER_SECOND
    assert (
        tallied(day, FillScale(1, 4.0, (1.0, 2.0, 3.0)))["filled_900s#"].sum() == 2 * 127
    )  # starts at 900 to 2,160 s


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_cancels_ahead_move_it_up_and_those_behind_do_not() -> None:
    late = (1.0, ADD, 3, 1, 100, 6)
    found = ghost(
        late, (2.0, REDUCE, 1, 1, 100, 4), (3.0, DELETE, 3, 1, 100, 6), (9.0, EXECUTE, 1, 1, 100, 6)
    )
    assert found[k.FILLED] == k.NEVER
    assert found[[k.CANCEL_AHEAD, k.CANCEL_BEHIND]].tolist() == [4.0, 6.0]
    assert found[k.AHEAD_S] == pytest.approx(2 * 10 + 7 * 6)
    assert found[k.BEHIND_S] == pytest.approx(2 * 6)
    assert (
        ghost((2.0, DELETE, 1, 1, 100, 10), (3.0, ADD, 3, 1, 100, 5), (4.0, EXECUTE, 3, 1, 100, 1))[
            k.FILLED
        ]
        == 4.0
    )


@pytest.mark.parametrize(("price", "fills"), [(101, False), (100, True), (99, True)])
def test_an_opposite_order_that_reaches_the_price_meets_the_ghost(price: int, fills: bool) -> None:
    emptied = (2.0, DELETE, 1, 1, 100, 10)
    assert (ghost(emptied, (5.0, ADD, 3, -1, price, 1))[k.FILLED] == 5.0) == fills


def test_out_of_the_window_the_queue_is_frozen() -> None:
    out, back = (2.0, ROLL_OUT, 0, 1, 100, 10), (6.0, ROLL_IN, 0, 1, 100, 4)
    rows = (out, (3.0, DELETE, 1, 1, 100, 10), back)
    assert ghost(*rows, (7.0, EXECUTE, 0, 1, 100, 4), (8.0, EXECUTE, 0, 1, 100, 1))[k.FILLED] == 8.0
    larger = (out, (6.0, ROLL_IN, 0, 1, 100, 30))
    assert ghost(*larger, (7.0, EXECUTE, 0, 1, 100, 11))[k.FILLED] == 7.0
    withdrawn = (
        *larger,
        (7.0, REDUCE, 5, 1, 100, 25),
        (8.0, EXECUTE, 0, 1, 100, 6),
    )  # 20 behind, then 5 ahead
    assert ghost(*withdrawn)[k.FILLED] == 8.0
    assert (
        ghost((2.0, CLEAR, 0, 0, 0, 0), (3.0, ADD, 3, 1, 100, 1), (4.0, EXECUTE, 3, 1, 100, 1))[
            k.FILLED
        ]
        == 4.0
    )


def test_an_auction_fills_nothing() -> None:
    halt, auction = (2.0, STATUS, 0, 0, -1, 0), (3.0, EXECUTE, 1, 1, 100, 10)
    assert ghost(halt, auction, (4.0, EXECUTE, 9, 1, 99, 1))[k.FILLED] == k.NEVER
    assert (
        ghost(halt, auction, (4.0, STATUS, 0, 0, 1, 0), (5.0, EXECUTE, 9, 1, 99, 1))[k.FILLED]
        == 5.0
    )


def test_the_scale_is_a_round_lot_on_nasdaq_and_the_usual_order_elsewhere() -> None:
    joins = [(2.0, ADD, 3, 1, 100, 30), (3.0, ADD, 4, -1, 102, 50)]
    instrument, events = tape([*OPENS, *joins], lot=2)
    assert scale_of([replayed(instrument, events)]) == FillScale(100, 100.0, (80.0, 100.0, 120.0))
    other = Instrument(**{**vars(instrument), "venue": "GLBX"})
    assert scale_of([replayed(other, events)]).ghost == 80


def test_what_cannot_be_replayed_is_refused() -> None:
    day = drawn(1)
    with pytest.raises(TapeError, match="single orders"):
        replayed(*to_levels(*day))
    with pytest.raises(TapeError, match="longer than 1200 s"):
        replayed(*tape(OPENS, 1200.0))
