"""Gymnasium's wrappers around the environments, in every order: Gymnasium's checker and its own vector environment judge."""

from functools import partial
from itertools import permutations

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers as single
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector
from tests.lab.learning.single_market import alone_env, short_market

from tercel.core.errors import ConfigError
from tercel.lab.learning.envs import ExecutionVec, TrainingTerms
from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import act_and_restart

PPO = PpoSettings((8,), steps=16, minibatch=24, epochs=1)
DQN = DqnSettings((8,), warmup=24, steps=16, n_step=1, minibatch=16)
N = 3


def flat_stack(env):
    """The last two observations as one row."""
    return single.FlattenObservation(single.FrameStackObservation(env, 2))


VECTOR = {
    "statistics": vector.RecordEpisodeStatistics,
    "float64": partial(vector.DtypeObservation, dtype=np.float64),
    "reward": vector.NormalizeReward,
    "rows": vector.FlattenObservation,
}
SINGLE = {
    "limit": partial(single.TimeLimit, max_episode_steps=4),
    "stack": flat_stack,
    "reward": partial(single.TransformReward, func=lambda reward: reward / 10),
    "statistics": single.RecordEpisodeStatistics,
}


@pytest.fixture(scope="module")
def market():
    return short_market(settle_s=300.0)


def alone(market, order=()):
    """One market with wrappers, the first innermost."""
    env = alone_env(**market)
    for name in order:
        env = SINGLE[name](env)
    return env


def side_by_side(market, order=(), mode=AutoresetMode.SAME_STEP):
    """Gymnasium's vector environment of single ones."""
    return SyncVectorEnv([partial(alone, market, order)] * N, autoreset_mode=mode)


def wrapped(env, order):
    """A vector environment with wrappers, the first innermost."""
    for name in order:
        env = VECTOR[name](env)
    return env


@pytest.mark.parametrize(
    ("mode", "order"),
    [
        *((AutoresetMode.DISABLED, order) for order in permutations(VECTOR, 3)),
        *((AutoresetMode.SAME_STEP, order) for order in permutations(("statistics", "reward"))),
    ],
)
def test_vector_wrappers_see_what_they_see_in_gymnasiums_own(market, mode, order):
    ours = wrapped(ExecutionVec(n=N, terms=TrainingTerms(autoreset_mode=mode), **market), order)
    theirs = wrapped(side_by_side(market, mode=mode), order)
    first, same = ours.reset(seed=[3, 4, 5])[0].copy(), theirs.reset(seed=[3, 4, 5])[0]
    np.testing.assert_array_equal(first, same)
    assert ours.observation_space.contains(first)
    rng, ended = np.random.default_rng(1), 0
    for _ in range(14):
        actions = rng.integers(0, 8, N)
        mine, its = (act_and_restart(env, actions) for env in (ours, theirs))
        for a, b in zip(mine[:4], its[:4], strict=True):
            np.testing.assert_array_equal(a, b)
        done, info, their_info = mine[2], mine[4], its[4]
        ended += done.sum()
        assert ("final_obs" in info) == ("final_obs" in their_info) == done.any()
        for row in np.flatnonzero(done):
            np.testing.assert_array_equal(info["final_obs"][row], their_info["final_obs"][row])
        # Gymnasium's own forgets the mask, and then begins the statistics of all anew.
        if done.any() and mode is AutoresetMode.SAME_STEP:
            for key in "rl":
                np.testing.assert_array_equal(info["episode"][key], their_info["episode"][key])
    assert ended > N
    learner = Ppo(ours, PPO, 1)
    assert np.isfinite(list(learner.update().values())).all()
    assert "env" not in learner.state(), "a wrapper hides it: a resume starts new episodes"


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped:UserWarning")
@pytest.mark.parametrize("order", list(permutations(SINGLE, 3)), ids="-".join)
def test_single_wrappers_pass_the_checker_and_are_learned_in(market, order):
    check_env(alone(market, order), skip_render_check=True)
    env = side_by_side(market, order)
    learner = Ppo(env, PPO, 1)
    assert learner.raw.shape == (N, 100 if "stack" in order else 50)
    rows = [learner.update(), Dqn(env, DQN, 1).update()]
    assert all(np.isfinite(row["return_mean"]) for row in rows)
    if "limit" in order:
        ends = learner.rollout.dones
        assert all(ends[start : start + 4].any(axis=0).all() for start in range(12))


def test_stable_baselines_learns_in_wrapped_ones(market):
    pytest.importorskip("stable_baselines3")
    import stable_baselines3

    from tercel.lab.learning.sb3 import to_sb3

    for env, is_cut in (
        (wrapped(ExecutionVec(n=N, **market), ("reward",)), False),
        (side_by_side(market, ("limit", "stack"), AutoresetMode.DISABLED), True),
        (side_by_side(market, ("limit", "stack")), True),
    ):
        adapter = to_sb3(env, 1)
        assert adapter.reset().shape == (N, env.single_observation_space.shape[0])
        infos = [info for _ in range(6) for info in adapter.step(np.full(N, 2))[3]]
        cut = {info["TimeLimit.truncated"] for info in infos if "terminal_observation" in info}
        assert (True in cut) == is_cut
        stable_baselines3.PPO("MlpPolicy", adapter, n_steps=8, batch_size=24, n_epochs=1).learn(24)


def alike(market, **spaces):
    """An environment with other spaces than it has."""
    env = ExecutionVec(n=2, **market)
    for name, space in spaces.items():
        setattr(env, name, space)
    return env


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (alone, "gymnasium.vector.VectorEnv; received ExecutionEnv"),
        (lambda market: SyncVectorEnv([partial(alone, market)]), "AutoresetMode.SAME_STEP"),
        (
            lambda market: TrainingTerms(autoreset_mode=AutoresetMode.NEXT_STEP),
            "SAME_STEP or DISABLED",
        ),
        (
            lambda market: alike(market, single_observation_space=gymnasium.spaces.Discrete(3)),
            "FlattenObservation",
        ),
        (
            lambda market: alike(market, single_action_space=gymnasium.spaces.MultiBinary(3)),
            "actions from 0 on",
        ),
        (
            lambda market: alike(market, single_action_space=gymnasium.spaces.Discrete(3, start=1)),
            "actions from 0 on",
        ),
    ],
)
@pytest.mark.parametrize("learner", [partial(Ppo, settings=PPO), partial(Dqn, settings=DQN)])
def test_what_cannot_be_learned_in_is_refused(market, made, said, learner):
    with pytest.raises(ConfigError, match=said):
        learner(made(market))
