"""Sharded environments keep to the port; what comes out depends on seed and shards, not on who holds them."""

import numpy as np
import pytest
from tests.lab.learning import tiny
from tests.lab.learning.toy import MaskedToyVec, ToyVec

from certify.kits.learner import LearnerContract, VecEnvContract
from studies.ray.env import (
    ATTEMPTS,
    ShardedVec,
    ShardWorker,
    merged,
    shard_seed,
    sharded_env,
)
from tercel.lab.learning.native.normalisation import ObservationNormaliser
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import LearningError, train

pytestmark = pytest.mark.release

PPO = PpoSettings(hidden=(16, 16), steps=16, minibatch=32, epochs=2)


class DyingCrew:
    """In this process, with the shards of `dies` lost in the calls numbered there."""

    def __init__(self, make, slots, shards, dies):
        self.shards, self.make, self.slots, self.dies, self.calls = shards, make, slots, dies, 0
        self.holder = ShardWorker(make, slots)
        self.traits = self.holder.adopt(list(range(shards)))

    def call(self, method, arguments, shared=()):
        self.calls += 1
        lost = [shard for shard in self.dies.get(self.calls, ()) if shard in arguments]
        if lost:
            self.holder.adopt(lost)
        return self.holder.call(
            method, {s: a for s, a in arguments.items() if s not in lost}, shared
        )


class TestSharded(VecEnvContract):
    @pytest.fixture
    def env(self):
        return sharded_env(tiny.TinyMarket, 8, 4)


class TestShardedMasked(VecEnvContract):
    @pytest.fixture
    def env(self):
        return sharded_env(MaskedToyVec, 8, 2)


class TestPpo(LearnerContract):
    @pytest.fixture
    def make(self):
        return lambda seed: Ppo(sharded_env(tiny.TinyMarket, 8, 2), PPO, seed)


def test_a_shard_is_the_environment_with_its_own_seed():
    whole, parts = sharded_env(tiny.TinyMarket, 8, 2), [tiny.TinyMarket(4), tiny.TinyMarket(4)]
    first = np.concatenate(
        [part.reset(seed=shard_seed(5, i, 0))[0] for i, part in enumerate(parts)]
    )
    assert np.array_equal(whole.reset(seed=5)[0], first)
    rng = np.random.default_rng(0)
    for _ in range(20):
        actions = rng.integers(0, tiny.ACTIONS, 8)
        halves = [part.step(actions[4 * i : 4 * i + 4])[:3] for i, part in enumerate(parts)]
        for got, *want in zip(whole.step(actions)[:3], *halves, strict=True):
            assert np.array_equal(got, np.concatenate(want))


def test_merged_moments_are_those_of_all_rows():
    rng = np.random.default_rng(1)
    rows = [rng.normal(3, 2, (k, 5)).astype(np.float32) for k in (7, 40, 1)]
    whole = ObservationNormaliser(5)
    whole.update(np.concatenate(rows))
    total = ObservationNormaliser(5).moments
    for part in rows:
        own = np.zeros((2, 6))
        own[0, 5], own[0, :5], own[1, :5] = (
            len(part),
            part.mean(axis=0),
            part.astype(float).var(axis=0),
        )
        total = merged(total, own)
    np.testing.assert_allclose(total[:, :5], whole.moments[:, :5], rtol=1e-5, atol=1e-6)
    assert total[0, 5] == whole.moments[0, 5]


def test_a_rollout_in_one_shard_is_ppos_own():
    """With the shard's noise put into the plain learner, both fill the same rollout."""
    sharded = Ppo(sharded_env(tiny.TinyMarket, 8, 1), PPO, 3)
    plain = Ppo(tiny.TinyMarket(8), PPO, 3)
    plain._set_observation(plain.env.reset(seed=shard_seed(3, 0, 0))[0])
    plain.normaliser.restore(sharded.normaliser.state())
    plain.rng = np.random.default_rng([3, 0x990, 0, 0])
    plain.collect()
    sharded.env.roll(sharded)
    for name in ("obs", "actions", "logps", "values", "last", "earned", "dones"):
        assert np.array_equal(getattr(plain.rollout, name), getattr(sharded.rollout, name)), name


@pytest.mark.parametrize("env", [ToyVec, MaskedToyVec])
def test_the_toy_is_learned(env):
    learner = Ppo(sharded_env(env, 8, 2), PPO, 1)
    train(learner, 20_000)
    obs = env().reset(seed=9)[0]
    assert (learner.policy().act(obs) == obs[:, :-1].argmax(axis=1)).all()


def test_training_goes_on_when_shards_are_lost():
    """Lost in a rollout and again in the reset that follows: their episodes start anew, the others' rows stay."""
    calm = Ppo(
        ShardedVec(DyingCrew(tiny.TinyMarket, 4, 3, {}), 4), PpoSettings(steps=16, minibatch=32), 2
    )
    hit = Ppo(
        ShardedVec(DyingCrew(tiny.TinyMarket, 4, 3, {2: [1], 3: [1]}), 4),
        PpoSettings(steps=16, minibatch=32),
        2,
    )
    calm.env.roll(calm)
    hit.env.roll(hit)
    assert hit.env.restarts == [0, 1, 0]
    others = [0, 1, 2, 3, 8, 9, 10, 11]
    assert np.array_equal(calm.rollout.earned[:, others], hit.rollout.earned[:, others])
    assert not np.array_equal(calm.rollout.earned[:, 4:8], hit.rollout.earned[:, 4:8])
    assert np.isfinite(list(hit.update().values())).all()


def test_a_shard_lost_for_ever_ends_training_with_advice():
    crew = DyingCrew(tiny.TinyMarket, 4, 2, {i: [1] for i in range(2, 10 * ATTEMPTS)})
    learner = Ppo(ShardedVec(crew, 4), PpoSettings(steps=16, minibatch=32), 2)
    with pytest.raises(LearningError, match="resume"):
        learner.update()
