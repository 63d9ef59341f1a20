"""Training from the best strategy: the environment plays it as an evaluation does, and it is returned unless beaten."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tercel.core.errors import ConfigError
from tercel.execution.costs import BPS
from tercel.execution.policies.card import read_card
from tercel.execution.policies.strategy import base_of, policy_strategy
from tercel.execution.strategies import build
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.learning.agent import start as starts
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.env import env_of
from tercel.lab.learning.agent.market import build_training_markets
from tercel.lab.learning.agent.start import Start, StartCandidate, choose_start
from tercel.lab.learning.agent.training import run_training
from tercel.lab.learning.envs import ExecutionVec, TrainingTerms
from tercel.market.simulator import layout as sim

RECIPE = {
    "market": {"presets": ["csco-santa-fe"], "worlds": 4},
    "task": {"share": 0.1, "horizon_s": 120.0, "warmup_s": 60.0},
    "policy": {"actions": "override", "base": "guarded", "observation": "v2"},
    "learner": {"frames": 512, "markets": 8, "steps": 8, "minibatch": 32},
    "validation": {"episodes": 8, "every": 256},
}


def recipe(**sections):
    return parse({**RECIPE, **sections}, "test")


@pytest.fixture(scope="module")
def market():
    [built] = build_training_markets(recipe())
    return built


@pytest.mark.parametrize("base", ["guarded", "default", "twap_take"])
def test_an_environment_follows_its_base_as_an_evaluation_does(market, base):
    n = 16
    env = ExecutionVec(
        market.training,
        market.task,
        market.sampler,
        n,
        actions="override",
        action_parameters={"base": base},
        terms=TrainingTerms(autoreset_mode=AutoresetMode.DISABLED),
    )
    env.reset(seed=3)
    returns = np.zeros(n)
    while env.episodes.working.any():
        working = env.episodes.working
        _, rewards, *_ = env.step(np.zeros(n, np.int64))
        returns += np.where(working, rewards, 0.0)
    plan = market.sampler(3, 0, n)
    [costs] = run_strategies(
        market.training, market.task, plan, [base_of({"base": base})], run_out=False
    )
    ours = env.episodes.costs()
    assert np.array_equal(ours.shortfall_bps, costs.shortfall_bps)
    ticks = costs.shortfall_bps / BPS * env.episodes.states[:, sim.ARRIVAL_MID2] / 2
    assert np.allclose(returns, -ticks, atol=1e-9)


def test_a_base_on_the_event_clock_decides_between_the_decisions_of_the_schedule(market):
    config = recipe()
    env = env_of(config, [market])
    env.reset(seed=3)
    [part] = env.parts
    for action in (5, 0, 9):
        env.step(np.full(config.learner.markets, action))
        assert part.episodes.view.on_schedule[part.episodes.working].all()


def test_an_override_of_the_packaged_policy_reads_its_forecasts():
    config = recipe(policy={"actions": "override", "base": "default"})
    actions = env_of(config, build_training_markets(config)).parts[0].actions
    assert actions.base.forecaster == base_of({"base": "default"}).forecaster is not None
    assert actions.gap_ns == actions.base.gap_ns > 0
    assert actions.base.goes_by_costs


def test_the_start_is_the_cheapest_that_is_cheaper_by_its_interval(market):
    names = ["twap_take", "guarded", "immediate"]
    start = choose_start([market], [StartCandidate(name) for name in names], 32)
    assert start.chosen.name == "guarded"
    assert (
        choose_start([market], [StartCandidate(names[1]), StartCandidate(names[0])], 32).chosen.name
        == "guarded"
    )
    plan = market.sampler(starts.CANDIDATE_SEED, 32, 96)  # of the second comparison
    compared = {candidate.name: candidate for candidate in start.candidates}
    for name in names[1:]:
        costs, reference = run_strategies(
            market.training, market.task, plan, [build(name), build("twap_take")], run_out=False
        )
        gains = reference.shortfall_bps - costs.shortfall_bps
        assert compared[name].gain == pytest.approx(gains.mean())
        assert compared[name].low < gains.mean() < compared[name].high


@pytest.mark.parametrize(
    "chosen",
    [StartCandidate("twap_repeg", {"ahead": 0.2, "behind": 0.1}), StartCandidate("default")],
    ids=lambda chosen: chosen.name,
)
def test_a_training_that_finds_nothing_better_returns_its_start(tmp_path, monkeypatch, chosen):
    config = recipe(policy={"actions": "override", "base": "best", "observation": "v2"})
    monkeypatch.setattr(starts, "choose_start", lambda *_: Start(chosen, (chosen,)))
    result = run_training(config, tmp_path, 1)
    assert result.rule == chosen.name
    assert not result.confirmation.is_gain
    assert result.best["gain"] == 0.0
    card = read_card(tmp_path / "policy" / "card.json")
    assert card.is_start
    assert card.selection_text == result.confirmation.sentence(result.looks)
    [market] = build_training_markets(config)
    kept, start = run_strategies(
        market.validation,
        market.task,
        market.confirmation,
        [policy_strategy(tmp_path / "policy"), chosen.strategy],
    )
    assert np.array_equal(kept.shortfall_bps, start.shortfall_bps)
    again = run_training(config, tmp_path, 1)  # the start is that of the folder
    assert again.best == result.best


@pytest.mark.parametrize("algorithm", ["ppo", "dqn"])
def test_a_training_that_beats_its_start_says_by_how_much_on_other_episodes(
    tmp_path, monkeypatch, algorithm
):
    learner = {
        "ppo": {
            "frames": 6_144,
            "markets": 16,
            "steps": 16,
            "minibatch": 64,
            "learning_rate": 3e-3,
        },
        "dqn": {"frames": 6_144, "markets": 16, "warmup": 512, "epsilon_frames": 3_000},
    }
    config = recipe(
        policy={"actions": "override", "base": "best", "observation": "v2"},
        learner={"algo": algorithm, **learner[algorithm]},
        validation={"episodes": 32, "every": 2_048},
    )
    monkeypatch.setattr(
        starts,
        "choose_start",
        lambda *_: Start(StartCandidate("immediate"), (StartCandidate("immediate"),)),
    )
    result = run_training(config, tmp_path, 1)
    assert result.confirmation.is_gain
    [market] = build_training_markets(config)
    policy, start = run_strategies(
        market.validation,
        market.task,
        market.confirmation,
        [policy_strategy(tmp_path / "policy"), build("immediate")],
        run_out=False,
    )
    gain = (start.shortfall_bps - policy.shortfall_bps).mean()
    assert result.confirmation.gain == pytest.approx(gain)
    assert result.confirmation.episodes == len(market.confirmation) == 64
    assert (
        "cheaper than its start, immediate, on 64 other episodes" in result.confirmation.sentence(3)
    )


def test_the_packaged_policy_is_no_candidate_on_days_of_a_symbol_that_it_learned_from() -> None:
    elsewhere = [candidate.name for candidate in starts.candidates_in("msft", "MSFT")]
    assert elsewhere == [candidate.name for candidate in starts.candidates_in("msft")]
    seen = [candidate.name for candidate in starts.candidates_in("ibm resampled", "IBM")]
    assert [name for name in elsewhere if name != "default"] == seen


def test_best_is_no_base_of_actions_that_move_the_numbers_of_one_rule():
    with pytest.raises(ConfigError, match="actions override with base 'best'"):
        recipe(policy={"actions": "residual", "base": "best"})


def test_a_damaged_start_is_refused(tmp_path, market):
    (tmp_path / starts.START_FILE).write_text('{"chosen": 3}')
    with pytest.raises(ConfigError, match=r"start\.json"):
        starts.start_of(recipe(), tmp_path, [replace(market)])
