"""What policies observe: a finite function of the two rows that sees size, horizon and urgency, whatever the side."""

import math

import numpy as np
import pytest

from certify.kits.strategy import random_views, take_rows
from tercel.core.errors import ConfigError
from tercel.execution import columns as c
from tercel.execution.observation import LAST, MARKET, N_LAST, encode_rows, observer, view_of
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive

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


def test_what_is_stacked_is_what_was_seen_before():
    """Over whole episodes: entry by entry what the last interval said then, zeros before the first observation."""
    preset = presets.load("csco")
    task = Task(horizon_s=300.0, decisions=10)
    episodes = Episodes(reactive(preset, 2, settle_s=300.0), task, 6)
    episodes.start(seeded_plan(task, task.lots(preset.volume_per_s), 5, 0, 6, 2, 30 * 10**9))
    columns = [c.V_SAME, c.V_AGAINST, c.OFI, c.RV, c.EVENTS, c.DRIFT]
    before = [np.zeros((6, 6), np.int64)] * 3
    while episodes.working.all():
        view = episodes.view
        past = view.m[:, c.PAST0 : c.AGE_NS].reshape(6, 3, 6)
        np.testing.assert_array_equal(past, np.stack(before, axis=1))
        before = [view.m[:, columns].copy(), *before[:2]]
        episodes.step(build("peg_behind").decide(view))
    assert any(rows.any() for rows in before)


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
