"""`python -m studies transfer`, as typed: an agent in a market that it never met, and nothing done twice."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studies.__main__ import app
from studies.transfer import command
from studies.transfer.command import without
from tercel.lab.learning.agent.config import preset_file, read_config

pytestmark = pytest.mark.release


def test_a_market_that_the_recipe_does_not_know_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["transfer", "--without", "csco-1999", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "csco" in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_recipe_loses_one_market_and_nothing_else() -> None:
    recipe = read_config(preset_file("default"))
    config = without(recipe, "ibm", 0)
    assert "ibm" not in config.market.presets
    assert len(config.market.presets) == len(recipe.market.presets) - 1
    assert len(config.market.weights) in (0, len(config.market.presets))
    same = {"name": recipe.name, "market": recipe.market}
    assert config.model_copy(update=same) == recipe


def test_an_agent_is_judged_where_it_never_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "QUICK_FRAMES", 4_096)
    monkeypatch.setattr(command, "QUICK_EPISODES", 16)
    typed = ["transfer", "--without", "csco", "--quick", "--json", "--out", str(tmp_path)]
    first = CliRunner().invoke(app, typed)
    assert first.exit_code == 0, first.stderr
    (row,) = json.loads(first.stdout)["rows"]
    assert row["left_out"] == row["judged_in"] == "csco"
    assert row["gain_bps"]["mean"] == pytest.approx(row["written_bps"] - row["is_bps"]["mean"])
    trained = json.loads(
        (tmp_path / "trained" / "without_csco-1" / "config.json").read_text(encoding="utf-8")
    )
    assert "csco" not in trained["market"]["presets"]
    assert (tmp_path / "transfer.html").stat().st_size > 10_000
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    again = CliRunner().invoke(app, typed)
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == stamps
