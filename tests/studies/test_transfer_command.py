"""`python -m studies transfer`, as typed: every policy in every market, gains paired, nothing done twice."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studies.__main__ import app


def test_a_tape_needs_its_symbol(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["transfer", "--tape", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "--symbol" in result.stderr


def test_an_unknown_market_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["transfer", "--train", "csco-1999", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "csco" in result.stderr


@pytest.mark.slow
def test_each_agent_is_judged_everywhere(tmp_path: Path) -> None:
    typed = ["transfer", "--train", "csco-santa-fe", "--judge", "amzn-santa-fe", "--quick", "--json"]
    first = CliRunner().invoke(app, [*typed, "--out", str(tmp_path)])
    assert first.exit_code == 0, first.stderr
    rows = json.loads(first.stdout)["rows"]
    assert {(row["learner"], row["judged_in"]) for row in rows} == {
        (learner, market) for learner in ("ppo", "dqn") for market in ("csco-santa-fe", "amzn-santa-fe")
    }
    for row in rows:
        gain = row["written_bps"] - row["is_bps"]["mean"]
        assert row["gain_bps"]["mean"] == pytest.approx(gain)
        assert row["against_home_bps"] is None  # nothing was trained in amzn-santa-fe
    assert (tmp_path / "transfer.html").stat().st_size > 10_000
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    again = CliRunner().invoke(app, [*typed, "--out", str(tmp_path)])
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == stamps
