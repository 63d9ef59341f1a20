"""Two nodes on this machine: the bytes of one process; workers and a node killed in training; judging in pieces."""

import os
import signal

import numpy as np
import pytest
from tests.lab.learning import tiny

from studies.ray import connect, env as ray_module, ray_env, run_strategy_on, sharded_env
from tercel.core.errors import ConfigError
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.task import Task
from tercel.lab.evaluation.plans import seeded_plan
from tercel.lab.evaluation.runs import run_strategy
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import train
from tercel.market.flow import registry as presets
from tercel.market.simulator.source import reactive

pytestmark = pytest.mark.release

SMALL = PpoSettings(hidden=(16, 16), steps=16, minibatch=32, epochs=2)
FRAMES = 163_840


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("studies.ray.cluster.available", lambda: False)
    with pytest.raises(ConfigError, match=r"tercel-studies\[scale\]"), connect("local"):
        pass


@pytest.fixture(scope="module")
def nodes():
    """Two nodes of one core each, on loopback alone."""
    pytest.importorskip("ray", reason="needs the extra [scale]")
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    patch = pytest.MonkeyPatch()
    patch.setattr(
        ray_constants, "ENABLE_RAY_CLUSTER", False
    )  # this driver's address too is loopback

    node = {
        "num_cpus": 1,
        "object_store_memory": 100 * 10**6,
        "node_ip_address": "127.0.0.1",
        "include_dashboard": False,
    }
    made = Cluster(initialize_head=True, head_node_args=node)
    made.add_node(**node)
    made.wait_for_nodes()
    yield made
    made.shutdown()
    patch.undo()


@pytest.fixture(scope="module")
def where(nodes):
    with connect(nodes.address) as connected:
        yield connected


def trained(env, updates=4):
    learner = Ppo(env, SMALL, 1)
    rows = [learner.update() for _ in range(updates)]
    return learner, rows


def test_workers_give_the_bytes_of_one_process(where):
    here, rows = trained(sharded_env(tiny.TinyMarket, 16, 4))
    assert where.nodes == 2
    for workers in (1, 2):
        env = ray_env(where, tiny.TinyMarket, 16, shards=4, workers=workers)
        there, same = trained(env)
        env.crew.dismiss()
        assert same == rows
        assert np.array_equal(here.net.params, there.net.params)


def test_a_killed_worker_is_replaced_and_said(where, monkeypatch):
    said = []
    monkeypatch.setattr(ray_module, "say", said.append)
    env = ray_env(where, tiny.TinyMarket, 16, shards=4, workers=2)
    learner = Ppo(env, SMALL, 1)
    learner.update()
    os.kill(where.ray.get(env.crew.workers[1].pid.remote()), signal.SIGKILL)
    row = learner.update()
    assert np.isfinite(list(row.values())).all()
    assert env.restarts == [0, 0, 1, 1]
    assert said == ["a worker died with shards [2, 3]; another took its place, with new episodes"]
    env.crew.dismiss()


def test_judging_in_pieces_is_judging(where):
    market, task = presets.load("csco-santa-fe"), Task()
    source, quantity = reactive(market, 1), task.lots(market.volume_per_s)
    plan = seeded_plan(task, quantity, 3, 0, 20)
    strategy = build("random", MarketEstimates(1e4, np.linspace(1e4, 0, 60), 0.1, 0.01, 1.0))
    seen = []
    here = run_strategy(source, task, plan, strategy)  # first: it compiles for all
    there = run_strategy_on(where, source, task, plan, strategy, seen.append, piece=7)
    assert sorted(seen) == [6, 7, 7]
    for name, values in vars(here).items():
        assert np.array_equal(values, getattr(there, name)), name


def broken(n):
    raise ConfigError("an environment", "none", "look elsewhere")


def test_a_node_killed_in_training_changes_nothing_about_the_policy(nodes, where, monkeypatch):
    """The survivor takes its shards; the policy is as good as one that nothing happened to."""
    said, settings = [], PpoSettings(anneal_frames=FRAMES)
    monkeypatch.setattr(ray_module, "say", said.append)
    env = ray_env(where, tiny.TinyMarket, 64, workers=2, patience_s=3.0)
    learner = Ppo(env, settings, 0)
    train(learner, FRAMES // 3)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    train(learner, FRAMES)
    assert len(said) == 1
    assert "1 workers go on" in said[0]
    calm = Ppo(sharded_env(tiny.TinyMarket, 64), settings, 0)
    train(calm, FRAMES)
    assert tiny.gap_closed(learner.policy()) >= 0.9
    assert abs(tiny.gap_closed(learner.policy()) - tiny.gap_closed(calm.policy())) < 0.03
