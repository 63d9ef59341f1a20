"""An oracle's foresight is what comes; the oracle beats whoever lacks it, teaches, and never leaves."""

from dataclasses import replace

import numpy as np
import pytest
from tests.lab.learning import tiny
from tests.lab.learning.toy import SharesToyVec, ToyVec

from tercel.api.testing.learner import LearnerContract, VecEnvContract
from tercel.core.errors import ConfigError, PolicyError, UnknownNameError
from tercel.execution import columns as c
from tercel.execution.observations import observer
from tercel.execution.policies.card import Card
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.policy import save_policy
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.sampling import bank_sampler
from tercel.lab.learning.agent.teacher import PrivilegedTeacher
from tercel.lab.learning.checkpoint import load_checkpoint, save_checkpoint
from tercel.lab.learning.mixed import DrawnOrdersVec, MixedVec
from tercel.lab.learning.native.distil import Teacher
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import ForesightVecEnv, LearningError, train
from tercel.lab.learning.privileged import FORESIGHT, SPANS, ForesightMixedVec, ForesightOrdersVec, PrivilegedVec
from tercel.lab.learning.ranges import Ranges
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive

TASK = Task(horizon_s=240.0, decisions=8)
WORLDS, HOLD = 4, 0
SMALL = PpoSettings((8,), steps=16, minibatch=64, epochs=2)


@pytest.fixture(scope="module")
def market():
    preset = presets.load("csco")
    return reactive(preset, WORLDS, settle_s=300.0), bank_sampler(TASK, TASK.lots(preset.volume_per_s), WORLDS)


def foreseen(market, n=8, **more):
    source, sampler = market
    return ForesightMixedVec([ForesightOrdersVec(source, TASK, sampler, n, **more)], ["csco"])


# -- what is foreseen --------------------------------------------------------------------------------------------------


class TestForeseen(VecEnvContract):
    @pytest.fixture
    def env(self, market):
        return foreseen(market, ranges=Ranges((0.05, 0.2), (120.0, 480.0)))


class TestPrivileged(VecEnvContract):
    @pytest.fixture
    def env(self, market):
        return PrivilegedVec(foreseen(market))


@pytest.mark.parametrize("ranges", [None, Ranges((0.05, 0.2), (120.0, 480.0))], ids=["plain", "drawn horizons"])
def test_what_is_foreseen_is_what_comes_when_nothing_is_done(market, ranges):
    env = foreseen(market, ranges=ranges)
    env.reset(5)
    view = env.parts[0].episodes.view
    side, decisions, k = view.side.copy(), view.decisions.copy(), len(SPANS)
    mids, lots, told, units = [view.mid2.copy()], [np.zeros(8, np.int64)], [], []
    for _ in range(decisions.min() - 1):
        told.append(env.foresight())
        depth = np.maximum(view.m[:, c.OWN1 : c.FAR1 + c.LEVELS].mean(axis=1), 1)
        units.append((np.sqrt(np.maximum(view.rv_long, 1)), depth))
        env.step(np.full(8, HOLD))
        mids.append(view.mid2.copy())
        lots.append(lots[-1] + view.v_against)
    compared = 0
    for d, (entries, (s, depth)) in enumerate(zip(told, units, strict=True)):
        for j, span in enumerate(SPANS):
            if d + span < len(mids):
                moved = side * (mids[d + span] - mids[d]) / (s * np.sqrt(span))
                np.testing.assert_allclose(entries[:, j], np.sign(moved) * np.log1p(np.abs(moved)), rtol=1e-5)
                traded = lots[d + span] - lots[d]
                np.testing.assert_allclose(entries[:, k + 2 + j], np.log1p(traded / depth), rtol=1e-5)
                compared += 1
        best = np.min([side * (mid - mids[d]) for mid in mids[d + 1 :]], axis=0) / (s * np.sqrt(decisions - d))
        assert (entries[:, k + 1] <= np.sign(best) * np.log1p(np.abs(best)) + 1e-6).all()
    assert compared >= 3
    assert np.abs(told[0][:, k]).max() > 0  # to the horizon something moves


def test_at_the_last_decision_all_spans_end_at_the_horizon(market):
    env = foreseen(market)
    env.reset(6)
    for _ in range(TASK.decisions - 1):
        env.step(np.full(8, HOLD))
    entries = env.foresight()
    for j in (*range(1, len(SPANS) + 2), *range(len(SPANS) + 3, len(FORESIGHT))):
        first = 0 if j <= len(SPANS) + 1 else len(SPANS) + 2
        np.testing.assert_array_equal(entries[:, j], entries[:, first])


def test_the_episodes_are_those_of_the_plain_environment(market):
    source, sampler = market
    plain, knowing = MixedVec([DrawnOrdersVec(source, TASK, sampler, 8)], ["csco"]), foreseen(market)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(plain.reset(1), knowing.reset(1))
    for _ in range(20):
        actions = rng.integers(0, 8, 8)
        for a, b in zip(plain.step(actions)[:3], knowing.step(actions)[:3], strict=True):
            np.testing.assert_array_equal(a, b)


def test_nothing_is_looked_up_once_nobody_asks(market):
    env = foreseen(market)
    env.foresee_until(100)
    env.reset(1)
    part = env.parts[0]
    before = part._mids.copy()
    env.progress(99)
    part.restart(np.arange(8))
    assert (part._mids != before).any()
    before = part._mids.copy()
    env.progress(100)
    part.restart(np.arange(8))
    np.testing.assert_array_equal(part._mids, before)


# -- an oracle, and who learns from it ---------------------------------------------------------------------------------


class SeeingTiny(tiny.TinyMarket):
    """Foresees the mid's next move and whether a resting lot would fill."""

    foresight_size = 2

    def foresight(self):
        rng = np.random.default_rng()
        rng.bit_generator.state = self.rng.bit_generator.state
        u = rng.random((4, self.n))
        up, down = tiny.MOVE_UP[self.imbalance], tiny.MOVE_DOWN[self.imbalance]
        move = (u[1] < up).astype(float) - (u[1] >= 1 - down)
        return np.stack([move, u[0] < tiny.FILL[self.spread, self.imbalance]], axis=1).astype(np.float32)


def settings(frames):
    return PpoSettings(learning_rate=1e-3, anneal_frames=frames, entropy_end=0.0)


@pytest.fixture(scope="module")
def oracle():
    learner = PrivilegedTeacher(PrivilegedVec(SeeingTiny(64)), settings(102_400), seed=0)
    train(learner, 102_400)
    return learner


def teacher(env, oracle, weight, anneal):
    made = Teacher(env, oracle.settings.hidden, weight, anneal)
    made.restore(oracle.state())
    return made


def test_the_oracle_beats_the_best_that_does_not_see(oracle):
    env = SeeingTiny(20_000)
    obs, cost = env.reset(9), np.zeros(env.n)
    knows, said = teacher(env, oracle, 1.0, 1), np.empty((env.n, tiny.ACTIONS), np.float32)
    for _ in range(tiny.STEPS):
        knows.says(obs, np.ones(said.shape, bool), said)
        np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
        obs, reward, _, _ = env.step(said.argmax(axis=1))
        cost -= reward
    error = cost.std() / np.sqrt(env.n)
    assert cost.mean() < tiny.solve()[0] - 10 * error  # the exact optimum without foresight


@pytest.mark.parametrize("seed", [0, 1])
def test_a_student_is_further_in_the_same_frames(oracle, seed):
    frames = 20_480
    alone = Ppo(tiny.TinyMarket(64), settings(frames), seed)
    train(alone, frames)
    env, rows = SeeingTiny(64), []
    taught = Ppo(env, settings(frames), seed, teacher(env, oracle, 1.0, frames // 2))
    train(taught, frames, rows.append)
    assert [row["teacher_weight"] for row in rows] == pytest.approx([1.0, 0.6, 0.2, 0.0, 0.0])
    assert rows[1]["teacher_kl"] < rows[0]["teacher_kl"]
    assert rows[-1]["teacher_kl"] == 0.0
    assert tiny.gap_closed(taught.policy()) > tiny.gap_closed(alone.policy()) + 0.03


def test_a_teacher_without_weight_changes_nothing(oracle):
    alone, env = Ppo(tiny.TinyMarket(64), settings(8192), 3), SeeingTiny(64)
    silent = Ppo(env, settings(8192), 3, teacher(env, oracle, 0.0, 100))
    for learner in (alone, silent):
        train(learner, 8192)
    np.testing.assert_array_equal(alone.net.params, silent.net.params)


class TestTaught(LearnerContract):
    @pytest.fixture
    def make(self, oracle):
        def made(seed):
            env = SeeingTiny(8)
            return Ppo(env, replace(SMALL, threads=2), seed, teacher(env, oracle, 1.0, 4096))

        return made


def test_a_taught_training_resumes_from_disk_to_the_byte(market, tmp_path):
    oracle = PrivilegedTeacher(PrivilegedVec(foreseen(market)), SMALL, 1)
    oracle.update()

    def student(loaded):
        env = foreseen(market)
        env.foresee_until(384)
        made = Ppo(env, SMALL, 1, Teacher(env, SMALL.hidden, 1.0, 384))
        if loaded:
            made.teacher.restore(oracle.state())
        return made

    def go_on(learner, updates):
        for _ in range(updates):
            row = learner.update()
            learner.env.progress(learner.frames)
        return row

    straight = student(True)
    go_on(straight, 1)
    save_checkpoint(tmp_path, straight.state())
    row = go_on(straight, 4)  # past the teacher's end
    resumed = student(False)
    resumed.restore(load_checkpoint(tmp_path))
    resumed.env.progress(resumed.frames)
    assert go_on(resumed, 4) == row
    np.testing.assert_array_equal(resumed.net.params, straight.net.params)
    np.testing.assert_array_equal(resumed.teacher.net.params, oracle.net.params)
    assert straight.policy().observation_size == straight.env.observation_size


def test_what_cannot_be_taught_is_refused():
    with pytest.raises(ConfigError, match="foresight"):
        Teacher(ToyVec(), (8,), 1.0, 100)
    with pytest.raises(ConfigError, match="foresight"):
        PrivilegedVec(ToyVec())
    assert not isinstance(ToyVec(), ForesightVecEnv)
    for weight, anneal in ((-1.0, 10), (np.nan, 10), (1.0, 0)):
        with pytest.raises(ConfigError, match="weight"):
            Teacher(SeeingTiny(8), (8,), weight, anneal)
    with pytest.raises(ConfigError, match="categorical"):
        Ppo(
            SharesToyVec(),
            replace(SMALL, minibatch=32, distribution="dirichlet"),
            0,
            Teacher(SeeingTiny(8), (8,), 1.0, 9),
        )


# -- nothing that sees the future leaves -------------------------------------------------------------------------------


def test_an_oracle_gives_no_policy(oracle):
    with pytest.raises(LearningError, match="sees the future"):
        oracle.policy()


def test_a_privileged_network_fits_no_card_and_no_strategy(market, tmp_path):
    """Whoever takes the weights out by hand finds no observation that they fit."""
    env = PrivilegedVec(foreseen(market, actions="sized", observation="v2"))
    learner = Ppo(env, SMALL, 1)  # not even an Oracle
    policy = learner.policy()
    plain = observer("v2").entries
    assert isinstance(policy, MlpPolicy)
    assert policy.observation_size == len(plain) + len(FORESIGHT)
    with pytest.raises(PolicyError, match="observes the 43 entries"):
        PolicyStrategy("x", policy, "sized", observation="v2")
    card = Card("x", plain, "sized", policy.n_actions, observation="v2")
    with pytest.raises(PolicyError, match="inputs, actions"):
        save_policy(tmp_path / "a", policy, card)
    save_policy(tmp_path / "b", policy, replace(card, observes=plain + FORESIGHT))
    with pytest.raises(PolicyError, match="layout"):
        policy_strategy(tmp_path / "b")
    save_policy(tmp_path / "c", policy, replace(card, observes=plain + FORESIGHT, observation="privileged"))
    with pytest.raises((PolicyError, UnknownNameError)):
        policy_strategy(tmp_path / "c")
