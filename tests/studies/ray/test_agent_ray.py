"""`tercel agent train --ray`: the same run as without, whoever is killed."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from tests.waiting import until

from studies.ray import with_shards
from tercel.cli.agent_train import train
from tercel.core.errors import ConfigError
from tercel.lab.evaluation.training_files import read_metrics
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.training import run_training
from tercel.lab.learning.checkpoint import load_checkpoint

pytestmark = pytest.mark.release

SMALL = {
    "name": "small",
    "market": {"worlds": 2},
    "task": {"horizon_s": 240, "decision_s": 60},
    "learner": {
        "frames": 4_096,
        "markets": 8,
        "shards": 2,
        "steps": 16,
        "minibatch": 64,
        "distribution": "gaussian",
    },
    "policy": {"hidden": [8]},
    "validation": {"episodes": 8, "every": 1 << 30},
}
TOLD = """name = "small"
market = { worlds = 2 }
task = { horizon_s = 240, decision_s = 60 }
learner = { frames = 4096, markets = 8, shards = 2, steps = 16, minibatch = 64, distribution = "gaussian" }
policy = { hidden = [8] }
validation = { episodes = 8, every = 1073741824 }
"""


def test_a_driver_killed_in_training_goes_on_to_the_same_policy(tmp_path):
    """The first driver, on a cluster of its own, is killed after its first checkpoint; another resumes."""
    pytest.importorskip("ray", reason="needs the extra [scale]")
    run_training(parse(SMALL, "test"), tmp_path / "here", 1)
    (tmp_path / "small.toml").write_text(TOLD)
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "tercel.cli", "agent", "train"]
    on_ray = ["--ray", "local", "--workers", "2"]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    begun = [*command, str(tmp_path / "small.toml"), "--out", str(folder), *on_ray]
    with subprocess.Popen(
        begun, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as driver:

        def kept() -> bool:
            assert driver.poll() is None, "the training ended before its first checkpoint"
            return (folder / "checkpoint" / "checkpoint.json").exists()

        until(kept, what="a checkpoint")
        driver.send_signal(signal.SIGKILL)
    killed_at = load_checkpoint(folder / "checkpoint")["frames"]
    assert 0 < killed_at < SMALL["learner"]["frames"]
    done = subprocess.run(
        [*command, "--resume", str(folder), *on_ray, "--json"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    straight, resumed = (load_checkpoint(f / "checkpoint") for f in (tmp_path / "here", folder))
    assert np.array_equal(straight["params"], resumed["params"])
    plain = [
        {k: v for k, v in row.items() if k != "seconds"}
        for row in read_metrics(folder / "metrics.csv")
    ]
    assert [row["frames"] for row in plain] == [128.0 * (i + 1) for i in range(32)]


def test_what_cannot_go_on_a_cluster_is_refused(tmp_path):
    (tmp_path / "whole.toml").write_text(TOLD.replace("shards = 2, ", "").replace("4096", "128"))
    told = {"config": tmp_path / "whole.toml", "as_json": True}
    with pytest.raises(ConfigError, match="--workers alone"):
        train(**told, out=tmp_path / "a", workers=2)
    train(**told, out=tmp_path / "b")
    pytest.importorskip("ray", reason="needs the extra [scale]")
    with pytest.raises(ConfigError, match="ray start"):
        train(**told, out=tmp_path / "c", ray="127.0.0.1:1")
    assert not (tmp_path / "c").exists()
    for words, more, workers in (
        ("1 to 2 workers", {"shards": 2}, 3),
        ("divisor of 8", {"shards": 3}, None),
    ):
        told = parse({**SMALL, "learner": {**SMALL["learner"], **more}}, "test")
        with pytest.raises(ConfigError, match=words):
            with_shards(told, workers)
    assert with_shards(parse({**SMALL, "learner": {"markets": 64}}, "test"), 8).learner.shards == 8
