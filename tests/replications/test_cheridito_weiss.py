"""The replication: columns against the book, rewards against fills, rules, policies, the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from benchmarks import KEYS
from benchmarks.cheridito_weiss import bench
from certify.kits.learner import VecEnvContract
from replications.__main__ import app
from replications.cheridito_weiss import columns as c, learned, rules, study, train, tune
from replications.cheridito_weiss.cells import CELLS, TASK
from replications.cheridito_weiss.market import Batch, CellVec, directions, earned
from tercel.core.errors import PolicyError
from tercel.execution import intent as it
from tercel.lab.evaluation.episodes import Episodes
from tercel.market.book import layout as lay
from tercel.market.book.ladder import lots_at

pytestmark = pytest.mark.release

NOISE, HIDDEN = CELLS["noise_20"], CELLS["strategic_60"]
FEW = 40


def some_columns(n: int = 64, seed: int = 0) -> np.ndarray:
    """Rows as they occur, from a few steps of a market that shows and takes."""
    batch, rng = Batch(CELLS["flow_60"], n), np.random.default_rng(seed)
    batch.start(seed, 0)
    out = np.empty((n, it.WIDTH), np.int32)
    for _ in range(3):
        rules.allocate_rows(rng.dirichlet(np.ones(7), n).astype(np.float32), batch.columns, out)
        batch.step(out)
    return batch.columns.copy()


# -- columns -----------------------------------------------------------------------------------------------------------


def test_columns_say_what_stands_in_the_book() -> None:
    batch = Batch(CELLS["noise_60"], 8)
    batch.start(4, 0)
    out = np.empty((8, it.WIDTH), np.int32)
    shares = np.tile(np.array([0.1, 0.2, 0.2, 0.1, 0.1, 0.1, 0.2], np.float32), (8, 1))
    rules.allocate_rows(shares, batch.columns, out)
    bid0 = batch.columns[:, c.BID].copy()
    batch.step(out)
    for b, row, first in zip(batch.episodes.books, batch.columns, bid0, strict=True):
        bid, ask = int(b[lay.BEST_BID]), int(b[lay.BEST_ASK])
        own = b[lay.HEADER + int(b[lay.ORDERS]) * lay.ORDER :][
            : int(b[lay.OWN]) * lay.ORDER
        ].reshape(-1, lay.ORDER)
        mine = dict.fromkeys(range(bid - 50, bid + 50), 0)
        for order in own[own[:, lay.QTY] > 0]:
            mine[int(order[lay.PRICE])] += int(order[lay.QTY])
        assert row[[c.BID, c.ASK, c.BID_DRIFT]].tolist() == [bid, ask, bid - first]
        assert row[c.OWN_ASK : c.OWN_ASK + 5].tolist() == [mine[ask + j] for j in range(5)]
        assert row[c.OWN_BID : c.OWN_BID + 5].tolist() == [mine[bid + 1 + j] for j in range(5)]
        assert row[c.BIDS : c.BIDS + 5].tolist() == [lots_at(b, 1, ask - 1 - j) for j in range(5)]
        assert row[c.ASKS : c.ASKS + 5].tolist() == [lots_at(b, -1, bid + 1 + j) for j in range(5)]
        weights = np.exp(-0.65 * np.arange(20))
        bids = weights @ [lots_at(b, 1, bid - j) for j in range(20)]
        asks = weights @ [lots_at(b, -1, ask + j) for j in range(20)]
        assert row[c.TILT] == pytest.approx((bids - asks) / (bids + asks))
        public = next(p for p in range(ask, ask + 50) if lots_at(b, -1, p) > mine[p])
        assert row[c.PUBLIC_ASK] == public
        assert row[c.UNPLACED] == row[c.LEFT] - sum(mine.values())


def test_the_first_row_shows_the_flow_of_the_warm_up() -> None:
    batch = Batch(HIDDEN, 200)
    batch.start(3, 0)
    way = directions(HIDDEN, 3, 200)
    assert set(way.tolist()) == {1, -1}
    assert np.corrcoef(batch.columns[:, c.TRADES], way)[0, 1] > 0.5
    assert np.corrcoef(batch.columns[:, c.LIMITS], way)[0, 1] > 0.3


def test_rewards_add_up_to_what_the_fills_fetched() -> None:
    plan = NOISE.plan(9, 0, 20)
    markets = Episodes(NOISE.source(), TASK, 20, run_out=False, log_rows=64)
    markets.start(plan)
    batch, step = Batch(NOISE, 20), 0
    batch.start(9, 0)
    bid0 = batch.columns[:, c.BID].copy()
    while batch.working.any():
        wanted = rules.PublishedTwap().decide(batch.columns, step)
        markets.step(wanted)
        batch.step(wanted)
        step += 1
    found = earned(NOISE, rules.PublishedTwap(), 9, 20)
    for i in range(20):
        fills = markets.fills(i)
        assert fills[:, 2].sum() == NOISE.quantity
        assert found[i] == pytest.approx(
            ((fills[:, 1] - bid0[i]) * fills[:, 2]).sum() / NOISE.quantity
        )


# -- rules -------------------------------------------------------------------------------------------------------------


def test_no_residual_is_the_rule() -> None:
    columns = some_columns()
    rule = rules.Tuned("direction_rule", rules.START["direction_rule"])
    out = np.empty((len(columns), it.WIDTH), np.int32)
    rules.decide_rows(
        rule.vector[None], columns, np.zeros((len(columns), rules.RESIDUAL), np.float32), out
    )
    assert (out == rule.decide(columns, 0)).all()


@given(
    st.lists(st.floats(-4, 4), min_size=rules.RESIDUAL, max_size=rules.RESIDUAL), st.integers(0, 3)
)
def test_whatever_is_added_no_more_is_wanted_than_is_left(z: list[float], seed: int) -> None:
    columns = some_columns(16, seed)
    out = np.empty((16, it.WIDTH), np.int32)
    rules.decide_rows(rules.START["direction_rule"][None], columns, np.array([z], np.float32), out)
    lots = out[:, [it.TAKE, *range(it.REST0, it.WIDTH)]]
    assert (lots >= 0).all()
    assert (lots.sum(axis=1) <= columns[:, c.LEFT]).all()
    assert (out[:, it.ANCHOR] > columns[:, c.BID]).all()


def test_shares_are_rounded_as_published() -> None:
    columns = np.zeros((2, c.COLUMNS))
    columns[:, c.LEFT], columns[:, c.BID] = (20, 3), 1000
    shares = np.array(
        [[0.125, 0.1, 0.0, 0.5, 0.05, 0.1, 0.125], [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]], np.float32
    )
    out = np.empty((2, it.WIDTH), np.int32)
    rules.allocate_rows(shares, columns, out)
    assert out[:, it.TAKE].tolist() == [2, 2]  # 2.5 and 1.5 go to the even number
    assert out[:, it.REST0 :].tolist() == [[2, 0, 10, 1, 2], [1, 0, 0, 0, 0]]
    assert (out[:, it.ANCHOR] == 1001).all()


def test_tuning_finds_more_than_it_began_with() -> None:
    search = tune.Search(generations=6, population=24, elite=6, episodes=(40, 60), validate=200)
    poor = rules.START["score_rule"].copy()
    result = tune.tune(CELLS["noise_60"], "score_rule", 1, search)
    assert result is not None
    began = tune.scores(CELLS["noise_60"], tune.whole_rows(poor[None]), 400, tune.VALID - 1)[0]
    assert result[1] > began - 0.05


# -- the study ---------------------------------------------------------------------------------------------------------


def test_the_halves_weigh_alike() -> None:
    rng = np.random.default_rng(0)
    way = np.where(rng.random(4000) < 0.6, 1, -1)
    values = np.stack([way * 3.0 + rng.normal(size=4000) for _ in range(2)])
    even = study.balanced(values, way)
    assert even.mean(axis=1) == pytest.approx([0.0, 0.0], abs=0.05)
    assert even.std() < 1.1
    assert study.balanced(values, np.zeros(4000, np.int64)) == pytest.approx(values)


def test_published_baselines_are_within_reach() -> None:
    for cell in (CELLS["noise_20"], CELLS["flow_60"]):
        for rule, figure in ((rules.SubmitAndLeave(), cell.sl), (rules.PublishedTwap(), cell.twap)):
            found = earned(cell, rule, 21, 2000)
            assert abs(found.mean() - figure.mean) < 3.5 * figure.sd * np.sqrt(
                1 / 2000 + 1 / 10_000
            )


class TestResiduals(VecEnvContract):
    steps = 24

    @pytest.fixture
    def env(self) -> CellVec:
        return CellVec(NOISE, rules.START["direction_rule"], 8)


class TestShares(VecEnvContract):
    steps = 24

    @pytest.fixture
    def env(self) -> CellVec:
        return CellVec(HIDDEN, None, 8)


def test_learning_repeats_and_never_meets_judged_episodes(tmp_path: Path) -> None:
    policies = [train.learn(NOISE, rules.START["direction_rule"], 6400, 1) for _ in range(2)]
    assert policies[0] is not None
    assert policies[1] is not None
    for (w, b), (v, d) in zip(policies[0].layers, policies[1].layers, strict=True):
        assert (w == v).all()
        assert (b == d).all()
    env = CellVec(NOISE, None, 4)
    env.reset(seed=7)
    assert env.seed < 0
    learned.keep_policy(tmp_path, NOISE, 1, policies[0])
    rule = tune.rule_of("score_rule", rules.START["score_rule"])
    learned.keep_rules(tmp_path, NOISE, {"score_rule": (rule, 0.1)}, True, {})
    back = learned.known(NOISE, (1,), tmp_path)
    assert (back.rule.vector == rule.vector).all()
    assert (
        earned(NOISE, back.learned[0], 1, FEW)
        == earned(NOISE, learned.Learned(policies[0], rule), 1, FEW)
    ).all()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="noise_20"):
        learned.known(NOISE, (1,), tmp_path)
    (tmp_path / "noise_20.json").write_text('{"rules": 3}')
    with pytest.raises(PolicyError, match="noise_20"):
        learned.known(NOISE, (1,), tmp_path)


# -- what is shipped, and the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_the_shipped_policies_do_not_lose_to_their_rule(name: str) -> None:
    cell = CELLS[name]
    known = learned.known(cell, train.SEEDS)
    assert len(known.policies) == 3
    ours = np.mean([earned(cell, policy, 77, 500) for policy in known.learned], axis=0)
    gains = ours - earned(cell, known.rule, 77, 500)
    assert gains.mean() > -2.5 * gains.std() / np.sqrt(len(gains))
    assert all(
        learned.policy_path(learned.SHIPPED, cell, seed).stat().st_size < 50_000
        for seed in train.SEEDS
    )


def test_the_command_puts_out_what_is_promised(tmp_path: Path) -> None:
    options = ["--episodes", "60", "--seeds", "5,6", "--json", "--figures", str(tmp_path)]
    result = CliRunner().invoke(app, ["cheridito-weiss", *options])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["markets"]) == list(CELLS)
    promised = {
        "ours",
        "ci_low",
        "ci_high",
        "published_best",
        "sl",
        "twap",
        "best_rule",
        "paired_vs_rule",
    }
    for row in found["markets"].values():
        assert promised <= set(row)
        assert row["ci_low"] <= row["ours"] <= row["ci_high"]
        assert set(row["paired_vs_rule"]) == {"mean", "ci_low", "ci_high"}
    assert found["seeds"] == [5, 6]
    assert (tmp_path / "cheridito-weiss.svg").exists()


def test_it_can_be_done_again_and_goes_on(tmp_path: Path) -> None:
    words = [
        "cheridito-weiss",
        "--train",
        "--quick",
        "--episodes",
        "20",
        "--out",
        str(tmp_path),
        "--json",
    ]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    made = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(made) == 24
    again = CliRunner().invoke(app, words)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == made
    assert json.loads(first.stdout) == json.loads(again.stdout)


def test_the_training_bench_gives_its_rows() -> None:
    rows = bench(decisions=3200, threads=1)
    assert all(set(KEYS) <= set(row) for row in rows)
    assert all(row["value"] > 0.0 for row in rows)
