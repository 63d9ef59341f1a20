"""`tercel agent train`: what is told is read whole or refused; a run goes on where it stopped."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.cli.command import done, refused, tercel

from certify.kits.strategy import random_views
from tercel.api import learn
from tercel.cli.agent_train import train
from tercel.core.errors import ConfigError
from tercel.execution import step as kernels
from tercel.execution.policies.card import read_card
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.policies.training_outcome import (
    saving_interval,
    selection_sentence as in_words,
)
from tercel.execution.strategies import build
from tercel.lab.evaluation.runs import run_strategies
from tercel.lab.evaluation.training_files import read_metrics
from tercel.lab.learning.agent import market as agent_market
from tercel.lab.learning.agent.config import (
    AgentConfig,
    middle,
    parse,
    preset_file,
    preset_names,
    read_config,
)
from tercel.lab.learning.agent.env import env_of
from tercel.lab.learning.agent.learner import learner_settings, refuse_settings, risk_of, with_algo
from tercel.lab.learning.agent.market import build_training_markets
from tercel.lab.learning.agent.policy_parts import action_parameters, rule_name, rule_of
from tercel.lab.learning.agent.report import write_page
from tercel.lab.learning.agent.training import run_training
from tercel.lab.learning.agent.validation import Validator

SMALL = {
    "name": "small",
    "market": {"worlds": 4},
    "task": {
        "horizon_s": [120, 480],
        "decision_s": 60,
        "share": [0.05, 0.2],
        "latency_ms": [0, 20],
        "grow_frames": 256,
    },
    "learner": {
        "frames": 512,
        "markets": 8,
        "steps": 16,
        "minibatch": 64,
        "distribution": "gaussian",
    },
    "policy": {"hidden": [8], "stack": 2},
    "validation": {"episodes": 8, "every": 128},
}


SIZED = """name = "c"
market = { worlds = 2 }
task = { horizon_s = 240 }
policy = { actions = "sized", hidden = [8] }
learner = { frames = 256, markets = 8, steps = 16, minibatch = 64 }
validation = { episodes = 8 }
"""


def small(**more):
    return parse({**SMALL, **more}, "test")


# -- what is told ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_are_read_and_their_learners_take_them(name):
    config = read_config(preset_file(name))
    assert config.name == name
    learner_settings(config)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"makret": {}}, "try 'market'"),
        ({"learner": "ppo"}, "learner: a table"),
        ({"market": {"preset": ["sh600961"]}}, "try 'presets'"),
        ({"market": {"presets": []}}, "at least one market"),
        (
            {"market": {"presets": ["sh600961", "ibm"], "weights": [1]}},
            "a weight for each of the 2 presets, not 1",
        ),
        ({"market": {"presets": ["sh600961"], "weights": [0]}}, "greater than 0"),
        ({"market": {"regimes": ["chain", "chain"]}}, "differ from each other"),
        (
            {"market": {"regimes": ["", "chain"], "regime_weights": [1]}},
            "each of the 2 regimes, not 1",
        ),
        (
            {"market": {"regimes": ["", "chain"], "regime_stakes": [1, 1, 1]}},
            "each of the 2 regimes, not 3",
        ),
        ({"market": {"lake": "x"}}, "lake and symbol together"),
        ({"market": {"train_days": ["2003-01-14"], "judge_days": ["2003-01-14"]}}, "2003-01-14"),
        ({"task": {"share": [0.3, 0.1]}}, "lowest, highest"),
        ({"task": {"share": 0}}, "above 0"),
        ({"task": {"horizon_s": [0, 60]}}, "above 0"),
        ({"task": {"latency_ms": -1}}, "from 0 on"),
        ({"task": {"decision_s": float("inf")}}, "task.decision_s"),
        ({"policy": {"hidden": [0]}}, "policy.hidden"),
        ({"reward": {"impact": float("inf")}}, "reward.impact"),
        ({"policy": {"levers": {"take": float("nan")}}}, "policy.levers.take"),
        ({"policy": {"actions": "lever"}}, "'levers'"),
        ({"policy": {"observation": "v9"}}, "v2"),
        ({"learner": {"algo": "a2c"}}, "learner.algo"),
        ({"name": "a/b"}, "name"),
        ({"reward": {"impact": -1}}, "reward.impact"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(told, words):
    with pytest.raises(ConfigError) as error:
        parse(told, "mine.toml")
    assert words in str(error.value)


def test_a_setting_that_the_learner_does_not_have_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"try 'learner\.minibatch'"):
        learner_settings(parse({"learner": {"minibach": 3}}, "test"))
    with pytest.raises(ConfigError, match=r"'learner\.learning_rate'"):
        learner_settings(parse({"learner": {"lrate": 3}}, "test"))


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", float("nan")),
        ("learning_rate", 0.0),
        ("gamma", 1.1),
        ("minibatch", 0),
        ("minibatch", 64.5),
        ("steps", True),
        ("max_norm", float("inf")),
        ("scale_rewards", "yes"),
        ("hidden", [8, -8]),
        ("risk_aversion", 7),
        ("risk_level", 1.0),
    ],
)
def test_a_setting_outside_its_range_is_refused_with_its_key_and_file(algo, key, value):
    told = parse({"learner": {"algo": algo, key: value}, "policy": {"actions": "sized"}}, "test")
    with pytest.raises(ConfigError) as error:
        refuse_settings(told, "mine.toml")
    assert f"mine.toml: learner.{key} = " in str(error.value)


def test_middles_parameters_and_actions_that_a_learner_can_learn():
    assert (middle(3.0), middle((1.0, 4.0)), middle((0.0, 4.0))) == (3.0, 2.0, 2.0)
    assert action_parameters(parse({"policy": {"actions": "placement"}}, "t")) == {}
    told = {"actions": "residual", "base": "peg_behind", "parameters": {"level": 2}, "dead": 0.1}
    assert action_parameters(parse({"policy": told}, "t")) == {
        "base": "peg_behind",
        "parameters": {"level": 2.0},
        "dead": 0.1,
    }
    config = with_algo(AgentConfig(), "dqn")
    assert (config.learner.algo, config.policy.actions) == ("dqn", "sized")
    assert with_algo(AgentConfig(), "ppo") == AgentConfig()


def test_the_rule_beside_a_policy_is_named_as_what_it_does():
    recipe = read_config(preset_file("one_market"))
    assert rule_name(recipe) == "peg_touch"
    best = small(policy={"actions": "override"})
    assert rule_name(best) == "the best strategy of the markets"
    views = random_views(64, 1)
    assert np.array_equal(rule_of(recipe).decide(views), build("peg_touch").decide(views))
    plain = {"actions": "override", "base": "peg_behind"}
    assert rule_name(small(policy=plain)) == "peg_behind"
    assert rule_name(small(policy={**plain, "parameters": {"level": 2}})) == "peg_behind level 2"
    tuned = {**plain, "base": "twap_repeg", "parameters": {"ahead": 2.2, "behind": 0.5}}
    assert rule_name(small(policy=tuned)) == "twap_repeg ahead 2.2 behind 0.5"
    assert rule_name(small(policy=tuned, validation={"rule": "twap_take"})) == "twap_take"


# -- what is compared --------------------------------------------------------------------------------------------------


def test_validation_buys_and_sells_in_every_market_on_seeds_of_its_own():
    plan = build_training_markets(small())[0].plan
    rows = plan.rows
    assert (rows[:, kernels.E_SEED] == -3_000_000_000).all()
    for column in (kernels.E_INDEX, kernels.E_WORLD):
        np.testing.assert_array_equal(rows[::2, column], rows[1::2, column])
    np.testing.assert_array_equal(rows[::2, kernels.E_SIDE], -rows[1::2, kernels.E_SIDE])
    assert len(np.unique(plan.cluster)) <= len(plan) / 2


def test_days_are_trained_on_or_judged_never_both(monkeypatch):
    one, two, three = (f"2003-01-{day}" for day in (13, 14, 15))
    recorded = SimpleNamespace(days=lambda symbol: [one, two, three])
    monkeypatch.setattr(agent_market, "Lake", lambda folder: recorded)

    def split(**told):
        return agent_market._split_days(small(market={"lake": "x", "symbol": "SIM", **told}))

    assert split(judge_days=[three]) == ([one, two], [three])
    assert split(train_days=[two]) == ([two], [one, three])
    for told, words in (
        ({"train_days": ["2003-01-16"]}, "2003-01-16"),
        ({"judge_days": [one, two, three]}, "reserved for judging"),
        ({"train_days": [two], "judge_days": [two]}, f"not both: {two}"),
    ):
        with pytest.raises(ConfigError, match=words):
            split(**told)


def test_a_risk_averse_training_keeps_by_its_own_objective():
    config = small(reward={"risk_aversion": 0.5})
    markets = build_training_markets(config)
    assert risk_of(config).aversion == 0.5
    plain, averse = (Validator(markets, rule_of(config), risk) for risk in (None, risk_of(config)))
    one, other = (v.check(build("twap_take"), 0) for v in (plain, averse))
    assert one["gain"] == other["gain"] == one["merit"]
    [taken] = run_strategies(
        markets[0].validation, markets[0].task, markets[0].plan, [build("twap_take")], run_out=False
    )
    costs = averse.rule_costs[0], taken
    rule, mine = (c.shortfall_bps / 1e4 * c.arrival_mid2 / 2 for c in costs)
    assert other["merit"] == pytest.approx(
        risk_of(config).value(rule) - risk_of(config).value(mine)
    )


def test_markets_weigh_in_the_merit_as_in_the_slots():
    told = {"presets": ["sh600961", "csco-santa-fe"], "weights": [2, 1], "worlds": 2}
    config = small(market={**told, "regimes": ["", "thin"], "regime_weights": [3, 1]})
    assert config.market.shares == (6.0, 2.0, 3.0, 1.0)
    markets = build_training_markets(config)
    even, weighed = (
        Validator(markets, rule_of(config), shares=shares) for shares in ((), config.market.shares)
    )
    one, other = (v.check(build("twap_take"), 0) for v in (even, weighed))
    gains = [one[f"gain_{market.label}"] for market in markets]
    assert one["merit"] == one["gain"] == other["gain"] == pytest.approx(np.mean(gains))
    assert other["merit"] == pytest.approx(np.average(gains, weights=[6, 2, 3, 1]))


def test_a_cost_counts_as_much_as_its_regime_has_at_stake():
    told = {"presets": ["csco-santa-fe"], "worlds": 2, "regimes": ["", "thin"]}
    chosen = {"policy": {"actions": "placement"}, "learner": {"markets": 8}}
    plain, staked = (
        small(market={**told, **more}, **chosen) for more in ({}, {"regime_stakes": [1, 0.25]})
    )
    rewards = []
    for config in (plain, staked):
        env = env_of(config, build_training_markets(config))
        env.reset(seed=3)
        rewards.append(np.stack([env.step(np.full(env.num_envs, 2))[1] for _ in range(4)]))
    half = rewards[0].shape[1] // 2
    assert np.any(rewards[0][:, half:] != 0)
    np.testing.assert_allclose(rewards[1][:, :half], rewards[0][:, :half])
    np.testing.assert_allclose(rewards[1][:, half:], 0.25 * rewards[0][:, half:], rtol=1e-5)
    markets = build_training_markets(staked)
    row = Validator(markets, rule_of(staked)).check(build("twap_take"), 0)
    gains = [row[f"gain_{market.label}"] for market in markets]
    assert row["merit"] == pytest.approx((gains[0] + 0.25 * gains[1]) / 2)


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "whole"
    return folder, run_training(small(), folder, 3)


def test_a_run_leaves_everything_behind(whole):
    folder, result = whole
    assert (result.done, result.frames, result.looks, result.variants) == (True, 512, 6, 6)
    rows = read_metrics(folder / "metrics.csv")
    assert {"execution", "impact", "left", "is_bps", "kl"} <= set(rows[0])
    card = read_card(folder / "policy" / "card.json")
    assert (card.observation, card.trained_on["market"]) == ("v3", "ibm")
    assert card.limits["share"] == [0.05, 0.2]
    assert card.scores["validation"]["gain"] == result.best["gain"] >= 0.0
    for kept in ("policy", "last"):
        told = read_card(folder / kept / "card.json").learner
        assert (told["looks"], told["variants"]) == (6, 6), "all looks, not those before"
    policy_strategy(folder / "policy").decide(random_views(10, 1))


def test_a_training_that_kept_its_start_says_that_nothing_was_learned(tmp_path, monkeypatch):
    def kept(config, folder, seed, **_):
        result = run_training(config, folder, seed)
        return replace(result, best=read_metrics(folder / "validation.csv")[0])

    monkeypatch.setattr(learn, "run_training", kept)
    out = tmp_path / "out"
    monkeypatch.setattr(learn, "read_config", lambda _: small())
    result = tercel("agent", "train", tmp_path / "small.json", "--out", out)
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    said = "Nothing was learned: none of 6 validation checks beat"
    assert shown.count(said) == 1
    assert "kept: the start. None of 5 checkpoints does anything else." in shown
    assert "What helps: a longer training (frames)" in shown
    assert "that rule itself is the policy" in shown
    assert "gain" not in shown
    assert "agent evaluate" not in shown
    page = (out / "report.html").read_text()
    assert said in page
    assert "a gain of" not in page


def test_the_best_of_the_late_looks_is_kept_and_held_against_the_start(whole):
    folder, result = whole
    rows, card = read_metrics(folder / "validation.csv"), read_card(folder / "policy" / "card.json")
    assert (rows[0]["gain"], rows[0]["is_bps"]) == (0.0, rows[0]["rule_bps"]), "the rule itself"
    assert [row["averaged"] for row in rows] == [0, 0, 0, 0, 0, 1]
    late = [row for row in rows if row["frames"] >= 0.6 * 512]
    assert result.best == max([rows[0], *late], key=lambda row: row["merit"])
    assert card.frames == result.best["frames"]
    checkpoint = max(late, key=lambda row: row["merit"])
    assert (result.start, result.best_checkpoint) == (rows[0], checkpoint)
    assert (card.scores["start"], card.scores["best_checkpoint"]) == (rows[0], checkpoint)
    looks = result.look("start"), result.look("best_checkpoint")
    mean, low, high = saving_interval(*looks)
    assert mean == pytest.approx(checkpoint["gain"])
    assert high - low == pytest.approx(2 * 1.96 * checkpoint["se"])
    if card.is_start:
        assert card.selection_text == in_words(*looks, len(rows), True)
    else:  # of a start that was named the policy is kept, and its gain is of other episodes than chose it
        assert result.confirmation.is_named
        assert result.confirmation.gain != checkpoint["gain"]


def test_several_markets_and_paired_rewards_run(tmp_path):
    config = small(
        market={
            "presets": ["sh600961", "csco-santa-fe"],
            "weights": [1, 2],
            "worlds": 2,
            "regimes": ["", "chain"],
        },
        policy={"actions": "placement", "hidden": [8]},
        learner={"frames": 256, "markets": 8, "steps": 16, "minibatch": 64},
        reward={"against": "peg_behind", "unit": "spread"},
    )
    result = run_training(config, tmp_path, 1)
    assert result.trained_on["markets"] == ["sh600961", "csco-santa-fe"]
    assert {"gain_sh600961 plain", "gain_csco-santa-fe chain"} <= set(result.best)
    assert read_card(tmp_path / "policy" / "card.json").limits["markets"] == [
        "sh600961",
        "csco-santa-fe",
    ]


def test_the_command_trains_and_tells(tmp_path):
    path, out = tmp_path / "c.toml", tmp_path / "out"
    path.write_text(SIZED)
    told = done("agent", "train", path, "--seed", 3, "--out", out)
    assert told["folder"] == str(out)
    assert (out / "report.html").read_text().count("<figure id") == 4
    refused(tercel("agent", "train", path, "--seed", 2, "--out", out))
    done("agent", "train", "--resume", out)  # its own seed
    refused(tercel("agent", "train", "--resume", out, "--seed", 1))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"config": Path("c.toml"), "preset": "quick"},
        {"preset": "quick", "algo": "a2c"},
        {"resume": Path("nowhere")},
        {"resume": Path("nowhere"), "preset": "quick"},
        {"preset": "defaults"},
        {"config": Path("none.toml")},
    ],
)
def test_orders_that_make_no_sense_leave_nothing(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        train(**arguments, as_json=True)
    assert not list(tmp_path.iterdir())


def test_a_refused_training_gives_its_folder_back_and_one_begun_does_not(tmp_path):
    path, out = tmp_path / "c.toml", tmp_path / "out"
    words = ("agent", "train", path, "--out", out)
    for right, wrong, said in (
        ("frames =", "frmes =", "try 'learner.frames'"),
        ("frames =", "lam = 7, frames =", "learner.lam = "),
        ("worlds =", 'presets = ["sh60096"], worlds =', "sh600961"),
    ):
        path.write_text(SIZED.replace(right, wrong))
        refused(tercel(*words), said)
        assert not out.exists()
    path.write_text(SIZED)
    out.mkdir()
    (out / "config.json").write_text("{}")
    refused(tercel(*words), "holds another")
    assert (out / "config.json").read_text() == "{}"


def test_a_second_training_in_the_same_folder_is_refused_while_the_first_goes_on(
    tmp_path, monkeypatch
):
    path, out, seconds = tmp_path / "c.toml", tmp_path / "out", []
    path.write_text(SIZED)
    words = ("agent", "train", path, "--out", out)

    def second(*_, **__):
        seconds.extend([tercel(*words), tercel("agent", "train", "--resume", out)])
        assert (out / "config.json").exists(), "what the first has begun stays"
        raise ConfigError("a test", "its end", "go on")

    monkeypatch.setattr("tercel.api.learn.run_training", second)
    refused(tercel(*words))
    assert len(seconds) == 2
    for result in seconds:
        refused(result, "one training at a time")
    assert not out.exists()


@pytest.mark.parametrize("name", ["metrics.csv", "validation.csv"])
@pytest.mark.parametrize("text", ["", "fames,is_bps\r\n1.0,2.0\r\n", "frames,is_bps\r\n"])
def test_a_run_with_damaged_metrics_is_refused_with_the_file(whole, tmp_path, name, text):
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    (run / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        run_training(small(), run, 3)
    with pytest.raises(ConfigError, match=name):
        write_page(run, small(), whole[1])
