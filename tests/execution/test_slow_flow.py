"""The slow flow in the observation: how the order fares, and the market before it came."""

import math
from dataclasses import replace

import numpy as np

from certify.kits.strategy import random_views
from tercel.execution import columns as c
from tercel.execution.observation import SLOW, observer, view_of
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.market.flow import preset as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

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
    """Over whole episodes: since arrival, the sums of what each decision saw of the interval before it."""
    preset = presets.load("csco")
    task = Task(horizon_s=300.0, decisions=10)
    episodes = Episodes(reactive(preset, 2, settle_s=300.0), task, 6)
    episodes.start(seeded_plan(task, task.lots(preset.volume_per_s), 5, 0, 6, 2))
    first = episodes.view.m.copy()
    assert (first[:, c.AGE_NS] >= round(task.warmup_s * 1e9)).all()
    assert (first[:, c.LONG_SAME] + first[:, c.LONG_AGAINST] > 0).all()
    seen = np.zeros((6, 3), np.int64)
    columns = [c.V_SAME, c.V_AGAINST, c.OFI]
    while episodes.working.all():
        view = episodes.view
        if view.decision[0] > 0:
            seen += view.m[:, columns]
        np.testing.assert_array_equal(view.seen_against, seen[:, 1])
        since = (
            view.m[:, [c.LONG_SAME, c.LONG_AGAINST, c.LONG_OFI]]
            - first[:, [c.LONG_SAME, c.LONG_AGAINST, c.LONG_OFI]]
        )
        np.testing.assert_array_equal(since, seen)
        assert (view.age_ns - first[:, c.AGE_NS] == task.horizon_ns - view.time_left_ns).all()
        moved = view.side * (view.mid2 - view.arrival_mid2)
        np.testing.assert_array_equal(view.long_drift - first[:, c.LONG_DRIFT], moved)
        episodes.step(build("twap_take").decide(view))
    assert seen.any()


def test_slow_flow_is_counted_from_the_warm_up_on():
    """The world ran before the warm-up began: what it traded then is not seen."""
    preset = presets.load("csco-santa-fe")
    task = Task(share=0.1, horizon_s=60, decisions=6, warmup_s=30)
    source = reactive(preset)
    older = source.worlds_k.copy()
    older[:, [sim.BOUGHT, sim.OFI]] += 10**6
    episodes = Episodes(replace(source, worlds_k=older), task, 2)
    episodes.start(seeded_plan(task, 5, 1, 0, 2))
    view = episodes.view
    assert view.age_ns.tolist() == [30 * 10**9] * 2
    assert (view.long_same[0], view.long_against[0], view.long_ofi[0]) == (
        view.long_against[1], view.long_same[1], -view.long_ofi[1],
    )  # fmt: skip
    assert 0 < view.long_same[0] + view.long_against[0] < 10 * preset.volume_per_s * 30
