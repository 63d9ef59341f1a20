"""Slices beside ghosts that wait on the same tape, forecasts of a known process, and scores that are moved."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from studies.fills import (
    fills_kernel as k,
    forecast as f,
    forecast_worth as w,
)
from studies.fills.replayed import DISTANCES, noted, replayed
from studies.tape.flow import DAY_NS
from tercel import Latency, Market, Task
from tercel.core import NS_PER_SECOND
from tercel.execution.foresight import FEATURES, NAMES, ODD
from tercel.lab.evaluation import Scenario, build_market
from tercel.market import compile_day
from tercel.market.flow import load as preset
from tercel.market.simulator.days import simulated_session
from tercel.market.tape import Instrument, Lake
from tercel.signals.flow import FlowDay, read_day

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Two days of 47 minutes: one window each."""
    made, market = Lake(tmp_path_factory.mktemp("fills") / "lake"), preset("csco-santa-fe")
    for seed, date in enumerate(("2020-01-02", "2020-01-03")):
        open_ns = Instrument("SIM", "AAA", date, market.tick, market.lot).clock_ns("10:00")
        close_ns = open_ns + 2800 * NS_PER_SECOND
        about = "SIM", "AAA", date, market.tick, market.lot
        one = Instrument(*about, session_open_ns=open_ns, session_close_ns=close_ns)
        made.write(one, simulated_session(market, seed, 2800.0, open_ns, warmup_s=300.0))
    return made


@pytest.mark.parametrize("place", ["touch", "behind"])
def test_a_slice_fills_with_its_ghost_or_later(lake, place, monkeypatch):
    """The ghost takes what a tape's trade gave to others' orders, which no bound in replay does more kindly."""
    days = {
        day.first_ns // DAY_NS: day
        for day in (read_day(lake, "AAA", date, 4) for date in lake.days("AAA"))
    }
    where = Market(
        lake=str(lake.root), symbol="AAA", days=("2020-01-03",), bound="kind", impact="none"
    )
    market = build_market(Scenario(where, Task(latency=Latency())))
    seen, slices_at = [], f.slices_at
    monkeypatch.setattr(f, "slices_at", lambda *given: (seen.append(given), slices_at(*given))[1])
    found = f.slices_of(market, place, days)
    instrument, events = lake.read("AAA", "2020-01-03")
    rows, slots = replayed(instrument, events).rows, compile_day(instrument, events).slots
    shares = market.plan.rows[:, 3] // market.task.decisions
    ghosts, mine = [], []
    for _, at, side, done, _ in seen:
        what, first, stand = noted(rows.copy(), at, slots)
        level = np.ascontiguousarray(stand[:, :, DISTANCES.index(f.PLACES.index(place) - 2)])
        out = np.zeros((len(at), 2, k.FOUND))
        k.ghosts(
            rows,
            what,
            at,
            first,
            level,
            int(shares[0]),
            60 * NS_PER_SECOND,
            np.zeros(k.GHOST, np.int64),
            out,
        )
        ghosts.append(out[:, int(side < 0), k.FILLED])
        mine.append((done - at) / NS_PER_SECOND)
    ghost, slice_ = np.concatenate(ghosts), np.concatenate(mine)
    assert len(found.day) > 100
    filled = np.isfinite(slice_)
    assert filled.sum() > 20
    assert (slice_[filled] >= ghost[filled] - 1e-6).all()
    assert (np.abs(slice_ - ghost)[filled] < 1e-6).mean() > 0.8


@given(
    st.lists(st.tuples(st.integers(0, 39), st.integers(90, 110), st.integers(1, 5)), max_size=30),
    st.integers(0, 9),
)
def test_whole_fills_are_counted_one_by_one(fills, lots):
    rows = np.array(
        [[ns, price, n, 0, 0, 1, 0] for ns, price, n in sorted(fills)], np.int64
    ).reshape(-1, 7)
    at = np.arange(0, 30, 10)
    done, price = f.filled(rows, at, 10, np.full(3, lots))
    for n, start in enumerate(at):
        mine = [row for row in rows.tolist() if start <= row[0] < start + 10]
        got = sum(row[2] for row in mine)
        assert done[n] == (mine[-1][0] if lots and got >= lots else np.inf)
        assert price[n] == pytest.approx(sum(row[1] * row[2] for row in mine) / max(got, 1))


def test_costs_of_a_slice_by_hand():
    """The mid rises by a tick after 20 s; a bid for 100 at the touch is filled after 10 s, or not at all."""
    up = np.arange(400) >= 100  # the quote of second 25
    bid, ask = np.where(up, 101, 100), np.where(up, 103, 102)
    x = np.ones((1, FEATURES))
    x[0, NAMES.index("spread")] = (
        2.0  # twice the usual spread: half of that is a half-tick less than a tick
    )
    day = FlowDay("A", "2020-01-02", 0.01, 0, bid, ask, np.array([20]), x, np.ones(1), np.ones(1))
    at, later = np.array([5 * NS_PER_SECOND]), np.array([15.0 * NS_PER_SECOND])
    x, seconds, cost, waiting = f.slices_at(day, at, 1, later, np.array([100.0]))
    assert (seconds.tolist(), cost.tolist(), waiting.tolist()) == ([10.0], [-4.0], [-4.0])
    _, seconds, cost, waiting = f.slices_at(day, at, 1, np.array([np.inf]), np.array([0.0]))
    assert (seconds.tolist(), waiting.tolist()) == ([np.inf], [2.0])
    assert np.isnan(cost).all()
    _, _, cost, waiting = f.slices_at(day, at, -1, later, np.array([102.0]))
    assert (cost.tolist(), waiting.tolist()) == ([0.0], [-4.0])


def test_features_turn_round_and_back():
    x = np.random.default_rng(0).normal(size=(5, FEATURES))
    way = np.array([1.0, -1.0, -1.0, 1.0, -1.0])
    np.testing.assert_array_equal(f.turned(f.turned(x, way), way), x)
    turned = f.turned(x, -np.ones(5))
    np.testing.assert_array_equal(turned[:, :ODD], -x[:, :ODD])
    np.testing.assert_array_equal(turned[:, NAMES.index("thin")], x[:, NAMES.index("heavy")])
    np.testing.assert_array_equal(turned[:, NAMES.index("wide")], x[:, NAMES.index("wide")])


def known(seed, scale):
    """Slices of a known process: the chance of a fill hangs on one feature, its cost on another."""
    rng = np.random.default_rng(seed)
    n = 6_000
    x, other = rng.normal(size=(2, n, FEATURES))
    chance = scale / (1.0 + np.exp(-2.0 * x[:, 0]))
    filled = np.where(rng.random(n) < chance, 10.0, np.inf)
    cost = np.where(np.isfinite(filled), x[:, 1] + rng.normal(size=n), np.nan)
    return f.Slices(np.arange(n) % 20, x, other, filled, cost, cost), chance


@pytest.mark.parametrize("what", ["30", "cost 30"])
def test_a_known_process_is_forecast_as_well_as_it_can_be(what):
    """Learned on two symbols, judged on one that fills half as often: calibrated, near the best there is; a placebo is not."""
    pytest.importorskip("lightgbm")
    others = [known(seed, 0.8)[0] for seed in (1, 2)]
    mine, chance = known(3, 0.4)
    early = mine.day < 5
    found = f.scored(mine, f.learned(others, what, 1), what, early)
    y = mine.target(what)
    last = np.isfinite(y) & ~early
    best = chance if what == "30" else mine.x[:, 1]
    limit = f.judged(best[last], y[last], mine.day[last])
    assert limit["skill"]["mean"] - 0.06 < found["skill"]["mean"] <= limit["skill"]["mean"] + 0.01
    assert found["slope"] == pytest.approx(1.0, abs=0.25)
    assert found["forecast"] == pytest.approx(found["outcome"]["mean"], abs=0.06)
    assert found["placebo"]["skill"]["mean"] < 0.0
    assert found["placebo"]["auc"] is None or found["placebo"]["auc"] == pytest.approx(
        0.5, abs=0.03
    )
    near = [
        d["outcome"]["ci_low"] - 0.1 < d["forecast"] < d["outcome"]["ci_high"] + 0.1
        for d in found["deciles"]
    ]
    assert sum(near) >= 9


def test_too_few_fills_are_not_judged():
    mine, _ = known(4, 0.4)
    rare = replace(
        mine, filled_s=np.full(len(mine.day), np.inf), cost=np.full(len(mine.day), np.nan)
    )
    for what in ("30", "cost 30"):
        assert f.scored(rare, f.learned([mine], what, 1), what, mine.day < 5) is None


class Fixed:
    """A policy whose scores are its first three entries."""

    def act(self, obs, mask=None):
        return obs[:, :3]


def test_one_score_is_moved_by_what_is_said():
    obs, now = np.random.default_rng(0).normal(size=(2, 4, 6))
    for score, weights in w.WAYS.values():
        moved = w.Moved(Fixed(), score, np.array(weights), now[:, :4]).act(obs)
        wanted = obs[:, :3].copy()
        wanted[:, score] += [
            sum(a * b for a, b in zip([*n[:4], *o, 1.0], weights, strict=True))
            for n, o in zip(now, obs, strict=True)
        ]
        np.testing.assert_allclose(moved, wanted)


def test_the_placebo_is_what_is_said_a_day_later():
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    quotes = np.arange(400)
    at, one = np.arange(0, 400, 4), np.ones(100)
    days = {
        n: FlowDay(
            "A",
            "",
            0.01,
            n * DAY_NS,
            quotes,
            quotes,
            at,
            rng.normal(size=(100, FEATURES)),
            one,
            one,
        )
        for n in (3, 7)
    }
    mine, _ = known(5, 0.4)
    said, placebo = w.said_of({place: [mine] for place in f.PLACES}, days, 1)
    for one, other in ((3, 7), (7, 3)):
        assert placebo[one][0] == said[one][0] == one * DAY_NS
        np.testing.assert_array_equal(placebo[one][1], said[other][1])
    # a seller sees the market in the mirror
    model = f.learned([mine], "30", 1)
    np.testing.assert_array_equal(
        said[3][1][:100, 1, 2], f.told(model, f.turned(days[3].x, -np.ones(100)))
    )
