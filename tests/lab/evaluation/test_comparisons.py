"""Comparisons and claims: means and signs by hand, corrections over everything, recipes as a level, pools, every loss by name."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tercel.core.records import from_jsonable
from tercel.core.serialization import to_jsonable
from tercel.core.stats import holm
from tercel.core.stats.power import required_sample
from tercel.execution.costs import Costs
from tercel.lab.evaluation.claims import claim
from tercel.lab.evaluation.comparisons import (
    ComparisonLedger,
    ResampledScores,
    Scores,
    compare,
    detectable,
    gains,
    pooled_gain,
    scenario_cell,
)
from tercel.lab.evaluation.judge import JudgedEntry
from tercel.lab.evaluation.risk_statistics import (
    by_side,
    deflated_gain,
    loss_to,
    price_move_beta,
    price_moves,
    ratios,
    tail_means,
    win_shares,
)
from tercel.lab.evaluation.sample_size import SampleSize, sample_size


def rng(seed=0):
    return np.random.default_rng(seed)


def scores(n=400, seed=1):
    """Rule at 10, agent at 9 sharing most noise, three training seeds of another at 9.5."""
    generator = rng(seed)
    common = generator.normal(scale=20.0, size=n)
    seeds = np.array([[9.0], [9.5], [10.0]]) + common + generator.normal(scale=2.0, size=(3, n))
    bps = {
        "recipe": seeds,
        **{f"recipe-{i}": seeds[[i]] for i in range(3)},
        "agent": (9.0 + common + generator.normal(scale=2.0, size=n))[None, :],
        "rule": (10.0 + common)[None, :],
        "worse": (15.0 + common + generator.normal(scale=30.0, size=n))[None, :],
    }
    return Scores(bps, np.arange(n))


RECIPES = {"recipe": ("recipe-0", "recipe-1", "recipe-2")}


def costs(shortfall):
    """Costs of one lot at a mid of 20,000 half ticks, so that one half tick is half a bp; all of it spread."""
    n = len(shortfall)
    whole = np.asarray(shortfall, np.int64)
    zero, one = np.zeros(n, np.int64), np.ones(n, np.int64)
    grid = np.full((n, 3), 20_000, np.int64)
    early = np.stack([one, zero, zero], axis=1)
    return Costs(
        qty=one, arrival_mid2=20_000 * one, spread=whole, walk=zero, timing=zero, forced_spread=zero,
        forced_walk=zero, forced_timing=zero, lots_filled=one, passive_lots=zero, forced_lots=zero,
        unfilled_lots=zero, unfilled_paid=zero, mid2_grid=grid, lots_grid=early,
        forced_lots_grid=np.zeros((n, 3), np.int64),
        side=np.where(np.arange(n) % 2 == 0, 1, -1).astype(np.int8),
        cluster=np.arange(n), fees=zero, double_lots=zero, overflow=zero, run_out=one, messages=zero,
    )  # fmt: skip


def test_a_gain_is_what_the_other_costs_more_and_pairing_sees_it():
    s = scores()
    found = gains(ResampledScores.of(s, rng()), ["agent", "recipe"], RECIPES, rng())
    agent = found["agent"]["rule"]
    difference = s.bps["rule"][0] - s.bps["agent"][0]
    assert agent.point == pytest.approx(difference.mean())
    assert agent.error == pytest.approx(difference.std(ddof=1) / 20, rel=0.1)
    assert agent.p_value() == pytest.approx(
        stats.ttest_1samp(difference, 0).pvalue, rel=1.0, abs=1e-8
    )
    assert set(found["recipe"]) == {"agent", "rule", "worse"}, (
        "a recipe is not compared with its own seeds"
    )
    assert found["recipe"]["rule"].point == pytest.approx(0.5, abs=0.2)
    assert found["recipe"]["rule"].error > found["agent"]["rule"].error, "its seeds differ"


def test_everything_entered_is_corrected_together():
    s, ledger = scores(), ComparisonLedger()
    whole = scenario_cell(s, ["agent"], {}, ledger, rng())
    part = scenario_cell(s.select(np.arange(50)), ["agent"], {}, ledger, rng())
    rows = [cell for place in (whole, part) for cell in place.paired["agent"].values()]
    assert ledger.adjust() == len(rows)
    expected = stats.false_discovery_control([p for _, p in ledger.exploratory])
    assert [cell.p_adjusted for cell in rows] == pytest.approx(expected)
    assert set(rows[0].to_json()) == {"mean", "ci_low", "ci_high", "p_adjusted", "power"}
    assert (
        scenario_cell(s.select(np.arange(5)), ["agent"], {}, ledger, rng()).json_fields()["paired"]
        is None
    )


def test_primary_comparisons_are_held_by_themselves_whatever_else_is_entered():
    s, ledger, alone = scores(), ComparisonLedger(), ComparisonLedger()
    few = compare(s, ["agent"], {}, alone, rng(), {"rule", "recipe"})[0].paired["agent"]
    for at in range(20):
        scenario_cell(s.select(np.arange(10 * at, 10 * at + 40)), ["agent"], {}, ledger, rng())
    many = compare(s, ["agent"], {}, ledger, rng(), {"rule", "recipe"})[0].paired["agent"]
    alone.adjust()
    ledger.adjust()
    for other in ("rule", "recipe"):
        assert few[other] == many[other]
    p = [row[1] for row in alone.primary]
    assert [row[0].p_adjusted for row in alone.primary] == pytest.approx(holm(p))
    assert many["worse"].p_adjusted != few["worse"].p_adjusted


def test_training_seeds_of_a_recipe_are_exploratory():
    ledger = ComparisonLedger()
    cell = compare(scores(), ["recipe", "agent"], {"recipe": ["agent"]}, ledger, rng(), {"rule"})[0]
    assert [row[0] for row in ledger.primary] == [cell.paired["recipe"]["rule"]]


def test_pairs_are_counted_together_in_the_sample_that_1_bps_needs():
    """A pair of one difference counts as one episode; a pair with one sum says nothing of the error."""
    generator, half_ticks = rng(), 2  # of 0.5 bps
    pairs = generator.integers(-20, 21, 400)
    apart, alike = np.stack([100 - pairs, pairs], axis=1).ravel(), np.repeat(pairs, 2)
    cluster = np.repeat(np.arange(400), 2)
    rule = replace(costs(np.zeros(800)), cluster=cluster)
    shared = replace(costs(half_ticks * (alike + 100)), cluster=cluster)
    found = sample_size({"rule": rule, "shared": shared}, judged=1000, orders_a_day=20.0)
    assert found is not None
    assert found.sd_bps == pytest.approx(2**0.5 * pairs.std(), rel=0.01)
    assert found.episodes_for_1_bps == required_sample(found.sd_bps)
    assert found.detectable_bps == pytest.approx(
        (required_sample(found.sd_bps) / 1000) ** 0.5, rel=0.01
    )
    assert (
        f"{round(required_sample(found.sd_bps) / 20.0)} days with 20 a day; 1,000 are judged"
        in found.words
    )
    assert from_jsonable(SampleSize, to_jsonable(found)) == found
    cancelled = replace(costs(half_ticks * (apart + 100)), cluster=cluster)
    assert (
        sample_size({"rule": rule, "cancelled": cancelled}, judged=1000) is None
    )  # nothing varies between pairs
    assert sample_size({"rule": rule}, judged=1000) is None


def test_pooling_over_places_weighs_them_alike():
    places = [
        ResampledScores.of(scores(n, seed), rng(seed)) for n, seed in ((200, 1), (400, 2), (300, 3))
    ]
    by_hand = np.mean([(one.points["rule"] - one.points["recipe"].mean())[0] for one in places])
    these = pooled_gain(places, "recipe", "rule", rng(), redraw_markets=False)
    drawn = pooled_gain(places, "recipe", "rule", rng(), redraw_markets=True)
    assert these.point == pytest.approx(by_hand)
    assert drawn.point == these.point


def test_ratios_are_of_means_and_fall_silent_where_impact_is_not_known():
    generator = rng(3)
    noise = generator.integers(-20, 21, 400)
    cheap, dear = costs(10 + noise), costs(20 + noise)
    found = ratios(
        [JudgedEntry("agent", "learned", (cheap,)), JudgedEntry("twap_take", "baseline", (dear,))],
        None,
        rng(),
    )
    cell = found["agent"].is_bps["twap_take"]
    assert cell.mean == pytest.approx((10 + noise).mean() / (20 + noise).mean())
    assert cell.ci_low < cell.mean < cell.ci_high
    assert cell.denominator.ci_low > 0
    assert found["agent"].impact_bps["twap_take"] is None
    assert found["agent"].timing_risk_bps["twap_take"].mean == pytest.approx(0.0, abs=1e-9)


def test_the_slope_of_a_schedule_on_the_move_is_the_share_traded_late():
    generator = rng(4)
    n = 600
    move = generator.integers(-40, 41, n)
    one = costs(move // 2)
    side = one.side.astype(np.int64)
    grid = one.mid2_grid.copy()
    grid[:, -1] += move * side
    slope = price_move_beta(Scores.of({"twap": one}, {}), price_moves(one, grid), rng())["twap"]
    assert slope.mean == pytest.approx(0.5, abs=0.01)
    assert by_side(Scores.of({"twap": one}, {}), one.side)["twap"]["buy"] == pytest.approx(
        (move // 2)[side > 0].mean() / 2, abs=1e-9
    )


def test_tails_odds_power_and_deflation_of_known_samples():
    s = scores(2000)
    worst = np.sort(s.bps["rule"][0])[-100:].mean()
    assert tail_means(s, rng())["rule"].mean == pytest.approx(worst)
    won = (s.bps["rule"][0] > s.bps["agent"][0]).mean()
    assert win_shares(s, ["agent"], rng())["agent"]["rule"].mean == pytest.approx(won)
    gain = gains(ResampledScores.of(s, rng()), ["agent"], {}, rng())["agent"]["rule"]
    assert detectable(gain) == pytest.approx(2.80 * gain.error, rel=0.01)
    one, many = (deflated_gain(s, "agent", "rule", variants) for variants in (1, 500))
    assert one.ratio == pytest.approx(0.5, abs=0.05)
    assert many.best_of_none > 0 == one.best_of_none
    means = ResampledScores.of(s, rng()).replicates(rng())
    lost = means["rule"].point / means["agent"].point - 1
    assert loss_to(means, "rule", "agent").mean == pytest.approx(lost)


# -- claims -----------------------------------------------------------------------------------------------------------


TEAM = 3


def of_a_recipe(generator, gains):
    """A recipe of three seeds, and what it saves on each strategy."""
    noise = generator.normal(size=300)
    table = {
        "mine": noise
        + 0.05 * generator.normal(size=(TEAM, 1))
        + 0.2 * generator.normal(size=(TEAM, 300))
    }
    table |= {
        name: (noise + gain + 0.5 * generator.normal(size=300))[None, :]
        for name, gain in gains.items()
    }
    return Scores(table, np.arange(300))


def claimed(worlds, best=None):
    """A claim of worlds: regime -> market -> strategy -> true gain."""
    generator, ledger = np.random.default_rng(0), ComparisonLedger()
    cells = {
        regime: {
            market: compare(of_a_recipe(generator, gains), ["mine"], {}, ledger, generator)
            for market, gains in row
        }
        for regime, row in ((regime, row.items()) for regime, row in worlds.items())
    }
    teams = {
        market: [f"{market}-{seed}" for seed in range(TEAM)]
        for market in next(iter(worlds.values()))
    }
    found = claim("mine", cells, teams, ledger, generator, best)
    ledger.adjust()
    return found, cells, len(ledger.primary)


def test_what_is_above_open_and_below_is_counted_and_named():
    row = {"weak": 2.0, "equal": 0.0, "strong": -2.0}
    found, *_ = claimed({"plain": {"a": row, "b": row}})
    assert found.training_seeds == {"a": TEAM, "b": TEAM}
    for key in ("these_markets", "any_markets"):
        assert set(found.means_by_view[key]["open"]) <= {"equal", "weak", "strong"}
    told = found.means_by_view["these_markets"]
    assert {word: list(names) for word, names in told.items()} == {
        "above": ["weak"], "open": ["equal"], "below": ["strong"]
    }  # fmt: skip
    assert found.verdict["these_markets"].startswith(
        "significantly cheaper than 1 of 3 and more expensive than 1 (strong -"
    )
    assert "no significant difference from 1 (equal " in found.verdict["these_markets"]
    assert {part[:2] for part in found.worse} == {
        ("strong", "a"),
        ("strong", "b"),
    }


def test_a_primary_comparison_is_made_once():
    row = {"weak": 2.0, "strong": -2.0, "random": 3.0}
    found, _, primaries = claimed({"plain": {"a": row, "b": row}}, {"a": "strong", "b": "weak"})
    against, primary = found.against, found.primary
    assert against["random"].these_markets is primary["random"].gain
    assert all(against[name].these_markets is not primary["best written"].gain for name in row)
    assert primaries == 2
    found, _, primaries = claimed({"plain": {"a": row, "b": row}}, {"a": "random", "b": "random"})
    assert found.primary["best written"].gain is found.primary["random"].gain
    assert primaries == 1


def test_a_regime_that_loses_is_not_averaged_away():
    good, bad = {"weak": 2.0}, {"weak": -2.0}
    worlds = {
        "plain": {"a": good, "b": good},
        "thin": {"a": good, "b": bad},
        "calm": {"a": good, "b": good},
    }
    found, cells, _ = claimed(worlds)
    assert found.means_by_view["these_markets"]["above"].keys() == {"weak"}
    assert [part[:2] for part in found.worse] == [("weak", "b thin")]
    assert found.lowest["by_regime"][1] == "thin"
    row = found.against["weak"]
    by_hand = [cell.paired["mine"]["weak"].mean for cell, _ in cells["thin"].values()]
    assert row.by_regime["thin"].mean == pytest.approx(np.mean(by_hand))
    assert all(
        cell.power > 0 for cell in (row.any_markets, row.these_markets, *row.by_market.values())
    )


def test_one_market_is_claimed_as_it_is():
    found, cells, _ = claimed({"plain": {"a": {"weak": 2.0}}, "thin": {"a": {"weak": 1.0}}})
    row = found.against["weak"]
    assert row.these_markets is None
    assert row.by_market["a"] is cells["plain"]["a"][0].paired["mine"]["weak"]
    assert row.by_regime["thin"] is cells["thin"]["a"][0].paired["mine"]["weak"]
    assert found.verdict == {
        "by_market": "significantly cheaper than 1 of 1 and more expensive than none; no significant difference from none"
    }
