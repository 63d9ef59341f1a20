"""Real markets as a learner's environment: its contract, its reward, its episodes; orders drawn from ranges, against a rule."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from certify.kits.learner import VecEnvContract
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.costs import BPS
from tercel.execution.strategies import build
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.plans import bank_sampler
from tercel.lab.evaluation.runs import run_strategy
from tercel.lab.learning.envs import ExecutionVec, TrainingTerms
from tercel.lab.learning.mixed_env import MixedVec
from tercel.lab.learning.order_ranges import Ranges
from tercel.lab.learning.reward_terms import RewardTerm, RewardWeights
from tercel.lab.learning.rewards import Step
from tercel.market.flow import registry as presets
from tercel.market.simulator import layout as sim
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
    env.reset(seed=seed)
    for _ in range(steps):
        seen = env.advance(rng.integers(0, env.actions.size, env.num_envs))
        yield seen
        if seen[2].any():
            env.restart(np.flatnonzero(seen[2]))


@pytest.mark.parametrize("actions", ["placement", "fraction", "level", "sized"])
def test_return_is_minus_the_shortfall_in_ticks_per_lot(source, market, actions):
    env = make(source, market, actions=actions)
    total, ended = np.zeros(env.num_envs), 0
    for _, reward, done, _, info in play(env, 40):
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
    assert ended > env.num_envs


def test_each_cost_has_its_weight(source, market):
    weights = RewardWeights(execution=0.7, impact=0.2, left=3.0)
    env = make(source, market, weights=weights, actions="fraction")
    forced = 0.0
    for _, reward, done, _, info in play(env, 40, seed=3):
        costs = np.stack([info[name] for name in RewardWeights().names])
        np.testing.assert_allclose(reward, -weights.array @ costs, atol=1e-12)
        if done.any():
            k = env.episodes.costs()
            np.testing.assert_allclose(env.sums[2, done], (k.forced_lots / k.qty)[done])
            forced += env.sums[2, done].sum()
    assert forced >= 0


def test_the_row_after_the_end_is_the_next_episode(source, market):
    env = make(source, market)
    rng = np.random.default_rng(5)
    env.reset(seed=5)
    started = env.num_envs
    for _ in range(30):
        obs, _, done, _, info = env.step(rng.integers(0, env.actions.size, env.num_envs))
        view = env.episodes.view
        assert (view.left[done] == view.qty0[done]).all()
        assert (view.decision[done] == 0).all()
        np.testing.assert_allclose(obs[done, :2], 1.0)
        if done.any():
            assert (info["final_obs"][done, 1] == 0).all()
        started += int(done.sum())
        assert env.started == started
        assert env.episodes.working.all()


def test_trains_on_no_episode_that_a_judge_could_draw(market):
    plan = bank_sampler(TASK, 10, 4)(0, 0, 8)
    assert (plan.rows[:, 0] < 0).all()
    np.testing.assert_array_equal(plan.cluster, [0, 0, 1, 1, 2, 2, 3, 3])


def test_metrics_are_means_over_ended_episodes(source, market):
    env = make(source, market)
    seen = [info["is_bps"][done].copy() for _, _, done, _, info in play(env, 30)]
    row = env.take_metrics()
    assert row["is_bps"] == pytest.approx(np.concatenate(seen).mean())
    assert set(row) == {*RewardWeights().names, "is_bps"}
    assert all(np.isnan(value) for value in env.take_metrics().values())


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda *_: RewardWeights(impact=float("nan")), "finite weight 'impact'"),
        (lambda *_: RewardWeights(left=-1.0), "finite weight 'left'"),
        (lambda *_: RewardWeights(lefts=1.0), "'left'"),
        (lambda *_: RewardWeights(own=[RewardTerm("left", crossing)]), "a name each"),
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


# -- rewards and observations of the user's ---------------------------------------------------------------------------


def test_minus_the_cost_is_the_shipped_reward_in_bps(source, market):
    env = make(source, market, weights=lambda step: -step.cost_bps, actions="fraction")
    plain = make(source, market, actions="fraction")
    total, ended = np.zeros(6), 0
    for (_, reward, done, _, info), (_, ticks, *_) in zip(
        play(env, 40), play(plain, 40), strict=True
    ):
        arrival = env.episodes.view.arrival_mid2 / 2
        np.testing.assert_allclose(reward, ticks / arrival * 1e4, atol=1e-9)
        total += reward
        np.testing.assert_allclose(total[done], -info["is_bps"][done], atol=1e-9)
        total[done] = 0.0
        ended += int(done.sum())
    assert ended > 6


def crossing(episodes):
    """Half a spread for each lot left, in half-ticks x lots."""
    return episodes.view.spread * episodes.view.left


def test_an_own_term_is_logged_weighed_and_summed_beside_the_others(source, market):
    weights = RewardWeights(own=[RewardTerm("crossing", crossing)], crossing=0.3, left=2.0)
    env, total = make(source, market, weights=weights, actions="fraction"), np.zeros(6)
    ended = 0
    for _, reward, done, _, info in play(env, 30):
        view = env.episodes.view
        own = view.spread * view.left / (2 * view.qty0)
        np.testing.assert_allclose(info["crossing"], own, rtol=1e-12)
        shipped = info["execution"] + info["impact"] + 2 * info["left"]
        np.testing.assert_allclose(reward, -shipped - 0.3 * own, atol=1e-12)
        total += own
        np.testing.assert_allclose(env.sums[-1], total, atol=1e-12)
        total[done] = 0.0
        ended += done.sum()
    assert ended > 6
    assert list(env.take_metrics()) == [*RewardWeights().names, "crossing", "is_bps"]


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (lambda episodes: episodes.view.left[:1], r"shape \(2,\) from the reward term 'mine'"),
        (lambda episodes: episodes.view.left / 0.0, "finite numbers"),
        (lambda episodes: "dear", "finite numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*divide.*:RuntimeWarning")
def test_an_own_term_that_is_no_cost_is_told(source, market, amount, told):
    env = make(source, market, n=2, weights=RewardWeights(own=[RewardTerm("mine", amount)]))
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=told):
        env.step(np.zeros(2, np.int64))


def test_every_column_is_what_its_description_says(source, market):
    steps: list[Step] = []

    def keep(step):
        steps.append(step)
        return np.zeros(len(step.side))

    env = make(source, market, weights=keep, actions="fraction")
    left, filled, shortfall = None, np.zeros(6), np.zeros(6)
    for _, _, done, _, info in play(env, 40):
        step, states = steps[-1], env.episodes.costs()
        filled += step.filled
        shortfall += step.cost_bps
        np.testing.assert_array_equal(step.quantity - step.left, filled)
        np.testing.assert_array_equal(step.done, done)
        np.testing.assert_allclose(step.cost_bps, step.execution_bps + step.impact_bps)
        np.testing.assert_allclose(step.shortfall_bps, shortfall, atol=1e-9)
        np.testing.assert_allclose(step.shortfall_bps[done], info["is_bps"][done], atol=1e-9)
        np.testing.assert_array_equal(step.forced[done], states.forced_lots[done])
        np.testing.assert_array_equal(step.forced[~done], 0)
        assert (step.time_left[~done] > 0).all()
        assert (step.horizon == TASK.horizon_s).all()
        np.testing.assert_allclose(
            step.time_left / step.horizon, 1 - step.decision / step.decisions, atol=1e-6
        )
        assert (step.spread >= 0).all()
        np.testing.assert_array_equal(step.mid, step.view.mid2 / 2)
        assert not step.filled.flags.writeable
        left = step.left
        filled[done], shortfall[done] = 0, 0
    assert left is not None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda step: -step.cost_bps[:1], "shape"),
        (lambda step: "dear", "numbers of shape"),
        (lambda step: -step.cost_bps if step.forced > 0 else step.cost_bps, "numpy.where"),
        (lambda step: step.cost_bps / (step.left - step.left), "finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*divide.*:RuntimeWarning")
def test_an_answer_that_is_no_reward_is_told(source, market, wrong, told):
    env = make(source, market, n=2, weights=wrong)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=told):
        env.step(np.zeros(2, np.int64))


def test_an_own_observation_is_what_the_environment_shows(source, market):
    def eyes(view):
        return np.column_stack([view.left / view.qty0, view.spread, view.ofi])

    env, plain = make(source, market, observation=eyes), make(source, market)
    assert env.single_observation_space.shape == (3,)
    for (mine, _, done, _, info), (its, *_) in zip(play(env, 40), play(plain, 40), strict=True):
        np.testing.assert_allclose(mine[:, 0], its[:, 1], rtol=1e-6)
        np.testing.assert_array_equal(np.sign(mine[:, 2]), np.sign(its[:, 32]))
        if done.any():
            np.testing.assert_array_equal(info["final_obs"][done], mine[done])


# -- markets side by side ---------------------------------------------------------------------------------------------


SHORT = Task(horizon_s=240.0, decisions=8)
WORLDS = 4


@pytest.fixture(scope="module")
def mix():
    preset = presets.load("sh600961")
    quantity = SHORT.lots(preset.volume_per_s)
    return reactive(preset, WORLDS, settle_s=300.0), bank_sampler(SHORT, quantity, WORLDS), quantity


def drawn(mix, n=8, **more):
    source, sampler, _ = mix
    terms = {name: more.pop(name) for name in ("ranges", "rival", "unit") if name in more}
    return ExecutionVec(source, SHORT, sampler, n, terms=TrainingTerms(**terms), **more)


@given(st.floats(1e-3, 1), st.floats(1, 100), st.integers(1, 40), st.integers(0, 200))
def test_ranges_grow_from_their_middle_to_the_whole(low, times, count, frames):
    whole = Ranges((low, low * times), (60.0, 600.0), (0.0, 50.0), grow_frames=100)
    part = whole.at_frames(frames)
    assert low - 1e-9 <= part.share[0] <= part.share[1] <= low * times * (1 + 1e-9)
    np.testing.assert_allclose(np.prod(part.share), low * low * times)
    if frames >= 100:
        np.testing.assert_allclose(part.share, whole.share)
    horizon, decisions, latency = whole.at_frames(frames).worlds(SHORT, count)
    np.testing.assert_array_equal(horizon, decisions * 30 * 10**9)
    assert (decisions >= 2).all()
    assert (decisions <= 20).all()
    assert ((latency >= 0) & (latency <= 50_000_000)).all()


def test_what_is_no_range_is_refused():
    for wrong in (
        {"share": (0.2, 0.1)},
        {"share": (0.0, 0.1)},
        {"share": (0.1, 0.2), "latency_ms": (-1.0, 0.0)},
    ):
        with pytest.raises(ConfigError, match="lowest to a highest"):
            Ranges(**wrong)


def test_orders_and_worlds_follow_the_ranges(mix):
    ranges = Ranges((0.05, 0.2), (120.0, 480.0), (0.0, 40.0))
    env = drawn(mix, 32, ranges=ranges)
    env.reset(seed=3)
    k = env.episodes.states
    per_second = mix[2] / SHORT.share / SHORT.horizon_s
    share = k[:, sim.QUANTITY] / (per_second * k[:, sim.HORIZON_NS] / 1e9)
    assert 0.049 < share.min() < 0.08
    assert 0.14 < share.max() < 0.201
    assert len(set(k[:, sim.HORIZON_NS].tolist())) == WORLDS
    np.testing.assert_array_equal(k[:, sim.HORIZON_NS], k[:, sim.DECISIONS] * 30 * 10**9)
    assert len(set(k[:, sim.LATENCY_A].tolist())) == WORLDS
    assert sorted(set(k[:, sim.SIDE].tolist())) == [-1, 1]
    first = env.episodes.view.x.copy()
    env.reset(seed=3)
    np.testing.assert_array_equal(env.episodes.view.x, first)


def test_one_part_without_ranges_is_the_plain_environment(mix):
    source, sampler, _ = mix
    plain, mixed = ExecutionVec(source, SHORT, sampler, 8), MixedVec([drawn(mix)], ["sh600961"])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(plain.reset(seed=1)[0], mixed.reset(seed=1)[0])
    for _ in range(20):
        actions = rng.integers(0, 8, 8)
        mine, theirs = mixed.step(actions), plain.step(actions)
        for a, b in zip(mine[:3], theirs[:3], strict=True):
            np.testing.assert_array_equal(a, b)
    assert mixed.take_metrics() == plain.take_metrics()


def test_parts_keep_to_their_slots_and_go_on_from_a_state(mix):
    ranges = Ranges((0.05, 0.2), grow_frames=100)
    mixed = MixedVec([drawn(mix, 3, ranges=ranges), drawn(mix, 5, unit=2.0)], ["a", "b"])
    assert (mixed.num_envs, mixed.single_action_space.n) == (8, 8)
    mixed.reset(seed=5)
    rng = np.random.default_rng(1)
    mixed.progress(50)
    for _ in range(5):
        mixed.step(rng.integers(0, 8, 8))
    state, ahead = mixed.state(), [rng.integers(0, 8, 8) for _ in range(10)]
    one = [mixed.step(actions)[1].copy() for actions in ahead]
    mixed.progress(100)
    mixed.restore(state)
    other = [mixed.step(actions)[1].copy() for actions in ahead]
    np.testing.assert_array_equal(one, other)
    assert {"is_bps", "is_bps_a", "is_bps_b"} <= set(mixed.take_metrics())


def test_parts_that_do_not_fit_are_refused(mix):
    with pytest.raises(ConfigError, match="one set of actions"):
        MixedVec([drawn(mix), drawn(mix, actions="sized")], ["a", "b"])
    with pytest.raises(ConfigError, match="one set of actions"):
        MixedVec([], [])


def test_the_paired_return_is_the_gain_on_the_rule(mix):
    source, sampler, _ = mix
    env = drawn(mix, rival=build("twap_passive"))
    env.reset(seed=2)
    hold = np.full(8, 2)
    total, alone, ended = np.zeros(8), np.zeros(8), np.zeros(8, bool)
    plan = sampler(2, 0, 8)
    for _ in range(SHORT.decisions):
        gain, done = env.step(hold)[1:3]
        total += np.where(ended, 0.0, gain)
        alone += np.where(ended, 0.0, env.weights.array @ -env._costs)
        ended |= done
    rule = run_strategy(source, SHORT, plan, build("twap_passive"))
    np.testing.assert_allclose(total - alone, rule.shortfall / (2 * rule.qty), atol=1e-9)
