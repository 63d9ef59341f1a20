"""The evolution strategy: it finds a minimum, says what it found as a network, and goes on where it stopped."""

import numpy as np
import pytest
from typer.testing import CliRunner

from tercel.cli.root import app
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.costs import BPS, attribute
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.learning.agent.arena import TrainingArena, join_populations, repeat_population
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.env import learning_env
from tercel.lab.learning.agent.learner import learner_settings
from tercel.lab.learning.agent.market import build_training_markets
from tercel.lab.learning.agent.policy_parts import strategy_of
from tercel.lab.learning.agent.training import run_training
from tercel.lab.learning.native.evolution import Evolution, EvolutionSettings, Population
from tercel.lab.learning.port import train

TARGET = np.array([[0.3, -0.2, 0.5, 0.0], [0.0, 0.4, -0.3, 0.1]])
RECIPE = {
    "market": {
        "presets": ["sh600961"],
        "regimes": ["", "drawn"],
        "regime_stakes": [1, 0.5],
        "worlds": 4,
    },
    "task": {"share": [0.05, 0.2], "horizon_s": 120.0, "warmup_s": 60.0},
    "policy": {
        "actions": "residual",
        "base": "twap_repeg",
        "grains": True,
        "observation": "v3",
        "guard": [0.7, 0.5],
    },
    "learner": {
        "algo": "es",
        "frames": 1_500,
        "population": 4,
        "episodes": 4,
        "entries": ["spread", "time_left"],
    },
    "reward": {"unit": "spread"},
    "validation": {"episodes": 8, "every": 1_000},
}


class Bowl:
    """Costs are distances from a table of weights, and noise that all candidates share."""

    entries = ("a", "b", "c")
    labels = ("left", "right")

    def observe(self, policy, seed, episodes):
        return (
            np.random.default_rng(seed)
            .normal([1.0, 0.0, -2.0], [2.0, 1.0, 1.0], (400, 3))
            .astype(np.float32)
        )

    def compare(self, rows, seed, first, episodes):
        noise = 100 * np.random.default_rng((seed, first)).standard_normal(episodes // 2)
        away = np.array(
            [((row.tables[0] - TARGET[:, : row.tables.shape[2]]) ** 2).sum() for row in rows]
        )
        return [away[:, None] + noise], len(rows) * episodes * 10

    def weigh(self, costs):
        return costs[0].mean(axis=1)


def test_it_finds_what_shared_noise_hides() -> None:
    learner = Evolution(Bowl(), EvolutionSettings(anneal_frames=300_000, sigma_start=2.0), 1)
    train(learner, 300_000, lambda row: None)
    assert np.abs(learner.search.mean.reshape(TARGET.shape) - TARGET).max() < 0.1
    assert learner.frames >= 300_000


def test_the_network_that_leaves_acts_as_the_candidate_did() -> None:
    settings = EvolutionSettings(entries=("c", "a"), anneal_frames=50_000)
    learner = Evolution(Bowl(), settings, 3)
    train(learner, 20_000, lambda row: None)
    obs = np.random.default_rng(0).normal(0, 4, (50, 3)).astype(np.float32)
    row = learner._population(learner.search.mean)
    many = repeat_population(join_populations([row, row]), 25)
    policy = learner.policy()
    np.testing.assert_allclose(policy.act(obs), many.act(obs), atol=1e-5)
    assert not policy.layers[0][0][1].any(), "entries that were not asked for have no weight"
    far = np.array([[1e9, 0.0, -1e9]], np.float32)
    np.testing.assert_allclose(policy.act(far), row.act(far), rtol=1e-5)


def test_a_policy_keeps_a_share_of_what_was_found() -> None:
    whole, half = (
        Evolution(Bowl(), EvolutionSettings(anneal_frames=50_000, keep=keep), 3)
        for keep in (1.0, 0.5)
    )
    for learner in (whole, half):
        train(learner, 20_000, lambda row: None)
    np.testing.assert_allclose(
        half.policy().layers[0][0], whole.policy().layers[0][0] / 2, rtol=1e-6
    )


def test_a_resume_is_bit_identical() -> None:
    settings = EvolutionSettings(anneal_frames=50_000)
    whole, first = Evolution(Bowl(), settings, 5), Evolution(Bowl(), settings, 5)
    train(whole, 40_000, lambda row: None)
    train(first, 20_000, lambda row: None)
    second = Evolution(Bowl(), settings, 5)
    second.restore(first.state())
    train(second, 40_000, lambda row: None)
    assert (second.search.mean == whole.search.mean).all()
    assert second.frames == whole.frames


def test_settings_that_will_not_do_are_refused() -> None:
    for wrong in (
        {"population": 2},
        {"keep": 0.0},
        {"keep": 1.5},
        {"episodes": 3},
        {"step": 0.0},
        {"cut": float("inf")},
    ):
        with pytest.raises(ConfigError):
            EvolutionSettings(**wrong)
    with pytest.raises(UnknownNameError, match="spread"):
        Evolution(Bowl(), EvolutionSettings(entries=("spread",)), 1)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("policy", {"actions": "sized", "observation": "v2"}),
        ("reward", {"risk_aversion": 0.1}),
        ("reward", {"against": "base"}),
        ("learner", {"algo": "es", "shards": 2}),
        ("learner", {"algo": "es", "learning_rate": 0.1}),
        ("task", {"grow_frames": 10}),
    ],
)
def test_what_it_cannot_do_is_refused(section: str, values: dict) -> None:
    with pytest.raises(ConfigError):
        learner_settings(parse({**RECIPE, section: values}, ""))


def test_candidates_cost_what_the_judge_says_they_cost() -> None:
    """The mean of a market's bought and sold episodes, in spreads, is that of the same policy run as a strategy."""
    config = parse(RECIPE, "")
    markets = build_training_markets(config)
    arena = learning_env(config, markets)
    assert isinstance(arena, TrainingArena)
    rng, seen = np.random.default_rng(2), np.array([21, 0])
    size = len(arena.entries)
    rows = [
        Population(table[None], seen, np.zeros(size), np.ones(size), 3.0)
        for table in rng.normal(0, 0.5, (6, 7, 3))
    ]
    costs, frames = arena.compare([*rows, rows[0]], 9, 4, 6)
    assert [cost.shape for cost in costs] == [(7, 3), (7, 3)]
    assert 0 < frames <= 7 * 2 * 6 * 4
    for market, cost in zip(markets, costs, strict=True):
        np.testing.assert_array_equal(cost[0], cost[-1])
        plan = arena._plan(market, 9, 4, 6)
        for number in (0, 3):
            strategy = strategy_of(config, repeat_population(rows[number], 6))
            found = run_strategies(market.training, market.task, plan, [strategy], run_out=False)[0]
            ticks = attribute(found, None)["is_bps"] / BPS * found.arrival_mid2 / 2 / market.spread
            np.testing.assert_allclose(cost[number], ticks.reshape(3, 2).mean(axis=1), rtol=1e-12)
    assert arena.weigh(costs)[0] == pytest.approx(costs[0][0].mean() / 2 + costs[1][0].mean() / 4)


def test_a_training_ends_with_a_policy_that_can_be_loaded(tmp_path) -> None:
    result = run_training(parse(RECIPE, ""), tmp_path / "a", 1)
    assert result.done is True
    assert result.frames >= 1_500
    import tercel as tc

    policy = tc.load_policy(tmp_path / "a" / "policy")
    assert policy.card.learner["name"] == "es"
    assert policy.card.head == "vector"
    again = run_training(parse(RECIPE, ""), tmp_path / "b", 1)
    assert again.best == result.best


@pytest.mark.long
def test_its_run_folder_is_judged_and_the_page_draws_its_looks(tmp_path) -> None:
    """Its updates have no cost of their own."""
    run_training(parse(RECIPE, ""), tmp_path / "run", 1)
    words = [
        "--market",
        "csco-santa-fe",
        "--episodes",
        "4",
        "--against",
        "twap_take",
        "--out",
        str(tmp_path / "out"),
    ]
    told = CliRunner().invoke(app, ["agent", "evaluate", str(tmp_path / "run" / "policy"), *words])
    assert told.exit_code == 0, told.output
    assert "How it learned" in (tmp_path / "out" / "evaluation.html").read_text()
