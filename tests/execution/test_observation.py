"""What policies observe: a finite function of the two rows that sees size, horizon, urgency and the flow, whatever the side."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.market.simulator.audit import ledger_of

from certify.kits.strategy import random_views, take_rows
from tercel.core.errors import ConfigError
from tercel.execution import columns as c, intent as it
from tercel.execution.features import FEATURES, features_of, observe
from tercel.execution.observation import observer
from tercel.execution.observation_encoder import LAST, MARKET, N_LAST, SLOW, encode_rows
from tercel.execution.probe_views import view_of
from tercel.execution.reconcile import reconcile
from tercel.execution.step import run
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.book import layout as lay
from tercel.market.flow import registry as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.source import reactive
from tercel.market.tape.schema import ADD, EXECUTE

AT = {name: place for place, name in enumerate(LAST)}


def seen(view):
    return observer("v2").encode(view)


def test_any_state_gives_finite_numbers_and_a_row_does_not_depend_on_its_neighbours():
    for seed in range(5):
        view = random_views(60, seed)
        o = seen(view)
        assert o.dtype == np.float32
        assert np.abs(o).max() < 50
        for row in range(0, 60, 7):
            np.testing.assert_array_equal(seen(take_rows(view, [row])), o[[row]])


def test_market_entries_follow_from_the_market_alone_but_for_what_counts_decisions():
    view = random_views(40, 1)
    x = view.x.copy()
    x[:, : c.LIVE + 1] = random_views(40, 2).x[:, : c.LIVE + 1]
    x[:, [c.DECISION, c.SIDE]] = view.x[:, [c.DECISION, c.SIDE]]
    o = np.empty((40, N_LAST), np.float32)
    encode_rows(x, view.m, 0, o)
    np.testing.assert_array_equal(o[:, MARKET:], seen(view)[:, MARKET:])


def test_the_features_imbalances_are_of_the_lots_of_one_three_and_five_levels():
    view = random_views(60, 3)
    features = features_of(view.x, view.m)
    spread = np.expm1(features[:, FEATURES.index("spread")])
    for levels in (1, 3, 5):
        own, far = (view.m[:, at : at + levels].sum(1) for at in (c.OWN1, c.FAR1))
        expected = (own - far) / np.maximum(own + far, 1)
        found = features[:, FEATURES.index(f"imbalance_{levels}")]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        if levels == 1:
            leans = features[:, FEATURES.index("microprice")]
            np.testing.assert_allclose(leans, spread * expected / 2, rtol=1e-5, atol=1e-6)


def test_order_size_horizon_and_urgency_are_inputs():
    levels = {f"{side}{k}": 20 for side in ("own", "far") for k in range(1, 6)}
    hour = 3600 * 10**9
    view = view_of(qty0=80, left=60, decision=5, decisions=10, horizon_ns=hour, time_left_ns=hour // 2,
                   urgency=250_000, v_seen=100, **levels)  # fmt: skip
    o = seen(view)[0]
    expected = {
        "time_left": 0.5,
        "lots_left": 0.75,
        "lots_left_ahead_of_time": 0.25,
        "horizon": math.log(2.0),
        "seconds_left": math.log1p(30.0),
        "order_in_depths": math.log(4.0),
        "left_in_far_touches": math.log1p(3.0),
        "slice_in_depths": math.log1p(12 / 20),
        "slice_in_volume": math.log1p(12 / 20),
        "urgency": 0.25,
        "own_depth_3_5": math.log1p(3.0),
        "depth": math.log1p(20.0),
    }
    for name, value in expected.items():
        assert abs(o[AT[name]] - value) < 1e-6, name


def test_buying_and_selling_look_alike():
    """The mirrored market gives the same entries."""
    buy = view_of(
        side=1,
        touch=999,
        far=1001,
        mid2=2000,
        arrival_mid2=1990,
        own1=30,
        far1=10,
        rv_long=4,
        drift=3,
    )
    sell = view_of(
        side=-1,
        touch=1001,
        far=999,
        mid2=2000,
        arrival_mid2=2010,
        own1=30,
        far1=10,
        rv_long=4,
        drift=3,
    )
    np.testing.assert_array_equal(seen(buy), seen(sell))
    o = seen(buy)[0]
    assert o[AT["drift"]] == np.float32(math.log1p(1.5))
    assert o[AT["drift_since_arrival"]] == np.float32(math.log1p(5.0))


# -- stacked -----------------------------------------------------------------------------------------------------------


def test_stacked_entries_follow_the_plain_ones():
    view = random_views(60, 4)
    view.m[:, c.PAST0 : c.AGE_NS] = np.random.default_rng(1).integers(0, 500, (60, 18))
    one, four = observer("v2"), observer("v2", 4)
    assert four.size == one.size + 15 == len(set(four.entries))
    o = four.encode(view)
    np.testing.assert_array_equal(o[:, : one.size], one.encode(view))
    assert np.isfinite(o).all()
    now = {"v_same": 30, "v_against": 10, "ofi": -4, "rv": 9, "events": 7, "drift": 2}
    again = view_of(
        rv_long=4,
        **now,
        **{f"past_{name.removeprefix('v_')}2": value for name, value in now.items()},
    )
    row = dict(zip(four.entries, four.encode(again)[0].tolist(), strict=True))
    for name in ("order_flow_imbalance", "volume_imbalance", "volatility_now", "drift"):
        assert row[f"{name}_2_ago"] == row[name] != 0.0
        assert row[f"{name}_1_ago"] == row[f"{name}_3_ago"] == 0.0


def test_more_than_a_view_shows_is_refused():
    for name, stack in (("v2", 5), ("v2", 0), ("v3", 5)):
        with pytest.raises(ConfigError, match="stack"):
            observer(name, stack)


# -- the slow flow ----------------------------------------------------------------------------------------------------


MINUTE = 60 * 10**9


def slow(view):
    return dict(zip(SLOW, observer("v3").encode(view)[0, -len(SLOW) :].tolist(), strict=True))


def test_the_other_entries_stand_in_front():
    view = random_views(80, 2)
    for stack in (1, 4):
        whole, front = observer("v3", stack), observer("v2", stack)
        assert whole.entries == front.entries + SLOW
        o = whole.encode(view)
        np.testing.assert_array_equal(o[:, : front.size], front.encode(view))
        assert np.isfinite(o).all()


def test_what_it_says_in_numbers():
    levels = {f"{side}{k}": 20 for side in ("own", "far") for k in range(1, 6)}
    # half of ten intervals of a minute are over, and ten more went by before the arrival
    view = view_of(
        qty0=100, left=60, decision=5, decisions=10, horizon_ns=10 * MINUTE, time_left_ns=5 * MINUTE,
        age_ns=15 * MINUTE,
        v_seen=200, seen_against=160, long_same=150, long_against=450, long_ofi=-600, **levels,
    )  # fmt: skip
    expected = {
        "fill_rate": math.log((40 / 5) / (60 / 5)),
        "fill_share": 40 / 200,
        "flow_to_come": math.log1p(450 / 15 * 5 / 60),
        "pace": math.log((200 / 5) / (600 / 15)),
        "lean": -0.5,
        "lean_since_arrival": (40 - 160) / 200,
        "long_order_flow_imbalance": -math.log1p(600 / 15 / 20),
    }
    found = slow(view)
    for name, value in expected.items():
        assert abs(found[name] - value) < 1e-6, name


def test_nothing_is_late_at_arrival_and_no_fill_is_the_lowest_rate():
    assert slow(view_of(qty0=100, left=100, decision=0, decisions=10))["fill_rate"] == 0.0
    assert slow(view_of(qty0=100, left=100, decision=1, decisions=10))["fill_rate"] == -4.0


def test_columns_are_what_the_intervals_add_up_to():
    """Over whole episodes: since arrival, the sums of what each decision saw of the interval before it, entry by entry
    what the last three said then; from the warm-up on, whatever the world traded before."""
    preset = presets.load("sh600961")
    task, source = Task(horizon_s=300.0, decisions=10), reactive(preset, 2, settle_s=300.0)
    older = source.worlds_k.copy()
    older[:, [sim.BOUGHT, sim.OFI]] += 10**6
    episodes = Episodes(replace(source, worlds_k=older), task, 6)
    episodes.start(seeded_plan(task, task.lots(preset.volume_per_s), 5, 0, 6, 2))
    first = episodes.view.m.copy()
    assert (first[:, c.AGE_NS] >= round(task.warmup_s * 1e9)).all()
    flow = first[:, [c.LONG_SAME, c.LONG_AGAINST, c.LONG_OFI]]
    assert (flow[:, :2].sum(axis=1) > 0).all()
    assert np.abs(flow).max() < 10 * preset.volume_per_s * task.warmup_s
    np.testing.assert_array_equal(flow[::2], flow[1::2, [1, 0, 2]] * [1, 1, -1])
    seen, before = np.zeros((6, 3), np.int64), [np.zeros((6, 6), np.int64)] * 3
    columns = [c.V_SAME, c.V_AGAINST, c.OFI, c.RV, c.EVENTS, c.DRIFT]
    while episodes.working.all():
        view = episodes.view
        past = view.m[:, c.PAST0 : c.AGE_NS].reshape(6, 3, 6)
        np.testing.assert_array_equal(past, np.stack(before, axis=1))
        before = [view.m[:, columns].copy(), *before[:2]]
        seen += view.m[:, columns[:3]] * (view.decision > 0)[:, None]
        np.testing.assert_array_equal(view.seen_against, seen[:, 1])
        since = view.m[:, [c.LONG_SAME, c.LONG_AGAINST, c.LONG_OFI]] - flow
        np.testing.assert_array_equal(since, seen)
        assert (view.age_ns - first[:, c.AGE_NS] == task.horizon_ns - view.time_left_ns).all()
        moved = view.side * (view.mid2 - view.arrival_mid2)
        np.testing.assert_array_equal(view.long_drift - first[:, c.LONG_DRIFT], moved)
        episodes.step(build("twap_take").decide(view))
    assert seen.any()


# -- columns: oriented alike for buyers and sellers, own orders left out ----------------------------------------------


PRIVATE = FEATURES.index("spread")
ROWS = [
    (0, ADD, 0, 1, 99, 7),
    (0, ADD, 1, 1, 97, 5),
    (0, ADD, 2, -1, 102, 4),
    (0, ADD, 3, -1, 103, 9),
]
LATER = [(5, EXECUTE, 2, -1, 102, 1), (6, EXECUTE, 0, 1, 99, 2), (8, ADD, 4, 1, 100, 3)]


def mirrored(rows):
    return [
        (ns, kind, slot, -side, 201 - price, lots) for ns, kind, slot, side, price, lots in rows
    ]


def shown(side, latency=0, quantity=20):
    """Rest 3 improved and 2 at touch - 2 at ns 1, look at ns 10; the x, m and float rows and the market."""
    table = np.array(ROWS + LATER if side > 0 else mirrored(ROWS + LATER), np.int64)
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
    _, _, x, m, _ = shown(1)
    named = dict(zip(c.X_NAMES, x.tolist(), strict=True)) | dict(
        zip(c.M_NAMES, m.tolist(), strict=True)
    )
    # the execution at 99 filled two of the three lots at 100; the touch is now 100, a public add behind them
    listed = {
        name: [named[f"{name}{n}"] for n in at]
        for name, at in (
            ("rest", range(5)), ("ahead", range(5)), ("own", range(1, 6)), ("far", range(1, 6)),
        )
    }  # fmt: skip
    assert listed == {
        "rest": [0, 1, 0, 0, 2],
        "ahead": [-1, 0, -1, -1, 5],
        "own": [3, 5, 5, 0, 0],
        "far": [3, 9, 0, 0, 0],
    }
    expected = {
        "left": 18, "live": 3, "touch": 100, "far": 102, "mid2": 202, "v_same": 1, "v_against": 2,
        "drift": 1, "rv": 1, "events": 3, "ofi": -2 + 1 + 3, "time_left_ns": 90,
    }  # fmt: skip
    assert {name: named[name] for name in expected} == expected


def test_buyers_and_sellers_see_the_same():
    _, _, x, m, o = shown(1)
    _, _, xs, ms, os_ = shown(-1)
    keep = [i for i in range(c.PX) if i != c.SIDE]
    assert x[keep].tolist() == xs[keep].tolist()
    # before the first look, and when the warm-up began, the mid was 0 here
    priced = (c.TOUCH, c.FAR, c.MID2, c.ARRIVAL_MID2, c.PAST_DRIFT1, c.LONG_DRIFT)
    assert [v for i, v in enumerate(m.tolist()) if i not in priced] == [
        v for i, v in enumerate(ms.tolist()) if i not in priced
    ]
    assert o.tobytes() == os_.tobytes()


def test_lots_in_flight_are_where_they_will_stand():
    b, _, x, _, _ = shown(1, latency=1000)
    assert x[c.INFLIGHT] == 5
    assert x[c.LIVE] == 5
    assert x[c.REST0 : c.REST0 + 5].tolist() == [0, 3, 0, 0, 2]
    assert (x[c.AHEAD0 : c.AHEAD0 + 5] == -1).all()
    assert (ledger_of(b)[:2, lay.STATE] == lay.IN_FLIGHT).all()


@pytest.mark.parametrize("side", [1, -1])
def test_an_empty_market_is_finite(side):
    b, k = lay.new_book(16, 64, 8), sim.extend(blank_state(sim.REPLAY), 2)
    k[sim.SIDE] = side
    x, m = np.zeros(c.PX, np.int64), np.zeros(c.MX, np.int64)
    observe(b, k, x, m)
    o = features_of(x[None], m[None])[0]
    assert np.isfinite(o).all()
    assert o[15] == 0.0
