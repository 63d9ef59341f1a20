"""`python -m replications almgren-chriss|deep-hedging`: one JSON object, figures on disk, bad seeds refused."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.command import refused
from typer.testing import CliRunner

from replications.__main__ import app

pytestmark = pytest.mark.release


def study(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_almgren_chriss(tmp_path: Path) -> None:
    result = study(
        "almgren-chriss", "--episodes", 2000, "--seeds", "4,5", "--out", tmp_path, "--json"
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    for key, theirs in found["published"].items():
        assert round(found["ours"][key]["cost"]) == theirs["cost"]
        assert round(found["ours"][key]["sd"]) == theirs["sd"]
    worked = found["ours"]["1e-06"]
    assert worked["agent"]["objective_over_optimum"] == pytest.approx(1.0, abs=1e-3)
    assert len(worked["agent"]["by_seed"]) == 3
    assert found["seeds"] == [4, 5]
    assert (tmp_path / "frontier.svg").read_text().startswith("<?xml")
    assert "published" in study("almgren-chriss", "--episodes", 100, "--out", tmp_path).stdout


def test_deep_hedging(tmp_path: Path) -> None:
    result = study("deep-hedging", "--episodes", 2000, "--seeds", "4", "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    rows = {row["cost"]: row for row in found["ours"]["by_cost"]}
    assert rows[0.0]["best_rule"] == "delta"
    assert rows[0.01]["paired_vs_best_rule"]["ci_low"] > 0
    assert found["ours"]["without_costs"]["network"]["correlation"] > 0.99
    assert (tmp_path / "hedges.svg").exists()


@pytest.mark.parametrize("seeds", ["", "1,1", "a", "-1", "1.5"])
def test_seeds_that_are_none(tmp_path: Path, seeds: str) -> None:
    result = study("almgren-chriss", "--seeds", seeds, "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "different whole numbers" in result.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", ["nevmyvaka", "ning"])
def test_without_days_it_says_what_it_needs(name: str) -> None:
    refused(study(name), "market simulate ibm")
