"""Mark-outs, depletions, own orders, hidden executions and counts by hand; figures, floors and gates of made sums."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.studies.fills.tapes import Row, drawn, tape

from studies.fills import fills_kernel as k
from studies.fills.depletions import add_depletions
from studies.fills.fill_gates import GateCell, compare, gates
from studies.fills.fill_study import add_hidden, figures, sums_of
from studies.fills.fills import WAITS_S, FillScale, run_ghosts, usable
from studies.fills.markouts import add_counts, add_markouts, market_orders
from studies.fills.own_orders import add_own_orders
from studies.fills.replayed import ReplayTally, replayed
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.score.half_hour_sums import (
    HALVES,
    Sums,
    figure_estimates,
    interleaved_differences,
    share_figures,
    sums_by_cluster,
    sums_table,
)
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE, TRADE_HIDDEN

OPENS: list[Row] = [(1.0, ADD, 1, 1, 100, 10), (1.0, ADD, 2, -1, 102, 10), (1.0, ADD, 3, 1, 98, 50)]
SCALE = FillScale(1, 10.0, (5.0, 10.0, 15.0))


def tally(*rows: Row) -> ReplayTally:
    """A day of bid 10 at 100, ask 10 at 102, bid 50 at 98, and these rows."""
    return ReplayTally(replayed(*tape([*OPENS, *rows])))


def share(sums: Sums, name: str) -> float:
    return float(sums[name].sum() / sums[f"{name}#"].sum())


def cases(sums: Sums, name: str) -> float:
    return float(sums[f"{name}#"].sum())


# -- market orders and mark-outs --------------------------------------------------------------------------------------


def test_executions_of_one_stamp_and_side_are_one_market_order() -> None:
    one = tally(
        (1000.0, EXECUTE, 1, 1, 100, 4), (1000.0, EXECUTE, 1, 1, 100, 4), (1000.0, EXECUTE, 2, -1, 102, 1),
        (1000.001, EXECUTE, 1, 1, 100, 1), (1000.002, TRADE_HIDDEN, 0, 1, 101, 5),
    )  # fmt: skip
    orders = market_orders(one.day)
    assert orders.side.tolist() == [1, -1, 1]
    assert (orders.before.tolist(), orders.last.tolist()) == ([2, 4, 5], [4, 5, 6])


def test_mark_outs_of_ghosts_count_from_the_fill_price_and_those_of_orders_from_the_mid() -> None:
    rows: list[Row] = [
        (1000.0, EXECUTE, 1, 1, 100, 10), (1000.0, EXECUTE, 3, 1, 98, 1),  # ghosts at 100 fill; mid 101, then 100
        (1005.0, DELETE, 2, -1, 102, 10), (1005.0, ADD, 4, -1, 100, 5),  # mid 99
        (1005.0, ADD, 5, 1, 99, 5),  # mid 99.5
    ]  # fmt: skip
    one = tally(*rows)
    found = run_ghosts(one.day, 1)
    found[:, 1] = 1e18  # bids alone
    found[10:] = 1e18
    orders = market_orders(one.day)
    add_markouts(one, found, usable(one.day), orders)
    assert cases(one.sums, "markout_1s_ticks") == 10
    assert share(one.sums, "markout_1s_ticks") == 0.0
    assert share(one.sums, "markout_10s_ticks") == pytest.approx(-0.5)
    assert share(one.sums, "markout_10s_bps") == pytest.approx(-0.5 / 100 * 1e4)
    assert share(one.sums, "market_markout_1s_ticks") == -1.0
    assert share(one.sums, "market_markout_10s_bps") == pytest.approx(-1.5 / 101 * 1e4)


def test_mids_of_minutes_without_a_book_are_none() -> None:
    gone = [
        (1070.0, DELETE, 2, -1, 102, 10),
        (1070.0, ADD, 4, -1, 5000, 5),
        (1090.0, ADD, 5, -1, 102, 5),
    ]
    one = tally((1010.0, EXECUTE, 1, 1, 100, 1), *gone)
    add_markouts(
        one, np.full((len(one.day.starts), 2, 7), 1e18), usable(one.day), market_orders(one.day)
    )
    assert cases(one.sums, "market_markout_1s_ticks") == 1
    assert cases(one.sums, "market_markout_60s_ticks") == 0
    assert cases(one.sums, "market_markout_300s_ticks") == 1


def test_fano_is_variance_over_mean_of_whole_stretches_about_the_days_mean() -> None:
    rows = [
        (900.0 + 300 * i + j, EXECUTE, 3, 1, 98, 1)
        for i, n in enumerate((1, 3, 2))
        for j in range(n)
    ]
    one = tally((899.0, DELETE, 1, 1, 100, 10), *rows)
    add_counts(one, market_orders(one.day))
    counts = np.array([1, 3, 2] + [0] * 5)
    assert share(one.sums, "fano") == pytest.approx(counts.var() / counts.mean())
    none = tally()
    add_counts(none, market_orders(none.day))
    assert cases(none.sums, "fano") == 0


# -- depletions -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**31))
def test_depletions_are_those_of_a_slow_look(seed: int) -> None:
    instrument, events = drawn(seed, 400)
    day = replayed(instrument, events)
    one = ReplayTally(day)
    add_depletions(one, market_orders(day))
    found = {name: cases(one.sums, f"back_after_{name}_1s") for name in ("trade", "cancel")}
    back = {name: one.sums[f"back_after_{name}_10s"].sum() for name in found}
    slow, returned = {"trade": 0, "cancel": 0}, {"trade": 0, "cancel": 0}
    touch = [(-(2**30), 2**30), *((int(bid), int(ask)) for bid, ask in day.seen[:, [k.BID, k.ASK]])]
    i = 0
    while i < len(day.rows):
        what, side, ns, j = day.rows[i, k.KIND], day.rows[i, k.SIDE], day.ns[i], i
        while (
            what == EXECUTE and (day.rows[j + 1, [k.KIND, k.NS, k.SIDE]] == (what, ns, side)).all()
        ):
            j += 1
        name = {EXECUTE: "trade", REDUCE: "cancel", DELETE: "cancel"}.get(int(what))
        at = 0 if side > 0 else 1
        if (
            name
            and day.within(day.ns[i : i + 1])[0]
            and (touch[j + 1][at] - touch[i][at]) * side < 0
        ):
            later = np.flatnonzero(day.ns <= ns + 10 * NS_PER_SECOND)[-1] + 1
            slow[name] += bool(day.has_book(day.ns[i : i + 1] + NS_PER_SECOND)[0])
            fine = day.has_book(day.ns[i : i + 1] + 10 * NS_PER_SECOND)[0]
            returned[name] += bool(fine and (touch[later][at] - touch[i][at]) * side >= 0)
        i = j + 1
    assert (found, back) == (slow, returned)


def test_the_old_price_back_and_the_far_side_after_a_trade() -> None:
    one = tally(
        (1000.0, EXECUTE, 1, 1, 100, 10), (1000.5, ADD, 4, 1, 99, 1), (1005.0, ADD, 5, 1, 100, 1),
        (1008.0, ADD, 6, -1, 101, 1), (1020.0, DELETE, 6, -1, 101, 1), (1030.0, EXECUTE, 2, -1, 102, 3),
    )  # fmt: skip
    add_depletions(one, market_orders(one.day))
    assert cases(one.sums, "back_after_trade_1s") == 1
    assert [share(one.sums, f"back_after_trade_{h}s") for h in (1, 10, 60)] == [0.0, 1.0, 1.0]
    assert share(one.sums, "followed_after_trade_10s") == 1.0


def test_cancels_empty_the_touch_too() -> None:
    one = tally(
        (1000.0, REDUCE, 2, -1, 102, 4), (1001.0, DELETE, 2, -1, 102, 6), (1001.5, ADD, 4, -1, 103, 5),
        (1030.0, ADD, 5, -1, 101, 1),
    )  # fmt: skip
    add_depletions(one, market_orders(one.day))
    assert cases(one.sums, "back_after_cancel_1s") == 0  # its minute has no book for half a second
    one = tally(
        (1000.0, ADD, 4, -1, 101, 5), (1001.0, DELETE, 4, -1, 101, 5), (1030.0, ADD, 5, -1, 101, 1)
    )
    add_depletions(one, market_orders(one.day))
    assert [share(one.sums, f"back_after_cancel_{h}s") for h in (1, 10, 60)] == [0.0, 0.0, 1.0]
    assert share(one.sums, "followed_after_cancel_10s") == 0.0
    assert cases(one.sums, "back_after_trade_1s") == 0


# -- own orders, hidden executions ------------------------------------------------------------------------------------


def test_what_became_of_orders_that_joined_or_improved() -> None:
    one = tally(
        (1000.0, ADD, 10, 1, 100, 5), (1000.0, ADD, 11, 1, 101, 5), (1000.0, ADD, 12, 1, 99, 5),
        (1004.0, DELETE, 11, 1, 101, 5), (1020.0, EXECUTE, 10, 1, 100, 1), (1021.0, DELETE, 10, 1, 100, 4),
        (1030.0, EXECUTE, 2, -1, 102, 10), (1030.0, ADD, 13, 1, 102, 3), (1031.0, DELETE, 13, 1, 102, 3),
    )  # fmt: skip
    add_own_orders(one)
    assert [cases(one.sums, f"{kind}_filled_10s") for kind in ("joins", "improves")] == [
        1,
        1,
    ]  # 13 is a remainder
    assert [share(one.sums, f"joins_filled_{wait}s") for wait in WAITS_S] == [
        0.0,
        1.0,
        1.0,
        1.0,
        1.0,
    ]
    assert [share(one.sums, f"improves_filled_{wait}s") for wait in (10, 900)] == [0.0, 0.0]
    assert [share(one.sums, f"{kind}_cancelled_10s") for kind in ("joins", "improves")] == [
        0.0,
        1.0,
    ]


def test_hidden_executions_by_rows_volume_and_width() -> None:
    one = tally(
        (1000.0, EXECUTE, 1, 1, 100, 2), (1001.0, TRADE_HIDDEN, 0, 1, 101, 6), (1002.0, ADD, 9, 1, 101, 1),
        (1003.0, TRADE_HIDDEN, 0, 1, 101, 2), (3400.0, TRADE_HIDDEN, 0, 1, 101, 2),
    )  # fmt: skip
    add_hidden(one)
    assert share(one.sums, "hidden_rows") == pytest.approx(2 / 3)
    assert share(one.sums, "hidden_volume") == pytest.approx(0.8)
    assert share(one.sums, "hidden_rows_spread_1") == 1.0
    assert share(one.sums, "hidden_rows_spread_2") == 0.5


# -- figures, floors, gates -------------------------------------------------------------------------------------------


def made(*by_half_hour: float) -> Sums:
    """A day with 100 cases in each half hour and these shares of hits."""
    n = len(by_half_hour)
    cases_of, hits = np.zeros(HALVES), np.zeros(HALVES)
    cases_of[:n], hits[:n] = 100.0, 100.0 * np.array(by_half_hour)
    return {"x": hits, "x#": cases_of}


def test_the_floor_of_interleaved_half_hours_is_no_trend() -> None:
    """Adjacent halves of a day that drifts differ by .2; such a floor would pass anything."""
    day = sums_table([made(*np.linspace(0.2, 0.6, 12))], ("x", "x#"))
    halves = [day[:, h].sum((0, 1)) for h in (slice(0, 6), slice(6, 12))]
    assert abs(halves[0][0] / halves[0][1] - halves[1][0] / halves[1][1]) > 0.2
    assert interleaved_differences(share_figures(["x"]), day, ("x", "x#"))["x"] == pytest.approx(
        0.4 / 11
    )
    days = sums_table(
        [made(0.2, 0.6), made(0.2, 0.6)], ("x", "x#")
    )  # odd ones change from day to day
    assert interleaved_differences(share_figures(["x"]), days, ("x", "x#"))["x"] == pytest.approx(
        0.0
    )


def test_clusters_are_days_or_the_half_hours_of_one_day() -> None:
    one, two = (sums_table([made(0.2, 0.6)] * n, ("x", "x#")) for n in (1, 2))
    assert sums_by_cluster(one)[1] == "half hours"
    assert sums_by_cluster(one)[0].tolist() == [[20.0, 100.0], [60.0, 100.0]]
    assert sums_by_cluster(two)[1] == "days"
    assert sums_by_cluster(two)[0].tolist() == [[80.0, 200.0]] * 2


def test_an_interval_holds_the_share_and_is_that_of_the_seed() -> None:
    rng = np.random.default_rng(3)
    days = sums_table([made(*rng.uniform(0.3, 0.5, 5)) for _ in range(12)], ("x", "x#"))
    found = figure_estimates(share_figures(["x"]), days, ("x", "x#"), 1)["x"]
    assert found == figure_estimates(share_figures(["x"]), days, ("x", "x#"), 1)["x"]
    assert found.ci_low < 0.4 < found.ci_high
    assert found.mean == pytest.approx(days[..., 0].sum() / days[..., 1].sum())


@pytest.fixture(scope="module")
def day() -> Sums:
    """A busy random day's sums."""
    rng, rows, at, live = np.random.default_rng(5), list(OPENS), 2.0, 100
    for _ in range(3000):
        at += rng.exponential(1.1)
        side, roll = int(rng.choice([1, -1])), rng.random()
        price = 100 if side > 0 else 102
        if roll < 0.5:
            live += 1
            rows.append((at, ADD, live, side, price, 3))
        elif roll < 0.8:
            rows.append((at, EXECUTE, live, side, price, 1))
        else:
            rows.append((at, TRADE_HIDDEN, 0, side, 101, 1))
    return sums_of(replayed(*tape(rows)), SCALE)


def test_a_market_that_is_its_tape_passes_where_there_is_something_to_say(day: Sums) -> None:
    cells, judged, kind = compare([day, day], [day, day])
    assert kind == "days"
    assert set(cells) == {figure.name for figure in figures()}
    for gate in judged:
        assert gate.passed == np.isfinite(gate.real), gate
    assert {"filled_10s", "cancel_ratio", "fano", "hidden_rows", "markout_60s_bps"} <= {
        gate.name for gate in judged
    }
    assert sum(gate.passed for gate in judged) > 10


CELL = GateCell(
    real=1.0,
    ci_low=0.9,
    ci_high=1.05,
    floor=0.01,
    simulated=1.0,
    simulated_low=None,
    simulated_high=None,
)


@pytest.mark.parametrize(
    ("name", "floor", "within", "beyond"),
    [
        ("filled_300s", 0.01, 1.029, 1.031),
        ("filled_300s", 0.1, 1.149, 1.151),
        ("filled_before_away", 0.01, 0.971, 0.969),
        ("filled_given_away", 0.1, 1.039, 1.041),
        ("joins_filled_30s", 0.01, 1.149, 1.151),
        ("markout_10s_bps", 0.01, 0.91, 1.06),
        ("back_after_trade_10s", 0.1, 1.029, 1.031),
        ("cancel_ratio", 0.01, 0.76, 0.74),
        ("fano", 0.01, 1.24, 1.26),
        ("hidden_rows", 0.01, 1.029, 1.031),
        ("fano", 0.01, 1.0, np.nan),
    ],
)
def test_the_bars(name: str, floor: float, within: float, beyond: float) -> None:
    cells = {figure.name: CELL for figure in figures()}
    for value, passed in ((within, True), (beyond, False)):
        cells[name] = replace(CELL, floor=floor, simulated=value)
        [gate] = [gate for gate in gates(cells, np.array([0.5])) if gate.name == name]
        assert gate.passed == passed


def test_the_bar_of_hidden_executions_grows_with_the_spread_of_days() -> None:
    cells = {figure.name: CELL for figure in figures()}
    hidden = np.array([0.3, 0.5, 0.3, 0.5])
    [gate] = [gate for gate in gates(cells, hidden) if gate.name == "hidden_rows"]
    assert gate.bar == pytest.approx(1.5 * hidden.std(ddof=1) / 2)


def test_half_hours_count_from_the_opening() -> None:
    one = tally((2000.0, EXECUTE, 1, 1, 100, 1))
    one.add("x", np.array([1799, 1800, 3500]) * NS_PER_SECOND)
    assert one.sums["x"][:3].tolist() == [1.0, 2.0, 0.0]
