"""Real markets as a learner's environment: its contract, its reward, its episodes."""

from dataclasses import replace

import numpy as np
import pytest

from certify.kits.learner import VecEnvContract
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.costs import BPS
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import bank_sampler
from tercel.lab.learning import envs
from tercel.lab.learning.envs import ExecutionVec, RewardWeights
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive

TASK = Task(decisions=12, horizon_s=360.0)


@pytest.fixture(scope="module")
def market():
    return presets.load(presets.DEFAULT)


@pytest.fixture(scope="module")
def source(market):
    return reactive(market, worlds=4, settle_s=600.0)


def make(source, market, n=6, task=TASK, **arguments):
    quantity = task.lots(market.volume_per_s)
    return ExecutionVec(
        source, task, bank_sampler(task, quantity, len(source.worlds_b)), n, **arguments
    )


class TestContract(VecEnvContract):
    @pytest.fixture
    def env(self, source, market):
        return make(source, market)


class TestContractOfAnotherSet(VecEnvContract):
    @pytest.fixture
    def env(self, source, market):
        late = replace(TASK, latency=Latency("exponential", 1_000_000, 2_000_000_000))
        return make(source, market, task=late, actions="level")


def play(env, steps, seed=0):
    """Random play; yields what `advance` returned, before the markets that are done start again."""
    rng = np.random.default_rng(seed)
    env.reset(seed)
    for _ in range(steps):
        seen = env.advance(rng.integers(0, env.n_actions, env.n))
        yield seen
        if seen[2].any():
            env.restart(seen[3]["which"])


@pytest.mark.parametrize("actions", ["placement", "fraction", "level", "sized"])
def test_return_is_minus_the_shortfall_in_ticks_per_lot(source, market, actions):
    env = make(source, market, actions=actions)
    total, ended = np.zeros(env.n), 0
    for _, reward, done, info in play(env, 40):
        total += reward
        costs = env.episodes.costs()
        shortfall = costs.shortfall / (2 * costs.qty)
        np.testing.assert_allclose(total[done], -shortfall[done], atol=1e-9)
        np.testing.assert_allclose(
            info["is_bps"][done], costs.shortfall[done] / costs.denominator[done] * BPS
        )
        assert np.isnan(info["is_bps"][~done]).all()
        ended += int(done.sum())
        total[done] = 0.0
    assert ended > env.n


def test_each_cost_has_its_weight(source, market):
    weights = RewardWeights(execution=0.7, impact=0.2, left=3.0)
    env = make(source, market, weights=weights, actions="fraction")
    forced = 0.0
    for _, reward, done, info in play(env, 40, seed=3):
        costs = np.stack([info[name] for name in envs.COSTS])
        np.testing.assert_allclose(reward, -weights.array @ costs, atol=1e-12)
        if done.any():
            k = env.episodes.costs()
            np.testing.assert_allclose(info["episode"][2, done], (k.forced_lots / k.qty)[done])
            forced += info["episode"][2, done].sum()
    assert forced >= 0


def test_what_is_left_at_the_horizon_is_charged(source, market):
    env = make(source, market, weights=RewardWeights(0.0, 0.0, 2.0))
    env.reset(1)
    total = np.zeros(env.n)
    for _ in range(TASK.decisions):
        _, reward, done, _ = env.step(np.zeros(env.n, np.int64))
        total += reward
    assert done.all()
    np.testing.assert_allclose(total, -2.0)


def test_the_row_after_the_end_is_the_next_episode(source, market):
    env = make(source, market)
    rng = np.random.default_rng(5)
    env.reset(5)
    started = env.n
    for _ in range(30):
        obs, _, done, info = env.step(rng.integers(0, env.n_actions, env.n))
        view = env.episodes.view
        assert (view.left[done] == view.qty0[done]).all()
        assert (view.decision[done] == 0).all()
        np.testing.assert_allclose(obs[done, :2], 1.0)
        if done.any():
            assert (info["final_obs"][done, 1] == 0).all()
        started += int(done.sum())
        assert env.started == started
        assert env.episodes.working.all()


def test_episodes_do_not_depend_on_how_many_run_side_by_side(source, market):
    wide, narrow = make(source, market, n=6), make(source, market, n=2)
    many, few = wide.reset(9), narrow.reset(9)
    np.testing.assert_array_equal(many[:2], few)
    alike = np.ones(
        2, bool
    )  # a market that begins anew takes the next episode, whose number hangs on how many run
    for _ in range(5):
        (one, _, over, _), (other, _, ended, _) = (
            wide.step(np.full(6, 4)),
            narrow.step(np.full(2, 4)),
        )
        np.testing.assert_array_equal(over[:2][alike], ended[alike])
        alike &= ~ended
        np.testing.assert_array_equal(one[:2][alike], other[alike])
    assert alike.any()


def test_threads_change_no_byte(source, market):
    one, two = make(source, market), make(source, market, threads=2)
    for a, b in zip(play(one, 20), play(two, 20), strict=True):
        for x, y in zip(a[:3], b[:3], strict=True):
            np.testing.assert_array_equal(x, y)


def test_trains_on_no_episode_that_a_judge_could_draw(market):
    plan = bank_sampler(TASK, 10, 4)(0, 0, 8)
    assert (plan.rows[:, 0] < 0).all()
    np.testing.assert_array_equal(plan.cluster, [0, 0, 1, 1, 2, 2, 3, 3])


def test_metrics_are_means_over_ended_episodes(source, market):
    env = make(source, market)
    seen = [info["is_bps"][done].copy() for _, _, done, info in play(env, 30)]
    row = env.take_metrics()
    assert row["is_bps"] == pytest.approx(np.concatenate(seen).mean())
    assert set(row) == {*envs.COSTS, "is_bps"}
    assert all(np.isnan(value) for value in env.take_metrics().values())


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda *_: RewardWeights(impact=float("nan")), "finite weight 'impact'"),
        (lambda *_: RewardWeights(left=-1.0), "finite weight 'left'"),
        (lambda *market: make(*market, actions="placements"), "placement"),
        (lambda *market: make(*market, n=0), "1 or more markets"),
        (
            lambda *market: make(*market).restore(make(*market, n=2).state()),
            "number of markets of the run",
        ),
    ],
)
def test_nonsense_is_refused(source, market, made, told):
    with pytest.raises((ConfigError, UnknownNameError), match=told):
        made(source, market)
