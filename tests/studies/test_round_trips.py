"""Round trips: cash by hand, no free lunch where there is none, and one that was planted is found and proved."""

from functools import partial

import numpy as np
import pytest
from tests.markets import martingale_market

from certify.kits.strategy import random_views
from studies.round_trips.grounds import preset_grounds
from studies.round_trips.market import TripGround, play
from studies.round_trips.search import arbitrage, one_sided
from studies.round_trips.trips import (
    SIZE,
    finish,
    first_legs,
    genes,
    wants,
)
from tercel.core.errors import ConfigError
from tercel.execution import intent as it
from tercel.execution.market import Market
from tercel.execution.probe_views import view_of
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.flow.registry import load
from tercel.market.impact import law as words
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

pytestmark = pytest.mark.release

TASK = Task(warmup_s=30.0)
TAKES = genes(pace=1.0, seconds=60.0)


def trip(first, second, insist=1.0, wait=-0.3):
    return np.array([first + second + [insist, wait]])


def ground(source, volume, seed=1):
    return TripGround(source, partial(seeded_plan, TASK, volume, seed))


# -- the policy -------------------------------------------------------------------------------------------------------


def test_a_leg_wants_no_more_than_is_left_and_holds_what_stays() -> None:
    view = random_views(400, 7)
    rng = np.random.default_rng(7)
    legs = first_legs(3.0 * rng.standard_normal((400, SIZE)))
    for intents in (wants(view, legs), finish(view, legs.insist)):
        assert intents.dtype == np.int32
        lots = intents[:, it.TAKE] + intents[:, it.REST0 :].sum(axis=1)
        assert (intents[:, it.REST0 :] >= 0).all()
        assert (lots <= np.maximum(view.left, 0)).all()
    stays = first_legs(np.array([genes(show=6.0, stay=1.0) + genes() + [0.0, 0.0]]))
    kept = wants(view_of(left=[80], live=[80], rest2=[80]), stays)
    assert kept[0, it.OUTSIDE] == it.KEEP
    assert kept[0, it.REST0 :].tolist() == [0, 0, 80, 0, 0]


def test_the_pace_follows_the_imbalance() -> None:
    legs = first_legs(
        np.repeat(
            np.array([genes(pace=1.0, tilt=1.0, seconds=100.0) + genes() + [0.0, 0.0]]), 3, axis=0
        )
    )
    view = view_of(qty0=100, left=100, own1=[30, 10, 20], far1=[10, 30, 20])
    assert wants(view, legs)[:, it.TAKE].tolist() == [15, 5, 10]


# -- cash -------------------------------------------------------------------------------------------------------------


def test_a_trip_of_takes_in_a_still_market_pays_the_spread_twice() -> None:
    """No jumps, no public trades, endless depth at 9,999 and 10,001, fills at their prices: two ticks a lot."""
    source = martingale_market(jump_rate=1e-9, trade_rate=1e-9, level_lots=10**6)
    source.worlds_k[:, sim.AT_MID] = 0
    played = play(ground(source, 600), TASK, trip(TAKES, TAKES), 0.1, 0, 4)
    np.testing.assert_array_equal(played.lots, 60.0)
    np.testing.assert_allclose(played.ticks_lots, -120.0)
    np.testing.assert_allclose(played.profit_bps, -120.0 / (60 * 10_000) * 1e4, rtol=1e-3)


def test_a_trip_is_as_large_as_its_first_leg() -> None:
    """Nothing is got, nothing is made; and who insists gets everything at the end."""
    source = martingale_market(jump_rate=1e-9, trade_rate=1e-9, level_lots=10**6)
    idle = genes(place=3, show=6.0, seconds=60.0)
    shy, keen = (
        play(ground(source, 600), TASK, trip(idle, TAKES, insist), 0.1, 0, 4)
        for insist in (-1.0, 1.0)
    )
    np.testing.assert_array_equal(shy.lots, 0.0)
    np.testing.assert_array_equal(shy.profit_bps, 0.0)
    np.testing.assert_array_equal(keen.lots, 60.0)


def test_policies_meet_the_same_worlds_whoever_else_is_played() -> None:
    market = ground(reactive(load("sh600961"), settle_s=60.0), 40_000)
    one, other = (
        trip(TAKES, genes(show=6.0, seconds=60.0)),
        trip(genes(show=6.0, seconds=90.0), TAKES, wait=0.1),
    )
    both = play(market, TASK, np.concatenate((one, other)), 0.1, 0, 3)
    again = play(market, TASK, other, 0.1, 0, 3)
    np.testing.assert_array_equal(both.profit_bps[1], again.profit_bps[0])
    late = play(market, Task(warmup_s=30.0, latency=Latency(a_ns=200_000_000)), other, 0.1, 0, 3)
    assert (late.profit_bps != again.profit_bps).any()


def test_trips_are_searched_and_proved_under_the_terms_of_impact_that_were_asked_for() -> None:
    preset = load("goog")
    market = Market(preset="goog", passive_impact=0.5, impact_scale=2.0)
    plain, _ = preset_grounds(preset, Market(preset="goog"), 1)
    for ground_of in preset_grounds(preset, market, 1):
        assert ground_of.source.impact == plain.source.impact.scaled(2.0, 0.5)


# -- the search -------------------------------------------------------------------------------------------------------
def test_no_trip_is_proved_where_prices_are_a_martingale() -> None:
    market = martingale_market(jump_rate=2.0)
    found = arbitrage(
        ground(market, 600), ground(market, 600, 2), sizes=(1.0,), latencies=(Latency(),), budget=3_000,
        pairs=64, task=TASK,
    )  # fmt: skip
    assert found["profitable"] == 0
    assert 5 < len(found["proved"]) <= 20
    assert min(one["share_traded"] for one in found["proved"]) > 0.3
    assert found["searched"] > 100
    assert set(found["by_size"]) == {"1"}


@pytest.mark.parametrize(
    ("name", "pays"), [("sh600961", False), ("goog", False), ("csco-santa-fe", True)]
)
def test_trips_pay_where_the_flow_sees_own_orders_and_nowhere_else(name: str, pays: bool) -> None:
    """A small search, legs that rest among its trips; `tercel market arbitrage` searches longer.

    The straw man shows that the search has power.
    """
    preset = load(name)
    market, volume = reactive(preset, worlds=4, settle_s=900.0), round(1800 * preset.volume_per_s)
    found = arbitrage(
        ground(market, volume), ground(market, volume, 2), sizes=(0.1, 1.0), latencies=(Latency(),), budget=4_000,
        pairs=48, task=TASK,
    )  # fmt: skip
    assert len(found["proved"]) > 5
    assert (found["profitable"] > 0) == pays, found["proved"]


def test_a_planted_free_lunch_is_found_and_proved() -> None:
    """The law turned round: buying cheapens what is bought. Whoever buys a lot and then sells it gains."""
    preset = load("csco-santa-fe")
    law = ImpactLaw("translation", mean_trade_lots=9.0, trades=100.0, sigma_ticks=60.0)
    market = reactive(preset, settle_s=300.0, impact=law)
    market.flow[int(market.flow[sim.IMPACT_AT]) + words.SCALE] *= -1.0
    volume = round(1800 * preset.volume_per_s)
    found = arbitrage(
        ground(market, volume), ground(market, volume, 2), sizes=(0.3,), latencies=(Latency(),), budget=1,
        pairs=32, task=TASK,
    )  # fmt: skip
    assert found["profitable"] == len(found["proved"])
    best = max(found["proved"], key=lambda one: one["profit_bps"]["mean"])
    assert best["profit_bps"]["ci_low"] > 0.0
    assert best["ticks_a_lot"] > 0.0


def test_what_is_refused() -> None:
    market = ground(martingale_market(), 600)
    for wrong in ({"sizes": ()}, {"sizes": (0.0,)}, {"latencies": ()}, {"pairs": 2}):
        options = {"sizes": (0.1,), "latencies": (Latency(),), **wrong}
        with pytest.raises(ConfigError, match="sizes above 0"):
            arbitrage(market, market, **options)


# -- the statistics ---------------------------------------------------------------------------------------------------


def test_p_values_are_uniform_where_there_is_no_gain() -> None:
    rng = np.random.default_rng(2)
    p = np.array([one_sided(rng.standard_normal(20), np.arange(20))[1] for _ in range(2000)])
    assert abs((p < 0.05).mean() - 0.05) < 0.015
    assert one_sided(np.zeros(5), np.arange(5))[1] == 1.0
    assert one_sided(np.ones(5), np.zeros(5, np.int64))[1] == 1.0
