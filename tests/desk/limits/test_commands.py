"""`tercel limits check` and `stress`: shapes, exit codes, what is said where."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.program import COMMAND
from tests.waiting import DEADLINE_S
from typer.testing import CliRunner

from tercel.cli import app
from tercel.desk.limits import packaged_text

runner = CliRunner()


def test_check_says_how_a_file_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(packaged_text())
    result = runner.invoke(app, ["limits", "check", str(file), "--json"])
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert said["desk"]["order_value"] == 5_000_000
    assert said["instruments"]["*"]["hours"] == "always"
    assert said["agents"]["*"]["window_ms"] == 1000
    table = runner.invoke(app, ["limits", "check", str(file)])
    assert table.exit_code == 0
    assert "reference_age_ms" in table.stdout


def test_stress_has_its_shape() -> None:
    result = runner.invoke(app, ["limits", "stress", "--actions", "5000", "--seed", "3", "--json"])
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (said["actions"], said["breaches"]) == (5000, 0)
    assert sum(said["denials_by_code"].values()) > 0
    assert set(said["check_us"]) == {"p50", "p99"}


def test_stress_with_a_planted_step_ends_with_1() -> None:
    words = ["limits", "stress", "--actions", "30000", "--plant", "order_lots"]
    result = runner.invoke(app, words)
    assert result.exit_code == 1
    assert "BREACHES" in result.stdout


@pytest.mark.parametrize("words", [["--actions", "0"], ["--plant", "nothing"], ["--seed", "-1"]])
def test_stress_refuses_what_makes_no_sense(words: list[str]) -> None:
    assert runner.invoke(app, ["limits", "stress", *words]).exit_code == 2


def test_ctrl_c_says_how_far_it_came() -> None:
    words = [*COMMAND, "limits", "stress", "--actions", "100000000", "--json"]
    running = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert running.stderr is not None
        assert "100,000,000 actions" in running.stderr.readline()  # it has begun
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=DEADLINE_S)
    finally:
        running.kill()
    assert running.returncode == 130
    assert out == ""
    assert "0 breaches among them" in err


def test_a_desks_file_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('[desk]\nname = "mine"\nrounds = 2\n[[instrument]]\nname = "AAA"\n')
    result = runner.invoke(app, ["limits", "check", str(path), "--json"])
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert "this is a desk's file; its limits are named in [limits] file" in error["received"]
    assert "tercel limits show-default" in error["remedy"]
    path.write_text(path.read_text() + '[limits]\nfile = "limits.toml"\n')
    assert (
        "check limits.toml"
        in json.loads(runner.invoke(app, ["limits", "check", str(path), "--json"]).stdout)["error"][
            "remedy"
        ]
    )


def test_the_packaged_limits_are_shown_as_they_are() -> None:
    result = runner.invoke(app, ["limits", "show-default"])
    assert result.exit_code == 0
    assert result.stdout == packaged_text()
