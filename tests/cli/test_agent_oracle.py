"""`[oracle]` of a training: what it cannot teach is refused, what it leaves behind, how it goes on."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tercel.api.testing.strategy import random_views
from tercel.cli import app
from tercel.core.errors import ConfigError
from tercel.execution.observations import observer
from tercel.execution.policies.card import read_card
from tercel.execution.policies.strategy import policy_strategy
from tercel.lab.evaluation.metrics import read_metrics
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.learner import learner_settings
from tercel.lab.learning.agent.training import run_training
from tercel.lab.learning.checkpoint import load_checkpoint
from tercel.lab.learning.privileged import FORESIGHT

TOLD = {
    "name": "taught",
    "market": {"worlds": 2},
    "task": {"horizon_s": [120, 480], "decision_s": 60, "grow_frames": 128},
    "policy": {"actions": "override", "base": "peg_behind", "hidden": [8], "stack": 2},
    "learner": {"frames": 512, "markets": 8, "steps": 16, "minibatch": 64},
    "oracle": {"frames": 256, "weight": 0.5},
    "validation": {"episodes": 8, "every": 256},
}


def told(**more):
    return parse({**TOLD, **more}, "test")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"learner": {"algo": "dqn"}, "policy": {"actions": "sized"}}, "ppo, for a teacher"),
        ({"learner": {"algo": "sb3_ppo"}}, "ppo, for a teacher"),
        ({"policy": {"actions": "levers"}}, "discrete actions, for a teacher"),
        ({"policy": {"actions": "allocation"}}, "discrete actions, for a teacher"),
        ({"learner": {"shards": 2}}, "one process, for a teacher"),
    ],
)
def test_what_an_oracle_cannot_teach_is_refused(tmp_path, more, words):
    with pytest.raises(ConfigError, match=words):
        learner_settings(told(**more))
    with pytest.raises(ConfigError, match=words):
        run_training(told(**more), tmp_path, 1)
    assert not list(tmp_path.iterdir())
    learner_settings(told(**more, oracle={"frames": 0}))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"frame": 5}, "try 'frames'"),
        ({"frames": -1}, "oracle.frames"),
        ({"frames": 5, "weight": 0.0}, "oracle.weight"),
        ({"frames": 5, "weight": float("nan")}, "oracle.weight"),
        ({"frames": 5, "anneal": 0.5}, "oracle.anneal"),
    ],
)
def test_keys_and_values_that_cannot_be_meant_are_refused(section, words):
    with pytest.raises(ConfigError) as error:
        told(oracle=section)
    assert words in str(error.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "whole"
    return folder, run_training(told(), folder, 3)


def test_the_policy_that_is_left_sees_no_future(whole):
    folder, result = whole
    assert result["done"]
    card = read_card(folder / "policy" / "card.json")
    assert card.observes == observer("v2", 2).entries
    assert not set(card.observes) & set(FORESIGHT)
    assert card.learner["oracle"] == {"frames": 256, "weight": 0.5, "anneal": 0}
    policy_strategy(folder / "policy").decide(random_views(10, 1))
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("policy.onnx")) == [
        "last/policy.onnx",
        "policy/policy.onnx",
    ]
    assert not (folder / "oracle" / "policy").exists()


def test_both_halves_are_logged(whole):
    folder = whole[0]
    assert [row["frames"] for row in read_metrics(folder / "oracle" / "metrics.csv")] == [128, 256]
    rows = read_metrics(folder / "metrics.csv")
    assert [row["teacher_weight"] for row in rows] == [0.5, 0.25, 0.0, 0.0]  # half of the training
    assert rows[0]["teacher_kl"] > 0.0 == rows[-1]["teacher_kl"]


def test_a_run_that_stopped_in_its_oracle_has_no_policy_and_goes_on_to_the_same(whole, tmp_path):
    asked = iter([False, True])
    part = run_training(told(), tmp_path, 3, stop=lambda: next(asked))
    assert (part["done"], part["frames"]) == (False, 0)
    assert load_checkpoint(tmp_path / "oracle" / "checkpoint")["frames"] == 128
    assert not list(tmp_path.rglob("policy*"))
    asked = iter([False, False, True])  # the oracle's last update, one of the policy's
    part = run_training(told(), tmp_path, 3, stop=lambda: next(asked))
    assert (part["done"], part["frames"]) == (False, 128)
    rest = run_training(told(), tmp_path, 3)
    assert rest["best"] == whole[1]["best"]
    one, other = (load_checkpoint(folder / "checkpoint") for folder in (whole[0], tmp_path))
    np.testing.assert_array_equal(one["params"], other["params"])
    np.testing.assert_array_equal(one["teacher"]["params"], other["teacher"]["params"])
    weights = [read_card(folder / "policy" / "card.json").weights_sha256 for folder in (whole[0], tmp_path)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("inside", ["", "oracle"])
@pytest.mark.parametrize(
    "command", [["evaluate"], ["package", "x"], ["register", "--name", "x"], ["export", "--out", "x"], ["explain"]]
)
def test_nothing_can_be_done_with_an_oracle(tmp_path, monkeypatch, inside, command):
    run_training(told(), tmp_path / "run", 3, stop=lambda: (tmp_path / "run/oracle/metrics.csv").stat().st_size > 0)
    config = json.dumps({"seed": 3, **told().model_dump(mode="json")})
    for folder in ("run", "run/oracle"):
        (tmp_path / folder / "config.json").write_text(config)
    monkeypatch.chdir(tmp_path)
    name, *more = command
    refused = CliRunner().invoke(app, ["agent", name, str(tmp_path / "run" / inside), *more])
    assert refused.exit_code == 2, refused.output
    assert "policy" in refused.output
    assert not (tmp_path / "x").exists()


def test_the_command_trains_both(tmp_path):
    path, out = tmp_path / "c.toml", tmp_path / "out"
    path.write_text(
        """name = "c"
market = { worlds = 2 }
task = { horizon_s = 240 }
policy = { actions = "sized", hidden = [8] }
learner = { frames = 128, markets = 8, steps = 16, minibatch = 64 }
oracle = { frames = 128 }
validation = { episodes = 8 }
"""
    )
    done = CliRunner().invoke(app, ["agent", "train", str(path), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["frames"] == 128
    assert "oracle.frames" in (out / "report.html").read_text()
