"""The desk day: what an arrow is worth from runs with and without it, grounds that are drawn, ceilings."""

import math

import numpy as np
import pytest

from studies.desk.day import EXAMPLES, arrow_rows, drawn, martingale
from studies.desk.experiment import DESK, MORE_ARROWS, DeskRun, blind, frozen, without
from tercel.api.demo.scenario import planted, scenario_of
from tercel.api.desk_file import read_config

pytestmark = pytest.mark.release


def run_of(variant: str, seed: int, cost: float) -> DeskRun:
    return DeskRun(variant, seed, cost, (cost,), {}, 0, 0, (0.0,))


def test_an_arrows_worth_is_paired_by_seed() -> None:
    rng = np.random.default_rng(0)
    luck, saved = rng.normal(0, 50, 200), rng.normal(1.0, 2.0, 200)
    runs = [run_of(DESK, n, luck[n]) for n in range(200)]
    runs += [run_of("lean", n, luck[n] + saved[n]) for n in range(200)]
    (row,) = arrow_rows("here", runs)
    assert row.saves.mean == pytest.approx(saved.mean())
    assert row.sd == pytest.approx(saved.std(ddof=1))
    assert row.t == pytest.approx(saved.mean() / saved.std(ddof=1) * math.sqrt(200))
    assert row.smallest == pytest.approx(2.8 * row.sd / math.sqrt(200), rel=0.02)


def test_changes_are_drawn_by_the_seed_alone() -> None:
    regime = read_config(EXAMPLES / "regime.toml")
    assert drawn(regime, 0, 5) == drawn(regime, 0, 5)
    changes = [
        scenario_of(drawn(regime, n, seed)).instrument["AAA"].change
        for n in range(3)
        for seed in range(40)
    ]
    assert {len(change) for change in changes} == {1, 2}
    shares = [one.buy_share for change in changes for one in change]
    assert all(0.15 <= share <= 0.85 for share in shares)
    assert min(shares) < 0.3
    assert max(shares) > 0.7


def test_where_nothing_is_planted_the_score_is_noise() -> None:
    day = martingale(read_config(EXAMPLES / "day.toml")).with_desk(rounds=2000)
    (truth,) = planted(day).values()
    assert {round(one.buy_share, 6) for one in truth.regimes} == {0.5}
    assert truth.news is not None
    assert abs(float(truth.news.mean())) < 0.1


def test_a_score_that_flips_says_the_opposite_from_there_on() -> None:
    day = read_config(EXAMPLES / "day.toml").with_desk(rounds=4000)
    flips = day.model_copy(update={"scenario": day.scenario | {"news_flips": 2000}})
    (truth,) = planted(flips).values()
    assert truth.news is not None
    leans = (
        np.array([one.buy_share for one in truth.regimes if one.after_s % 600 == 0][:4000]) - 0.5
    )
    calm = np.arange(30, 1990), np.arange(2010, 4000)
    rho = [float(np.corrcoef(truth.news[at], leans[at])[0, 1]) for at in calm]
    assert rho[0] == pytest.approx(0.6, abs=0.06)
    assert rho[1] == pytest.approx(-0.6, abs=0.06)


def test_a_desk_without_any_arrow_of_the_lean_does_nothing_by_it_and_an_agent_alone_neither() -> (
    None
):
    day = read_config(EXAMPLES / "day.toml")
    for config in (blind(day), frozen(day, "peg")):
        assert (config.loop.shares, config.risk.run, config.signals.lean) == ("cost", 0.0, False)
    assert all(without(day, arrow) != day for arrow in MORE_ARROWS)
