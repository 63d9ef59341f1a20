"""Native PPO and Stable-Baselines3's learn the same: final costs over three seeds within two pooled standard errors."""

import numpy as np
import pytest
from tests.lab.learning import tiny

from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, bank_sampler, seeded_plan
from tercel.lab.learning.envs import ExecutionVec
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive

pytest.importorskip("stable_baselines3")

from benchmarks import sb3_judge
from tercel.lab.learning import sb3

SEEDS = (0, 1, 2)


def within_two_pooled_errors(a, b):
    """|mean difference| <= 2 sqrt(var_a / n + var_b / n)."""
    a, b = np.asarray(a), np.asarray(b)
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return abs(a.mean() - b.mean()) <= 2 * error


def as_sb3(settings):
    """The same settings for the learner that stands on Stable-Baselines3."""
    names = {
        "n_steps": "steps",
        "batch_size": "minibatch",
        "n_epochs": "epochs",
        "learning_rate": "learning_rate",
    }
    names |= {"gae_lambda": "lam", "clip_range": "clip", "ent_coef": "entropy", "vf_coef": "value"}
    parameters = {theirs: getattr(settings, ours) for theirs, ours in names.items()}
    network = {"net_arch": list(settings.hidden)}
    return sb3.Sb3Settings("ppo", settings.anneal_frames, parameters, network, device="cpu")


@pytest.mark.release
def test_learning_curves_in_the_tiny_market():
    """Exact costs at four looks on the way: alike on the whole, and at the end."""
    frames, looks = 131_072, 4
    settings = PpoSettings(anneal_frames=frames)
    curves = {"native": [], "sb3": []}
    for seed in SEEDS:
        for name, learner in (
            ("native", Ppo(tiny.TinyMarket(64), settings, seed)),
            ("sb3", sb3.Sb3Learner(tiny.TinyMarket(64), as_sb3(settings), seed)),
        ):
            curve = []
            for look in range(1, looks + 1):
                train(learner, look * frames // looks)
                curve.append(tiny.expected_cost(tiny.table_of(learner.policy())))
            curves[name].append(curve)
    native, other = (np.array(curves[name]) for name in ("native", "sb3"))
    assert within_two_pooled_errors(native.mean(axis=1), other.mean(axis=1)), (native, other)
    assert within_two_pooled_errors(native[:, -1], other[:, -1]), (native, other)
    assert (native[:, 0] > native[:, -1]).all(), "no curve at all"


def paired_cost(policy, source, task, quantity, episodes=1_000):
    """Mean shortfall in bps of the greedy policy, on the same unseen episodes for every policy."""
    markets = Episodes(source, task, episodes, run_out=False)
    markets.start(seeded_plan(task, quantity, 7, 0, episodes, len(source.worlds_b), 10**9))
    strategy = PolicyStrategy("ppo", policy)
    while markets.working.any():
        markets.step(strategy.decide(markets.view))
    costs = markets.costs()
    return float((costs.shortfall / costs.denominator).mean() * 1e4)


@pytest.mark.release
def test_final_costs_in_a_simulated_market():
    sb3_judge.one_thread()
    frames = 30 * 4_096
    settings = PpoSettings(minibatch=512, learning_rate=1e-3, anneal_frames=frames)
    task, market = Task(), presets.load("csco-santa-fe")
    source, quantity = reactive(market, worlds=16), task.lots(market.volume_per_s)
    native, other = [], []
    for seed in SEEDS:
        mine, theirs = (
            ExecutionVec(source, task, bank_sampler(task, quantity, 16)) for _ in range(2)
        )
        learner = Ppo(mine, settings, seed)
        train(learner, frames)
        judge = sb3_judge.Sb3Ppo(theirs, settings, seed)
        judge.learn(frames)
        native.append(paired_cost(learner.policy(), source, task, quantity))
        other.append(paired_cost(judge.policy(), source, task, quantity))
    assert within_two_pooled_errors(native, other), (native, other)
    assert max(native + other) < 8, "neither learned"


@pytest.mark.long
def test_its_policy_as_arrays_is_its_own():
    import torch

    theirs = sb3_judge.Sb3Ppo(tiny.TinyMarket(8), PpoSettings(steps=16, minibatch=64), 3)
    theirs.learn(512)
    obs = tiny.TinyMarket(50).reset(1) + np.random.default_rng(0).normal(size=(50, 4)).astype(
        np.float32
    )
    seen = torch.tensor(theirs.venv.normalize_obs(obs))
    logits = theirs.model.policy.get_distribution(seen).distribution.logits.detach().numpy()
    mine = theirs.policy().logits(obs)
    mine -= np.log(np.exp(mine).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(mine, logits, atol=1e-5)


def test_both_start_from_the_same_kind_of_weights():
    env = tiny.TinyMarket(8)
    mine = Ppo(env, PpoSettings(steps=16, minibatch=64), 0).net
    theirs = sb3_judge.Sb3Ppo(env, PpoSettings(steps=16, minibatch=64), 0).model.policy
    norms = [
        float(torch_layer.weight.detach().norm())
        for torch_layer in (theirs.action_net, theirs.value_net)
    ]
    assert [float(np.linalg.norm(w)) for w in mine.head_weights] == pytest.approx(norms, rel=1e-5)
    hidden = [float(theirs.mlp_extractor.policy_net[i].weight.detach().norm()) for i in (0, 2)]
    assert [float(np.linalg.norm(w[0])) for w in mine.weights] == pytest.approx(hidden, rel=1e-5)
