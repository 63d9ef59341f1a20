"""A user's own reward and observation in training: as functions, by name, in a configuration, never by a folder."""

import json
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

import tercel as tc
from tercel.cli import app
from tercel.core.errors import ConfigError
from tercel.execution.policies.training_outcome import saving_interval
from tercel.lab.learning.agent.config import parse, read_config
from tercel.lab.learning.agent.run_folder import read_run
from tercel.lab.learning.reward_terms import RewardTerm, RewardWeights

SMALL = {
    "learner.markets": 16,
    "learner.steps": 8,
    "learner.minibatch": 64,
    "market.worlds": 2,
    "policy.actions": "sized",
    "validation.rule": "peg_behind",
    "policy.hidden": (8,),
}
MODULE = """
import numpy as np

def eyes(view):
    return np.column_stack([view.left / view.qty0, view.time_left_ns / view.horizon_ns, view.spread])

def paid(step):
    return -step.cost_bps - 2.0 * step.forced / step.quantity
"""
TOLD = """name = "mine"
[market]
presets = ["csco-santa-fe"]
worlds = 2
[task]
horizon_s = 240
decision_s = 60
[policy]
actions = "sized"
observation = "mine.py:eyes"
hidden = [8]
[reward]
own = "mine.py:paid"
[learner]
frames = 256
markets = 16
steps = 8
minibatch = 64
[validation]
episodes = 8
rule = "peg_behind"
"""


def eyes(view: tc.View) -> Any:
    """Shares of the order and of the time that are left, and the spread."""
    return np.column_stack(
        [view.left / view.qty0, view.time_left_ns / view.horizon_ns, view.spread]
    )


def paid(step: tc.Step) -> Any:
    """Minus the cost, and as much again as a share of 2 bps for what the horizon sends."""
    return -step.cost_bps - 2.0 * step.forced / step.quantity


@pytest.fixture(scope="module")
def agent(market: tc.Market, task: tc.Task) -> tc.Policy:
    return tc.train(
        market, task, frames=256, name="mine", reward=paid, observation=eyes, settings=SMALL
    )


def test_functions_train_a_policy_that_says_so(agent: tc.Policy) -> None:
    assert agent.card.observation == f"{__name__}:eyes"
    assert agent.card.observes == ("eyes_0", "eyes_1", "eyes_2")
    assert agent.card.learner["reward"] == f"{__name__}:paid"


def test_it_is_judged_beside_others(
    agent: tc.Policy, market: tc.Market, task: tc.Task, tmp_path: Path
) -> None:
    result = tc.evaluate([agent, "twap_take"], market, task, episodes=4)
    kept = agent.save(tmp_path / "kept")
    again = tc.evaluate(
        [tc.load_policy(kept.folder, "mine", observation=eyes), "twap_take"],
        market,
        task,
        episodes=4,
    )
    assert result.shortfall_bps == again.shortfall_bps


@pytest.mark.parametrize(
    ("key", "whole"),
    [("hidden", "policy.hidden"), ("learning_rat", "learner.learning_rate"), ("x", "such as")],
)
def test_a_setting_without_its_section_is_offered_whole(
    market: tc.Market, task: tc.Task, key: str, whole: str
) -> None:
    with pytest.raises(tc.TercelError, match=f"dotted keys.*{whole}"):
        tc.train(market, task, frames=64, settings={key: [8, 8]})


def test_its_folder_alone_is_refused(
    agent: tc.Policy, market: tc.Market, task: tc.Task, tmp_path: Path
) -> None:
    folder = agent.save(tmp_path / "kept").folder
    for ask in (
        lambda: tc.load_policy(folder),
        lambda: tc.load_policy(folder, observation=paid),
        lambda: tc.evaluate([folder, "twap_take"], market, task, episodes=4),
    ):
        with pytest.raises(tc.TercelError, match="nothing that a folder names is run"):
            ask()


def test_a_reward_alone_trains_what_ships(market: tc.Market, task: tc.Task) -> None:
    agent = tc.train(market, task, frames=128, reward=paid, settings=SMALL)
    assert agent.card.observation == "v2"
    assert agent.observation is None


LEFT = RewardWeights(own=[RewardTerm("waiting", lambda episodes: episodes.view.left)], waiting=0.1)


def test_an_own_term_by_name_or_as_it_is_has_a_column_of_the_metrics(
    market: tc.Market, task: tc.Task, tmp_path: Path
) -> None:
    tc.train(market, task, frames=128, reward=LEFT, settings=SMALL, out=tmp_path / "a")
    tc.train(
        market, task, frames=128, reward=f"{__file__}:LEFT", settings=SMALL, out=tmp_path / "b"
    )
    rows, others = (
        [line.rpartition(",")[0] for line in (tmp_path / name / "metrics.csv").open()]
        for name in "ab"
    )
    assert rows == others
    assert rows[0].endswith("waiting,is_bps")
    with pytest.raises(tc.TercelError, match="a function for the reward"):
        tc.train(market, task, frames=128, reward=f"{__file__}:RewardWeights", settings=SMALL)


@pytest.mark.long  # a training of some size
def test_a_hundred_thousand_decisions_learn(
    market: tc.Market, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = tc.train(market, tc.Task(horizon="10min"), frames=100_000, reward=paid)
    assert agent.card.frames > 0
    assert (
        saving_interval(
            agent.card.validation_check("start"), agent.card.validation_check("best_checkpoint")
        )[1]
        > 0
    )
    assert agent.selection_text.startswith(
        f"kept: the checkpoint after {agent.card.frames:,} decisions"
    )
    assert not capsys.readouterr().err


def test_a_reward_that_is_none_is_told(market: tc.Market, task: tc.Task) -> None:
    with pytest.raises(tc.TercelError, match="numbers of shape"):
        tc.train(market, task, frames=128, reward=lambda step: 1.0, settings=SMALL)
    with pytest.raises(tc.TercelError, match="own alone"):
        tc.train(market, task, frames=128, reward=paid, settings={**SMALL, "reward.left": 1.0})
    with pytest.raises(tc.TercelError, match="no pad in it"):
        tc.train(market, task, frames=128, reward=f"{__file__}:pad", settings=SMALL)


def test_a_configuration_with_an_own_reward_is_read_as_it_is_dumped() -> None:
    told = parse({"reward": {"own": "m:f"}}, "test")
    assert parse(told.model_dump(mode="json"), "test") == told


@pytest.mark.long  # a training, and processes that judge it
def test_functions_by_name_in_a_configuration_and_at_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def typed(*words: str) -> Result:
        return CliRunner().invoke(app, ["agent", *words])

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "mine.toml").write_text(TOLD)
    assert read_config(tmp_path / "mine.toml").reward.own == f"{tmp_path / 'mine.py'}:paid"
    assert typed("train", "mine.toml", "--out", "run").exit_code == 0
    card = json.loads((tmp_path / "run" / "policy" / "card.json").read_text())
    assert card["observation"] == "mine:eyes"
    command = (
        "evaluate",
        "run",
        "--market",
        "csco-santa-fe",
        "--against",
        "twap_take",
        "--episodes",
        "4",
    )
    command += ("--horizon", "4min", "--decisions", "4")
    done = typed(*command, "--out", "judged")
    said = " ".join(done.stderr.split())
    assert done.exit_code == 2
    assert "the function mine:eyes that the policy observes with" in said
    assert "--observation mine:eyes" in said
    assert typed(*command, "--out", "judged", "--observation", "mine.py:eyes").exit_code == 0
    assert "give it with --observation" in " ".join(typed("show", "run").stdout.split())


def test_what_a_runs_folder_names_runs_on_a_persons_word_alone(tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\ndef paid(step): return -step.cost_bps\n"
    )
    told = parse({"reward": {"own": f"{evil}:paid"}}, "test").model_dump(mode="json")
    (tmp_path / "config.json").write_text(json.dumps({"seed": 1, **told}))
    with pytest.raises(tc.TercelError, match="`trust=True`"):
        read_run(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert read_run(tmp_path, trust=True)[0].own_code == (f"{evil}:paid",)


def lean(view: tc.View) -> tc.Intent:
    return tc.Intent(take=view.left if view.time_left_ns < 10**9 else 0)


def test_a_strategy_for_one_market_alone_is_refused_in_a_few_lines(
    market: tc.Market, task: tc.Task
) -> None:
    with pytest.raises(ConfigError, match=r"numpy\.where") as refused:
        tc.evaluate([lean, "twap_take"], market, task, episodes=2)
    frames = [frame.name for frame in traceback.extract_tb(refused.value.__traceback__)]
    assert frames == [
        test_a_strategy_for_one_market_alone_is_refused_in_a_few_lines.__name__,
        "call",
        "lean",
    ]
    assert refused.value.__suppress_context__
    assert f"{__file__}:{lean.__code__.co_firstlineno + 1}" in refused.value.received


def test_it_is_refused_at_the_command_line_before_anything_is_begun(tmp_path: Path) -> None:
    source = tmp_path / "trap.py"
    source.write_text(
        "import tercel as tc\n\ndef lean(view):\n    return tc.Intent(take=1 if view.left > 9 else 0)\n"
    )
    for words in (["agent", "evaluate", "--against", "twap_take"], ["run", "--quick"]):
        ran = CliRunner().invoke(
            app, [*words, "--strategy", f"{source}:lean", "--out", str(tmp_path / "out")]
        )
        assert ran.exit_code == 2
        assert "numpy.where" in ran.stderr
        assert not (tmp_path / "out").exists()
